"""Replicas and their callers on a real engine: waits are known, lines are fair, and nothing that was given up leaks."""

import random
import time

import anyio
import pytest

from cio_mcp.limiter import EngineLimiter, Overdue, Rate
from tests.limiter_engine.conftest import Arrivals, replica, replicas

pytestmark = pytest.mark.anyio


async def _used_up(limiter: EngineLimiter) -> None:
    for _ in range(limiter.rate.limit):
        with await limiter.acquire(max_wait=5.0) as permit:
            permit.written()
            permit.responded()


async def _told(limiter: EngineLimiter, available: int) -> None:
    """Wait until the engine says that so many slots are free, and that nobody waits."""
    with anyio.fail_after(5):
        while True:
            await limiter.refresh()
            if limiter.snapshot().available == available and not limiter.window.others:
                return
            await anyio.sleep(0.01)


async def test_a_free_slot_is_there_for_who_will_not_wait(engine_url: str, bucket: str) -> None:
    async with replica(engine_url) as link:
        limiter = link.limiter(Rate(2), bucket=bucket)
        with await limiter.acquire(max_wait=0.0) as permit:
            assert permit.waited < 1.0


async def test_a_wait_that_is_too_long_is_refused_with_its_length_before_it_begins(
    engine_url: str, bucket: str
) -> None:
    async with replicas(engine_url) as (first, second, _):
        await _used_up(first.limiter(Rate(2, 8.0), bucket=bucket))
        limiter = second.limiter(Rate(2, 8.0), bucket=bucket)
        start = time.monotonic()
        with pytest.raises(Overdue) as refused:  # although this replica has never heard of the bucket
            await limiter.acquire(max_wait=5.0)
        assert time.monotonic() - start < 2.0
        assert 6.5 < refused.value.wait <= 9.1  # with the grace, if it has not heard of the answers yet
        assert limiter.snapshot().queued == 0
        assert 6.0 < limiter.snapshot().next_free <= 9.1


async def test_a_wait_of_moments_is_waited_for(engine_url: str, bucket: str) -> None:
    async with replicas(engine_url) as (first, second, _):
        await _used_up(first.limiter(Rate(2, 1.5), bucket=bucket))
        limiter = second.limiter(Rate(2, 1.5), bucket=bucket)
        with await limiter.acquire(max_wait=5.0) as permit:
            assert 0.2 < permit.waited < 2.5


async def test_callers_of_one_replica_are_served_in_the_order_in_which_they_came(engine_url: str, bucket: str) -> None:
    served: list[int] = []

    async def call(limiter: EngineLimiter, number: int) -> None:
        with await limiter.acquire() as permit:
            served.append(number)
            permit.written()
            permit.responded()

    async with replica(engine_url) as link:
        limiter = link.limiter(Rate(5, 0.2), bucket=bucket)
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(call, limiter, number)
    assert served == list(range(20))


async def test_replicas_that_never_stop_calling_stay_within_the_limit_and_share_it(
    engine_url: str, bucket: str, rate: Rate
) -> None:
    counts = [Arrivals(rate, seed) for seed in range(3)]

    async def call_without_end(limiter: EngineLimiter, arrivals: Arrivals) -> None:
        while True:
            await arrivals.request(await limiter.acquire())

    async with replicas(engine_url) as links, anyio.create_task_group() as tasks:
        for link, arrivals in zip(links, counts, strict=True):
            limiter = link.limiter(rate, bucket=bucket)
            for _ in range(10):
                tasks.start_soon(call_without_end, limiter, arrivals)
        await anyio.sleep(5.0)
        tasks.cancel_scope.cancel()
    together = Arrivals(rate)
    together.times = [at for arrivals in counts for at in arrivals.times]
    assert together.most_in_a_window() <= rate.limit
    assert min(len(arrivals.times) for arrivals in counts) * 3 >= 0.8 * len(together.times)
    assert len(together.times) >= 0.7 * rate.limit * 5.0 / rate.window


