"""Slots in several buckets at once: taken in order, given back together."""

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import anyio
import pytest
from anyio.lowlevel import checkpoint

from cio_mcp.budgets import CHANGE_SECONDS, Accounts, Budgets, Sharing, Slots
from cio_mcp.catalog.endpoint import Bucket
from cio_mcp.errors import Throttled
from cio_mcp.limiter import Budget, Rate, SharedBudget, SharedFile

pytestmark = pytest.mark.anyio

TRIGGER: Final = (Bucket.BROADCAST, Bucket.APP)
RATES: Final = dict.fromkeys(Bucket, Rate(10, 1.0)) | {Bucket.BROADCAST: Rate(1, 10.0), Bucket.APP: Rate(2, 1.0)}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


def _budgets(clock: Clock, **rates: Rate) -> Budgets:
    named: Mapping[Bucket, Rate] = {Bucket(name): rate for name, rate in rates.items()}
    return Budgets({**RATES, **named}, clock=clock)


def _available(budgets: Budgets, credential: str = "app") -> dict[Bucket, int]:
    return {bucket: budgets.limiter(credential, bucket).snapshot().available for bucket in TRIGGER}


@pytest.fixture
def clock() -> Clock:
    """Return a clock that only the test moves."""
    return Clock()


async def test_a_free_slot_costs_no_wait(clock: Clock) -> None:
    budgets = _budgets(clock)
    slots = await budgets.acquire("app", TRIGGER, max_wait=0.0)
    assert slots.waited == 0
    assert _available(budgets) == {Bucket.BROADCAST: 0, Bucket.APP: 1}


async def test_what_was_not_used_is_free_again(clock: Clock) -> None:
    budgets = _budgets(clock)
    slots = await budgets.acquire("app", TRIGGER, max_wait=0.0)
    slots.close()
    slots.close()
    assert _available(budgets) == {Bucket.BROADCAST: 1, Bucket.APP: 2}


async def test_what_was_answered_is_free_a_window_after_the_answer(clock: Clock) -> None:
    budgets = _budgets(clock)
    slots = await budgets.acquire("app", TRIGGER, max_wait=0.0)
    slots.written()
    clock.now += 0.5
    slots.responded()
    slots.close()
    clock.now += 0.99
    assert _available(budgets) == {Bucket.BROADCAST: 0, Bucket.APP: 1}
    clock.now += 0.02
    assert _available(budgets) == {Bucket.BROADCAST: 0, Bucket.APP: 2}
    clock.now += 9
    assert _available(budgets) == {Bucket.BROADCAST: 1, Bucket.APP: 2}


async def test_what_left_and_was_not_answered_is_not_free_at_once(clock: Clock) -> None:
    budgets = _budgets(clock)
    slots = await budgets.acquire("app", TRIGGER, max_wait=0.0)
    slots.written()
    slots.close()
    assert _available(budgets) == {Bucket.BROADCAST: 0, Bucket.APP: 1}
    clock.now += 12
    assert _available(budgets) == {Bucket.BROADCAST: 1, Bucket.APP: 2}


async def test_a_wait_beyond_the_limit_is_refused_at_once_with_its_length(clock: Clock) -> None:
    budgets = _budgets(clock)
    slots = await budgets.acquire("app", TRIGGER, max_wait=0.0)
    slots.written()
    slots.responded()
    with pytest.raises(Throttled, match=r"app/broadcast \(1 per 10 s\)") as refused:
        await budgets.acquire("app", TRIGGER, max_wait=5.0)
    assert refused.value.retry_after == pytest.approx(10.0)
    assert "Nothing was sent" in refused.value.message
    assert "10 seconds" in refused.value.next_step


async def test_a_wait_is_rounded_up_so_that_nobody_comes_back_too_early(clock: Clock) -> None:
    budgets = _budgets(clock)
    slots = await budgets.acquire("app", TRIGGER, max_wait=0.0)
    slots.written()
    slots.responded()
    clock.now += 9.8
    with pytest.raises(Throttled) as refused:
        await budgets.acquire("app", TRIGGER, max_wait=0.1)
    assert refused.value.next_step.startswith("Call again in 1 seconds")


async def test_a_refusal_of_the_second_bucket_gives_the_first_back(clock: Clock) -> None:
    budgets = _budgets(clock, app=Rate(1, 60.0))
    await budgets.acquire("app", (Bucket.APP,), max_wait=0.0)
    with pytest.raises(Throttled, match="app/app"):
        await budgets.acquire("app", TRIGGER, max_wait=5.0)
    assert _available(budgets) == {Bucket.BROADCAST: 1, Bucket.APP: 0}


