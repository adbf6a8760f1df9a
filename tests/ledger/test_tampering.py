"""Changing the file by hand is found, in the records and in the tables that decisions are made from."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cio_mcp.ledger.chain import UNREADABLE, Flaw
from cio_mcp.ledger.retention import Retention
from cio_mcp.ledger.terms import Ending, Terms, Unrecorded
from tests.ledger.book import FAILED, OK, UNKNOWN, Calls, opened, second

pytestmark = pytest.mark.anyio


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Return a ledger with every kind of operation in it: ok, failed, unknown, settled, open, recovered, a read."""
    path, calls = tmp_path / "ledger.sqlite3", Calls()
    with opened(path) as ledger:
        for outcome in (OK, FAILED, UNKNOWN, UNKNOWN):
            call = calls.intent()
            await ledger.begin(call, Terms())
            await ledger.conclude(call, outcome)
        await ledger.settle("op-000004", Ending.OK, "list_person_messages")
        await ledger.conclude(calls.intent(access="read", recipients=0, fingerprint=""), OK)
        await ledger.begin(calls.intent(), Terms())
    with opened(path) as ledger:
        assert ledger.verify().fault is None
    return path


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(statement).rowcount == 1, "a change that changes nothing shows nothing"


@pytest.mark.parametrize(
    ("statement", "flaw"),
    [
        ("UPDATE records SET body = replace(body, '\"ok\"', '\"failed\"') WHERE seq = 3", Flaw.CHANGED),
        ("UPDATE records SET mac = zeroblob(32) WHERE seq = 3", Flaw.CHANGED),
        ("UPDATE records SET seq = 900 WHERE seq = 3", Flaw.REORDERED),
        ("DELETE FROM records WHERE seq = 3", Flaw.REMOVED),
        ("DELETE FROM records WHERE seq = 1", Flaw.REMOVED),
        ("INSERT INTO records SELECT 900, operation, body, mac FROM records WHERE seq = 3", Flaw.DUPLICATED),
        ("UPDATE base SET seq = 1, mac = (SELECT mac FROM records WHERE seq = 1)", Flaw.DUPLICATED),
        ("UPDATE records SET operation = 'op-other' WHERE seq = 3", Flaw.INDEX),
        ("UPDATE operations SET ending = 'failed' WHERE operation = 'op-000001'", Flaw.INDEX),
        ("UPDATE operations SET ending = 'failed' WHERE operation = 'op-000003'", Flaw.INDEX),
        ("UPDATE operations SET ending = NULL WHERE operation = 'op-000001'", Flaw.INDEX),
        ("UPDATE operations SET ending = NULL, outcome_seq = NULL WHERE operation = 'op-000001'", Flaw.INDEX),
        ("UPDATE operations SET outcome_seq = 5 WHERE operation = 'op-000001'", Flaw.INDEX),
        ("UPDATE operations SET recipients = 0 WHERE operation = 'op-000001'", Flaw.INDEX),
        ("UPDATE operations SET tick = tick - 90000 WHERE operation = 'op-000001'", Flaw.INDEX),
        ("UPDATE operations SET fingerprint = 'x' WHERE operation = 'op-000001'", Flaw.INDEX),
        ("UPDATE operations SET principal = 'x' WHERE operation = 'op-000001'", Flaw.INDEX),
        ("UPDATE operations SET workspace = 'x' WHERE operation = 'op-000001'", Flaw.INDEX),
        ("DELETE FROM operations WHERE operation = 'op-000001'", Flaw.INDEX),
        ("UPDATE operations SET operation = 'x' WHERE operation = 'op-000001'", Flaw.INDEX),
        ("DELETE FROM records WHERE seq = (SELECT max(seq) FROM records)", Flaw.INDEX),
    ],
)
async def test_a_change_by_hand_is_found(path: Path, statement: str, flaw: Flaw) -> None:
    change(path, statement)
    with opened(path, tend=False) as ledger:
        fault = ledger.verify().fault
    assert fault is not None
    assert fault.flaw is flaw


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET body = 'none' WHERE seq = 3",
        "UPDATE records SET body = x'ff00' WHERE seq = 3",
        "UPDATE records SET body = '{}' WHERE seq = 3",
        "UPDATE records SET body = '[3]' WHERE seq = 3",
    ],
)
async def test_what_is_no_record_any_more_is_found_shown_and_kept(path: Path, statement: str) -> None:
    change(path, statement)
    with opened(path, tend=False) as ledger:
        fault, records = ledger.verify().fault, ledger.records()
        assert fault is not None
        assert (fault.flaw, fault.seq) == (Flaw.CHANGED, 3)
        assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
        assert [record["seq"] for record in records if record["kind"] == UNREADABLE] == [3]
    with opened(path, keep=Retention(days=0.0, megabytes=0.0)) as ledger:
        with pytest.raises(Unrecorded, match="audit verify"):
            await ledger.prune()
        assert 3 in [record["seq"] for record in ledger.records()]
        await ledger.conclude(Calls().intent(operation="op-later"), OK)


@pytest.mark.parametrize("mac", ["'abc'", "'\u00e9'", "5", "x''"])
@pytest.mark.parametrize("where", ["records SET mac = {} WHERE seq = 3", "base SET mac = {}"])
async def test_what_is_no_mac_any_more_is_found(path: Path, where: str, mac: str) -> None:
    change(path, "UPDATE " + where.format(mac))
    with opened(path, tend=False) as ledger:
        fault = ledger.verify().fault
        assert fault is not None
        assert (fault.flaw, fault.seq) == (Flaw.CHANGED, 3 if "records" in where else 1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE operations SET intent_seq = 'x' WHERE operation = 'op-000001'",
        "UPDATE operations SET outcome_seq = 'x' WHERE operation = 'op-000001'",
    ],
)
async def test_what_is_no_number_any_more_is_found(path: Path, statement: str) -> None:
    change(path, statement)
    with opened(path, tend=False) as ledger:
        fault = ledger.verify().fault
        assert fault is not None
        assert fault.flaw is Flaw.INDEX


async def test_an_operation_whose_record_is_none_any_more_is_not_made_up(path: Path) -> None:
    change(path, "UPDATE records SET body = 'none' WHERE seq = 3")
    with opened(path, tend=False) as ledger, pytest.raises(Unrecorded, match="audit verify"):
        await ledger.operation("op-000001")


async def test_an_operation_added_by_hand_is_found(path: Path) -> None:
    change(path, "INSERT INTO operations VALUES ('x', 'p', 'local', '', 'f', 1, 0, 'ok', 900, 901)")
    with opened(path, tend=False) as ledger:
        fault = ledger.verify().fault
    assert fault is not None
    assert fault.flaw is Flaw.INDEX


async def test_looking_changes_nothing(path: Path) -> None:
    with second("leave", path, "op-left") as process:
        assert process.end() == 9
    with opened(path, tend=False) as ledger:
        head = ledger.head()
        assert ledger.verify().fault is None
        assert ledger.records()[-1]["operation"] == "op-left"
        assert ledger.head() == head


async def test_records_are_found_by_an_identifier_however_it_is_written(path: Path) -> None:
    with opened(path) as ledger:
        mark = f"hmac:{ledger.digest('identifier', 'ada@example.com')[:16]}"
        await ledger.conclude(Calls().intent(operation="op-ada", arguments={"to": ["hmac:0", mark]}), OK)
        for written in ("ada@example.com", " ADA@example.com\n"):
            assert [record["operation"] for record in ledger.find(written)] == ["op-ada"]
        for written in ("bob@example.com", "cio_ada@example.com"):
            assert ledger.find(written) == []
