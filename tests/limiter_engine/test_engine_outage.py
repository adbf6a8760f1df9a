"""An engine that dies, freezes and comes back: no request too many on the way there or back, and none for ever."""

import logging
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import pairwise

import anyio
import pytest

from cio_mcp.limiter import EngineLimiter, Overdue, Rate, Unshared
from tests.limiter_engine.conftest import Arrivals, MortalPostgres, replica, replicas, until
from tests.limiter_engine.servers import RedisServer
from tests.ports import free_port

pytestmark = pytest.mark.anyio


async def _call(limiter: EngineLimiter, arrivals: Arrivals) -> None:
    await arrivals.request(await limiter.acquire())


async def _call_without_end(limiter: EngineLimiter, arrivals: Arrivals) -> None:
    while True:
        await _call(limiter, arrivals)


async def _in_bursts(limiters: Sequence[EngineLimiter], arrivals: Arrivals, r: random.Random) -> None:
    """Let one replica after the other want a whole limit at once, so that shares are never what they happen to be."""
    async with anyio.create_task_group() as tasks:
        while True:
            limiter = r.choice(limiters)
            if limiter.snapshot().queued == 0:
                for _ in range(limiter.rate.limit):
                    tasks.start_soon(_call, limiter, arrivals)
            await anyio.sleep(r.uniform(0.0, 0.2))


async def test_an_engine_that_comes_and_goes_never_lets_a_request_too_many_through(
    mortal_redis: RedisServer, rate: Rate
) -> None:
    r, arrivals = random.Random(7), Arrivals(rate)  # noqa: S311 - repeatable, and guards nothing
    async with replicas(mortal_redis.url) as links, anyio.create_task_group() as tasks:
        tasks.start_soon(_in_bursts, [link.limiter(rate, bucket="app") for link in links], arrivals, r)
        for outage, leave, come_back in (
            (0.3, mortal_redis.kill, mortal_redis.start),
            (3.5, mortal_redis.freeze, mortal_redis.thaw),
            (3.0, mortal_redis.kill, mortal_redis.start),
        ):
            await anyio.sleep(r.uniform(1.0, 3.0))
            leave()
            await anyio.sleep(outage)
            come_back()
        back = time.monotonic()
        await until(lambda: arrivals.since(back) >= 5 * rate.limit)
        tasks.cancel_scope.cancel()
    assert arrivals.most_in_a_window() <= rate.limit


async def test_what_was_granted_before_a_restart_is_over_before_anything_is_granted_after(
    mortal_engine: RedisServer | MortalPostgres,
) -> None:
    rate = Rate(9, 2.0)
    arrivals = Arrivals(rate)
    async with replicas(mortal_engine.url) as links, anyio.create_task_group() as tasks:
        limiters = [link.limiter(rate, bucket="app") for link in links]
        for limiter in limiters:
            await limiter.refresh()
        for limiter in limiters[:1] * rate.limit:
            tasks.start_soon(_call, limiter, arrivals)
        await until(lambda: len(arrivals.times) == rate.limit)
        mortal_engine.kill()
        mortal_engine.start()
        for limiter in limiters[1:] * rate.limit:
            tasks.start_soon(_call, limiter, arrivals)
        await until(lambda: len(arrivals.times) > 2 * rate.limit, 20.0)
        tasks.cancel_scope.cancel()
    assert arrivals.most_in_a_window() <= rate.limit


async def test_each_replica_goes_on_with_its_share_and_with_the_whole_when_the_engine_is_back(
    mortal_redis: RedisServer, rate: Rate, caplog: pytest.LogCaptureFixture
) -> None:
    arrivals = Arrivals(rate)
    async with replicas(mortal_redis.url) as links, anyio.create_task_group() as tasks:
        limiters = [link.limiter(rate, bucket="app") for link in links]
        for _ in range(rate.limit):
            tasks.start_soon(_call_without_end, limiters[0], arrivals)
        await until(lambda: arrivals.since(0) >= rate.limit)
        with caplog.at_level(logging.WARNING):
            mortal_redis.kill()
            await until(lambda: limiters[0].snapshot().effective == 3)
            lost = time.monotonic()
            await until(lambda: arrivals.since(lost) >= 6)
            alone = Arrivals(rate)
            alone.times = [at for at in arrivals.times if at > lost]
            assert alone.most_in_a_window() <= 3
            assert limiters[0].snapshot().shared is False
            mortal_redis.start()
            await until(lambda: all(link.shared for link in links))
            back = time.monotonic()
            await until(lambda: limiters[0].snapshot().effective == rate.limit and arrivals.since(back) > 30)
        tasks.cancel_scope.cancel()
    said = [record.getMessage() for record in caplog.records]
    where = f"redis://127.0.0.1:{mortal_redis.port}/0"
    assert sum("not shared with other replicas for now" in each and where in each for each in said) == 3
    assert sum(each == f"limits are shared with other replicas again: {where}" for each in said) == 3
    assert len(said) == 6
    assert arrivals.most_in_a_window() <= rate.limit


async def test_nothing_is_sent_without_the_engine_if_that_is_wanted(mortal_redis: RedisServer) -> None:
    async with replica(mortal_redis.url, fail_closed=True) as link:
        limiter = link.limiter(Rate(9, 0.5), bucket="app")
        with await limiter.acquire(max_wait=5.0):
            pass
        mortal_redis.kill()
        with pytest.raises(Unshared):
            await limiter.acquire(max_wait=5.0)
        await anyio.sleep(3.0)
        with pytest.raises(Unshared):
            await limiter.acquire(max_wait=0.5)
        mortal_redis.start()
        with await limiter.acquire(max_wait=10.0):
            assert limiter.snapshot().shared is True


async def test_an_engine_that_was_never_there_costs_a_wait_and_no_error() -> None:
    port = free_port()
    async with replica(f"redis://127.0.0.1:{port}/0") as link:
        limiter = link.limiter(Rate(9, 0.5), bucket="app")
        start = time.monotonic()
        with pytest.raises(Overdue) as refused:
            await limiter.acquire(max_wait=0.5)
        assert time.monotonic() - start < 2.0
        assert refused.value.wait <= 2.6
        with await limiter.acquire(max_wait=5.0):
            assert limiter.snapshot().available == 2


async def test_a_limit_that_cannot_be_divided_is_kept_on_average_without_the_engine() -> None:
    async with replica(f"redis://127.0.0.1:{free_port()}/0", replicas=4) as link:
        limiter = link.limiter(Rate(2, 0.5), bucket="broadcast")
        moments = []
        for _ in range(3):
            with await limiter.acquire(max_wait=10.0) as permit:
                moments.append(time.monotonic())
                permit.written()
                permit.responded()
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert min(gaps) >= 0.99
    assert max(gaps) <= 1.5


async def test_leaving_a_link_gives_back_what_was_not_used(redis_server: RedisServer, bucket: str) -> None:
    async with replica(redis_server.url) as other:
        watching = other.limiter(Rate(2, 5.0), bucket=bucket)
        async with AsyncExitStack() as stack:
            limiter = (await stack.enter_async_context(replica(redis_server.url))).limiter(Rate(2, 5.0), bucket=bucket)
            permits = [await limiter.acquire() for _ in range(2)]
            permits[0].close()
            permits[1].written()
            permits[1].responded()
        await watching.refresh()
        assert watching.snapshot().available == 1
