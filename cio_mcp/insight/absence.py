"""Pure: why a person got no message, from what the API shows of person, messages and program.

Several causes may hold at once. They are told in the order in which they matter: what became of a message that was
made says more than what would keep the next one back.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cio_mcp.insight import messages
from cio_mcp.insight.programs import Program
from cio_mcp.planning.answers import member, moment, rows

Json = dict[str, Any]
ADDRESSES: Mapping[str, str] = {"email": "email", "sms": "phone", "twilio": "phone", "whatsapp": "phone"}
"""The attribute to which each channel sends; SMS has two names."""
DEVICES = frozenset({"push", "live_notification"})
"""In-app messages reach visitors of a website too, who have no device ("Set up web in-app messaging")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One cause: a word for programs, what shows it, and what to do next."""

    cause: str
    evidence: str
    next_step: str

    def told(self) -> Json:
        """Return it as a model reads it."""
        return {"cause": self.cause, "evidence": self.evidence, "next_step": self.next_step}


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
    asked_for: frozenset[str] = field(default_factory=frozenset)
    """Channels, where no program names them."""

    @property
    def channels(self) -> frozenset[str]:
        """The channels that are meant."""
        return (self.program.channels if self.program else frozenset()) or self.asked_for or frozenset({"email"})


def findings(case: Case) -> list[Finding]:
    """Return every cause that shows, the most telling first; never none."""
    if case.is_nobody:
        return [NOBODY]
    found = [*_of_message(case), *_of_person(case), *_of_program(case), *_of_entry(case)]
    return found or [UNSEEN]


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
UNSEEN = Finding(
    cause="not_visible",
    evidence="No cause shows in what the API tells.",
    next_step="Look in Customer.io at what the API does not show: subscription topics, message limits, time windows, "
    "branches and exit conditions.",
)
_FATES: Mapping[str, tuple[str, str]] = {
    "bounced": ("came back from the address", "Mend the address; an address that bounced hard is not tried again."),
    "dropped": ("was not handed on: the address is on a suppression list", "Have the address freed in Customer.io."),
    "suppressed": ("was held back: the address is suppressed", "Have the address freed in Customer.io."),
    "failed": ("could not be sent", "Mend what failure_message names (often Liquid or a missing attribute)."),
    "undeliverable": ("was not tried for this person", "See failure_message: unsubscribed, or a message limit."),
    "drafted": ("waits as a draft for somebody to send it", "Send the draft in Customer.io, or set it to automatic."),
    "created": ("was made and is not sent yet", "Look again in some minutes."),
    "attempted": ("is being tried", "Look again in some minutes."),
    "deferred": ("was put off by the receiving server, and is tried again", "Look again in an hour."),
    "sent": ("was sent, and nobody has reported its arrival", "Ask the person to look in spam; look again later."),
}


def _of_message(case: Case) -> Iterator[Finding]:
    if not case.about:
        if case.about is not None and case.asks_for_one:
            yield NO_MESSAGE
        return
    newest = case.about[0]
    what = messages.fate(newest)
    at = moment(member(newest, "metrics").get(what)) or "a time not known"
    reason = messages.short(newest.get("failure_message"))
    said = f': "{reason}"' if reason else ""
    if what in messages.ARRIVED:
        yield Finding(
            cause="it_arrived",
            evidence=f"The newest of these messages was {what} on {at}.",
            next_step="It did arrive: ask the person to look in spam and in other folders.",
        )
    else:
        told, step = _FATES[what]
        yield Finding(cause=what, evidence=f"The newest message {told} ({at}){said}.", next_step=step)


def _of_person(case: Case) -> Iterator[Finding]:
    if case.person is None:
        return
    if case.person.get("unsubscribed") is True:
        yield Finding(
            cause="unsubscribed",
            evidence="The person is unsubscribed, which stops campaigns, broadcasts and newsletters.",
            next_step="Do not override it: only the person may subscribe again. Transactional messages still go out.",
        )
    for channel in sorted(case.channels):
        yield from _unreachable(case.person, channel)


def _unreachable(person: Mapping[str, Any], channel: str) -> Iterator[Finding]:
    attributes, identifiers = member(person, "attributes"), member(person, "identifiers")
    if (name := ADDRESSES.get(channel)) and not (attributes.get(name) or identifiers.get(name)):
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
    if program.event and case.event_seen is False:
        yield Finding(
            cause="event_never_came",
            evidence="The event that starts it is not among the person's activities (30 days are kept for certain).",
            next_step="Check that the event is sent, for this identifier and under just this name.",
        )
    if case.segments is not None:
        yield from _of_segments(program, case.segments)


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
