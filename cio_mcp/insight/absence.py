"""Pure: why a person got no message, from what the API shows of person, messages and program.

Several causes may hold at once. They are told in the order in which they matter: what became of a message that was
made says more than what would keep the next one back.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cio_mcp.insight import messages, topics
from cio_mcp.insight.addresses import ADDRESSES, of_person
from cio_mcp.insight.arrival import of_newest
from cio_mcp.insight.finding import Finding
from cio_mcp.insight.programs import Program
from cio_mcp.planning.answers import member, moment, number, rows

Json = dict[str, Any]
DEVICES = frozenset({"push", "live_notification"})
"""In-app messages reach visitors of a website too, who have no device ("Set up web in-app messaging")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What was seen; None for what could not be read."""

    person: Mapping[str, Any] | None = None
    is_nobody: bool = False
    """There is no such person now."""
    about: Sequence[Mapping[str, Any]] | None = None
    """The messages to the person that are asked about, the newest first."""
    segments: frozenset[int] | None = None
    program: Program | None = None
    event_seen: bool | None = None
    """Whether the person did what starts the campaign, in the time that is kept."""
    asks_for_one: bool = False
    """One message is asked about."""
    asks_for_any: bool = False
    """Neither a program nor a message is named."""
    asked_for: frozenset[str] = field(default_factory=frozenset)
    """Channels, where no program names them."""

    @property
    def channels(self) -> frozenset[str]:
        """The channels that are meant; without a program or a message, e-mail beside that of the newest message."""
        email = frozenset({"email"})
        if self.asks_for_any:
            return self.asked_for | email
        return (self.program.channels if self.program else frozenset()) or self.asked_for or email


def findings(case: Case) -> list[Finding]:
    """Return every cause that shows, the most telling first; never none."""
    if case.is_nobody:
        return [NOBODY]
    found = [*_of_message(case), *_of_person(case), *_of_program(case), *_of_entry(case), *_of_topics(case)]
    return found or [_unseen(case)]


NOBODY = Finding(
    cause="no_such_person",
    evidence="Nobody has this identifier now: never added, deleted, or suppressed, which the API does not tell apart.",
    next_step="Try another identifier (find_people_by_email); ask whether the person was deleted or suppressed.",
)
NO_MESSAGE = Finding(
    cause="no_such_message",
    evidence="No message of this delivery_id is among those to this person that were read.",
    next_step="Take the id from list_person_messages; get_delivery_timeline looks any message up.",
)


def _not_visible(topics_left: str) -> Finding:
    return Finding(
        cause="not_visible",
        evidence="No cause shows in what the API tells.",
        next_step=f"Look in Customer.io at what the API does not show: {topics_left}message limits, time windows, "
        "branches and exit conditions.",
    )


UNSEEN = _not_visible("subscription topics, ")


def _unseen(case: Case) -> Finding:
    """Return what is left to look at: of topics, what the person's own choices do not settle."""
    chosen = topics.choices(case.person)
    if chosen is None:
        return UNSEEN
    topic = case.program.topic if case.program else None
    is_settled = topic == 0 or f"topic_{topic}" in chosen
    return _not_visible("" if is_settled else "topics that are off until the person turns them on, ")


def _of_message(case: Case) -> Iterator[Finding]:
    if not case.about:
        if case.about is not None and case.asks_for_one:
            yield NO_MESSAGE
        return
    yield from of_newest(case.about[0], case.person)


def _of_person(case: Case) -> Iterator[Finding]:
    if case.person is None:
        return
    if case.person.get("unsubscribed") is True:
        yield Finding(
            cause="unsubscribed",
            evidence="The person is unsubscribed, which stops campaigns, broadcasts and newsletters.",
            next_step="Do not override it: only the person may subscribe again. Transactional messages still go out, "
            "unless sent with send_to_unsubscribed: false.",
        )
    program = case.program
    if program and program.topic and (topics.choices(case.person) or {}).get(f"topic_{program.topic}") is False:
        yield topics.certain(program.kind, program.topic)
    for channel in sorted(case.channels):
        yield from _unreachable(case.person, channel)


def _unreachable(person: Mapping[str, Any], channel: str) -> Iterator[Finding]:
    if (name := ADDRESSES.get(channel)) and not of_person(person, name):
        yield Finding(
            cause="no_address",
            evidence=f"The person has no {name}, to which {channel} goes.",
            next_step=f"Add the {name} with identify_person, if the person gave it.",
        )
    if channel in DEVICES and not rows(person, "devices"):
        yield Finding(
            cause="no_device",
            evidence=f"The person has no device, which {channel} needs.",
            next_step="A device comes with the next visit to the app; nothing is to be done here.",
        )


