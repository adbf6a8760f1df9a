"""From many requests at once to few transactions: what arrives while one batch is written makes up the next.

Whoever comes first writes for all who wait, itself included; nobody is told that something is kept before it is.
"""

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

import anyio

from cio_mcp.webhooks.store import EventStore, EventsUnavailable, Kept, Received

BATCH = 500
"""Events of one transaction; it takes some tens of milliseconds."""
ANSWER_SECONDS = 3.0
"""Customer.io waits four (reporting webhooks reference, "Timeouts and failures")."""


@dataclass(slots=True, eq=False)
class _Waiting:
    received: Received
    kept: Kept | None = None
    failure: EventsUnavailable | None = None

    @property
    def is_over(self) -> bool:
        """Whether it is known what became of it."""
        return bool(self.kept or self.failure)


@dataclass(slots=True, kw_only=True)
class Intake:
    """The way into a store."""

    store: EventStore
    _waiting: deque[_Waiting] = field(default_factory=deque[_Waiting], init=False)
    _turn: anyio.Lock = field(default_factory=anyio.Lock, init=False)

    async def take(self, received: Received) -> Kept:
        """Return once it is durable, with what became of it; raises EventsUnavailable, also where it takes too long."""
        mine = _Waiting(received)
        self._waiting.append(mine)
        try:
            with anyio.move_on_after(ANSWER_SECONDS):
                while not mine.is_over:
                    async with self._turn:
                        if not mine.is_over:
                            await self._write()
        finally:
            if not mine.is_over:  # nobody waits for it any more; it comes again
                with suppress(ValueError):
                    self._waiting.remove(mine)
        if mine.kept:
            return mine.kept
        raise mine.failure or EventsUnavailable("the events could not be written in time")

    async def _write(self) -> None:
        """Write what waits; a caller that is gone does not stop what others wait for."""
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        with anyio.CancelScope(shield=True):
            try:
                kept = await self.store.put([each.received for each in batch])
            except EventsUnavailable as failure:
                for each in batch:
                    each.failure = failure
            else:
                for each, how in zip(batch, kept, strict=True):
                    each.kept = how
