"""Pure: what is known of a person, in few words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cio_mcp.catalog.identifiers import NAMES
from cio_mcp.insight import messages
from cio_mcp.planning.answers import member, moment, number, rows, word

Json = dict[str, Any]
MOST_ATTRIBUTES = 10
MOST_SEGMENTS = 8
NAMED = 4
"""Messages and activities that are shown one by one."""
TEXT = 40
"""Characters of a value or a name that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was read of a person; None for what could not be read."""

    person: Mapping[str, Any]
    messages: Mapping[str, Any] | None = None
    segments: Mapping[str, Any] | None = None
    activities: Mapping[str, Any] | None = None
    relationships: Mapping[str, Any] | None = None


def overview(seen: Seen) -> Json:
    """Return the overview, without what is not known."""
    told: Json = {
        "identifiers": {name: messages.short(value, 60) for name, value in _identifiers(seen.person).items()},
        "unsubscribed": seen.person.get("unsubscribed") is True,
        "devices": _platforms(seen.person),
        **_attributes(seen.person),
        **_segments(seen.segments),
        **_messages(seen.messages),
        **_activities(seen.activities),
    }
    if seen.relationships is not None:
        told["related_objects"] = _counted(rows(seen.relationships, "cio_relationships"), seen.relationships)
    return {name: value for name, value in told.items() if value not in ({}, [], None)}


def _identifiers(person: Mapping[str, Any]) -> Json:
    return {name: value for name, value in member(person, "identifiers").items() if value}


def _platforms(person: Mapping[str, Any]) -> list[str]:
    return [word(device.get("platform")) for device in rows(person, "devices")[:NAMED]]


def _attributes(person: Mapping[str, Any]) -> Json:
    own = {name: value for name, value in member(person, "attributes").items() if name not in _ELSEWHERE}
    shown = {messages.short(name, TEXT): _value(value) for name, value in list(own.items())[:MOST_ATTRIBUTES]}
    more = len(own) - len(shown)
    return {"attributes": shown} | ({"more_attributes": more} if more > 0 else {})


_ELSEWHERE = NAMES | {"unsubscribed"}


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return messages.short(value, TEXT)
    return value if isinstance(value, bool | int | float) or value is None else "[an object or list]"


def _segments(found: Mapping[str, Any] | None) -> Json:
    if found is None:
        return {}
    listed = rows(found, "segments")
    shown = [f"{number(each.get('id'))} {messages.short(each.get('name'), TEXT)}" for each in listed[:MOST_SEGMENTS]]
    more = len(listed) - len(shown)
    return {"segments": shown or "none"} | ({"more_segments": more} if more > 0 else {})


def _messages(found: Mapping[str, Any] | None) -> Json:
    if found is None:
        return {}
    listed = rows(found, "messages")
    return {
        "messages_in_6_months": _counted(listed, found),
        "by_fate": messages.fates(listed),
        "newest_messages": [messages.brief(each) for each in listed[:NAMED]],
    }


def _activities(found: Mapping[str, Any] | None) -> Json:
    return {"newest_activities": [_activity(each) for each in rows(found, "activities")[:NAMED]]}


def _activity(each: Mapping[str, Any]) -> str:
    name = messages.short(each.get("name"), TEXT)
    return f"{moment(each.get('timestamp')) or ''} {word(each.get('type'))}{f' {name}' if name else ''}".strip()


def _counted(listed: Sequence[Any], page: Mapping[str, Any]) -> int | str:
    return f"more than {len(listed):,}" if page.get("next") else len(listed)
