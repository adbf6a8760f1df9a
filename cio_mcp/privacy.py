"""Pure: personal data in an answer gives way to a placeholder, unless the operator granted it.

Objects about a person are masked but for what is known to be needed: ids, times, states, metrics, names of events
and attributes. Everything else keeps its words and loses addresses and telephone numbers. Secrets, payment cards and
bank accounts stay masked even where personal data is granted. What a mask cannot know is a name or a street in a
segment's description or in a collection, or an id that is personal in itself and looks like any other.

An id that is an e-mail address or a telephone number is masked as well: `cio_id` is the handle that remains.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from cio_mcp import sensitive
from cio_mcp.scrub import renamed
from cio_mcp.sensitive import Told

VALUES = frozenset({"attributes", "data", "message_data", "relationship_attributes", "properties", "traits"})
"""Members that hold what is known of people: the values of attributes, and the data of events."""
# App API reference: "Get messages sent to a customer", "List customer activities", "Lookup a customer's attributes".
ABOUT_A_PERSON = frozenset({"customer_id", "customer_identifiers", "identifiers"})
NEEDED = frozenset({"type", "platform", "name", "state", "failure_message", "delivery_type", "url"})
"""Texts about a person that the work needs; addresses in them are masked."""
PUSH_DEVICE = frozenset({"platform", "last_used"})
CONDITION = frozenset({"field", "operator"})
"""Of a filter: what it compares with may be an address, or a name."""
NAMING = frozenset({"id", "cio_id"})
"""Reserved attributes by which tools name a person, whoever asks."""
COUNTS = frozenset({"timestamps", "metrics", "metric", "series"})
STATES = frozenset({
    "created_at", "unsubscribed", "cio_subscription_preferences", "drafted", "attempted", "sent", "delivered",
    "opened", "clicked", "converted", "bounced", "dropped", "deferred", "failed", "undeliverable", "spammed",
})  # fmt: skip
"""Reserved attributes and metrics, shown where they are times, numbers or yes and no."""
PARENTS = frozenset({
    "id", "cio_id", "delivery_id", "campaign_id", "broadcast_id", "newsletter_id", "content_id", "action_id",
    "trigger_id", "segment_id", "transactional_message_id", "journey_id", "object_type_id", "object_id",
    "cio_object_id",
})  # fmt: skip
"""Ids that the data of an activity may hold, and the reserved ones of a person."""
# Track API reference, "Add or update a device": the attributes that Customer.io's own SDKs set.
DEVICE = frozenset({
    "device_os", "device_model", "app_version", "cio_sdk_version", "device_locale", "push_enabled",
    "_last_status",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """What an agent may see: personal data or not, and which attributes in any case, by their exact names."""

    attributes_shown: frozenset[str] = frozenset()
    personal_data: bool = False


def is_shown_whole(attribute: str, value: Any, mask: Mask) -> bool:
    """Say whether this value of a person's attribute would be shown as it is; the ids of a person may be named."""
    told = {"attributes": {attribute: value}}
    return attribute in NAMING or masked(told, mask) == told


class _Place(Enum):
    OPEN = auto()
    ABOUT = auto()
    """In an object about a person: texts are masked unless they are `NEEDED`."""
    VALUES = auto()
    """Among attributes or event data: everything is masked but ids and states."""
    DEVICE = auto()
    INSIDE = auto()
    """Deeper in such a value, where no name says that something is an id."""
    COUNTS = auto()


_CLOSED = (_Place.VALUES, _Place.DEVICE, _Place.INSIDE)


