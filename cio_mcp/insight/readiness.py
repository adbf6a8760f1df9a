"""Pure: is a broadcast ready to be triggered, from what the API shows of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cio_mcp.insight.triggers import Errors, newest
from cio_mcp.planning import Survey
from cio_mcp.planning.answers import moment, number, word
from cio_mcp.planning.inquiry import Count

Json = dict[str, Any]
DAY = 86_400
CROWD_SHARE = 0.5
"""Of all people: who means everybody seldom does."""

Level = Literal["stops", "warns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One thing to settle first: `stops` means that Customer.io would refuse, or that nobody would get it."""

    level: Level
    what: str
    next_step: str

    def told(self) -> Json:
        """Return it as a model reads it."""
        return {"level": self.level, "what": self.what, "next_step": self.next_step}


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """What was seen of a broadcast; None for what could not be read."""

    survey: Survey
    is_absent: bool = False
    found: Mapping[str, Any] | None = None
    triggers: Sequence[Mapping[str, Any]] | None = None
    actions: Sequence[Mapping[str, Any]] | None = None
    errors: Errors | None = None
    """Of the newest trigger."""
    unsubscribed: Count | None = None
    """Of the people of the filter that was given; None if there is no filter to count them by."""


def verdict(concerns: Sequence[Concern]) -> str:
    """Return one word."""
    levels = {concern.level for concern in concerns}
    return "not_ready" if "stops" in levels else "ready_with_warnings" if levels else "ready"


def concerns(seen: Broadcast, now: float) -> list[Concern]:
    """Return what to settle before it is triggered, what stops it first."""
    if seen.is_absent:
        return [_stop("There is no broadcast of this id now.", "Take the id from list_broadcasts.")]
    unread = _of_gaps({"its state": seen.found, "its messages": seen.actions, "its triggers": seen.triggers})
    known = (*_of_state(seen), *_of_actions(seen.actions), *_of_triggers(seen, now))
    found = [*unread, *_of_audience(seen.survey), *_of_unsubscribed(seen), *known]
    return sorted(found, key=lambda concern: concern.level)


def among(recipients: Mapping[str, Any]) -> Json:
    """Return the filter of those of an audience who are unsubscribed; groups nest no deeper for it than they must."""
    within = recipients["and"] if set(recipients) == {"and"} else [recipients]
    return {"and": [*within, _UNSUBSCRIBED]}


# Track API reference, "unsubscribed": true in any case, 1 and "1" mean so. Filters compare what was written.
_UNSUBSCRIBED: Mapping[str, Any] = {
    "or": [
        {"attribute": {"field": "unsubscribed", "operator": "eq", "value": value}} for value in ("true", "True", "1")
    ]
}


def _of_gaps(read: Mapping[str, object]) -> Iterator[Concern]:
    """Warn of what could not be read: it is not ready by what nobody looked at."""
    gaps = [what for what, found in read.items() if found is None]
    if gaps:
        yield _warning(f"Not known: {', '.join(gaps)}.", "Call it again in a moment; not_known says why.")


def _of_state(seen: Broadcast) -> Iterator[Concern]:
    if seen.found is not None and seen.found.get("active") is False:
        state = word(seen.found.get("state"))
        yield _stop(f"It is not running (state: {state}).", "Have it started in Customer.io; the API cannot.")


def _of_audience(survey: Survey) -> Iterator[Concern]:
    count, whole = survey.audience, survey.of
    if count is None:
        yield _warning("How many people it reaches is not known.", "Show the user what is known, or give a filter.")
    elif survey.combined:
        yield _warning(
            f"How many people it reaches is not known; the segments that it names hold {count:,}.",
            "Have the user look at its audience in Customer.io, or give a filter.",
        )
    elif not count:
        yield _stop("Its audience is empty now.", "Check the segment or the filter.")
    elif whole and count > whole * CROWD_SHARE:
        yield _warning(f"It reaches {count:,} of all {whole:,} people.", "Ask the user whether all of them are meant.")


def _of_unsubscribed(seen: Broadcast) -> Iterator[Concern]:
    """Yield who of the audience gets nothing; an audience that is empty or not known is a concern by itself."""
    count, audience = seen.unsubscribed, seen.survey.audience
    if count is None or audience == 0:
        return
    whole = "them" if audience is None else f"the {audience:,}"
    if count.people is None and not count.more_than:
        yield _warning("How many of them are unsubscribed is not known.", "Ask the user; broadcasts do not reach them.")
    elif count.people and audience and count.people >= audience:
        yield _stop(
            f"All {audience:,} of its audience are unsubscribed, so nobody gets it.",
            "Do not override it; have another audience chosen.",
        )
    elif few := count.people or count.more_than:
        some = f"{few:,}" if count.people else f"More than {few:,}"
        yield _warning(f"{some} of {whole} are unsubscribed and do not get it.", "Tell the user how many it reaches.")


def _of_actions(actions: Sequence[Mapping[str, Any]] | None) -> Iterator[Concern]:
    if actions is None:
        return
    if not actions:
        yield _stop("It has no message.", "Have one added in Customer.io.")
    elif all(word(action.get("sending_state")) == "off" for action in actions):
        yield _stop("All of its messages are off, so nobody gets one.", "Have them set to automatic in Customer.io.")
    for action in actions:
        name = f"Message {number(action.get('id'))}"
        state = word(action.get("sending_state"))
        if state not in ("automatic", "other"):
            yield _warning(f"{name} is not sent automatically ({state}).", "Have it set to automatic in Customer.io.")
        if word(action.get("type")) == "email" and not action.get("subject"):
            yield _warning(f"{name} has no subject.", "Have a subject written in Customer.io.")
        if "body" in action and not action.get("body"):
            yield _warning(f"{name} has no content.", "Have it written in Customer.io.")


def _of_triggers(seen: Broadcast, now: float) -> Iterator[Concern]:
    at = number(newest(seen.triggers).get("created_at"))
    is_recent = bool(at) and now - (at or 0) < DAY
    if seen.errors and (told := seen.errors.told()):
        when = f" ({moment(at)}, in the last 24 hours)" if is_recent else ""
        yield _warning(
            f"Its newest trigger{when} had {told}",
            "list_broadcast_trigger_errors; mend them first. get_broadcast_metrics shows whether anybody got it.",
        )
    elif is_recent:
        yield _warning(f"It was triggered in the last 24 hours ({moment(at)}).", "Ask the user whether twice is meant.")


def _stop(what: str, step: str) -> Concern:
    return Concern(level="stops", what=what, next_step=step)


def _warning(what: str, step: str) -> Concern:
    return Concern(level="warns", what=what, next_step=step)