async def test_a_cancellation_in_the_second_line_gives_the_first_back(clock: Clock) -> None:
    budgets = _budgets(clock, app=Rate(1, 1.0))
    await budgets.acquire("app", (Bucket.APP,), max_wait=0.0)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: budgets.acquire("app", TRIGGER, max_wait=30.0))
        with anyio.fail_after(5):
            while budgets.limiter("app", Bucket.APP).snapshot().queued == 0:
                await checkpoint()
        assert _available(budgets)[Bucket.BROADCAST] == 0
        group.cancel_scope.cancel()
    assert _available(budgets)[Bucket.BROADCAST] == 1
    assert budgets.limiter("app", Bucket.APP).snapshot().queued == 0


async def test_each_credential_has_buckets_of_its_own(clock: Clock) -> None:
    budgets = _budgets(clock)
    await budgets.acquire("app", TRIGGER, max_wait=0.0)
    await budgets.acquire("service_account", TRIGGER, max_wait=0.0)
    assert _available(budgets, "service_account") == {Bucket.BROADCAST: 0, Bucket.APP: 1}
    assert {budget.name for budget in budgets.snapshot()} == {
        "app/app",
        "app/broadcast",
        "service_account/app",
        "service_account/broadcast",
    }


async def test_only_buckets_that_were_used_are_shown(clock: Clock) -> None:
    budgets = _budgets(clock)
    assert budgets.snapshot() == []
    await budgets.acquire("track", (Bucket.TRACK,), max_wait=0.0)
    assert [budget.name for budget in budgets.snapshot()] == ["track/track"]


async def test_a_429_pauses_and_lowers_every_bucket_of_the_request(clock: Clock) -> None:
    budgets = _budgets(clock, app=Rate(10, 1.0))
    slots = await budgets.acquire("app", TRIGGER, max_wait=0.0)
    slots.written()
    slots.responded()
    slots.penalize(20.0)
    slots.close()
    shown = {budget.name: budget for budget in budgets.snapshot()}
    assert [budget.paused_for for budget in shown.values()] == [20.0, 20.0]
    assert (shown["app/app"].effective, shown["app/broadcast"].effective) == (7, 1)
    with pytest.raises(Throttled) as refused:
        await budgets.acquire("app", (Bucket.APP,), max_wait=19.0)
    assert refused.value.retry_after == pytest.approx(20.0)


async def test_a_request_without_slots_can_be_told_everything() -> None:
    """As the doctor's are, which count against nothing."""
    slots = Slots(())
    slots.written()
    slots.responded()
    slots.penalize(None)
    slots.close()
    assert slots.waited == 0


class Machine:
    """Processes that share one file, each with keys of an account."""

    def __init__(self, path: Path, clock: Clock, stack: ExitStack) -> None:
        path.touch()
        self._path = path
        self._clock = clock
        self._stack = stack

    def budgets(self, account: str = "one", *, accounts: Accounts | None = None) -> Budgets:
        """Start another process."""
        file = self._stack.enter_context(closing(SharedFile(self._path, clock=self._clock)))
        of_one = accounts or (lambda credential: {f"{account}:{credential}": 0.0})
        return Budgets(RATES, shared=Sharing(file=file, accounts=of_one))


@pytest.fixture
def machine(tmp_path: Path, clock: Clock) -> Iterator[Machine]:
    """Return a machine without processes."""
    with ExitStack() as stack:
        yield Machine(tmp_path / "ledger.db", clock, stack)


class Keys:
    """What stands for the keys of an account: at first one, then the next."""

    def __init__(self, clock: Clock, *keys: str) -> None:
        self._clock = clock
        self._left_at = dict.fromkeys(keys, math.inf)

    def change(self, to: str) -> None:
        """Have another key in force."""
        self._left_at = {key: min(left_at, self._clock.now) for key, left_at in self._left_at.items() if key != to}
        self._left_at[to] = math.inf

    def __call__(self, credential: str) -> Mapping[str, float]:
        """Return the accounts of a credential."""
        return {f"{key}:{credential}": max(0.0, self._clock.now - left) for key, left in self._left_at.items()}


async def _used(budgets: Budgets) -> None:
    with closing(await budgets.acquire("app", (Bucket.APP,), max_wait=0.0)) as slots:
        slots.written()
        slots.responded()


