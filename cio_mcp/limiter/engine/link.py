"""What one replica runs to share its limits through an engine: reports, a heartbeat, and the limiters themselves."""

import secrets
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from cio_mcp.limiter.engine.limiter import EngineLimiter
from cio_mcp.limiter.engine.reach import Reach
from cio_mcp.limiter.engine.terms import Engine, Unreachable, terms_of
from cio_mcp.limiter.engine.window import TEND_SECONDS, EngineWindow
from cio_mcp.limiter.rates import Rate

# An engine that is gone must be missed also by a replica that has nothing to ask.
_HEARTBEAT_SECONDS = 0.5
# At the end, for what the engine should still know; slots it does not hear of come free by themselves.
_FAREWELL_SECONDS = 1.0
# How often it is looked whether a limiter that is not used any more still has somebody to serve.
_LET_GO_SECONDS = 1.0


class EngineLink:
    """One replica's limiters on an engine; a context manager, inside of which they work.

    `replicas` is how many run at once at most: without the engine, each keeps to a share of `limit // replicas`, but
    at least one slot (a limit smaller than the number of replicas is then kept on average only). With `fail_closed`,
    nothing is sent instead. `clock` returns seconds and never runs backwards.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        replicas: int = 1,
        fail_closed: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if replicas < 1:
            raise ValueError(f"there is at least one replica, not {replicas}")
        self.clock = clock
        self._replicas = replicas
        self._reach = Reach(engine, replica=secrets.token_hex(8), fail_closed=fail_closed, clock=clock)
        self._reach.missed = self._missed
        self._reach.changed = self._changed
        self._limiters: dict[EngineLimiter, anyio.CancelScope] = {}
        self._by_bucket: dict[str, EngineLimiter] = {}
        self._users: Counter[EngineLimiter] = Counter()
        self._news = anyio.Event()
        self._tasks: TaskGroup | None = None

    @property
    def shared(self) -> bool:
        """Whether the engine answers."""
        return self._reach.lost_at is None

    def limiter(
        self, rate: Rate, *, bucket: str, name: str = "", grace: float = 1.0, max_pause: float = 60.0
    ) -> EngineLimiter:
        """Return a limiter; `bucket` is what all replicas call the limit, the rest as in `WindowLimiter`.

        To the engine a replica has one place in line and names its slots by itself, so whoever asks for a bucket again
        is given the same limiter; it is let go when all of them have retired it.
        """
        limiter = self._by_bucket.get(bucket) or self._opened(rate, bucket, name, grace, max_pause)
        self._users[limiter] += 1
        return limiter

    def _opened(self, rate: Rate, bucket: str, name: str, grace: float, max_pause: float) -> EngineLimiter:
        if self._tasks is None:
            raise RuntimeError("a link must be entered before its limiters are used")
        reach = self._reach
        window = EngineWindow(
            rate,
            lambda most: terms_of(
                rate, bucket, replicas=self._replicas, stragglers=most, grace=grace, max_pause=max_pause
            ),
            replica=reach.replica,
            replicas=self._replicas,
            lost_at=lambda: reach.lost_at,
            fail_closed=reach.fail_closed,
            grace=grace,
            max_pause=max_pause,
        )
        window.news = self._stir
        limiter = EngineLimiter(rate, window, reach=reach, name=name)
        limiter.retired = lambda: self._retire(limiter, bucket)
        self._by_bucket[bucket] = limiter
        self._limiters[limiter] = anyio.CancelScope()
        self._tasks.start_soon(self._serve, limiter)
        return limiter

    async def _serve(self, limiter: EngineLimiter) -> None:
        with self._limiters[limiter]:
            await limiter.serve()

    def _retire(self, limiter: EngineLimiter, bucket: str) -> None:
        self._users[limiter] -= 1
        if self._tasks is not None and not self._users[limiter]:
            self._tasks.start_soon(self._let_go, limiter, bucket)

    async def _let_go(self, limiter: EngineLimiter, bucket: str) -> None:
        """Serve those who still wait or hold a slot, then no more, unless somebody has come back meanwhile."""
        while limiter.snapshot().queued or limiter.window.has_slots():  # noqa: ASYNC110 - nobody tells of the last
            await anyio.sleep(_LET_GO_SECONDS)
        if not self._users[limiter] and (serving := self._limiters.pop(limiter, None)):
            del self._by_bucket[bucket], self._users[limiter]
            serving.cancel()

    async def refresh(self) -> None:
        """Ask the engine how all buckets in use stand, so that snapshots tell."""
        async with anyio.create_task_group() as tasks:
            for limiter in self._limiters:
                tasks.start_soon(limiter.refresh)

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._report)
        self._tasks.start_soon(self._listen)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        tasks, self._tasks = self._tasks, None
        if tasks is None:
            return None
        tasks.cancel_scope.cancel()
        try:
            return await tasks.__aexit__(kind, error, trace)
        finally:
            with anyio.move_on_after(_FAREWELL_SECONDS, shield=True):
                await self._tell()

    async def _report(self) -> None:
        while True:
            tending = any(limiter.window.has_slots() for limiter in self._limiters)
            with anyio.move_on_after(TEND_SECONDS if tending else None):
                await self._news.wait()
            self._news = anyio.Event()
            await self._tell()

    async def _tell(self) -> None:
        """Tell the engine what has happened to slots; what it does not hear is told when a limiter catches up."""
        for limiter in list(self._limiters):
            window = limiter.window
            if self._reach.lost_at is not None or window.missed != window.caught_up:
                continue
            if changes := window.changes(self.clock()):
                with suppress(Unreachable), anyio.CancelScope(shield=True):  # what was collected is to be told
                    await self._reach.report(window.terms, changes)

    async def _listen(self) -> None:
        while True:
            await anyio.sleep(_HEARTBEAT_SECONDS)
            if self._reach.lost_at is None and self.clock() < self._reach.heard_at + _HEARTBEAT_SECONDS:
                continue
            with suppress(Unreachable):
                await self._reach.ping()

    def _stir(self) -> None:
        self._news.set()

    def _missed(self) -> None:
        for limiter in self._limiters:
            limiter.window.missed += 1

    def _changed(self) -> None:
        self._news.set()
        for limiter in self._limiters:
            limiter.stir()
