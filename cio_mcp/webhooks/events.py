"""Pure: the body of a reporting webhook becomes an event, and an event becomes a line to be kept.

Customer.io adds kinds of events as it likes, so every metric, object type and member is taken. What is kept is
reduced: the content of messages and their headers stay out, and long texts are cut. Questions are about what became
of a message, not about its text, which Customer.io keeps; a store of every e-mail would be one more place from which
they could leak. Who it was for is personal too, and is kept, since people are asked about.

What is kept is what was sent, not made harmless: that happens when it is read, so that what is learnt of hostile text
later protects from what came before.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from cio_mcp import scrub

Json = dict[str, Any]

WORD_CHARACTERS = 60
TEXT_CHARACTERS = 1_000
"""Of a text that is kept; URLs and the answers of mail servers are shorter, with few exceptions."""
ITEMS = 50
"""Of a list or an object; the longest list is that of a person's devices, of which a workspace allows 25."""
DEPTH = 6
DATA_BYTES = 16_384
"""Of all that is kept of one event; a real one has some hundred."""
IDENTIFIER_BYTES = 254
"""An e-mail address has no more (RFC 5321), an id of Customer.io's 150 (Track API limits)."""
CONTENT = frozenset({"content", "headers"})
"""What Customer.io adds to events of sent messages if "Body Content" is on (reference, "email_sent")."""
_PREFERENCES = "subscription_preferences_changed"  # there, `content` is what changed

# ULIDs, the reference says; another scheme would be no reason to lose events.
_EVENT_ID = re.compile(r"[!-~]{1,64}")
_DELIVERY_ID = re.compile(r"[!-~]{1,200}")
_FIRST_SECOND, _LAST_SECOND = 0, 100_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who an event is about, by the identifiers that it gave."""

    id: str | None = None
    email: str | None = None
    cio_id: str | None = None

    def as_json(self) -> Json:
        """Return the identifiers that are known."""
        known = {"id": self.id, "email": self.email, "cio_id": self.cio_id}
        return {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a message or a person.

    `at` is when, in seconds since 1970. `data` is the rest of what was told, reduced; `left_out` names members that
    were not kept.
    """

    event_id: str
    object_type: str
    metric: str
    at: int
    delivery_id: str | None
    person: Person
    data: Json
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A body that is no event, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """An event, and a digest of everything that its body said, however that was written."""

    event: Event
    digest: bytes


def read(body: bytes, *, otherwise_at: int) -> Read | Unreadable:
    """Read a body; an event without a readable time happened at `otherwise_at`."""
    try:
        told = json.loads(body, parse_constant=_no_number)
        digest = hashlib.sha256(_canonical(told)).digest()
    except (ValueError, RecursionError) as error:
        return Unreadable("nested too deeply" if isinstance(error, RecursionError) else "no JSON that can be read")
    if not isinstance(told, dict):
        return Unreadable("no JSON object")
    event_id = told.get("event_id")
    if not isinstance(event_id, str) or not _EVENT_ID.fullmatch(event_id):
        return Unreadable("no event_id of 1 to 64 printable characters")
    return Read(event=_event(event_id, told, otherwise_at), digest=digest)


def _no_number(_name: str) -> None:
    """Read NaN and the infinities as null."""


def _canonical(told: Any) -> bytes:
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()


def _event(event_id: str, told: Json, otherwise_at: int) -> Event:
    data = told.get("data")
    members = dict(data) if isinstance(data, dict) else {}
    metric = _word(told.get("metric"))
    delivery_id = members.pop("delivery_id", None)
    known = isinstance(delivery_id, str) and _DELIVERY_ID.fullmatch(delivery_id)
    person = _person(members)
    kept, left_out = _reduced(members, keep_content=_PREFERENCES in metric)
    return Event(
        event_id=event_id,
        # The schema of one event misspells the name of this member.
        object_type=_word(told.get("object_type", told.get("object_type_type"))),
        metric=metric,
        at=_seconds(told.get("timestamp"), otherwise_at),
        delivery_id=delivery_id if known else None,
        person=person,
        data=kept,
        left_out=left_out,
    )


def _word(value: Any) -> str:
    """Return a name such as `delivered`, whatever came in its place."""
    return scrub.one_line(value, WORD_CHARACTERS) if isinstance(value, str) and value.strip() else "unknown"


def _seconds(value: Any, otherwise: int) -> int:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and _FIRST_SECOND <= value < _LAST_SECOND else otherwise


def _person(members: Json) -> Person:
    """Take the identifiers out of the members; `customer_id` is deprecated and stands in where they are missing."""
    found, number, email = (members.pop(name, None) for name in ("identifiers", "customer_id", "email_address"))
    named = found if isinstance(found, dict) else {}
    return Person(
        id=identifier(named.get("id")) or identifier(number),
        email=identifier(named.get("email")) or identifier(email),
        cio_id=identifier(named.get("cio_id")),
    )


def identifier(value: Any) -> str | None:
    """Return an identifier in the form in which it is kept and looked for, None if it is none."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.strip():
        return None
    shown = scrub.text(text)
    return shown if len(shown.encode()) <= IDENTIFIER_BYTES else None


def _reduced(members: Json, *, keep_content: bool) -> tuple[Json, tuple[str, ...]]:
    left_out = [name for name in members if name in CONTENT and not keep_content]
    kept = {name: _cut(value, DEPTH) for name, value in list(members.items())[:ITEMS] if name not in left_out}
    sizes = {name: len(_canonical({name: value})) for name, value in kept.items()}
    while sum(sizes.values()) > DATA_BYTES:
        largest = max(sizes, key=sizes.__getitem__)
        del kept[largest], sizes[largest]
        left_out.append(largest)
    return kept, tuple(scrub.one_line(name, WORD_CHARACTERS) for name in left_out[:ITEMS])


def _cut(value: Any, depth: int) -> Any:
    match value:
        case str() if len(value) > TEXT_CHARACTERS:
            return value[: TEXT_CHARACTERS - 1] + "…"
        case list() | dict() if not depth:
            return "…"
        case list():
            return [_cut(item, depth - 1) for item in value[:ITEMS]]
        case dict():
            return {name[:TEXT_CHARACTERS]: _cut(member, depth - 1) for name, member in list(value.items())[:ITEMS]}
        case _:
            return value


def line(event: Event) -> str:
    """Return an event as one line of ASCII, which every store takes as it is, half characters and all."""
    members: Json = {
        "event_id": event.event_id,
        "object_type": event.object_type,
        "metric": event.metric,
        "at": event.at,
        "delivery_id": event.delivery_id,
        "person": event.person.as_json(),
        "data": event.data,
        "left_out": list(event.left_out),
    }
    return json.dumps({name: value for name, value in members.items() if value}, separators=(",", ":"))


def restored(text: str) -> Event:
    """Return the event of a line, its texts made harmless to carry."""
    members = scrub.read_json(text.encode())
    return Event(
        event_id=members["event_id"],
        object_type=members["object_type"],
        metric=members["metric"],
        at=members.get("at", 0),
        delivery_id=members.get("delivery_id"),
        person=Person(**members.get("person", {})),
        data=members.get("data", {}),
        left_out=tuple(members.get("left_out", ())),
    )