async def test_a_changed_key_counts_against_both_buckets_until_all_have_changed(machine: Machine, clock: Clock) -> None:
    keys = Keys(clock, "old")
    changed, late, started = machine.budgets(accounts=keys), machine.budgets("old"), machine.budgets("new")
    await _used(changed)
    keys.change("new")
    await _used(changed)
    assert [_available(each)[Bucket.APP] for each in (late, started)] == [0, 1]
    with pytest.raises(Throttled):
        await changed.acquire("app", (Bucket.APP,), max_wait=0.0)
    with pytest.raises(Throttled):
        changed.check("app", (Bucket.APP,), max_wait=0.0)
    assert changed.expected_wait("app", (Bucket.APP,)) > 0
    assert _available(started)[Bucket.APP] == 1, "what was not sent is given back"
    clock.now += CHANGE_SECONDS + 1.0
    await _used(changed)
    assert [_available(each)[Bucket.APP] for each in (late, started)] == [2, 1]
    assert [budget.name for budget in changed.snapshot()] == ["app/app"]


async def test_a_key_that_comes_back_finds_its_bucket_as_it_was(machine: Machine, clock: Clock) -> None:
    keys = Keys(clock, "old")
    budgets = machine.budgets(accounts=keys)
    for key in ("new", "old"):
        await _used(budgets)
        clock.now += 0.1
        keys.change(key)
    with pytest.raises(Throttled):
        await budgets.acquire("app", (Bucket.APP,), max_wait=0.0)
    clock.now += 1.0
    await _used(budgets)
    assert _available(machine.budgets("old"))[Bucket.APP] == 1


async def test_former_keys_leave_nothing_behind(machine: Machine, clock: Clock) -> None:
    keys = Keys(clock, "key-0")
    budgets = machine.budgets(accounts=keys)
    for number in range(1, 20):
        await _used(budgets)
        keys.change(f"key-{number}")
        clock.now += CHANGE_SECONDS + 1.0
    await _used(budgets)
    assert budgets._shared
    assert len(budgets._shared.file._renewals) == 1  # type: ignore[attr-defined]


def _shown(budgets: Budgets) -> dict[str, Budget]:
    return {budget.name: budget for budget in budgets.snapshot()}


async def test_processes_of_one_account_share_every_bucket_of_a_request(machine: Machine, clock: Clock) -> None:
    first, second = machine.budgets(), machine.budgets()
    slots = await first.acquire("app", TRIGGER, max_wait=0.0)
    assert _available(second) == {Bucket.BROADCAST: 0, Bucket.APP: 1}
    slots.written()
    slots.responded()
    slots.close()
    clock.now += 1.01
    assert _available(second) == {Bucket.BROADCAST: 0, Bucket.APP: 2}
    with pytest.raises(Throttled) as refused:
        await second.acquire("app", TRIGGER, max_wait=5.0)
    assert refused.value.retry_after == pytest.approx(10.0 - 1.01)


async def test_what_one_process_did_not_use_is_free_for_the_others(machine: Machine) -> None:
    first, second = machine.budgets(), machine.budgets()
    (await first.acquire("app", TRIGGER, max_wait=0.0)).close()
    assert _available(second) == {Bucket.BROADCAST: 1, Bucket.APP: 2}


async def test_other_accounts_and_credentials_have_budgets_of_their_own(machine: Machine) -> None:
    await machine.budgets().acquire("app", TRIGGER, max_wait=0.0)
    assert _available(machine.budgets("two"))[Bucket.BROADCAST] == 1
    assert _available(machine.budgets(), "service_account")[Bucket.BROADCAST] == 1


async def test_a_429_of_one_process_pauses_the_others(machine: Machine) -> None:
    first, second = machine.budgets(), machine.budgets()
    with closing(await first.acquire("app", (Bucket.APP,), max_wait=0.0)) as slots:
        slots.penalize(20.0)
    with pytest.raises(Throttled) as refused:
        await second.acquire("app", (Bucket.APP,), max_wait=19.0)
    assert refused.value.retry_after == pytest.approx(20.0)
    budget = _shown(second)["app/app"]
    assert (budget.paused_for, budget.effective, budget.refused_429) == (20.0, 1, 0)


async def test_a_budget_says_whether_it_is_shared(machine: Machine, clock: Clock) -> None:
    budgets = machine.budgets()
    await budgets.acquire("app", (Bucket.APP,), max_wait=0.0)
    (budget,) = budgets.snapshot()
    assert isinstance(budget, SharedBudget)
    assert budget.shared is True
    alone = _budgets(clock)
    await alone.acquire("app", (Bucket.APP,), max_wait=0.0)
    assert not isinstance(alone.snapshot()[0], SharedBudget)


async def test_a_wait_for_slots_of_other_processes_is_expected(machine: Machine) -> None:
    first, second = machine.budgets(), machine.budgets()
    assert second.expected_wait("app", TRIGGER) == 0
    slots = await first.acquire("app", TRIGGER, max_wait=0.0)
    slots.written()
    slots.responded()
    assert second.expected_wait("app", TRIGGER) == pytest.approx(10.0)
