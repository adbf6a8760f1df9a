"""What every engine does in one step, asked directly: who gets a slot, who is next, and when a slot is free."""

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import anyio
import pytest

from cio_mcp.limiter import Engine, Rate, opened
from cio_mcp.limiter.engine.terms import Back, Cool, Drop, Left, Put, Refused, Stage, Terms, View, terms_of
from tests.limiter_engine.servers import RedisServer

pytestmark = pytest.mark.anyio

SECOND = 1_000_000


@pytest.fixture
async def engine(engine_url: str) -> AsyncIterator[Engine]:
    """Return each kind of engine."""
    async with opened(engine_url) as engine:
        yield engine


def _terms(bucket: str, limit: int = 3, window: float = 1.0) -> Terms:
    rate = Rate(limit, window)
    return terms_of(rate, bucket, replicas=3, stragglers=1, grace=0.2, max_pause=60.0)


async def _take(engine: Engine, terms: Terms, replica: str, number: int, waiting: int | None = None) -> View:
    """Ask for so many slots, named after the replica and numbered from nought."""
    slots = [f"{replica}:{each}" for each in range(number)]
    return await engine.take(terms, replica, slots, number if waiting is None else waiting)


async def _granted(engine: Engine, terms: Terms, replica: str, slot: int = 0) -> bool:
    return (await engine.take(terms, replica, [f"{replica}:{slot}"], 1)).granted == 1


async def test_as_many_slots_as_are_free_are_granted_at_once_and_the_wait_for_the_rest_is_told(
    engine: Engine, bucket: str
) -> None:
    view = await _take(engine, _terms(bucket), "a", 5)
    assert (view.granted, view.held, view.unanswered, view.others) == (3, 3, 3, [])
    assert 0.8 * SECOND <= view.wait <= SECOND
    assert not await _granted(engine, _terms(bucket), "b")


async def test_many_replicas_at_once_get_no_slot_too_many(engine: Engine, bucket: str) -> None:
    views: list[View] = []

    async def ask(replica: str) -> None:
        views.append(await _take(engine, _terms(bucket, limit=5), replica, 2))

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(ask, f"replica{number}")
    assert sum(view.granted for view in views) == 5


async def test_a_look_takes_nothing(engine: Engine, bucket: str) -> None:
    for _ in range(5):
        view = await _take(engine, _terms(bucket), "a", 0)
        assert (view.granted, view.held, view.wait) == (0, 0, 0)


