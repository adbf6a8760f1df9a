"""The oldest records go in small steps; what remains still verifies, and what matters stays."""

import time
from pathlib import Path

import pytest

from cio_mcp.ledger.chain import Flaw
from cio_mcp.ledger.retention import STEP, Retention
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.ledger.terms import Cap, Ending, Overspent, Repeated, Terms
from tests.ledger.book import DAY, HOUR, OK, UNKNOWN, Calls, Clock, opened

pytestmark = pytest.mark.anyio
SHORT = Retention(days=30)
LONGEST_STEP = 0.02


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


def size(path: Path) -> int:
    return path.stat().st_size


async def read_often(ledger: SqliteLedger, calls: Calls, count: int) -> None:
    for _ in range(count):
        await ledger.conclude(calls.intent(tool="get_segment", access="read", fingerprint="", recipients=0), OK)


async def test_records_past_their_days_go_and_the_rest_verifies(path: Path, clock: Clock) -> None:
    calls = Calls()
    with opened(path, clock) as ledger:
        await read_often(ledger, calls, 150)
        old = ledger.head()
        clock.run(31 * DAY)
        await read_often(ledger, calls, 10)
    with opened(path, clock, keep=SHORT) as ledger:
        kept = ledger.records()
        assert [record["kind"] for record in kept] == ["outcome"] * 10 + ["checkpoint"]
        assert kept[-1]["until"] == old.seq
        verdict = ledger.verify(str(old))
        assert (verdict.fault, verdict.base) == (None, old)
        assert await ledger.operation("op-000001") is None
        assert await ledger.operation("op-000151") is not None


async def test_open_and_unknown_operations_are_carried_over(path: Path, clock: Clock) -> None:
    calls = Calls()
    with opened(path, clock) as ledger:
        unknown, under_way, done = (
            calls.intent(fingerprint=name, time_budget=9.5) for name in ("lost", "held", "done")
        )
        for call in (unknown, under_way, done):
            await ledger.begin(call, Terms())
        began = clock.now()
        await ledger.conclude(unknown, UNKNOWN)
        await ledger.conclude(done, OK)
        clock.run(400 * DAY)
        assert await ledger.prune() == 6
        assert [record["kind"] for record in ledger.records()] == ["carried", "carried", "checkpoint"]
        for call, outcome in ((unknown, UNKNOWN), (under_way, None)):
            known = await ledger.operation(call.operation)
            assert known is not None
            assert (known.intent, known.outcome, known.started_at) == (call, outcome, began)
        assert await ledger.operation(done.operation) is None
        with pytest.raises(Repeated):
            await ledger.begin(calls.intent(fingerprint="lost"), Terms(repeat_within=600))
        assert ledger.verify().fault is None
        await ledger.conclude(under_way, OK)
        await ledger.settle(unknown.operation, Ending.FAILED, "nothing was sent")
        assert ledger.verify().fault is None
        clock.run(400 * DAY)
        await ledger.prune()
        assert await ledger.operation(unknown.operation) is None
        assert ledger.verify().fault is None


async def test_carrying_over_ends_although_what_is_carried_stays_too_much(path: Path) -> None:
    calls = Calls()
    with opened(path, keep=Retention(megabytes=0)) as ledger:
        for _ in range(STEP + 50):
            await ledger.begin(calls.intent(), Terms())
        await ledger.prune()
        assert [record["kind"] for record in ledger.records()].count("carried") == STEP + 50
        assert ledger.verify().fault is None


async def test_a_file_that_is_too_large_loses_its_oldest_records_and_its_free_pages(path: Path, clock: Clock) -> None:
    calls = Calls()
    with opened(path, clock) as ledger:
        await read_often(ledger, calls, 4000)
    before = size(path)
    with opened(path, clock, keep=Retention(megabytes=0.5)) as ledger:
        removed = await ledger.prune()
        assert 1000 < removed < 4001
        assert await ledger.operation("op-004000") is not None
        assert ledger.verify().fault is None
    assert size(path) < before * 0.8


async def test_it_keeps_up_while_records_are_written(path: Path, clock: Clock) -> None:
    calls = Calls()
    with opened(path, clock, keep=Retention(megabytes=0.3)) as ledger:
        await read_often(ledger, calls, 3000)
        assert len(ledger.records()) < 1500
        assert ledger.verify().fault is None
    assert size(path) < 1_000_000


async def test_a_budget_outlasts_the_size_of_the_file(path: Path, clock: Clock) -> None:
    calls, terms = Calls(), Terms(caps=[Cap(recipients=1, seconds=DAY)])
    with opened(path, clock, keep=Retention(megabytes=0.1)) as ledger:
        sent = calls.intent()
        await ledger.begin(sent, terms)
        await ledger.conclude(sent, OK)
        clock.run(HOUR)
        await read_often(ledger, calls, 1000)
        await ledger.prune()
        with pytest.raises(Overspent):
            await ledger.begin(calls.intent(), terms)
        known = await ledger.operation(sent.operation)
        assert known is not None
        assert known.outcome == OK
        assert ledger.verify().fault is None


async def test_a_repeat_is_held_back_although_the_record_of_a_send_to_an_uncounted_audience_would_have_gone(
    path: Path, clock: Clock
) -> None:
    calls, terms = Calls(), Terms(repeat_within=600)
    with opened(path, clock, keep=Retention(megabytes=0.1)) as ledger:
        triggered = calls.intent(tool="trigger_broadcast", fingerprint="ten", recipients=0)
        changed = calls.intent(tool="identify_person", access="write", recipients=0)
        for call in (triggered, changed):
            await ledger.begin(call, Terms())
            await ledger.conclude(call, OK)
        await read_often(ledger, calls, 1000)
        await ledger.prune()
        with pytest.raises(Repeated) as held:
            await ledger.begin(calls.intent(tool="trigger_broadcast", fingerprint="ten", recipients=0), terms)
        assert held.value.earlier.intent.operation == triggered.operation
        assert await ledger.operation(changed.operation) is None, "what sends nothing need not stay"
        assert ledger.verify().fault is None
        clock.run(3 * DAY)
        await read_often(ledger, calls, 1000)
        await ledger.prune()
        assert await ledger.operation(triggered.operation) is None


async def test_a_head_noted_before_the_checkpoint_is_said_to_be_too_old(path: Path, clock: Clock) -> None:
    calls = Calls()
    with opened(path, clock) as ledger:
        await read_often(ledger, calls, 5)
        early = ledger.head()
        await read_often(ledger, calls, 5)
        clock.run(400 * DAY)
        await ledger.prune()
        fault = ledger.verify(str(early)).fault
    assert fault is not None
    assert fault.flaw is Flaw.FORGOTTEN


async def test_one_step_holds_nobody_up_for_long(path: Path, clock: Clock) -> None:
    calls = Calls()
    with opened(path, clock, keep=Retention(megabytes=0.5)) as ledger:
        ledger._untidied = -(10**9)  # no steps until the clock runs
        await read_often(ledger, calls, 8000)
        steps = []
        while True:
            began = time.perf_counter()
            if not ledger._tidy():
                break
            steps.append(time.perf_counter() - began)
    assert len(steps) > 10
    assert sorted(steps)[len(steps) // 2] < LONGEST_STEP
