"""Budgets of several replicas through one engine: buckets of a request together, and what a caller is told."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Final

import anyio
import pytest

from cio_mcp.budgets import CHANGE_SECONDS, Budgets, EngineSharing
from cio_mcp.catalog.endpoint import Bucket
from cio_mcp.errors import Throttled, Unavailable
from cio_mcp.limiter import EngineLink, Rate, SharedBudget
from tests.limiter_engine.conftest import replica, until
from tests.limiter_engine.servers import RedisServer

pytestmark = pytest.mark.anyio

TRIGGER: Final = (Bucket.BROADCAST, Bucket.APP)
RATES: Final = dict.fromkeys(Bucket, Rate(10, 1.0)) | {Bucket.BROADCAST: Rate(1, 10.0), Bucket.APP: Rate(4, 5.0)}


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Return what ends with the test."""
    async with AsyncExitStack() as stack:
        yield stack


async def _budgets(stack: AsyncExitStack, url: str, *keys: str, fail_closed: bool = False) -> Budgets:
    link = await stack.enter_async_context(replica(url, fail_closed=fail_closed))
    return _sharing(link, dict.fromkeys(keys, 0.0))


def _sharing(link: EngineLink, keys: Mapping[str, float]) -> Budgets:
    """Return budgets of keys, each of which was left so many seconds ago."""

    def accounts(credential: str) -> Mapping[str, float]:
        return {f"{key}:{credential}": ago for key, ago in keys.items()}

    return Budgets(RATES, shared=EngineSharing(link=link, accounts=accounts))


async def _available(budgets: Budgets) -> dict[str, int]:
    for bucket in TRIGGER:
        budgets.limiter("app", bucket)
    await budgets.refresh()
    return {budget.name: budget.available for budget in budgets.snapshot()}


async def test_replicas_of_one_account_share_every_bucket_of_a_request(
    stack: AsyncExitStack, engine_url: str, bucket: str
) -> None:
    first, second = [await _budgets(stack, engine_url, bucket) for _ in range(2)]
    slots = await first.acquire("app", TRIGGER, max_wait=0.0)
    assert await _available(second) == {"app/broadcast": 0, "app/app": 3}
    slots.written()
    slots.responded()
    slots.close()
    with pytest.raises(Throttled) as refused:
        await second.acquire("app", TRIGGER, max_wait=3.0)
    assert refused.value.retry_after == pytest.approx(10.0, abs=1.5)
    assert await _available(second) == {"app/broadcast": 0, "app/app": 3}


async def test_what_one_replica_did_not_use_is_free_for_the_others(
    stack: AsyncExitStack, engine_url: str, bucket: str
) -> None:
    first, second = [await _budgets(stack, engine_url, bucket) for _ in range(2)]
    (await first.acquire("app", TRIGGER, max_wait=0.0)).close()
    with anyio.fail_after(5):  # the engine hears of it a moment later
        while not await _is_free(second):  # noqa: ASYNC110 - the clock is the engine's
            await anyio.sleep(0.01)


async def _is_free(budgets: Budgets) -> bool:
    try:
        (await budgets.acquire("app", TRIGGER, max_wait=0.0)).close()
    except Throttled:
        return False
    return True


async def test_other_accounts_have_budgets_of_their_own(stack: AsyncExitStack, engine_url: str, bucket: str) -> None:
    first, second = [await _budgets(stack, engine_url, f"{bucket}-{each}") for each in range(2)]
    await first.acquire("app", TRIGGER, max_wait=0.0)
    await second.acquire("app", TRIGGER, max_wait=0.0)


async def test_a_changed_key_counts_against_both_buckets_and_the_former_limiter_ends(
    stack: AsyncExitStack, engine_url: str, bucket: str
) -> None:
    old, new = f"{bucket}-old", f"{bucket}-new"
    keys = {old: 0.0}
    link = await stack.enter_async_context(replica(engine_url))
    changed = _sharing(link, keys)
    late, started = [await _budgets(stack, engine_url, key) for key in (old, new)]
    first = await changed.acquire("app", (Bucket.APP,), max_wait=2.0)
    keys |= {old: 1.0, new: 0.0}
    second = await changed.acquire("app", (Bucket.APP,), max_wait=2.0)
    assert [(await _available(each))["app/app"] for each in (late, started)] == [2, 3]
    keys[old] = CHANGE_SECONDS + RATES[Bucket.APP].window
    (await changed.acquire("app", (Bucket.APP,), max_wait=2.0)).close()
    assert [budget.name for budget in changed.snapshot()] == ["app/app"]
    assert len(link._limiters) == 2, "slots of the former key are still held"
    first.close()
    second.close()
    await until(lambda: len(link._limiters) == 1)


async def test_a_budget_says_whether_it_is_shared_and_a_caller_why_nothing_was_sent(
    stack: AsyncExitStack, mortal_redis: RedisServer
) -> None:
    budgets = await _budgets(stack, mortal_redis.url, "one", fail_closed=True)
    (await budgets.acquire("app", (Bucket.APP,), max_wait=20.0)).close()
    (budget,) = budgets.snapshot()
    assert isinstance(budget, SharedBudget)
    assert budget.shared is True
    mortal_redis.kill()
    await until(lambda: getattr(budgets.snapshot()[0], "shared", None) is False)
    with pytest.raises(Unavailable, match="Nothing was sent") as refused:
        await budgets.acquire("app", (Bucket.APP,), max_wait=0.5)
    assert refused.value.retry_after is not None
