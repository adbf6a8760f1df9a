"""Writes from intent to end: each step is a record, and a line in the table that decisions are made from."""

from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any

from cio_mcp.ledger import chain, spending
from cio_mcp.ledger.chain import Link
from cio_mcp.ledger.clock import Ages, Moment
from cio_mcp.ledger.entries import INTENT, OUTCOME, RECOVERED, SETTLED, append, intent_of, outcome_of, told
from cio_mcp.ledger.pen import Connection, Damaged, Pen
from cio_mcp.ledger.terms import Ending, Intent, Operation, Outcome

# Left joins, so that a record that is gone is found to be gone.
_KNOWN = """
SELECT o.process, o.tick, o.intent_seq, o.outcome_seq, began.body, ended.body FROM operations AS o
LEFT JOIN records AS began ON began.seq = o.intent_seq LEFT JOIN records AS ended ON ended.seq = o.outcome_seq
"""
_ALIKE = f"""
{_KNOWN} WHERE o.fingerprint = ? AND o.fingerprint <> '' AND (
    o.ending IS NULL OR o.ending = 'unknown' OR o.operation = (
        SELECT operation FROM operations WHERE fingerprint = ? AND fingerprint <> '' AND ending = 'ok' AND tick > ?
        ORDER BY tick DESC, intent_seq DESC LIMIT 1
    )
)
ORDER BY CASE WHEN o.ending IS NULL THEN 0 WHEN o.ending = 'unknown' THEN 1 ELSE 2 END, o.tick DESC, o.intent_seq DESC
"""  # noqa: S608 - constants only


