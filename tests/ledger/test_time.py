"""Windows never pass early and never flatter, whatever is done to the clocks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cio_mcp.ledger.clock import Reading, SteadyClock, elapsed, machine_boot, machine_uptime
from cio_mcp.ledger.retention import Retention
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.ledger.terms import Cap, Overspent, Repeated, Terms
from tests.ledger.book import DAY, HOUR, NOON, OK, UNKNOWN, Calls, Clock, opened

pytestmark = pytest.mark.anyio
TERMS = Terms(caps=[Cap(recipients=1, seconds=HOUR)])
HELD = Terms(repeat_within=600)


def reading(now: float, uptime: float, boot: str = "a") -> Reading:
    return Reading(now=now, uptime=uptime, boot=boot)


@pytest.mark.parametrize(
    ("later", "seconds"),
    [
        (reading(NOON + 10, 110), 10),
        (reading(NOON + DAY, 110), 10),
        (reading(NOON - DAY, 110), 10),
        (reading(NOON + 10, 100 + DAY), DAY),
        (reading(NOON, 100), 0),
        (reading(NOON + 10, 20, "b"), 10),
        (reading(NOON - DAY, 20, "b"), 0),
        (reading(NOON + 10, 20), 10),
    ],
    ids=["runs", "set on", "set back", "asleep", "at once", "restarted", "restarted, set back", "uptime went back"],
)
def test_only_what_has_passed_for_certain_counts(later: Reading, seconds: float) -> None:
    assert elapsed(reading(NOON, 100), later) == seconds


@pytest.mark.parametrize(
    ("later", "seconds"),
    [
        (reading(NOON + 10, 110, ""), 10),
        (reading(NOON + DAY, 110, ""), 10),
        (reading(NOON - DAY, 110, ""), 0),
        (reading(NOON + 10, 20, ""), 10),
    ],
)
def test_where_starts_cannot_be_told_apart_the_slower_clock_counts(later: Reading, seconds: float) -> None:
    assert elapsed(reading(NOON, 100, ""), later) == seconds


def test_a_process_keeps_the_wall_clock_it_began_with() -> None:
    clock = Clock()
    steady = SteadyClock(wall=clock.now, uptime=lambda: clock.ran, boot=lambda: "boot-1")
    clock.run(10)
    clock.jump(-DAY)
    assert steady.now() == NOON + 10


def test_the_machine_has_an_uptime_and_a_start() -> None:
    before = machine_uptime()
    assert 0 < before <= machine_uptime()
    assert machine_boot() == machine_boot()


Change = Callable[[Clock], None]


def set_on_a_day(clock: Clock) -> None:
    clock.jump(DAY)


def set_back_a_day(clock: Clock) -> None:
    clock.jump(-DAY)


def restarted_and_set_back(clock: Clock) -> None:
    clock.restart(-DAY)


def restarted(clock: Clock) -> None:
    clock.restart(30)


CHANGES = pytest.mark.parametrize("change", [set_on_a_day, set_back_a_day, restarted_and_set_back, restarted])


@CHANGES
async def test_no_change_of_clocks_refills_a_budget_early(tmp_path: Path, change: Change) -> None:
    clock, calls, path = Clock(), Calls(), tmp_path / "ledger.sqlite3"
    with opened(path, clock) as ledger:
        await ledger.begin(calls.intent(), TERMS)
    change(clock)
    with opened(path, clock) as ledger:
        clock.run(HOUR - 60)
        await refused(ledger, calls)
        clock.run(61)
        await ledger.begin(calls.intent(), TERMS)


@pytest.mark.parametrize("change", [set_on_a_day, set_back_a_day])
async def test_no_clock_set_while_a_server_runs_refills_a_budget_early(tmp_path: Path, change: Change) -> None:
    clock, calls = Clock(), Calls()
    with opened(tmp_path / "ledger.sqlite3", clock) as ledger:
        await ledger.begin(calls.intent(), TERMS)
        change(clock)
        clock.run(HOUR - 60)
        await refused(ledger, calls)
        clock.run(61)
        await ledger.begin(calls.intent(), TERMS)


async def refused(ledger: SqliteLedger, calls: Calls) -> None:
    with pytest.raises(Overspent):
        await ledger.begin(calls.intent(), TERMS)


@CHANGES
async def test_no_change_of_clocks_lets_a_repeat_pass_early(tmp_path: Path, change: Change) -> None:
    clock, calls, path = Clock(), Calls(), tmp_path / "ledger.sqlite3"
    with opened(path, clock) as ledger:
        call = calls.intent(fingerprint="same")
        await ledger.begin(call, HELD)
        await ledger.conclude(call, OK)
    change(clock)
    with opened(path, clock) as ledger:
        clock.run(500)
        with pytest.raises(Repeated):
            await ledger.begin(calls.intent(fingerprint="same"), HELD)
        clock.run(101)
        await ledger.begin(calls.intent(fingerprint="same"), HELD)


async def test_without_an_uptime_the_wall_clock_counts_and_only_forwards(tmp_path: Path) -> None:
    clock, calls = Clock(), Calls()
    ledger = SqliteLedger.open(tmp_path / "ledger.sqlite3", now=clock.now)
    await ledger.begin(calls.intent(), TERMS)
    clock.jump(-DAY)
    await refused(ledger, calls)
    clock.jump(DAY + HOUR - 1)
    await refused(ledger, calls)
    clock.jump(2)
    await ledger.begin(calls.intent(), TERMS)
    ledger.close()


# -- ages ------------------------------------------------------------------------------------------


async def test_how_long_ago_a_call_began_is_counted_by_every_process_whatever_its_wall_clock(tmp_path: Path) -> None:
    path, clock, calls = tmp_path / "ledger.sqlite3", Clock(), Calls()
    with opened(path, clock) as ledger:
        lost = calls.intent()
        await ledger.begin(lost, Terms())
        await ledger.conclude(lost, UNKNOWN)
        clock.run(50)
        own = await ledger.operation(lost.operation)
        clock.jump(-DAY)
        with opened(path, clock) as neighbour:
            clock.run(50)
            (known,) = await neighbour.unknown("local", limit=9)
    assert own is not None
    assert (own.age, own.is_timed) == (50, True)
    assert (known.age, known.is_timed) == (100, True)


async def test_after_a_new_start_of_the_machine_only_the_time_since_is_certain(tmp_path: Path) -> None:
    path, clock, calls = tmp_path / "ledger.sqlite3", Clock(), Calls()
    with opened(path, clock) as ledger:
        lost = calls.intent()
        await ledger.begin(lost, Terms())
        await ledger.conclude(lost, UNKNOWN)
    clock.restart(HOUR)
    clock.run(30)
    with opened(path, clock) as ledger:
        (known,) = await ledger.unknown("local", limit=9)
    assert (known.age, known.is_timed) == (50, False)


async def test_where_starts_cannot_be_told_apart_a_process_vouches_for_its_own_time_only(tmp_path: Path) -> None:
    path, clock, calls = tmp_path / "ledger.sqlite3", Clock(boot_id=""), Calls()
    with opened(path, clock) as ledger:
        lost = calls.intent()
        await ledger.begin(lost, Terms())
        await ledger.conclude(lost, UNKNOWN)
        clock.run(10)
        own = await ledger.operation(lost.operation)
        with opened(path, clock) as neighbour:
            clock.run(30)
            (known,) = await neighbour.unknown("local", limit=9)
    assert own is not None
    assert (own.age, own.is_timed) == (10, True)
    assert (known.age, known.is_timed) == (30, False)


async def test_a_call_that_retention_carries_over_keeps_its_age(tmp_path: Path) -> None:
    path, clock, calls = tmp_path / "ledger.sqlite3", Clock(), Calls()
    with opened(path, clock) as ledger:
        lost = calls.intent()
        await ledger.begin(lost, Terms())
        await ledger.conclude(lost, UNKNOWN)
        clock.run(2 * DAY)
    with opened(path, clock, keep=Retention(days=1)) as ledger:
        await ledger.prune()
        assert "carried" in [record["kind"] for record in ledger.records()]
        (known,) = await ledger.unknown("local", limit=9)
    assert (known.age, known.is_timed) == (2 * DAY, True)
