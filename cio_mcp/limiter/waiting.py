"""The wait: callers in one line, each woken when its slot is there."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from cio_mcp.limiter.rates import Rate
from cio_mcp.limiter.window import SlidingWindow, Slot

# A timer may fire a hair before its moment; sleeping no time at all would then spin.
_SHORTEST_SLEEP = 1e-6


class Overdue(Exception):
    """No slot would be free within the caller's `max_wait`; `wait` is the estimate in seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"a slot is free in about {wait:.1f} s")
        self.wait = wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A bucket at one moment.

    `limit` per `window` seconds is the rate, `effective` the limit in force after 429s, `available` the slots
    free now, `queued` the callers waiting; `next_free` estimates the seconds until a new caller would have a
    slot, behind that queue; `paused_for` is what is left of a pause, in seconds; `granted` and `refused_429`
    count since the start.
    """

    name: str
    limit: int
    window: float
    effective: int
    available: int
    queued: int
    next_free: float
    paused_for: float
    granted: int
    refused_429: int


class Permit:
    """The right to send one request; `waited` is what it cost, in seconds.

    Tell it what happens to the request: `written()` when its last byte has left, `responded()` when the
    answer begins, `close()` in any case; each may be called more than once. Without `written()`, `close()`
    gives the slot back at once. As a context manager a permit closes itself.
    """

    __slots__ = ("_changed", "_clock", "_slot", "_window", "waited")

    def __init__(
        self,
        slot: Slot,
        window: SlidingWindow,
        clock: Callable[[], float],
        *,
        changed: Callable[[], None],
        waited: float,
    ) -> None:
        self._slot = slot
        self._window = window
        self._clock = clock
        self._changed = changed
        self.waited = waited

    def written(self) -> None:
        """Note that the request has left."""
        self._window.written(self._slot, self._clock())
        self._changed()

    def responded(self) -> None:
        """Note that the answer has begun: the slot is free one window later."""
        self._window.answered(self._slot, self._clock())
        self._changed()

    def close(self) -> None:
        """End the permit; a request written but not answered holds its slot while it may still arrive."""
        self._window.release(self._slot, self._clock())
        self._changed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Waiter:
    """A caller in line, who will not wait beyond `deadline` if that is known, and in any case leaves at `leaves_at`."""

    __slots__ = ("deadline", "event", "hopeless", "judged", "leaves_at", "slot")

    def __init__(self, *, deadline: float, leaves_at: float) -> None:
        self.deadline = deadline
        self.leaves_at = leaves_at
        self.event = anyio.Event()
        self.slot: Slot | None = None
        self.judged = False
        self.hopeless: float | None = None


class WindowLimiter:
    """A sliding window that callers of one event loop share, first come, first served.

    `grace` is how many seconds an unanswered request is taken to be on its way; `max_pause` is the longest
    Retry-After obeyed, in seconds; `clock` returns seconds and never runs backwards. `window` decides in place of a
    window of the limiter's own, and then `grace` and `max_pause` are its matter; every caller in line gives it
    `least_patience` seconds to do so.
    """

    def __init__(
        self,
        rate: Rate,
        *,
        name: str = "",
        grace: float = 1.0,
        max_pause: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        window: SlidingWindow | None = None,
        least_patience: float = 0.0,
    ) -> None:
        self.rate = rate
        self.name = name
        self._clock = clock
        self._window = window or SlidingWindow(rate, grace=grace, max_pause=max_pause)
        self._line: OrderedDict[Waiter, None] = OrderedDict()
        self._timekeeper: Waiter | None = None  # the first in line, sleeping until `_alarm`
        self._alarm = math.inf
        self._granted = 0
        self._refused = 0
        self._least_patience = least_patience

    async def acquire(self, *, max_wait: float | None = None) -> Permit:
        """Wait in line for a slot, for at most `max_wait` seconds.

        Raises `Overdue`: at once, without a place in line, when the wait would be longer; or after `max_wait`
        seconds in line, when slow answers or a 429 made it longer.
        """
        await checkpoint_if_cancelled()
        now = self._clock()
        slot, waited = None if self._line else self._window.take(now), 0.0
        if slot is None:
            slot = await self._stand_in_line(now, max_wait)
            waited = self._clock() - now
        self._granted += 1
        return Permit(slot, self._window, self._clock, changed=self._changed, waited=waited)

    def penalize(self, retry_after: float | None) -> None:
        """Note a 429: pause for `retry_after` seconds (at least a window), lower the limit, recover slowly.

        Pass None when the answer had no Retry-After.
        """
        self._refused += 1
        self._window.penalize(self._clock(), retry_after)

    def retire(self) -> None:
        """Note that nobody new will come; those in line are still served, and permits given still count."""

    def snapshot(self) -> Budget:
        """Return the bucket as it is now."""
        now = self._clock()
        return Budget(
            name=self.name,
            limit=self.rate.limit,
            window=self.rate.window,
            effective=self._window.effective(now),
            available=self._window.available(now),
            queued=len(self._line),
            next_free=self._window.wait(now, ahead=len(self._line)),
            paused_for=self._window.paused_for(now),
            granted=self._granted,
            refused_429=self._refused,
        )

    async def _stand_in_line(self, now: float, max_wait: float | None) -> Slot:
        patience = math.inf
        if max_wait is not None:
            patience = max_wait
            if (wait := self._expected(now)) > max_wait:
                raise Overdue(wait)
        waiter = Waiter(deadline=now + patience, leaves_at=now + max(patience, self._least_patience))
        self._line[waiter] = None
        self._window.queued(len(self._line), now)
        try:
            while (slot := waiter.slot) is None:
                await self._sleep(waiter)
                self._grant_and_wake()
                self._give_up_if_overdue(waiter)
        except BaseException:
            self._leave_line(waiter)
            raise
        return slot

    def _expected(self, now: float) -> float:
        """Return what is known of the wait of a caller who comes now."""
        return self._window.wait(now, ahead=len(self._line))

    def _give_up_if_overdue(self, waiter: Waiter) -> None:
        now = self._clock()
        if waiter.slot is None and now >= waiter.leaves_at:
            raise Overdue(self._window.wait(now, ahead=len(self._line) - 1))

    async def _sleep(self, waiter: Waiter) -> None:
        """Sleep until told; the first in line also until something may have changed, on behalf of all."""
        now = self._clock()
        until = waiter.leaves_at
        if waiter is next(iter(self._line)):
            self._timekeeper = waiter
            self._alarm = self._window.next_change(now)
            until = min(until, self._alarm)
        with anyio.move_on_after(max(until - now, _SHORTEST_SLEEP)):
            await waiter.event.wait()
        if waiter.slot is None:
            waiter.event = anyio.Event()

    def _grant_and_wake(self) -> None:
        """Hand out every slot that is free, then see to it that the first still in line watches the time."""
        now = self._clock()
        while self._line and (slot := self._window.take(now)) is not None:
            waiter, _ = self._line.popitem(last=False)
            self._window.queued(len(self._line), now)
            waiter.slot = slot
            waiter.event.set()
        if self._line:
            first = next(iter(self._line))
            if first is not self._timekeeper or self._window.next_change(now) < self._alarm:
                first.event.set()

    def _leave_line(self, waiter: Waiter) -> None:
        self._line.pop(waiter, None)
        self._window.queued(len(self._line), self._clock())
        if waiter.slot is not None:
            self._window.release(waiter.slot, self._clock())
        self._grant_and_wake()

    def _changed(self) -> None:
        if self._line:
            self._grant_and_wake()
