"""Several processes on one ledger: one key, one budget, and what the dead leave behind."""

import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from cio_mcp.ledger.place import lock_files
from cio_mcp.ledger.terms import Ending, Repeated, Terms
from tests.ledger.book import OK, Calls, opened, second

pytestmark = pytest.mark.anyio
PROCESSES = 4
HELD = Terms(repeat_within=600)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite3"


def together(script: str, path: Path, *arguments: object) -> list[object]:
    """Let four processes begin at one sign, and return what each says at its end."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(second(script, path, *(each(number) if callable(each) else each for each in arguments)))
            for number in range(PROCESSES)
        ]
        assert [process.answer() for process in processes] == ["ready"] * PROCESSES
        for process in processes:
            process.go()
        answers = [process.answer() for process in processes]
        assert [process.end() for process in processes] == [0] * PROCESSES
    return answers


async def test_processes_that_start_at_once_end_with_one_key_and_one_ledger(path: Path) -> None:
    digests = together("start", path)
    assert len(set(digests)) == 1
    assert sorted(each.name for each in path.parent.iterdir()) == ["ledger.key", "ledger.sqlite3"]
    with opened(path) as ledger:
        assert [record["kind"] for record in ledger.records()] == ["created"]


async def test_a_budget_is_never_exceeded_by_one_whoever_spends_it(path: Path) -> None:
    cap, calls = 100, 60
    answers = together("spend", path, lambda number: f"p{number}", cap, calls)
    granted = sum(answer[0] for answer in answers if isinstance(answer, list))
    assert granted == cap
    with opened(path) as ledger:
        recipients = [record["recipients"] for record in ledger.records() if record["kind"] == "intent"]
        assert sum(recipients) == cap
        assert ledger.verify().fault is None


async def test_the_same_call_passes_in_one_process_only(path: Path) -> None:
    calls = 40
    answers = together("repeat", path, lambda number: f"p{number}", calls)
    granted = [number for answer in answers if isinstance(answer, list) for number in answer]
    assert sorted(granted) == list(range(calls))
    with opened(path) as ledger:
        assert ledger.verify().fault is None


async def test_what_a_killed_process_left_open_is_unknown_at_the_next_start(path: Path) -> None:
    with second("leave", path, "op-left") as process:
        assert process.end() == 9
    assert lock_files(path)
    with opened(path) as ledger:
        left = await ledger.operation("op-left")
        assert left is not None
        assert left.outcome is not None
        assert left.outcome.ending is Ending.UNKNOWN
        assert [record["kind"] for record in ledger.records()] == ["created", "intent", "recovered"]
        assert [each.intent.operation for each in await ledger.unknown("local", limit=9)] == ["op-left"]
        assert ledger.verify().fault is None
    assert lock_files(path) == []


async def test_what_a_living_process_has_open_is_left_alone_until_it_dies(path: Path) -> None:
    calls = Calls()
    with second("hold", path, "op-held") as process, opened(path) as ledger:
        assert process.answer() == "begun"
        held = await ledger.operation("op-held")
        assert held is not None
        assert held.outcome is None
        assert list(await ledger.unknown("local", limit=9)) == []
        with opened(path) as other, pytest.raises(Repeated) as refused:
            await other.begin(calls.intent(fingerprint="held"), HELD)
        assert refused.value.earlier.outcome is None
        process.kill()
        with pytest.raises(Repeated) as refused:  # noticed by a server that was there before, without being asked
            await ledger.begin(calls.intent(fingerprint="held"), HELD)
        assert refused.value.earlier.outcome is not None
        assert refused.value.earlier.outcome.ending is Ending.UNKNOWN


async def test_a_living_process_closes_what_it_has_open(path: Path) -> None:
    with second("hold", path, "op-held") as process:
        assert process.answer() == "begun"
        with opened(path):
            process.go()
            assert process.answer() == "concluded"
        assert process.end() == 0
    with opened(path) as ledger:
        held = await ledger.operation("op-held")
        assert held is not None
        assert held.outcome == OK
    assert lock_files(path) == []


async def test_a_server_that_only_reads_leaves_no_lock(path: Path) -> None:
    with opened(path) as ledger:
        await ledger.conclude(Calls().intent(recipients=0), OK)
        assert lock_files(path) == []
        await ledger.begin(Calls().intent(operation="op-write"), Terms())
        assert len(lock_files(path)) == 1


async def test_a_ledger_that_is_closed_with_something_open_counts_as_dead(path: Path) -> None:
    call = Calls().intent()
    with opened(path) as ledger:
        await ledger.begin(call, Terms())
    with opened(path) as ledger:
        left = await ledger.operation(call.operation)
        assert left is not None
        assert left.outcome is not None
        assert left.outcome.ending is Ending.UNKNOWN


async def test_what_is_asked_often_is_found_by_an_index(path: Path) -> None:
    with opened(path):
        pass
    queries = [
        "SELECT DISTINCT process FROM operations WHERE ending IS NULL",
        "SELECT operation FROM operations WHERE ending = 'unknown' AND principal = ?",
        "SELECT operation FROM operations WHERE fingerprint = ? AND fingerprint <> '' ORDER BY tick",
        "SELECT SUM(recipients) FROM operations WHERE principal = ? AND workspace = ? AND recipients > 0 AND tick > 1",
        "SELECT operation FROM operations WHERE intent_seq = ?",
        "SELECT body FROM records WHERE operation = ? ORDER BY seq DESC LIMIT 1",
    ]
    with closing(sqlite3.connect(path)) as connection:
        for query in queries:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", ("x",) * query.count("?")).fetchall()
            assert "INDEX" in plan[0][3], (query, plan)
            assert "SEARCH" in plan[0][3] or query.endswith("IS NULL"), (query, plan)
