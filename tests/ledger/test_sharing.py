"""Several processes on one ledger: one key, one budget, and what the dead leave behind."""

import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import anyio
import pytest

from cio_mcp.ledger.place import lock_files
from cio_mcp.ledger.terms import Ending, Intent, Ledger, Repeated, State, Terms
from tests.ledger.book import OK, PATIENCE, UNKNOWN, Calls, confirmation, opened, second
from tests.ledger.worlds import at, kinds

pytestmark = pytest.mark.anyio
PROCESSES = 4
HELD = Terms(repeat_within=600)
MEANT = Terms(repeat_within=600, repeat_allowed=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite3"


@pytest.fixture(params=["file", "postgres"])
def place(request: pytest.FixtureRequest, path: Path) -> Path | str:
    """Return where a ledger of either kind is to be."""
    return str(request.getfixturevalue("postgres_url")) if request.param == "postgres" else path


def together(script: str, path: Path | str, *arguments: object) -> list[object]:
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


async def test_processes_that_start_at_once_on_a_database_make_one_ledger(postgres_url: str) -> None:
    together("spend", postgres_url, lambda number: f"p{number}", 1, 1)
    async with at(postgres_url) as world:
        assert (await kinds(world.office)).count("created") == 1


async def test_a_budget_is_never_exceeded_by_one_whoever_spends_it(place: Path | str) -> None:
    cap, calls = 100, 60
    answers = together("spend", place, lambda number: f"p{number}", cap, calls)
    granted = sum(answer[0] for answer in answers if isinstance(answer, list))
    assert granted == cap
    async with at(place) as world:
        recipients = [record["recipients"] for record in await world.office.records() if record["kind"] == "intent"]
        assert sum(recipients) == cap
        assert (await world.office.verify()).fault is None


async def test_the_same_call_passes_in_one_process_only(place: Path | str) -> None:
    calls = 40
    answers = together("repeat", place, lambda number: f"p{number}", calls)
    granted = [number for answer in answers if isinstance(answer, list) for number in answer]
    assert sorted(granted) == list(range(calls))
    async with at(place) as world:
        assert (await world.office.verify()).fault is None


async def test_the_same_confirmation_lets_a_call_pass_in_one_process_only(postgres_url: str) -> None:
    handles = 20
    async with at(postgres_url) as world:
        for number in range(handles):
            await world.ledger.ask(confirmation(world.clock, handle=f"handle-{number}"))
            await world.ledger.decide(f"handle-{number}", State.APPROVED, "operator root")
    answers = together("use", postgres_url, lambda number: f"p{number}", handles)
    granted = [number for answer in answers if isinstance(answer, list) for number in answer]
    assert sorted(granted) == list(range(handles))


async def test_what_a_killed_process_left_open_is_unknown_at_the_next_look(place: Path | str) -> None:
    with second("leave", place, "op-left") as process:
        assert process.end() == 9
    async with at(place) as world:
        left = await world.ledger.operation("op-left")
        assert left is not None
        assert left.outcome is not None
        assert left.outcome.ending is Ending.UNKNOWN
        assert await kinds(world.office) == ["created", "intent", "recovered"]
        assert [each.intent.operation for each in await world.ledger.unknown("local", limit=9)] == ["op-left"]
        assert (await world.office.verify()).fault is None


async def test_a_killed_process_leaves_a_lock_file_which_the_next_start_removes(path: Path) -> None:
    with second("leave", path, "op-left") as process:
        assert process.end() == 9
    assert lock_files(path)
    with opened(path):
        pass
    assert lock_files(path) == []


async def test_what_a_living_process_has_open_is_left_alone_until_it_dies(place: Path | str) -> None:
    calls = Calls()
    with second("hold", place, "op-held") as process:
        assert process.answer() == "begun"
        async with at(place) as world, at(place) as other:
            held = await world.ledger.operation("op-held")
            assert held is not None
            assert held.outcome is None
            assert list(await world.ledger.unknown("local", limit=9)) == []
            with pytest.raises(Repeated) as refused:
                await other.ledger.begin(calls.intent(fingerprint="held"), HELD)
            assert refused.value.earlier.outcome is None
            process.kill()
            with anyio.fail_after(PATIENCE):  # an engine hears of it a moment later
                while await other.ledger.unknown("local", limit=9) == []:  # noqa: ASYNC110 - nobody tells
                    await anyio.sleep(0.01)
            with pytest.raises(Repeated) as refused:  # noticed by a server that was there before, without being asked
                await world.ledger.begin(calls.intent(fingerprint="held"), HELD)
            assert refused.value.earlier.outcome is not None
            assert refused.value.earlier.outcome.ending is Ending.UNKNOWN


async def test_what_a_killed_process_left_open_holds_a_repeat_that_is_meant_back(
    place: Path | str, calls: Calls
) -> None:
    looked, again = calls.intent(fingerprint="left"), calls.intent(fingerprint="left")
    async with at(place) as world:
        await world.ledger.begin(looked, HELD)
        await world.ledger.conclude(looked, UNKNOWN)
        await world.ledger.settle(looked.operation, Ending.UNKNOWN, "looked: unclear")
        with second("leave", place, "op-left") as process:  # under way beside it, and never heard of again
            assert process.end() == 9
        with anyio.fail_after(PATIENCE):  # an engine hears of it a moment later
            while await open_yet(world.ledger, again):  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.01)
        await world.ledger.settle("op-left", Ending.UNKNOWN, "looked: unclear")
        await world.ledger.begin(again, MEANT)


async def open_yet(ledger: Ledger, call: Intent) -> bool:
    """Say whether a call that is meant is held back by one under way, and not yet by one that is unknown."""
    with pytest.raises(Repeated) as held:
        await ledger.begin(call, MEANT)
    assert held.value.earlier.intent.operation == "op-left"
    return held.value.earlier.outcome is None


async def test_a_living_process_closes_what_it_has_open(place: Path | str) -> None:
    with second("hold", place, "op-held") as process:
        assert process.answer() == "begun"
        async with at(place) as world:
            assert await world.ledger.unknown("local", limit=9) == []
            process.go()
            assert process.answer() == "concluded"
        assert process.end() == 0
    assert not isinstance(place, Path) or lock_files(place) == []
    async with at(place) as world:
        held = await world.ledger.operation("op-held")
        assert held is not None
        assert held.outcome == OK


async def test_a_server_that_only_reads_leaves_no_lock(path: Path) -> None:
    with opened(path) as ledger:
        await ledger.conclude(Calls().intent(recipients=0), OK)
        assert lock_files(path) == []
        await ledger.begin(Calls().intent(operation="op-write"), Terms())
        assert len(lock_files(path)) == 1


async def test_a_ledger_that_is_closed_with_something_open_counts_as_dead(place: Path | str) -> None:
    call = Calls().intent()
    async with at(place) as world:
        await world.ledger.begin(call, Terms())
    async with at(place) as world:
        with anyio.fail_after(PATIENCE):
            while (left := await world.ledger.operation(call.operation)) and left.outcome is None:  # noqa: ASYNC110 - as above
                await anyio.sleep(0.01)
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
