"""Triggers of a broadcast, and newsletters that were sent or planned (App API reference)."""

from collections.abc import Mapping
from typing import Any

from cio_mcp.catalog.endpoint import Catalog
from cio_mcp.ledger.terms import Ending
from cio_mcp.moments import moment
from cio_mcp.reconcile.answers import Answer, member, rows, whole
from cio_mcp.reconcile.case import (
    EARLY_SECONDS,
    PERSON,
    Case,
    Question,
    Sighting,
    Verdict,
    absent,
    done,
    unclear,
    weighed,
)

TRIGGERS, ERRORS, NEWSLETTER = "list_broadcast_triggers", "list_broadcast_trigger_errors", "get_newsletter"


def ask_triggers(case: Case, _catalog: Catalog) -> Question:
    """Return how to list the triggers of the broadcast."""
    return Question(tool=TRIGGERS, arguments={"broadcast_id": getattr(case.params, "broadcast_id", None)})


def judge_triggers(case: Case, answer: Answer | None) -> Verdict:
    """Return what follows from the triggers; None means that there is no such broadcast."""
    if answer is None:
        return unclear("Customer.io knows no such broadcast now, so its triggers cannot be seen.")
    listed = rows(answer, "triggers")
    if listed is None:
        return unclear(f"{TRIGGERS} answered with only a part, or in a form that this server does not know.")
    sightings = [found for row in listed if (found := _trigger(case, row))]
    return weighed(case, sightings, thing="trigger", tool=TRIGGERS)


def _trigger(case: Case, row: Mapping[str, Any]) -> Sighting | None:
    number, created = whole(row.get("id")), whole(row.get("created_at"))
    claim = claim_of(getattr(case.params, "broadcast_id", None), number)
    if claim in case.claimed or (created is not None and not case.is_near(created)):
        return None
    return Sighting(
        claim=claim,
        found={"trigger_id": number, "created": moment(created) if created is not None else None},
        sure=number is not None and created is not None and case.is_time_of(created),
    )


def claim_of(broadcast_id: Any, trigger_id: Any) -> str:
    """Return the name under which a trigger is known to be a certain call's."""
    return f"trigger {broadcast_id}/{trigger_id}"


def ask_errors(case: Case, verdict: Verdict) -> Question:
    """Return how to see whether a trigger that was found failed: a refused one exists too."""
    broadcast = getattr(case.params, "broadcast_id", None)
    return Question(tool=ERRORS, arguments={"broadcast_id": broadcast, "trigger_id": verdict.found["trigger_id"]})


def judge_errors(verdict: Verdict, answer: Answer | None) -> Verdict:
    """Return what follows from the errors of a trigger that was found."""
    errors = (answer or {}).get("errors")
    if errors == []:
        return verdict
    count = f"{len(errors)} errors" if isinstance(errors, list) else "errors that could not be read"
    return unclear(
        f"{verdict.reason} It has {count}: one unknown person can fail the whole broadcast, so it may have reached "
        "nobody, or all others.",
        f"Read {ERRORS} and get_broadcast_metrics. {PERSON}",
        found=verdict.found,
    )


def ask_newsletter(case: Case, _catalog: Catalog) -> Question:
    """Return how to read the newsletter."""
    return Question(tool=NEWSLETTER, arguments={"newsletter_id": getattr(case.params, "newsletter_id", None)})


def judge_sent(case: Case, answer: Answer | None) -> Verdict:
    """Return what follows from the newsletter that was to be sent; None means that there is none."""
    if answer is None:
        return unclear("Customer.io knows no such newsletter now.")
    found = member(answer, "newsletter")
    if "sent_at" not in found and "id" not in found:
        return unclear(f"{NEWSLETTER} answered in a form that this server does not know.")
    sent = whole(found.get("sent_at")) or None
    if sent is None:
        return absent(case, f"{NEWSLETTER} shows that it was not sent")
    return _sent(case, sent)


def _sent(case: Case, sent: int) -> Verdict:
    """Return what follows from the time at which it was sent."""
    if case.is_time_of(sent) and case.rivals:
        return unclear(
            f"{NEWSLETTER} shows that it was sent when the call was under way, and so was another call of it.",
            "Its people have got it: do not make the call again.",
            found={"sent": moment(sent)},
        )
    if case.is_time_of(sent):
        return done(f"{NEWSLETTER} shows that it was sent when the call was under way.", found={"sent": moment(sent)})
    if sent < case.began - EARLY_SECONDS and not case.is_near(sent):
        # The reference answers 400 for a newsletter that "has already been sent".
        return Verdict(
            ending=Ending.FAILED,
            reason=f"{NEWSLETTER} shows that it had been sent before the call, and Customer.io sends none twice.",
            next_step="Its people have got it: do not make the call again.",
            found={"sent": moment(sent)},
        )
    return unclear(
        f"{NEWSLETTER} shows that it was sent, but not at the time of this call.",
        found={"sent": moment(sent)},
    )


def judge_planned(case: Case, answer: Answer | None) -> Verdict:
    """Return what follows from the newsletter that was to be planned; None means that there is none."""
    if answer is None:
        return unclear("Customer.io knows no such newsletter now.")
    found = member(answer, "newsletter")
    wanted, planned = getattr(case.params, "scheduled_at", None), found.get("scheduled_at")
    if isinstance(planned, int) and wanted is not None:
        shown = {"scheduled": moment(planned) if planned else "not planned"}
        if planned == wanted:
            return done(f"{NEWSLETTER} shows the plan that was asked for.", found=shown)
        return absent(case, f"{NEWSLETTER} does not show the plan that was asked for")
    updated = whole(found.get("updated"))
    if updated is not None and case.is_timed and updated < case.span[0]:
        return absent(case, f"{NEWSLETTER} shows no change since {moment(updated)}")
    return unclear(
        f"{NEWSLETTER} does not show for when it is planned.",
        "Planning it again for the same time is safe: that sets the same plan. Or have a person look in Customer.io.",
    )
