"""How long records are kept: in small steps the oldest go, and a checkpoint in the chain says so."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from cio_mcp.ledger import schema
from cio_mcp.ledger.chain import CHECKPOINT, Link
from cio_mcp.ledger.clock import Moment
from cio_mcp.ledger.entries import CARRIED, INTENT, append, told
from cio_mcp.ledger.operations import operation_of
from cio_mcp.ledger.terms import Ending

STEP = 250
"""Records removed in one transaction: few enough that nobody waits for it longer than about 20 ms."""
PAGES = 100
"""Pages given back to the file system after a step."""
SENDS_KEPT = 2 * 86_400.0
"""Seconds for which sends stay whatever the size: budgets are counted over up to a day."""
_DAY = 86_400.0
_Stored = tuple[int, str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Records older than `days` go, and the oldest while the file has more than `megabytes` (10^6 bytes)."""

    days: float = 365.0
    megabytes: float = 500.0


def step(connection: sqlite3.Connection, key: bytes, keep: Retention, moment: Moment, *, until: int) -> int:
    """Remove up to STEP of the oldest records that are due, none after `until`; return how many."""
    due = _due(connection, keep, moment, until)
    if not due:
        return 0
    for seq, body, _ in due:
        if json.loads(body)["kind"] in (INTENT, CARRIED):
            _let_go(connection, key, seq, moment)
    last = Link(due[-1][0], due[-1][2])
    append(connection, key, moment.now, CHECKPOINT, {"until": last.seq, "mac": last.mac.hex()})
    connection.execute("DELETE FROM records WHERE seq <= ?", (last.seq,))
    connection.execute("UPDATE base SET seq = ?, mac = ?", (last.seq, last.mac))
    return len(due)


def _due(connection: sqlite3.Connection, keep: Retention, moment: Moment, until: int) -> list[_Stored]:
    too_large = schema.page_bytes(connection) > keep.megabytes * 1e6
    oldest: Iterator[_Stored] = connection.execute(
        "SELECT seq, body, mac FROM records WHERE seq <= ? ORDER BY seq LIMIT ?", (until, STEP)
    )
    too_old = moment.now - keep.days * _DAY
    return list(takewhile(lambda row: too_large or json.loads(row[1])["at"] < too_old, oldest))


def _let_go(connection: sqlite3.Connection, key: bytes, seq: int, moment: Moment) -> None:
    """Forget the operation whose intent goes, or carry it over into a new record if it still matters."""
    found = connection.execute(
        "SELECT operation, ending, recipients, tick FROM operations WHERE intent_seq = ?", (seq,)
    ).fetchone()
    if found is None:
        return  # carried over before
    operation, ending, recipients, tick = found
    if ending in (None, Ending.UNKNOWN) or (recipients and tick > moment.tick - SENDS_KEPT):
        _carry(connection, key, operation, tick, moment)
    else:
        connection.execute("DELETE FROM operations WHERE operation = ?", (operation,))


def _carry(connection: sqlite3.Connection, key: bytes, operation: str, tick: float, moment: Moment) -> None:
    known = operation_of(connection, operation)
    if known is None:
        return
    members = {**told(known.intent), "tick": tick, "started_at": known.started_at}
    if known.outcome is not None:
        members |= {**told(known.outcome), "ended_at": known.ended_at, "settled_by": known.settled_by}
    carried = append(connection, key, moment.now, CARRIED, members)
    connection.execute(
        "UPDATE operations SET intent_seq = ?, outcome_seq = ? WHERE operation = ?",
        (carried.seq, None if known.outcome is None else carried.seq, operation),
    )
