"""A clock of the engine that is set: nobody waits long for it, and no replica's own slots are forgotten.

To set a clock back is to make every moment that is written down later: an engine knows no other times.
"""

from collections.abc import Awaitable, Callable

import anyio
import pytest

from cio_mcp.limiter import EngineLimiter, Rate
from cio_mcp.postgres import Database, Session
from tests.limiter_engine.conftest import Arrivals, replica, replicas

pytestmark = pytest.mark.anyio

_LATER = """
local by = tonumber(ARGV[1])
for i = 1, 3 do
  for _, slot in ipairs(redis.call('ZRANGE', KEYS[i], 0, -1)) do redis.call('ZINCRBY', KEYS[i], by, slot) end
end
for _, member in ipairs({'since', 'settling', 'paused'}) do
  if redis.call('HEXISTS', KEYS[5], member) == 1 then redis.call('HINCRBY', KEYS[5], member, by) end
end
local places = redis.call('HGETALL', KEYS[4])
for i = 1, #places, 2 do
  local place, left, alive, callers = string.match(places[i + 1], '^(%d+) (%d+) (%d+) (%d+)$')
  redis.call('HSET', KEYS[4], places[i], string.format('%s %s %.0f %s', place, left, alive + by, callers))
end
"""
SetClock = Callable[[float], Awaitable[None]]


@pytest.fixture
def set_clock(engine_url: str, bucket: str) -> SetClock:
    """Return how the engine's clock is set ahead by so many seconds, for a bucket."""

    async def in_redis(seconds: float) -> None:
        from redis.asyncio import Redis  # noqa: PLC0415 - an extra

        keys = [f"cio-mcp:{{{bucket}}}:{key}" for key in ("reserved", "written", "cooling", "line", "state")]
        async with Redis.from_url(engine_url) as client:
            await client.eval(_LATER, len(keys), *keys, str(int(-seconds * 1e6)))

    async def in_postgres(seconds: float) -> None:
        def later(session: Session) -> None:
            by = int(-seconds * 1e6)
            session.execute("SELECT 1 FROM limiter_states FOR UPDATE")
            session.execute("UPDATE limiter_slots SET frees_at = frees_at + ?", (by,))
            session.execute("UPDATE limiter_line SET alive_until = alive_until + ?", (by,))
            session.execute("UPDATE limiter_states SET since = since + ?, settling = settling + ?", (by, by))
            session.execute("UPDATE limiter_states SET paused = paused + ?", (by,))

        database = Database(engine_url, size=1)
        await database.run(later)
        await database.aclose()

    return in_redis if engine_url.startswith("redis") else in_postgres


async def _call_without_end(limiter: EngineLimiter, arrivals: Arrivals) -> None:
    while True:
        await arrivals.request(await limiter.acquire())


@pytest.mark.parametrize("seconds", [20.0, 3600.0])
async def test_a_clock_that_is_set_back_holds_slots_no_longer_than_was_meant(
    engine_url: str, bucket: str, set_clock: SetClock, seconds: float
) -> None:
    rate = Rate(6, 0.5)
    arrivals = Arrivals(rate)
    async with replicas(engine_url) as links, anyio.create_task_group() as tasks:
        for link in links:
            limiter = link.limiter(rate, bucket=bucket)
            for _ in range(6):
                tasks.start_soon(_call_without_end, limiter, arrivals)
        await arrivals.more(3 * rate.limit, within=15.0)
        await set_clock(-seconds)
        assert await arrivals.more(3 * rate.limit, within=10.0) <= 4.0
        tasks.cancel_scope.cancel()
    assert arrivals.most_in_a_window() <= rate.limit


async def test_a_clock_that_is_set_back_during_a_pause_prolongs_it_by_no_more_than_the_longest(
    engine_url: str, bucket: str, set_clock: SetClock
) -> None:
    async with replica(engine_url) as link:
        limiter = link.limiter(Rate(10), bucket=bucket, max_pause=2.0)
        limiter.penalize(1.0)
        with anyio.fail_after(5):
            while limiter.snapshot().available:
                await limiter.refresh()
        await limiter.refresh()
        await set_clock(-3600.0)
        with await limiter.acquire(max_wait=10.0) as permit:
            assert permit.waited <= 3.0


async def test_a_clock_that_is_set_ahead_lets_no_replica_forget_its_own_slots(
    engine_url: str, bucket: str, set_clock: SetClock
) -> None:
    rate = Rate(4, 1.0)
    arrivals = Arrivals(rate)
    async with replica(engine_url) as link, anyio.create_task_group() as tasks:
        limiter = link.limiter(rate, bucket=bucket)
        for _ in range(8):
            tasks.start_soon(_call_without_end, limiter, arrivals)
        await arrivals.more(rate.limit, within=15.0)
        await set_clock(20.0)
        await arrivals.more(2 * rate.limit, within=15.0)
        tasks.cancel_scope.cancel()
    assert arrivals.most_in_a_window() <= rate.limit
