"""What a store of events must do, and the values that go in and out of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from cio_mcp.webhooks.events import Event

ASIDE_BYTES = 65_536
"""Of a body that could not be read: enough to see what it is."""
ASIDE_KEPT = 1_000
"""Bodies that could not be read; the oldest make room for new ones."""
_POSITION = re.compile(r"([0-9]{1,12})-([0-9]{1,18})")


class EventsUnavailable(Exception):
    """The store cannot be read or written now; the text says why, and names no person."""


class Kept(StrEnum):
    """What became of something that was received; the value is its name among the counts."""

    NEW = "received"
    AGAIN = "repeats"
    """It was known: Customer.io makes a call again when it did not hear the answer."""
    OTHERWISE = "contradictions"
    """Its id was known with another content; the first one stays."""
    ASIDE = "set_aside"
    """It could not be read, and its beginning is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An event on its way in; `digest` tells one content from another, `received_at` is in seconds since 1970."""

    event: Event
    digest: bytes
    received_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A signed body that is no event: its beginning, the digest and the size of all of it, and why."""

    body: bytes
    digest: bytes
    size: int
    reason: str
    received_at: float


Received = Arrival | Aside


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An event that is kept; `seq` counts up in the order of arrival."""

    seq: int
    event: Event
    received_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which events are wanted: all of what is given must hold. `since` and `before` bound when they happened."""

    identifiers: Mapping[str, str] = field(default_factory=dict[str, str])
    """By `id`, `email` or `cio_id`."""
    delivery_id: str | None = None
    metric: str | None = None
    object_type: str | None = None
    since: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a list that begins with the newest: what follows it is older."""

    at: int
    seq: int

    @property
    def text(self) -> str:
        """As a client carries it."""
        return f"{self.at}-{self.seq}"

    @classmethod
    def parsed(cls, text: str) -> "Position":
        """Read what `text` wrote; raises ValueError."""
        found = _POSITION.fullmatch(text)
        if found is None:
            raise ValueError("is no next of this list")
        return cls(at=int(found[1]), seq=int(found[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How receiving goes. `counts` are of all time, by `Kept`; `refused` by the name of the reason.

    `last_at` and `last_received_at` are when the event that came last happened and arrived.
    """

    counts: Mapping[Kept, int]
    refused: Mapping[str, int]
    last_at: float | None = None
    last_received_at: float | None = None


class EventStore(Protocol):
    """Keeps the events of one workspace. Every method raises EventsUnavailable where the store cannot be used."""

    async def put(self, batch: Sequence[Received]) -> list[Kept]:
        """Keep a batch, durably once this returns, and say of each what became of it."""
        ...

    async def knows(self, event_id: str) -> bool:
        """Say whether an event of this id is kept."""
        ...

    async def find(self, wanted: Filter, *, limit: int, after: Position | None = None) -> list[Stored]:
        """Return the newest events that are wanted, by when they happened; `after` a position, if one is given."""
        ...

    async def standing(self) -> Standing:
        """Tell how receiving goes."""
        ...

    async def note_refused(self, counts: Mapping[str, int]) -> None:
        """Add to the counts of requests that were refused."""
        ...

    async def prune(self) -> int:
        """Remove what is too old or too much, and return how many events that were."""
        ...

    async def aclose(self) -> None:
        """Let go of the store."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Events that arrived more than `days` ago go, and the oldest while there are more than `megabytes` (10^6 bytes).

    Customer.io repeats a call for seven days (reporting webhooks reference, "Timeouts and failures"): a store that does
    not hold eight days of events, for want of days or of size, takes a late repeat for something new.
    """

    days: float = 90.0
    megabytes: float = 500.0
