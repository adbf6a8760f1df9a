"""Pure: what became of the newest message, and whether that concerns where the person is now."""

from collections.abc import Iterator, Mapping
from typing import Any

from cio_mcp.insight import messages
from cio_mcp.insight.addresses import ADDRESSES, Place, of_person, place
from cio_mcp.insight.finding import Finding
from cio_mcp.planning.answers import member, moment, word

_FATES: Mapping[str, tuple[str, str]] = {
    "bounced": ("came back from the address", "Mend the address; an address that bounced hard is not tried again."),
    "dropped": ("was not handed on: the address is on a suppression list", "Have the address freed in Customer.io."),
    "suppressed": ("was held back: the address is suppressed", "Have the address freed in Customer.io."),
    "failed": ("could not be sent", "Mend what failure_message names (often Liquid or a missing attribute)."),
    "undeliverable": ("was not tried for this person", "Settle what failure_message names before another try."),
    "drafted": ("waits as a draft for somebody to send it", "Send the draft in Customer.io, or set it to automatic."),
    "created": ("was made and is not sent yet", "Look again in some minutes."),
    "attempted": ("is being tried", "Look again in some minutes."),
    "deferred": ("was put off by the receiving server, and is tried again", "Look again in an hour."),
    "sent": ("was sent, and nobody has reported its arrival", "Ask the person to look in spam; look again later."),
    "converted": (
        "was counted as a conversion, and nobody has reported its arrival",
        "Ask the person to look in spam; look again later.",
    ),
}
_UNTOLD = "No reason is told: often the person is unsubscribed, or a message limit was reached."
_BEFORE_ANY_ADDRESS = frozenset({"failed", "undeliverable"})
"""These ended for a reason of their own, whatever the address."""
_ARRIVED = "It did arrive: ask the person to look in spam and in other folders."
_ARRIVED_ELSEWHERE = "It did arrive, but not as an e-mail: ask which message the person misses."
_NOT_COMPARED = " It was not compared with the person's present address, which is masked."
_NOT_THEIRS = "This concerns that other address, not the person's present one."

_ANOTHER: Mapping[str, str] = {
    "email": "another e-mail address than the person has now",
    "phone": "another phone number than the person has now",
}
_NONE_HELD: Mapping[str, str] = {
    "email": "an e-mail address, and the person has none now",
    "phone": "a phone number, and the person has none now",
}


def of_newest(message: Mapping[str, Any], person: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Yield what became of a message; first, that it went to where its person is not."""
    what = messages.fate(message)
    where = Place.NOWHERE if what in _BEFORE_ANY_ADDRESS else place(message, person)
    if where is Place.ELSEWHERE:
        yield _elsewhere(message, person or {})
    if what in messages.ARRIVED:
        if where is not Place.ELSEWHERE:
            yield _arrived(message, where)
    else:
        yield _ended(message, where)


def _arrived(message: Mapping[str, Any], where: Place) -> Finding:
    step = _ARRIVED if word(message.get("type")) == "email" else _ARRIVED_ELSEWHERE
    return Finding(
        cause="it_arrived",
        evidence=f"The newest of these messages ({_named(message)}) arrived.",
        next_step=step + (_NOT_COMPARED if where is Place.WITHHELD else ""),
    )


def _elsewhere(message: Mapping[str, Any], person: Mapping[str, Any]) -> Finding:
    name = ADDRESSES[word(message.get("type"))]
    held = _ANOTHER if of_person(person, name) else _NONE_HELD
    return Finding(
        cause="sent_elsewhere",
        evidence=f"The newest message ({_named(message)}) is addressed to {held[name]}: an earlier one, or one that "
        "was named instead.",
        next_step="Compare its recipient (list_person_messages) with get_person_attributes; send it again to the right "
        "one, if the user wants that.",
    )


def _ended(message: Mapping[str, Any], where: Place) -> Finding:
    what = messages.fate(message)
    told, step = _FATES[what]
    reason = messages.short(message.get("failure_message"))
    if what == "undeliverable" and not reason:
        step = _UNTOLD
    said = f': "{reason}"' if reason else ""
    return Finding(
        cause=what,
        evidence=f"The newest message {told} ({word(message.get('type'))}, {_when(message)}){said}.",
        next_step=_NOT_THEIRS if where is Place.ELSEWHERE else step,
    )


def _named(message: Mapping[str, Any]) -> str:
    return f"{word(message.get('type'))}, {messages.fate(message)} {_when(message)}"


def _when(message: Mapping[str, Any]) -> str:
    return moment(member(message, "metrics").get(messages.fate(message))) or "at a time not known"
