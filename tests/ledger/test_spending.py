"""How much was sent: totals are exact, a sum costs the same however much was sent, and a change of them is found."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import pytest

from cio_mcp.ledger import admission, spending
from cio_mcp.ledger.chain import Flaw
from cio_mcp.ledger.terms import Cap, Ending, Intent, Outcome, Overspent, Terms
from tests.ledger.book import DAY, FAILED, HOUR, OK, UNKNOWN, Calls, Clock, opened
from tests.ledger.worlds import World

pytestmark = pytest.mark.anyio

ENDINGS = (OK, FAILED, UNKNOWN, None)
STEPS = (0.0, 0.0, 100.0, 900.0, HOUR, DAY / 3)
"""Seconds between calls, all whole hundreds."""
OFF = 50.0
"""Seconds by which the ends of windows are off these: an engine's clock goes on by itself."""


async def reached(world: World, seconds: float) -> int:
    """Return what a cap over so many seconds counts now."""
    probe = Calls().intent(operation="op-probe", fingerprint="")
    with pytest.raises(Overspent) as refused:
        await world.ledger.begin(probe, Terms(caps=[Cap(recipients=-1, seconds=seconds)]))
    return refused.value.spent


@pytest.mark.parametrize("seed", range(4))
async def test_what_a_cap_counts_is_the_sum_of_the_calls_in_its_time(world: World, calls: Calls, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - repeatable, and guards nothing
    now, sent, left = 0.0, list[tuple[float, int, str]](), list[Intent]()
    await world.ledger.begin(calls.intent(recipients=0), Terms())
    for _ in range(60):
        step = random.choice(STEPS)
        world.clock.run(step)
        now += step
        call = calls.intent(recipients=random.choice((0, 1, 3, 40)))
        await world.ledger.begin(call, Terms())
        outcome = random.choice(ENDINGS)
        if outcome is not None:
            await world.ledger.conclude(call, outcome)
        left += [call] if outcome is UNKNOWN else []
        sent.append((now, 0 if outcome is FAILED else call.recipients, call.operation))
        if left and random.random() < 0.3:
            looked = left.pop(random.randrange(len(left)))
            ending = random.choice((Ending.OK, Ending.FAILED, Ending.UNKNOWN))
            await world.ledger.settle(looked.operation, ending, "looked")
            if ending is Ending.FAILED:
                sent = [(at, 0 if name == looked.operation else count, name) for at, count, name in sent]
        for seconds in (HOUR, DAY):
            due = sum(count for at, count, _ in sent if at > now - seconds - OFF)
            assert await reached(world, seconds + OFF) == due
    verdict = await world.office.verify()
    assert verdict.fault is None


async def test_a_sum_begins_just_after_its_moment_wherever_that_lies(tmp_path: Path) -> None:
    random = Random(1)  # noqa: S311 - repeatable, and guards nothing
    with filled(tmp_path / "ledger.sqlite3", 4_000, DAY) as connection:
        edges = [DAY + 16.0 * number for number in range(0, 5_400, 37)]
        for since in [*edges, *(random.uniform(DAY, 2 * DAY) for _ in range(200)), 0.0, DAY, 3 * DAY]:
            for near in (since, since - 0.001, since + 0.001):
                due = connection.execute("SELECT COUNT(*) FROM operations WHERE tick > ?", (near,)).fetchone()
                assert (spending.spent(connection, "local", "77", since=near),) == due


async def test_a_call_that_is_too_much_is_told_when_enough_is_free_again(world: World, calls: Calls) -> None:
    for _ in range(3):
        await world.ledger.begin(calls.intent(recipients=4), Terms())
        world.clock.run(100)
    cap = Cap(recipients=14, seconds=HOUR)
    for wanted, seconds in ((3, HOUR - 300), (6, HOUR - 300), (7, HOUR - 200), (14, HOUR - 100)):
        with pytest.raises(Overspent) as refused:
            await world.ledger.begin(calls.intent(recipients=wanted), Terms(caps=[cap]))
        assert refused.value.spent == 12
        assert refused.value.free_in == pytest.approx(seconds, abs=20)


# -- cost --------------------------------------------------------------------------------------------


@contextmanager
def filled(path: Path, sends: int, seconds: float) -> Iterator[sqlite3.Connection]:
    """Make a ledger with so many sends in the newest seconds, as the rows that decisions are made from."""
    with opened(path, Clock()):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for number in range(sends):
            tick = DAY + seconds * number / sends
            row = (f"op-{number}", "p", "local", "77", f"print-{number}", 1, tick, "ok", 10 + number, None)
            connection.execute("INSERT INTO operations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            spending.count(connection, "local", "77", tick=tick, recipients=1)
        connection.execute("COMMIT")
        yield connection


def steps(connection: sqlite3.Connection, tick: float, cap: Cap) -> int:
    """Return how many steps of SQLite's machine a check of a cap takes."""
    taken = 0

    def one() -> int:
        nonlocal taken
        taken += 1
        return 0

    connection.set_progress_handler(one, 1)
    try:
        admission.check_caps(connection, Calls().intent(), [cap], tick)
    finally:
        connection.set_progress_handler(None, 1)
    return taken


@pytest.mark.parametrize("seconds", [DAY - 1, HOUR / 2], ids=["over a day", "in half an hour"])
async def test_a_cap_costs_no_more_when_much_was_sent(tmp_path: Path, seconds: float) -> None:
    with filled(tmp_path / "ledger.sqlite3", 50_000, seconds) as connection:
        for span in (HOUR, DAY):
            cap = Cap(recipients=50_001, seconds=span)
            # A row takes some ten steps; a sum over all sends of the day took half a million.
            assert steps(connection, DAY + seconds, cap) < 30_000


async def test_totals_that_no_cap_counts_any_more_go(tmp_path: Path) -> None:
    path, clock, calls = tmp_path / "ledger.sqlite3", Clock(), Calls()
    with opened(path, clock) as ledger:
        for _ in range(60):
            await ledger.begin(calls.intent(), Terms())
            clock.run(HOUR)
        assert ledger.verify().fault is None
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT COUNT(*) FROM spending WHERE width = 1024").fetchone()
    assert 48 <= count <= 50


# -- changes by hand ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE spending SET recipients = 0 WHERE width = 16",
        "UPDATE spending SET recipients = recipients + 1 WHERE width = 1024",
        "UPDATE spending SET principal = 'x' WHERE width = 16",
        "UPDATE spending SET slot = slot - 900000 WHERE width = 16",
        "DELETE FROM spending WHERE width = 1024",
        "INSERT INTO spending VALUES ('local', '77', 16, 9000000, -5)",
    ],
)
async def test_totals_changed_by_hand_are_found(tmp_path: Path, statement: str) -> None:
    path, calls = tmp_path / "ledger.sqlite3", Calls()
    with opened(path) as ledger:
        await ledger.begin(calls.intent(), Terms())
        await ledger.conclude(calls.intent(), Outcome(ending=Ending.OK))
        assert ledger.verify().fault is None
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(statement).rowcount == 1, "a change that changes nothing shows nothing"
    with opened(path, tend=False) as ledger:
        fault = ledger.verify().fault
    assert fault is not None
    assert fault.flaw is Flaw.INDEX
    assert "totals" in fault.text
