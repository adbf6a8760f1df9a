"""People: who they are, how they are found, and what an identify call does to them."""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from cio_mcp.sandbox.replies import JsonObject

CIO_PREFIX = "cio_"
# Track API specification: the format of a cio_id in the path.
_CIO_ID = re.compile("cio_[a-zA-Z0-9]*")
IDENTIFIER_NAMES = ("id", "email", "phone")
_FIRST_CIO_ID = 0xA3000001
_ACTIVITIES_KEPT = 1_000
# Values that count as unsubscribed (Track API reference, "unsubscribed"): true in any case, 1 and "1".
_TRUE_WORDS = frozenset({"true", "1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One line of a person's history."""

    id: str
    type: str
    timestamp: int
    name: str | None = None
    url: str | None = None
    data: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A push token of a person; `last_used` is unix seconds."""

    token: str
    platform: str
    last_used: int
    attributes: Mapping[str, str]


@dataclass(slots=True, kw_only=True, eq=False)
class Person:
    """A profile. `attributes` holds what was set, as it was set; identifiers stand apart."""

    cio_id: str
    created: int
    identifiers: dict[str, str] = field(default_factory=dict)
    attributes: JsonObject = field(default_factory=dict)
    timestamps: dict[str, int] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    activities: deque[Activity] = field(default_factory=lambda: deque(maxlen=_ACTIVITIES_KEPT))

    @property
    def id(self) -> str | None:
        """The id given by the customer, if set."""
        return self.identifiers.get("id")

    @property
    def email(self) -> str | None:
        """The email address, if set."""
        return self.identifiers.get("email")

    @property
    def unsubscribed(self) -> bool:
        """Whether the person is globally unsubscribed."""
        return is_true(self.attributes.get("unsubscribed"))

    def value(self, name: str) -> str | None:
        """Return an attribute or identifier as the App API and filters see it: a string, or None when unset."""
        if name == "cio_id":
            return self.cio_id
        if name in self.identifiers:
            return self.identifiers[name]
        return as_string(self.attributes[name]) if name in self.attributes else None

    def summary(self) -> JsonObject:
        """Return the identifiers object of App responses: unset is null, cio_id has no prefix, phone is absent."""
        return {"email": self.email, "id": self.id, "cio_id": self.cio_id}


class People:
    """The people of a workspace, with an index for each kind of identifier."""

    def __init__(self) -> None:
        self._by_cio: dict[str, Person] = {}
        self._by: dict[str, dict[str, list[Person]]] = {name: {} for name in IDENTIFIER_NAMES}
        self._cio_ids = count(_FIRST_CIO_ID)
        self.suppressed: set[tuple[str, str]] = set()

    def __iter__(self) -> Iterator[Person]:
        return iter(self._by_cio.values())

    def __len__(self) -> int:
        return len(self._by_cio)

    def find(self, kind: str, value: str) -> Person | None:
        """Return the person with this identifier, the oldest if several share it."""
        if kind == "cio_id":
            return self._by_cio.get(value)
        found = self.find_all(kind, value)
        return found[0] if found else None

    def find_all(self, kind: str, value: str) -> list[Person]:
        """Return every person with this identifier (addresses are compared without case)."""
        return self._by[kind].get(_key(kind, value), [])

    def add(self, identifiers: Mapping[str, str], now: int) -> Person:
        """Create a person, whoever else may have the same identifiers."""
        person = Person(cio_id=f"{next(self._cio_ids):x}", created=now)
        person.timestamps["cio_id"] = now
        self._by_cio[person.cio_id] = person
        for kind, value in identifiers.items():
            self.assign(person, kind, value, now)
        return person

    def assign(self, person: Person, kind: str, value: str, now: int) -> None:
        """Give `person` an identifier in place of the one of this kind."""
        self._unlink(person, kind)
        person.identifiers[kind] = value
        person.timestamps[kind] = now
        self._by[kind].setdefault(_key(kind, value), []).append(person)

    def remove(self, person: Person) -> None:
        """Forget `person`; the identifiers are free again."""
        for kind in list(person.identifiers):
            self._unlink(person, kind)
        self._by_cio.pop(person.cio_id, None)

    def is_suppressed(self, kind: str, value: str) -> bool:
        """Tell whether calls that name this identifier are ignored."""
        return (kind, _key(kind, value)) in self.suppressed

    def suppress(self, identifiers: Iterable[tuple[str, str]]) -> None:
        """Block identifiers."""
        self.suppressed.update((kind, _key(kind, value)) for kind, value in identifiers)

    def unsuppress(self, kind: str, value: str) -> None:
        """Free a blocked identifier; the profile does not come back."""
        self.suppressed.discard((kind, _key(kind, value)))

    def _unlink(self, person: Person, kind: str) -> None:
        value = person.identifiers.pop(kind, None)
        if value is None:
            return
        sharers = self._by[kind].get(_key(kind, value), [])
        if person in sharers:
            sharers.remove(person)
        if not sharers:
            self._by[kind].pop(_key(kind, value), None)


def by_shape(identifier: str) -> tuple[str, str]:
    """Return (kind, value) of a Track v1 path identifier: cio_..., an address, or an id (a phone is an id)."""
    if _CIO_ID.fullmatch(identifier):
        return "cio_id", identifier.removeprefix(CIO_PREFIX)
    return ("email", identifier) if "@" in identifier else ("id", identifier)


def is_true(value: object) -> bool:
    """Tell whether a value of `unsubscribed` means unsubscribed."""
    return as_string(value).strip().lower() in _TRUE_WORDS


def as_string(value: Any) -> str:
    """Return an attribute as the App API returns it: every value is a string."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, separators=(",", ":"))


def _key(kind: str, value: str) -> str:
    return value.casefold() if kind == "email" else value