async def test_what_never_left_is_free_for_another_replica(engine_url: str, bucket: str) -> None:
    async with replicas(engine_url) as (first, second, _):
        limiter, other = (link.limiter(Rate(1, 20.0), bucket=bucket) for link in (first, second))
        (await limiter.acquire()).close()
        with await other.acquire(max_wait=2.0):
            pass


async def test_a_slot_that_waits_for_its_request_longer_than_a_lease_is_kept(engine_url: str, bucket: str) -> None:
    async with replicas(engine_url) as (first, second, _):
        limiter, other = (link.limiter(Rate(1, 0.2), bucket=bucket) for link in (first, second))
        with await limiter.acquire(), pytest.raises(Overdue):
            await other.acquire(max_wait=6.5)
        with await other.acquire(max_wait=2.0):
            pass


async def test_a_429_of_one_replica_pauses_the_others(engine_url: str, bucket: str) -> None:
    async with replicas(engine_url) as (first, second, _):
        limiter, other = (link.limiter(Rate(10), bucket=bucket) for link in (first, second))
        with await limiter.acquire() as permit:
            permit.written()
            permit.responded()
            limiter.penalize(20.0)
        with anyio.fail_after(5):
            while other.snapshot().paused_for == 0:
                await other.refresh()
        assert 18.0 < other.snapshot().paused_for <= 20.0
        assert other.snapshot().effective == 7
        with pytest.raises(Overdue):
            await other.acquire(max_wait=10.0)


@pytest.mark.parametrize("seed", range(3))
async def test_callers_who_give_up_at_any_moment_leave_no_slot_behind(engine_url: str, bucket: str, seed: int) -> None:
    r, rate = random.Random(seed), Rate(20, 0.1)  # noqa: S311 - repeatable, and guards nothing
    arrivals = Arrivals(rate, seed)

    async def give_up_at_some_moment(limiter: EngineLimiter) -> None:
        with anyio.move_on_after(r.choice([0.0, 0.0002, 0.001, 0.01, 0.1]) * r.random()):
            with await limiter.acquire() as permit:
                if r.random() < 0.5:
                    permit.written()
                await anyio.sleep(r.uniform(0.0, 0.01))
                if r.random() < 0.5:
                    permit.responded()

    async with replicas(engine_url) as links:
        limiters = [link.limiter(rate, bucket=bucket) for link in links]
        for _ in range(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(40):
                    tasks.start_soon(give_up_at_some_moment, r.choice(limiters))
        for limiter in limiters:
            await _told(limiter, rate.limit)
        assert [limiter.snapshot().queued for limiter in limiters] == [0, 0, 0]
        assert [limiter.window.has_slots() for limiter in limiters] == [False] * 3
        async with anyio.create_task_group() as tasks:
            for _ in range(rate.limit):
                tasks.start_soon(arrivals.request, await limiters[1].acquire(max_wait=0.0))
    assert len(arrivals.times) == rate.limit


async def test_links_must_be_entered_and_replicas_are_at_least_one(engine_url: str) -> None:
    async with replica(engine_url) as link:
        pass
    with pytest.raises(RuntimeError, match="entered"):
        link.limiter(Rate(1), bucket="app")
    with pytest.raises(ValueError, match="at least one replica"):
        async with replica(engine_url, replicas=0):
            pass


@pytest.mark.parametrize("url", ["http://127.0.0.1", "127.0.0.1:6379", ""])
async def test_an_address_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="redis://"):
        async with replica(url):
            pass


async def test_an_engine_is_named_without_its_password() -> None:
    from cio_mcp.limiter import opened  # noqa: PLC0415

    async with opened("redis://user:canary-redis-password@127.0.0.1:6379/3") as engine:
        assert engine.name == "redis://127.0.0.1:6379/3"
    async with opened("postgresql://user:canary-database-password@127.0.0.1/limits") as engine:
        assert engine.name == "postgresql://127.0.0.1/limits"
