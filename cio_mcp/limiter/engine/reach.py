"""Whether the engine answers, and since when it does not."""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from cio_mcp.limiter.engine.terms import Change, Engine, Terms, Unreachable, View

# An engine that takes longer for one step is as good as gone: callers wait meanwhile.
_PATIENCE = 1.0

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Reach:
    """The way to an engine for one replica, known to the engine as `replica`.

    Every method raises Unreachable; `changed` is called whenever the engine is lost or found again, and `missed`
    whenever it is not known whether it has done what it was asked.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        replica: str,
        fail_closed: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.replica = replica
        self.fail_closed = fail_closed
        self.clock = clock
        self.lost_at: float | None = None
        """When the first of the calls began that were not answered; None while the engine is there."""
        self.heard_at = clock()
        """When the engine was last heard of."""
        self.missed: Callable[[], None] = _nothing
        self.changed: Callable[[], None] = _nothing
        self._engine = engine

    async def take(self, terms: Terms, slots: Sequence[str], waiting: int) -> View:
        """See `Engine.take`."""
        return await self._asked(lambda: self._engine.take(terms, self.replica, slots, waiting))

    async def report(self, terms: Terms, changes: Sequence[Change]) -> None:
        """See `Engine.report`."""
        await self._asked(lambda: self._engine.report(terms, self.replica, changes))

    async def ping(self) -> None:
        """See `Engine.ping`."""
        await self._asked(self._engine.ping)

    async def _asked(self, question: Callable[[], Awaitable[T]]) -> T:
        began = self.clock()
        try:
            with anyio.fail_after(_PATIENCE):
                answer = await question()
        except (Unreachable, TimeoutError) as error:
            self._lost(began, str(error) or "no answer")
            raise Unreachable(str(error)) from None
        self.heard_at = self.clock()
        if self.lost_at is not None:
            self.lost_at = None
            _log.warning("limits are shared with other replicas again: %s", self._engine.name)
            self.changed()
        return answer

    def _lost(self, began: float, reason: str) -> None:
        self.missed()
        if self.lost_at is None:
            self.lost_at = began
            meanwhile = "nothing is sent" if self.fail_closed else "this one keeps to its share"
            _log.warning(
                "limits are not shared with other replicas for now, %s: %s: %s", meanwhile, self._engine.name, reason
            )
            self.changed()


def _nothing() -> None:
    """Before anybody wants to know."""