def _of_program(case: Case) -> Iterator[Finding]:
    program = case.program
    if program is None:
        return
    if program.absent:
        yield Finding(
            cause="no_such_program",
            evidence=f"There is no {program.kind} {program.number} now.",
            next_step=f"Take the id from list_{program.kind}s.",
        )
    elif not program.runs:
        yield Finding(
            cause="not_running",
            evidence=f"The {program.kind} is not running (state: {program.state}).",
            next_step="Have it started in Customer.io; the API cannot.",
        )
    elif program.sent_at == 0:
        yield _never_sent(program)
    elif program.errors and (told := program.errors.told()) and not _was_made_since(case, program.sent_at):
        yield Finding(
            cause="trigger_failed",
            evidence=f"The newest trigger ({moment(program.sent_at)}) had {told}",
            next_step="list_broadcast_trigger_errors; mend them. get_broadcast_metrics shows whether others got it.",
        )


def _was_made_since(case: Case, at: int | None) -> bool:
    return any((number(each.get("created")) or 0) >= (at or 0) for each in case.about or ())


def _never_sent(program: Program) -> Finding:
    if program.kind == "broadcast":
        return Finding(
            cause="never_triggered",
            evidence="The broadcast was never triggered, so far as its triggers are listed.",
            next_step="preflight_broadcast, then trigger_broadcast, if the user wants that.",
        )
    if program.planned_at is None:
        evidence = "The newsletter is not sent; whether it is planned, the API does not tell."
        step = "Look in Customer.io whether it is planned; only if not, send_newsletter, if the user wants that now."
    elif planned := moment(program.planned_at):
        evidence, step = f"The newsletter is planned for {planned}.", "Wait for it."
    else:
        evidence, step = "The newsletter is neither sent nor planned.", "send_newsletter, if the user wants that."
    return Finding(cause="not_sent_yet", evidence=evidence, next_step=step)


def _of_entry(case: Case) -> Iterator[Finding]:
    """Yield why the person did not come in; what was made for them shows that they did."""
    program = case.program
    if program is None or program.absent or case.about:
        return
    yield from _of_age(case, program)
    if program.event and case.event_seen is False:
        yield Finding(
            cause="event_never_came",
            evidence="The event that starts it is not among the person's activities (30 days are kept for certain).",
            next_step="Check that the event is sent, for this identifier and under just this name.",
        )
    if case.segments is not None:
        yield from _of_segments(program, case.segments)


def _of_age(case: Case, program: Program) -> Iterator[Finding]:
    made = _created(case.person)
    went = "was triggered last" if program.kind == "broadcast" else "was sent"
    if made and program.sent_at and made > program.sent_at:
        yield Finding(
            cause="created_later",
            evidence=f"The person was created on {moment(made)}, after the {program.kind} {went} "
            f"({moment(program.sent_at)}).",
            next_step="They were not there yet: send them a message of their own, if the user wants that.",
        )


def _created(person: Mapping[str, Any] | None) -> int | None:
    """Return when the profile was made, else when the person is said to have signed up, in seconds since 1970."""
    if made := number(member(person, "timestamps").get("cio_id")):
        return made
    told = member(person, "attributes").get("created_at")
    return int(told) if isinstance(told, str) and re.fullmatch(r"[0-9]{1,10}", told) else number(told)


def _of_segments(program: Program, held: frozenset[int]) -> Iterator[Finding]:
    """Yield what speaks against the person; how segments are combined, or which exclude people, the API hides."""
    missing = [each for each in program.segments if each not in held]
    if not missing:
        return
    named = ", ".join(map(str, missing))
    if len(missing) == len(program.segments):
        cause, unless = "not_in_segment", "unless it is there to exclude people"
    else:
        cause, unless = (
            "not_in_every_segment",
            "only if all of those that it names are needed, and this excludes nobody",
        )
    yield Finding(
        cause=cause,
        evidence=f"The {program.kind} names segment {named}, and the person is not in there now. That keeps them out "
        f"{unless}, which the API does not tell.",
        next_step=f"get_segment {missing[0]}: compare its conditions with get_person_attributes.",
    )


def _of_topics(case: Case) -> Iterator[Finding]:
    """Yield topics that are off, where nobody knows to which one the message belongs: the least certain of all."""
    off = [name for name, is_on in (topics.choices(case.person) or {}).items() if not is_on]
    is_known = case.program is not None and case.program.topic is not None
    if off and not is_known and not _was_tried(case):
        yield topics.possible(off)


def _was_tried(case: Case) -> bool:
    """Say whether the message that is meant was made and sent, which a topic that is off would have prevented."""
    return bool(case.about) and not case.asks_for_any and messages.fate((case.about or [{}])[0]) != "undeliverable"
