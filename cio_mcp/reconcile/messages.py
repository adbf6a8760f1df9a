"""Messages to one person, found among all that they got ("Get messages sent to a customer", App API reference)."""

from collections.abc import Mapping
from typing import Any

from cio_mcp.catalog.emails import recipients
from cio_mcp.catalog.endpoint import Catalog
from cio_mcp.catalog.params import Params
from cio_mcp.moments import moment
from cio_mcp.readback import question as by_person
from cio_mcp.reconcile.answers import Answer, identity, rows, whole
from cio_mcp.reconcile.case import Case, Question, Sighting, Verdict, unclear, weighed

LOOK, SHARERS = "list_person_messages", "find_people_by_email"
# The App API's `type` of a message: SMS is "twilio" there and "sms" elsewhere.
CHANNELS: Mapping[str, tuple[str, ...]] = {
    "send_email": ("email",),
    "send_push": ("push",),
    "send_sms": ("twilio", "sms"),
    "send_in_app": ("in_app",),
}
MOST = 1000
"""The largest page of that list."""
_LIQUID = ("{{", "{%")


def ask(case: Case, catalog: Catalog) -> Question | None:
    """Return how to list what the person got at that time."""
    look = catalog.get(LOOK)
    person = by_person(case.params, look) if look else None
    if person is None:
        return None
    span = dict(zip(("start_ts", "end_ts"), case.span, strict=True)) if case.is_timed else {}
    return Question(tool=LOOK, arguments={**person, "limit": MOST, **span})


def judge(case: Case, answer: Answer | None) -> Verdict:
    """Return what follows from the list; None means that there is no such person."""
    if answer is None:
        return unclear(
            "Customer.io knows no such person, so it lists no messages to them; whether it sent one all the same "
            "cannot be seen."
        )
    listed = rows(answer, "messages")
    if listed is None:
        return unclear(f"{LOOK} answered with only a part, or in a form that this server does not know.")
    sightings = [found for row in listed if (found := _sighting(case, row))]
    if not sightings and (why := _unseen(case)):
        return unclear(f"{LOOK} shows no such message, which proves nothing: {why}.")
    return weighed(case, _narrowed(case, listed, sightings), thing="message", tool=LOOK)


def ask_sharers(case: Case) -> Question | None:
    """Return how to see whether others share the address by which the person was named."""
    address = getattr(case.params, "identifiers", {}).get("email")
    return Question(tool=SHARERS, arguments={"email": address}) if address else None


def judge_sharers(verdict: Verdict, answer: Answer | None) -> Verdict:
    """Return what stands of a verdict that nothing was sent: of an address that is several people's, nothing."""
    found = rows(answer or {}, "results")
    if found is not None and len(found) == 1:
        return verdict
    return unclear(
        f"{LOOK} shows no such message, which proves nothing: the person was named by an e-mail address that is not "
        "just one person's, so it may have gone to another."
    )


def _sighting(case: Case, row: Mapping[str, Any]) -> Sighting | None:
    """Return a message that the call may have made; None for one that it cannot have made."""
    created, number = whole(row.get("created")), identity(row.get("id"))
    kind = row.get("type")
    if kind is not None and kind not in CHANNELS[case.endpoint.name]:
        return None
    # "Only the parents of the delivery are populated" (App API reference, message object): these are no sends' parents.
    if row.get("newsletter_id") or row.get("broadcast_id"):
        return None
    claim = claim_of(number) if number is not None else ""
    if claim in case.claimed or (created is not None and not case.is_near(created)):
        return None
    agrees = kind is not None and not row.get("campaign_id") and number is not None and _agrees(case.params, row)
    return Sighting(
        claim=claim,
        found={"message_id": number, "created": moment(created) if created is not None else None},
        sure=agrees and created is not None and case.is_time_of(created),
    )


def claim_of(message_id: int | str) -> str:
    """Return the name under which a message is known to be a certain call's."""
    return f"message {message_id}"


def _agrees(params: Params, row: Mapping[str, Any]) -> bool:
    """Compare what Customer.io shows of a message with what was asked for, as far as it must be the same."""
    asked, template = getattr(params, "transactional_message_id", None), row.get("transactional_message_id")
    if isinstance(asked, int) and template is not None and template != asked:
        return False
    subject, shown = getattr(params, "subject", None), row.get("subject")
    if subject and isinstance(shown, str) and not _is_liquid(subject) and shown.strip() != subject.strip():
        return False
    to, recipient = getattr(params, "to", None), row.get("recipient")
    if to and "@" in to and isinstance(recipient, str) and "@" in recipient and not _is_liquid(to):
        return any(_bare(address) in recipient.lower() for address in recipients(to))
    return True


def _narrowed(case: Case, listed: list[dict[str, Any]], sightings: list[Sighting]) -> list[Sighting]:
    """Prefer those of the template that was asked for, if there are any among several.

    `message_template_id` is deprecated and need not be the transactional message's number, so that a difference says
    nothing, while an equal number is hardly chance.
    """
    asked = getattr(case.params, "transactional_message_id", None)
    same = {identity(row.get("id")) for row in listed if isinstance(asked, int) and _template(row) == asked}
    of_template = [one for one in sightings if one.sure and one.found["message_id"] in same]
    return of_template or sightings


def _template(row: Mapping[str, Any]) -> int | None:
    return whole(row.get("message_template_id"))


def _unseen(case: Case) -> str:
    """Say why a message that was accepted might not be listed, if it might not."""
    send_at = getattr(case.params, "send_at", None)
    if getattr(case.params, "queue_draft", None):
        return "it was to be held as a draft until somebody releases it"
    if send_at and send_at > case.began:
        return f"it was to be sent at {moment(send_at)}"
    return ""


def _is_liquid(text: str) -> bool:
    return any(mark in text for mark in _LIQUID)


def _bare(address: str) -> str:
    """Return an address without its display name, in small letters."""
    return address.rpartition("<")[2].rstrip("> ").lower()
