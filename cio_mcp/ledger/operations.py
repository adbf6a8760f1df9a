"""Writes from intent to end: each step is a record, and a line in the table that decisions are made from."""

import json
import sqlite3
from typing import Any

from cio_mcp.ledger.chain import Link
from cio_mcp.ledger.clock import Moment
from cio_mcp.ledger.entries import INTENT, OUTCOME, RECOVERED, SETTLED, append, intent_of, outcome_of, told
from cio_mcp.ledger.terms import Ending, Intent, Operation, Outcome


def begin(
    connection: sqlite3.Connection, key: bytes, intent: Intent, moment: Moment, *, process: str, **more: str
) -> None:
    """Record an intent, and keep of it what decisions need."""
    tick = round(moment.tick, 3)
    link = append(connection, key, moment.now, INTENT, {**told(intent), **more, "tick": tick})
    connection.execute(
        "INSERT INTO operations VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, NULL)",
        (
            intent.operation,
            process,
            intent.principal,
            intent.workspace,
            intent.fingerprint,
            intent.recipients,
            tick,
            link.seq,
        ),
    )


def end(connection: sqlite3.Connection, key: bytes, intent: Intent, outcome: Outcome, at: float) -> None:
    """Record an outcome: of an operation that began, or of a call that never did, with the whole of it."""
    found = connection.execute("SELECT intent_seq FROM operations WHERE operation = ?", (intent.operation,)).fetchone()
    if found is None:
        append(connection, key, at, OUTCOME, {**told(intent), **told(outcome)})
        return
    who = {name: getattr(intent, name) for name in ("operation", "tool", "caller", "principal")}
    link = append(connection, key, at, OUTCOME, {**who, **told(outcome), "intent": found[0]})
    _ended(connection, intent.operation, outcome.ending, link)


def settle(connection: sqlite3.Connection, key: bytes, operation: str, ending: Ending, *, how: str, at: float) -> None:
    """Record what became known of an operation whose outcome was unknown."""
    found = connection.execute(
        "SELECT intent_seq, outcome_seq FROM operations WHERE operation = ? AND ending = ?",
        (operation, Ending.UNKNOWN),
    ).fetchone()
    if found is None:
        return
    before = told(outcome_of(_record(connection, found[1])))
    members = {**before, "operation": operation, "intent": found[0], "ending": ending, "settled_by": how}
    _ended(connection, operation, ending, append(connection, key, at, SETTLED, members))


def recover(connection: sqlite3.Connection, key: bytes, process: str, at: float) -> None:
    """Close what a dead process left open: nobody knows whether it took effect."""
    left = connection.execute(
        "SELECT operation, intent_seq FROM operations WHERE ending IS NULL AND process = ?", (process,)
    ).fetchall()
    for operation, intent in left:
        members = {"operation": operation, "intent": intent, "ending": Ending.UNKNOWN}
        _ended(connection, operation, Ending.UNKNOWN, append(connection, key, at, RECOVERED, members))


def _ended(connection: sqlite3.Connection, operation: str, ending: Ending, link: Link) -> None:
    connection.execute(
        "UPDATE operations SET ending = ?, outcome_seq = ? WHERE operation = ?", (ending, link.seq, operation)
    )


def owners_of_open(connection: sqlite3.Connection) -> list[str]:
    """Return the processes that have operations under way."""
    return [name for (name,) in connection.execute("SELECT DISTINCT process FROM operations WHERE ending IS NULL")]


def unknown(connection: sqlite3.Connection, principal: str, limit: int) -> list[Operation]:
    """Return a principal's operations whose outcome is unknown, the newest first."""
    found = connection.execute(
        "SELECT operation FROM operations WHERE ending = 'unknown' AND principal = ? "
        "ORDER BY tick DESC, intent_seq DESC LIMIT ?",
        (principal, limit),
    ).fetchall()
    known = (operation_of(connection, operation) for (operation,) in found)
    return [operation for operation in known if operation is not None]


def operation_of(connection: sqlite3.Connection, operation: str) -> Operation | None:
    """Return an operation by its id: a write as it stands, or what ended at once."""
    found = connection.execute(
        "SELECT intent_seq, outcome_seq FROM operations WHERE operation = ?", (operation,)
    ).fetchone()
    if found is None:
        return _ended_at_once(connection, operation)
    began, ended = _record(connection, found[0]), _record(connection, found[1])
    return _operation(began, ended)


def _operation(began: Any, ended: Any) -> Operation:
    started_at = began.get("started_at", began["at"])
    if ended is None:
        return Operation(intent=intent_of(began), started_at=started_at)
    return Operation(
        intent=intent_of(began),
        started_at=started_at,
        ended_at=ended.get("ended_at", ended["at"]),
        outcome=outcome_of(ended),
        settled_by=ended.get("settled_by", ""),
    )


def _ended_at_once(connection: sqlite3.Connection, operation: str) -> Operation | None:
    found = connection.execute(
        "SELECT body FROM records WHERE operation = ? ORDER BY seq DESC LIMIT 1", (operation,)
    ).fetchone()
    record = json.loads(found[0]) if found else {}
    if record.get("kind") != OUTCOME or "intent" in record:
        return None  # the rest of an operation whose intent retention has removed
    ended_at = record["at"]
    return Operation(
        intent=intent_of(record),
        started_at=ended_at - record.get("took", 0.0),
        ended_at=ended_at,
        outcome=outcome_of(record),
    )


def _record(connection: sqlite3.Connection, seq: int | None) -> Any:
    if seq is None:
        return None
    found = connection.execute("SELECT body FROM records WHERE seq = ?", (seq,)).fetchone()
    if found is None:
        raise sqlite3.DatabaseError(f"record {seq} is gone; run: cio-mcp audit verify")
    return json.loads(found[0])