def begin(pen: Pen, intent: Intent, moment: Moment, *, process: str, **more: str) -> None:
    """Record an intent, and keep of it what decisions need."""
    tick = round(moment.tick, 3)
    said = {**told(intent), **more, "tick": tick}
    said |= {"boot": moment.reading.boot} if moment.reading.boot else {}
    link = append(pen, moment.now, INTENT, said)
    pen.connection.execute(
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
    spending.count(pen.connection, intent.principal, intent.workspace, tick=tick, recipients=intent.recipients)


def end(pen: Pen, intent: Intent, outcome: Outcome, at: float) -> None:
    """Record an outcome: of an operation that began, or of a call that never did, with the whole of it."""
    found = pen.connection.execute(
        "SELECT intent_seq FROM operations WHERE operation = ?", (intent.operation,)
    ).fetchone()
    if found is None:
        append(pen, at, OUTCOME, {**told(intent), **told(outcome)})
        return
    who = {name: getattr(intent, name) for name in ("operation", "tool", "caller", "principal")}
    link = append(pen, at, OUTCOME, {**who, **told(outcome), "intent": found[0]})
    _ended(pen.connection, intent.operation, outcome.ending, link)


def settle(pen: Pen, operation: str, ending: Ending, *, how: str, made: str, at: float) -> None:
    """Record what became known of an operation whose outcome was unknown."""
    found = pen.connection.execute(
        "SELECT o.intent_seq, o.outcome_seq, ended.body FROM operations AS o "
        "LEFT JOIN records AS ended ON ended.seq = o.outcome_seq WHERE o.operation = ? AND o.ending = ?",
        (operation, Ending.UNKNOWN),
    ).fetchone()
    if found is None:
        return
    before = told(outcome_of(_record(found[1], found[2])))
    members = {**before, "operation": operation, "intent": found[0], "ending": ending, "settled_by": how}
    members |= {"made": made} if made else {}
    _ended(pen.connection, operation, ending, append(pen, at, SETTLED, members))


def recover(pen: Pen, process: str, at: float) -> None:
    """Close what a dead process left open: nobody knows whether it took effect."""
    left = pen.connection.execute(
        "SELECT operation, intent_seq FROM operations WHERE ending IS NULL AND process = ?", (process,)
    ).fetchall()
    for operation, intent in left:
        members = {"operation": operation, "intent": intent, "ending": Ending.UNKNOWN}
        _ended(pen.connection, operation, Ending.UNKNOWN, append(pen, at, RECOVERED, members))


def _ended(connection: Connection, operation: str, ending: Ending, link: Link) -> None:
    spending.recount(connection, operation, ending)
    connection.execute(
        "UPDATE operations SET ending = ?, outcome_seq = ? WHERE operation = ?", (ending, link.seq, operation)
    )


def owners_of_open(connection: Connection) -> list[str]:
    """Return the processes that have operations under way."""
    return [name for (name,) in connection.execute("SELECT DISTINCT process FROM operations WHERE ending IS NULL")]


def unknown(connection: Connection, vantage: Ages, principal: str | None, limit: int) -> list[Operation]:
    """Return a principal's operations whose outcome is unknown, everybody's for None; the newest first."""
    whose, named = ("", ()) if principal is None else ("AND o.principal = ?", (principal,))
    found = connection.execute(
        f"{_KNOWN} WHERE o.ending = 'unknown' {whose} ORDER BY o.tick DESC, o.intent_seq DESC LIMIT ?",
        (*named, limit),
    )
    return [_operation(row, vantage) for row in found]


def alongside(
    connection: Connection, vantage: Ages, operation: Operation, *, within: float, limit: int
) -> list[Operation]:
    """Return what may have had the same effect as an operation at about the same time, the nearest first."""
    one = operation.intent
    found = connection.execute(
        f"{_KNOWN} WHERE o.tick BETWEEN ? AND ? AND o.workspace = ? AND o.operation <> ? "
        "AND (o.ending IS NULL OR o.ending IN ('ok', 'unknown')) ORDER BY abs(o.tick - ?)",
        (operation.tick - within, operation.tick + within, one.workspace, one.operation, operation.tick),
    )
    with closing(found):
        others = (_operation(row, vantage) for row in found)
        return list(islice((each for each in others if each.intent.tool == one.tool), limit))


def was_called(
    connection: Connection, workspace: str, tools: Collection[str], arguments: Mapping[str, Any], *, since: float
) -> bool:
    """Say whether a write by one of these tools, with these arguments, began since a tick and may have worked."""
    found = connection.execute(
        f"{_KNOWN} WHERE o.tick >= ? AND o.workspace = ? AND (o.ending IS NULL OR o.ending IN ('ok', 'unknown'))",
        (since, workspace),
    )
    with closing(found):
        intents = (_operation(row, None).intent for row in found)
        return any(each.tool in tools and arguments.items() <= each.arguments.items() for each in intents)


def alike(connection: Connection, fingerprint: str, *, since: float) -> list[Operation]:
    """Return the operations of a fingerprint under way, then the unknown ones, then the last one done after a tick.

    Of each the newest comes first; their ages are not told.
    """
    found = connection.execute(_ALIKE, (fingerprint, fingerprint, since))
    return [_operation(row, None) for row in found]


def operation_of(connection: Connection, operation: str, vantage: Ages | None = None) -> Operation | None:
    """Return an operation by its id, a write as it stands, or what ended at once; its age is told from a vantage."""
    found = connection.execute(f"{_KNOWN} WHERE o.operation = ?", (operation,)).fetchone()
    return _operation(found, vantage) if found else _ended_at_once(connection, operation)


def _operation(row: tuple[str, float, int, int | None, str | None, str | None], vantage: Ages | None) -> Operation:
    process, tick, intent_seq, outcome_seq, *bodies = row
    began, ended = _record(intent_seq, bodies[0]), _record(outcome_seq, bodies[1])
    started_at = began.get("started_at", began["at"])
    if vantage:
        age, is_timed = vantage.since(tick=tick, started_at=started_at, process=process, boot=began.get("boot", ""))
    else:
        age, is_timed = 0.0, False
    known = Operation(intent=intent_of(began), started_at=started_at, tick=tick, age=age, is_timed=is_timed)
    if ended is None:
        return known
    return replace(
        known,
        ended_at=ended.get("ended_at", ended["at"]),
        outcome=outcome_of(ended),
        settled_by=ended.get("settled_by", ""),
    )


def _ended_at_once(connection: Connection, operation: str) -> Operation | None:
    found = connection.execute(
        "SELECT body FROM records WHERE operation = ? ORDER BY seq DESC LIMIT 1", (operation,)
    ).fetchone()
    record = chain.read(found[0]) if found else {}
    if record.get("kind") != OUTCOME or "intent" in record:
        return None  # the rest of an operation whose intent retention has removed
    ended_at = record["at"]
    return Operation(
        intent=intent_of(record),
        started_at=ended_at - record.get("took", 0.0),
        ended_at=ended_at,
        outcome=outcome_of(record),
    )


def _record(seq: int | None, body: str | None) -> Any:
    if seq is None:
        return None
    if body is None:
        raise Damaged(f"record {seq} is gone; run: cio-mcp audit verify")
    record = chain.read(body)
    if not record:
        raise Damaged(f"record {seq} is not what was written; run: cio-mcp audit verify")
    return record