async def test_a_slot_is_free_when_its_time_is_over_and_not_before(engine: Engine, bucket: str) -> None:
    terms = _terms(bucket, limit=1)
    await _take(engine, terms, "a", 1)
    told = time.monotonic()
    await engine.report(terms, "a", [Cool(slot="a:0", left=SECOND // 2)])
    view = await _take(engine, terms, "b", 1)
    assert view.granted == 0
    assert view.wait <= SECOND // 2
    with anyio.fail_after(5):
        while not await _granted(engine, terms, "b"):  # noqa: ASYNC110 - the clock is the engine's
            await anyio.sleep(0.01)
    assert time.monotonic() - told >= 0.49


async def test_a_slot_that_was_dropped_is_free_at_once(engine: Engine, bucket: str) -> None:
    terms = _terms(bucket, limit=1)
    await _take(engine, terms, "a", 1)
    await engine.report(terms, "a", [Drop(slot="a:0"), Drop(slot="a:unknown")])
    assert await _granted(engine, terms, "b")


async def test_a_slot_of_which_nothing_is_heard_is_a_lease(engine: Engine, bucket: str) -> None:
    terms = replace(_terms(bucket, limit=1, window=0.2), hold=300_000)
    await _take(engine, terms, "a", 1)
    assert not await _granted(engine, terms, "b")
    await anyio.sleep(0.55)
    assert await _granted(engine, terms, "b")


async def test_a_lease_that_is_put_again_lasts_longer_and_one_that_was_lost_counts_again(
    engine: Engine, bucket: str
) -> None:
    terms = _terms(bucket, limit=1)
    await engine.report(terms, "a", [Put(slot="a:0", stage=Stage.WRITTEN, left=SECOND)])
    assert not await _granted(engine, terms, "b")
    await engine.report(terms, "a", [Cool(slot="a:0", left=0)])
    await engine.report(terms, "a", [Cool(slot="a:0", left=SECOND)])  # nothing is left to cool
    assert await _granted(engine, terms, "b")


async def test_the_youngest_unanswered_request_may_be_on_its_way_and_older_ones_are_taken_as_arrived(
    engine: Engine, bucket: str
) -> None:
    terms = replace(_terms(bucket, limit=2, window=1.0), hold=5 * SECOND)
    await _take(engine, terms, "a", 2)
    left = terms.hold + terms.window
    await engine.report(terms, "a", [Put(slot=f"a:{each}", stage=Stage.WRITTEN, left=left) for each in (0, 1)])
    await anyio.sleep(0.3)
    assert not await _granted(engine, terms, "b", 0)
    await anyio.sleep(1.0)  # the grace and a window are over
    assert await _granted(engine, terms, "b", 0)
    assert not await _granted(engine, terms, "b", 1)


async def test_replicas_that_wait_have_their_turns_one_after_the_other(engine: Engine, bucket: str) -> None:
    terms = _terms(bucket, limit=1)
    order = ["a"]
    await _take(engine, terms, "a", 1)
    for replica in ("b", "c", "a"):
        assert (await engine.take(terms, replica, [f"{replica}:x0"], 5)).granted == 0
    for number in range(1, 7):
        await engine.report(terms, order[-1], [Drop(slot=f"{order[-1]}:x{number - 1}"), Drop(slot="a:0")])
        views = {r: await engine.take(terms, r, [f"{r}:x{number}"], 5) for r in ("c", "a", "b")}
        order += [r for r, view in views.items() if view.granted]
    assert order[1:] == ["b", "c", "a", "b", "c", "a"]


async def test_a_free_slot_that_those_before_cannot_use_is_not_kept_for_them(engine: Engine, bucket: str) -> None:
    terms = _terms(bucket, limit=3)
    await _take(engine, terms, "a", 3)
    await _take(engine, terms, "b", 1)
    await engine.report(terms, "a", [Drop(slot="a:0")])
    view = await _take(engine, terms, "c", 1)
    assert (view.granted, view.wait, view.others) == (0, 0, [1])
    await engine.report(terms, "a", [Drop(slot="a:1")])
    assert await _granted(engine, terms, "c")


@pytest.mark.parametrize("says_so", [True, False])
async def test_a_replica_that_no_longer_waits_holds_up_nobody(engine: Engine, bucket: str, *, says_so: bool) -> None:
    terms = _terms(bucket, limit=1)
    await _take(engine, terms, "a", 1)
    await _take(engine, terms, "b", 1)
    await engine.report(terms, "a", [Drop(slot="a:0")])
    assert not await _granted(engine, terms, "c")
    if says_so:
        await engine.report(terms, "b", [Left()])
    else:
        await anyio.sleep(terms.ticket / 1e6 + 0.05)
    assert await _granted(engine, terms, "c")


async def test_a_429_pauses_and_lowers_the_limit_for_all_and_one_burst_cuts_once(engine: Engine, bucket: str) -> None:
    terms = _terms(bucket, limit=10, window=0.3)
    await engine.report(terms, "a", [Refused(retry_after=0, ago=0)])
    await engine.report(terms, "b", [Refused(retry_after=1_400_000, ago=0)])
    view = await _take(engine, terms, "c", 10)
    assert (view.granted, view.lowered) == (0, 7)
    assert 0.2 * SECOND < view.paused <= 1.4 * SECOND
    await anyio.sleep(view.paused / 1e6 + 0.02)
    assert (await _take(engine, terms, "c", 10)).granted == 7


async def test_a_lowered_limit_comes_back_step_by_step(engine: Engine, bucket: str) -> None:
    terms = replace(_terms(bucket, limit=10, window=0.1), clean=100_000)
    await engine.report(terms, "a", [Refused(retry_after=0, ago=0)])
    await anyio.sleep(0.1 + 0.21)
    assert (await _take(engine, terms, "c", 10)).granted in (9, 10)


async def test_a_replica_that_is_back_is_known_anew_and_nobody_has_more_than_a_share_for_a_while(
    engine: Engine, bucket: str
) -> None:
    terms = replace(_terms(bucket, limit=9), settling=600_000)
    await _take(engine, terms, "a", 2)
    held = Put(slot="a:new", stage=Stage.COOLING, left=3 * SECOND)
    await engine.report(terms, "a", [Back(), held])
    assert (await _take(engine, terms, "a", 0)).held == 1
    assert (await _take(engine, terms, "a", 9)).granted == 2
    await engine.report(terms, "a", [Left()])
    assert (await _take(engine, terms, "b", 9)).granted == 3
    await engine.report(terms, "b", [Left()])
    await anyio.sleep(0.65)
    assert (await _take(engine, terms, "c", 9)).granted == 3


async def test_buckets_know_nothing_of_each_other(engine: Engine, names: Iterator[int]) -> None:
    one, other = (_terms(f"bucket-{next(names)}", limit=1) for _ in range(2))
    assert await _granted(engine, one, "a")
    assert await _granted(engine, other, "a")


async def test_everything_in_redis_ends_by_itself_and_a_bucket_lies_on_one_node(
    redis_server: RedisServer, bucket: str
) -> None:
    from redis.asyncio import Redis  # noqa: PLC0415 - an extra

    terms = _terms(bucket, limit=2)
    async with opened(redis_server.url) as engine, Redis.from_url(redis_server.url) as client:
        await _take(engine, terms, "a", 3)
        await engine.report(terms, "a", [Cool(slot="a:0", left=SECOND), Refused(retry_after=0, ago=0)])
        await engine.report(terms, "a", [Put(slot="a:1", stage=Stage.WRITTEN, left=SECOND)])
        keys = [key async for key in client.scan_iter(f"cio-mcp:*{bucket}*")]
        assert len(keys) == 4
        assert {key.partition(b"{")[2].partition(b"}")[0] for key in keys} == {bucket.encode()}
        assert all([await client.pttl(key) > 0 for key in keys])
