"""The wait itself, on asyncio and trio, both in virtual time: a clock that jumps to the next timer."""

import asyncio
import math
import random
import selectors
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from trio.testing import MockClock

from cio_mcp.limiter import Budget, Overdue, Permit, Rate, WindowLimiter

pytestmark = pytest.mark.anyio


class _JumpingSelector(selectors.DefaultSelector):
    """Never blocks: when no file is ready, the time asked for has passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "every task waits and no timer is set"
            self.now += timeout
        return ready


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    if request.param == "asyncio":
        return "asyncio", {"loop_factory": _JumpingLoop}
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@asynccontextmanager
async def _crowd() -> AsyncIterator[TaskGroup]:
    """Tasks that all end within an hour of virtual time."""
    with anyio.fail_after(3600):
        async with anyio.create_task_group() as tasks:
            yield tasks


def _limiter(limit: int = 10, window: float = 1.0) -> WindowLimiter:
    return WindowLimiter(Rate(limit, window), name="app", clock=anyio.current_time)


class _Callers:
    """Calls of one limiter: when each was granted, in the order in which they asked."""

    def __init__(self, limiter: WindowLimiter, *, round_trip: float = 0.1) -> None:
        self.limiter = limiter
        self.round_trip = round_trip
        self.granted: dict[int, float] = {}
        self.waited: dict[int, float] = {}
        self._asked = count()

    async def call(self) -> None:
        """Make one request, answered after the round trip."""
        number = next(self._asked)
        with await self.limiter.acquire() as permit:
            self.granted[number] = anyio.current_time()
            self.waited[number] = permit.waited
            permit.written()
            await anyio.sleep(self.round_trip)
            permit.responded()

    def start(self, tasks: TaskGroup, callers: int) -> None:
        """Start so many calls at once."""
        for _ in range(callers):
            tasks.start_soon(self.call)

    @property
    def moments(self) -> list[float]:
        """When each was granted, in the order asked."""
        return [self.granted[number] for number in sorted(self.granted)]


async def test_a_burst_from_idle_leaves_at_once_and_the_next_after_a_window() -> None:
    callers = _Callers(_limiter(10))
    async with _crowd() as tasks:
        callers.start(tasks, 11)
    assert list(callers.waited.values())[:10] == [0.0] * 10
    assert callers.waited[10] == pytest.approx(1.1)


async def test_callers_are_served_in_the_order_in_which_they_asked() -> None:
    callers = _Callers(_limiter(10))
    async with _crowd() as tasks:
        callers.start(tasks, 30)
        await anyio.sleep(0.5)
        callers.start(tasks, 25)
    assert callers.moments == sorted(callers.moments)
    assert callers.moments[-1] - callers.moments[0] == pytest.approx(5 * 1.1, abs=0.5)


async def test_a_full_line_moves_at_once_when_an_unused_slot_comes_back() -> None:
    limiter = _limiter(1)
    callers = _Callers(limiter)
    unused = await limiter.acquire()
    start = anyio.current_time()
    async with _crowd() as tasks:
        callers.start(tasks, 1)
        await anyio.sleep(7.0)
        unused.close()
    assert callers.waited == {0: pytest.approx(7.0)}
    assert anyio.current_time() - start == pytest.approx(7.1)


async def test_a_slot_whose_writing_is_reported_late_is_still_waited_for() -> None:
    limiter = _limiter(1)
    callers = _Callers(limiter)
    async with _crowd() as tasks:
        permit = await limiter.acquire()
        callers.start(tasks, 1)
        await anyio.sleep(2.0)
        permit.written()
        await anyio.sleep(0.2)
        permit.responded()
    assert callers.waited == {0: pytest.approx(2.0 + 0.2 + 1.0)}


async def test_unanswered_requests_do_not_hold_up_the_line_for_good() -> None:
    limiter = _limiter(3)
    for _ in range(3):
        (await limiter.acquire()).written()
    assert (await limiter.acquire()).waited == pytest.approx(2.0)


async def test_nobody_overtakes_the_line_while_its_first_has_yet_to_wake() -> None:
    ahead_of_timers = 0.0
    limiter = WindowLimiter(Rate(1), clock=lambda: anyio.current_time() + ahead_of_timers)
    order = []

    async def call(name: str) -> None:
        with await limiter.acquire() as permit:
            order.append(name)
            permit.written()
            permit.responded()

    async with _crowd() as tasks:
        await call("first")
        tasks.start_soon(call, "second")
        await anyio.sleep(0.5)
        ahead_of_timers = 5.0
        await call("third")
    assert order == ["first", "second", "third"]


async def test_the_next_in_line_watches_the_time_when_the_first_gives_up() -> None:
    callers = _Callers(_limiter(1))
    async with _crowd() as tasks:
        callers.start(tasks, 1)
        await anyio.sleep(0.2)
        with anyio.move_on_after(0.3):
            await callers.limiter.acquire()
        async with anyio.create_task_group() as impatient:
            impatient.start_soon(callers.limiter.acquire)
            await anyio.sleep(0.1)
            callers.start(tasks, 1)
            await anyio.sleep(0.1)
            impatient.cancel_scope.cancel()
    assert callers.moments[1] - callers.moments[0] == pytest.approx(1.1)
    assert callers.limiter.snapshot().queued == 0


async def test_a_call_cancelled_before_anything_was_written_costs_nothing() -> None:
    limiter = _limiter(1)
    with anyio.move_on_after(0.5):
        with await limiter.acquire():
            await anyio.sleep(60)
    assert limiter.snapshot().available == 1


async def test_no_place_in_line_is_taken_when_the_wait_is_too_long() -> None:
    callers = _Callers(_limiter(10))
    async with _crowd() as tasks:
        callers.start(tasks, 15)
        await anyio.sleep(0.5)
        before = anyio.current_time()
        with pytest.raises(Overdue) as refusal:
            await callers.limiter.acquire(max_wait=0.5)
        assert anyio.current_time() == before
        assert callers.limiter.snapshot().queued == 5
        assert refusal.value.wait == pytest.approx(0.6)
        assert callers.limiter.snapshot().next_free == pytest.approx(0.6)
        permit = await callers.limiter.acquire(max_wait=0.61)
        assert permit.waited == pytest.approx(0.6)
        permit.close()


async def test_the_refusal_counts_those_already_in_line() -> None:
    callers = _Callers(_limiter(10))
    async with _crowd() as tasks:
        callers.start(tasks, 35)
        await anyio.sleep(0.5)
        with pytest.raises(Overdue, match=r"^a slot is free in about 3\.0 s$") as refusal:
            await callers.limiter.acquire(max_wait=1.0)
    # Twenty-five in line: two whole rounds of (twice 0.1 s + 1 s) behind the slots free at 1.1 s.
    assert refusal.value.wait == pytest.approx(0.6 + 2 * 1.2)
    # In fact 0.1 s and a window each, less the credit of 0.098 s that twenty answers bring.
    assert callers.moments[-1] - callers.moments[0] == pytest.approx(3 * 1.1 - 0.098)


async def test_without_a_wait_only_a_free_slot_is_taken() -> None:
    limiter = _limiter(1)
    first = await limiter.acquire(max_wait=0)
    with pytest.raises(Overdue):
        await limiter.acquire(max_wait=0)
    first.close()
    assert (await limiter.acquire(max_wait=0)).waited == 0.0


async def test_the_longest_wait_is_kept_although_a_429_makes_the_line_longer() -> None:
    limiter = _limiter(1)
    held = await limiter.acquire()
    start = anyio.current_time()

    async def refused() -> None:
        held.written()
        held.responded()
        await anyio.sleep(0.5)
        limiter.penalize(60.0)

    async with _crowd() as tasks:
        tasks.start_soon(refused)
        with pytest.raises(Overdue) as refusal:
            await limiter.acquire(max_wait=45.0)
        assert anyio.current_time() - start == pytest.approx(45.0)
        assert refusal.value.wait == pytest.approx(60.5 - 45.0)
    assert limiter.snapshot().queued == 0


async def test_a_429_while_callers_sleep_is_honoured_and_they_wake_when_it_is_over() -> None:
    callers = _Callers(_limiter(10))
    start = anyio.current_time()
    async with _crowd() as tasks:
        callers.start(tasks, 24)
        await anyio.sleep(0.5)
        callers.limiter.penalize(5.0)
    later = [moment - start for moment in callers.moments[10:]]
    assert later[:7] == [pytest.approx(5.5)] * 7
    assert later[7:] == [pytest.approx(6.6)] * 7


async def test_a_limit_that_recovers_wakes_the_line() -> None:
    limiter = _limiter(2)
    held = await limiter.acquire()
    limiter.penalize(None)
    assert limiter.snapshot().effective == 1
    permit = await limiter.acquire()
    assert permit.waited == pytest.approx(1.0 + 5.0)
    held.close()


async def test_waiting_does_not_poll() -> None:
    looks = count()

    def clock() -> float:
        next(looks)
        return anyio.current_time()

    limiter = WindowLimiter(Rate(1, 600.0), clock=clock)
    with await limiter.acquire() as permit:
        permit.written()
        permit.responded()
    async with _crowd() as tasks:
        for _ in range(20):
            tasks.start_soon(limiter.acquire)
        await anyio.sleep(599.0)
        tasks.cancel_scope.cancel()
    assert next(looks) < 20 * 10


async def test_a_snapshot_tells_everything_about_the_bucket() -> None:
    callers = _Callers(_limiter(10))
    idle = Budget(
        name="app",
        limit=10,
        window=1.0,
        effective=10,
        available=10,
        queued=0,
        next_free=0.0,
        paused_for=0.0,
        granted=0,
        refused_429=0,
    )
    assert callers.limiter.snapshot() == idle
    async with _crowd() as tasks:
        callers.start(tasks, 12)
        await anyio.sleep(0.25)
        callers.limiter.penalize(2.0)
        await anyio.sleep(0.25)
        busy = callers.limiter.snapshot()
        assert replace(busy, next_free=round(busy.next_free, 6), paused_for=round(busy.paused_for, 6)) == replace(
            idle,
            effective=7,
            available=0,
            queued=2,
            next_free=1.75,
            paused_for=1.75,
            granted=10,
            refused_429=1,
        )


@pytest.mark.parametrize("seed", range(3))
async def test_random_cancellations_neither_leak_slots_nor_break_the_limit_nor_the_order(seed: int) -> None:
    r = random.Random(seed)  # noqa: S311 - repeatable, and guards nothing
    limiter = _limiter(10)
    arrivals: list[float] = []
    asked = count()
    granted: dict[int, float] = {}

    async def request(permit: Permit) -> None:
        await anyio.sleep(r.choice([0.0, 0.0, 0.01]))
        if r.random() < 0.2:
            return  # nothing was written
        permit.written()
        await anyio.sleep(r.uniform(0.0, 0.04))
        arrivals.append(anyio.current_time())
        await anyio.sleep(r.uniform(0.0, 0.04))
        permit.responded()

    async def caller() -> None:
        while anyio.current_time() < end:
            number = next(asked)
            with anyio.move_on_after(r.choice([math.inf, r.uniform(0.0, 3.0)])):
                with await limiter.acquire(max_wait=r.choice([None, None, 30.0])) as permit:
                    granted[number] = anyio.current_time()
                    await request(permit)

    end = anyio.current_time() + 30.0
    async with _crowd() as tasks:
        for _ in range(60):
            tasks.start_soon(caller)
    moments = [granted[number] for number in sorted(granted)]
    assert moments == sorted(moments)
    arrivals.sort()
    assert len(arrivals) > 200
    assert all(later - earlier >= 1.0 for earlier, later in zip(arrivals, arrivals[10:], strict=False))
    await anyio.sleep(3.0)
    assert (limiter.snapshot().available, limiter.snapshot().queued) == (10, 0)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_slot_handed_to_a_task_just_cancelled_goes_to_the_next() -> None:
    limiter = WindowLimiter(Rate(1))
    unused = await limiter.acquire()
    first, second = (asyncio.ensure_future(limiter.acquire()) for _ in range(2))
    await checkpoint()
    assert limiter.snapshot().queued == 2
    unused.close()
    first.cancel()
    assert (await asyncio.wait_for(second, 1.0)).waited < 1.0
    assert first.cancelled()