def masked(data: Any, mask: Mask) -> Any:
    """Return a copy of scrubbed JSON with placeholders such as `[masked: text of 12]` where `mask` asks for them.

    Empty texts and nulls stay, and the names of members but for addresses, cards and the like in them. An attribute
    that is shown is shown whole.
    """
    return _Masking(mask=mask).walked(data, "", _Place.OPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Masking:
    """One answer on its way through a mask; what its names tell is found out once, for they come again and again."""

    mask: Mask
    names: dict[str, Told | None] = field(default_factory=dict[str, Told | None])
    plain: dict[str, str] = field(default_factory=dict[str, str])

    def walked(self, value: Any, name: str, place: _Place) -> Any:
        told = self._told_by(name) if place is not _Place.COUNTS else None
        if name in self.mask.attributes_shown and (told or place in _CLOSED):
            return value
        if told is Told.SECRET:
            return self._blotted(value)
        if told is Told.PERSONAL and place is not _Place.DEVICE:
            place = _Place.INSIDE
        match value:
            case None | "":
                return value
            case dict():
                return self._members(value, place)
            case list():
                return [self.walked(item, name, place) for item in value]
        return self._text(value, name, place) if isinstance(value, str) else self._number(value, name, place)

    def _told_by(self, name: str) -> Told | None:
        if name not in self.names:
            self.names[name] = sensitive.told_by(name)
        return self.names[name]

    def _members(self, members: Mapping[str, Any], place: _Place) -> dict[str, Any]:
        if place is _Place.OPEN and ABOUT_A_PERSON & members.keys():
            place = _Place.ABOUT
        found = {name: self.walked(member, name, _below(members, name, place)) for name, member in members.items()}
        return self._renamed(found)

    def _renamed(self, members: Mapping[str, Any]) -> dict[str, Any]:
        plain = {name: other for name in members if (other := self._plain(name)) != name}
        return dict(renamed(members, plain))

    def _plain(self, name: str) -> str:
        """Return the name of a member as it is shown: people make names of what they know."""
        if name not in self.plain:
            plain = sensitive.without_secrets(name)
            self.plain[name] = plain if self.mask.personal_data else sensitive.without_addresses(plain)
        return self.plain[name]

    def _blotted(self, value: Any) -> Any:
        """Mask every value below a name that tells a secret, and not even say how long it is."""
        match value:
            case dict():
                return self._renamed({name: self._blotted(member) for name, member in value.items()})
            case list():
                return [self._blotted(item) for item in value]
            case None | "":
                return value
            case _:
                return sensitive.SECRET

    def _text(self, value: str, name: str, place: _Place) -> str:
        if place in _CLOSED and not self.mask.personal_data:
            return value if _is_shown(value, name, place) else sensitive.placeholder(value)
        if value.lstrip()[:1] in ("{", "[") and (inner := _json_in(value)) is not None:
            return self._rewritten(value, inner, name, place)
        if is_id(name):
            return value if self.mask.personal_data or name == "next" else sensitive.identifier(value)
        plain = sensitive.without_secrets(value)
        if self.mask.personal_data:
            return plain
        if place is _Place.COUNTS or (place is _Place.ABOUT and name not in NEEDED):
            return sensitive.placeholder(value)
        return sensitive.without_addresses(sensitive.without_queries(plain) if place is _Place.ABOUT else plain)

    def _rewritten(self, text: str, inner: Any, name: str, place: _Place) -> str:
        try:
            plain = self.walked(inner, name, place)
        except RecursionError:
            return sensitive.placeholder(text)
        # In ASCII, for what the text had escaped, half characters even, must not come back as characters.
        return text if plain == inner else json.dumps(plain, separators=(",", ":"))

    def _number(self, value: float, name: str, place: _Place) -> Any:
        is_shown = place is _Place.VALUES and name in PARENTS | STATES
        if place in _CLOSED and not is_shown and not self.mask.personal_data:
            return sensitive.placeholder(value)
        text = str(value)
        return value if is_id(name) or sensitive.without_secrets(text) == text else sensitive.CARD


def _below(members: Mapping[str, Any], name: str, place: _Place) -> _Place:
    """Return the place of a member of an object that stands at `place`."""
    is_nested = isinstance(members[name], dict | list)
    if place in _CLOSED:
        return _Place.INSIDE if is_nested else place
    if name in VALUES and is_nested:
        return _Place.DEVICE if place is _Place.ABOUT and members.keys() >= PUSH_DEVICE else _Place.VALUES
    if name == "value" and members.keys() >= CONDITION:
        return _Place.INSIDE
    return _Place.COUNTS if name in COUNTS and is_nested else place


def _is_shown(value: str, name: str, place: _Place) -> bool:
    """Say whether a text among attributes is an id or a state, and reads like one."""
    match place:
        case _Place.VALUES if name in PARENTS:
            return sensitive.identifier(value) == value == sensitive.without_secrets(value)
        case _Place.VALUES if name in STATES:
            return sensitive.is_state(value)
        case _Place.DEVICE if name in DEVICE:
            return sensitive.without_addresses(value) == value == sensitive.without_secrets(value)
        case _:
            return False


def is_id(name: str) -> bool:
    """Say whether a member holds an id, several, or a cursor, which only serve unchanged."""
    return name in ("id", "ids", "next") or name.endswith(("_id", "_ids"))


def _json_in(text: str) -> Any:
    """Return the object or list that a text spells: attributes with members come as JSON in a text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None
