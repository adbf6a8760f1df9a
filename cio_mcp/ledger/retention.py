"""How long records are kept: in small steps the oldest go, and a checkpoint in the chain says so."""

from dataclasses import dataclass
from itertools import takewhile

from cio_mcp.ledger import chain
from cio_mcp.ledger.chain import CHECKPOINT, Link, Record
from cio_mcp.ledger.clock import Moment
from cio_mcp.ledger.entries import CARRIED, INTENT, append, told
from cio_mcp.ledger.operations import operation_of
from cio_mcp.ledger.pen import Connection, Pen
from cio_mcp.ledger.spending import KEPT_SECONDS
from cio_mcp.ledger.terms import Ending

STEP = 250
"""Records removed in one transaction: few enough that nobody waits for it longer than about 20 ms."""
PAGES = 100
"""Pages given back to the file system after a step."""
_DAY = 86_400.0
_SEND = "send"
"""The access of what sends messages, as intents say it (`Endpoint.permission`)."""
_Stored = tuple[int, str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Records older than `days` go, and the oldest while the file has more than `megabytes` (10^6 bytes)."""

    days: float = 365.0
    megabytes: float = 500.0


def step(pen: Pen, keep: Retention, moment: Moment, *, until: int, held: float) -> int:
    """Remove up to STEP of the oldest records that are due, none after `until`, and return how many.

    `held` is how many bytes the ledger has now.
    """
    due = _due(pen.connection, keep, moment, until, held)
    if not due:
        return 0
    for _seq, body, _mac in due:
        record = chain.read(body)
        if record["kind"] in (INTENT, CARRIED):
            _let_go(pen, record, moment)
    last = Link(due[-1][0], due[-1][2])
    append(pen, moment.now, CHECKPOINT, {"until": last.seq, "mac": last.mac.hex()})
    pen.connection.execute("DELETE FROM records WHERE seq <= ?", (last.seq,))
    pen.connection.execute("UPDATE base SET seq = ?, mac = ?", (last.seq, last.mac))
    return len(due)


def _due(connection: Connection, keep: Retention, moment: Moment, until: int, held: float) -> list[_Stored]:
    too_large = held > keep.megabytes * 1e6
    oldest = connection.execute(
        "SELECT seq, body, mac FROM records WHERE seq <= ? ORDER BY seq LIMIT ?", (until, STEP)
    ).fetchall()
    too_old = moment.now - keep.days * _DAY

    def is_due(row: _Stored) -> bool:
        record = chain.read(row[1])  # what is none any more stays, as evidence
        return "kind" in record and "at" in record and (too_large or record["at"] < too_old)

    return list(takewhile(is_due, oldest))


def _let_go(pen: Pen, begun: Record, moment: Moment) -> None:
    """Forget the operation whose intent goes, or carry it over into a new record if it still matters."""
    found = pen.connection.execute(
        "SELECT operation, ending, recipients, tick FROM operations WHERE intent_seq = ?", (begun["seq"],)
    ).fetchone()
    if found is None:
        return  # carried over before
    operation, ending, recipients, tick = found
    # A send whose audience cannot be counted has no recipients here, and still holds its repeat back.
    is_send = recipients > 0 or begun.get("access") == _SEND
    if ending in (None, Ending.UNKNOWN) or (is_send and tick > moment.tick - KEPT_SECONDS):
        when = {"tick": tick} | {name: begun[name] for name in ("boot",) if name in begun}
        _carry(pen, operation, when, moment)
    else:
        pen.connection.execute("DELETE FROM operations WHERE operation = ?", (operation,))


def _carry(pen: Pen, operation: str, when: Record, moment: Moment) -> None:
    known = operation_of(pen.connection, operation)
    if known is None:
        return
    members = {**told(known.intent), **when, "started_at": known.started_at}
    if known.outcome is not None:
        members |= {**told(known.outcome), "ended_at": known.ended_at, "settled_by": known.settled_by}
    carried = append(pen, moment.now, CARRIED, members)
    pen.connection.execute(
        "UPDATE operations SET intent_seq = ?, outcome_seq = ? WHERE operation = ?",
        (carried.seq, None if known.outcome is None else carried.seq, operation),
    )
