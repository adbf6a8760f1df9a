"""Records as they stand in the chain, and as the values they tell of."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from cio_mcp.ledger.chain import Link, Record, Row, linked
from cio_mcp.ledger.clock import Moment, Reading
from cio_mcp.ledger.pen import Connection, Pen
from cio_mcp.ledger.terms import Ending, Intent, Outcome

INTENT = "intent"
CARRIED = "carried"
"""An intent whose first record retention removed: it says all that the removed records said."""
OUTCOME = "outcome"
RECOVERED = "recovered"
SETTLED = "settled"
ENDS = (OUTCOME, RECOVERED, SETTLED)
_AT_ONCE = 500
# What is left out of a record where it says nothing; who it was is always said.
_EMPTY = {
    member.name: member.default_factory() if member.default_factory is not MISSING else member.default
    for kind in (Intent, Outcome)
    for member in fields(kind)
    if member.name != "principal" and (member.default is not MISSING or member.default_factory is not MISSING)
}


def append(pen: Pen, at: float, kind: str, members: Mapping[str, Any]) -> Link:
    """Write a record at the end of the chain; `at` is in seconds since 1970."""
    before = pen.head or head(pen.connection)
    row = linked(pen.key, before, {**members, "kind": kind, "at": round(at, 3)})
    pen.connection.execute(
        "INSERT INTO records VALUES (?, ?, ?, ?)", (row.seq, members.get("operation"), row.body, row.mac)
    )
    pen.head = Link(row.seq, row.mac)
    return pen.head


def head(connection: Connection) -> Link:
    """Return the end of the chain."""
    found = connection.execute("SELECT seq, mac FROM records ORDER BY seq DESC LIMIT 1").fetchone()
    return _link(*found) if found else base(connection)


def base(connection: Connection) -> Link:
    """Return the link after which the records begin, as the ledger claims it."""
    return _link(*connection.execute("SELECT seq, mac FROM base").fetchone())


def rows(connection: Connection, after: int = 0) -> Iterator[Row]:
    """Yield the records after a number, as they are stored."""
    return (row for row, _ in filed(connection, after))


def filed(connection: Connection, after: int = 0) -> Iterator[tuple[Row, str | None]]:
    """Yield the records after a number, and the operation under which each is kept."""
    while True:
        found = connection.execute(
            "SELECT seq, body, mac, operation FROM records WHERE seq > ? ORDER BY seq LIMIT ?", (after, _AT_ONCE)
        ).fetchall()
        yield from ((stored(*row), operation) for *row, operation in found)
        if len(found) < _AT_ONCE:
            return
        after = found[-1][0]


def stored(seq: int, body: Any, mac: Any) -> Row:
    """Return a row; what is not of its kind, which SQLite would keep too, is no record and no mac."""
    return Row(seq, body if isinstance(body, str) else "", mac if isinstance(mac, bytes) else b"")


def told(value: Intent | Outcome) -> Record:
    """Return the members of an intent or outcome that say something."""
    given = ((member.name, getattr(value, member.name)) for member in fields(value))
    return {name: member for name, member in given if member != _EMPTY.get(name, MISSING)}


def intent_of(record: Record) -> Intent:
    """Return the intent that a record tells of."""
    return Intent(**_members(Intent, record))


def outcome_of(record: Record) -> Outcome:
    """Return the outcome that a record tells of."""
    members = _members(Outcome, record)
    return Outcome(**{**members, "ending": Ending(members["ending"])})


def last_moment(connection: Connection) -> Moment:
    """Return the moment from which the ledger's time is counted."""
    tick, now, uptime, boot = connection.execute("SELECT tick, now, uptime, boot FROM clock").fetchone()
    return Moment(tick=tick, reading=Reading(now=now, uptime=uptime, boot=boot))


def keep_moment(connection: Connection, moment: Moment) -> None:
    """Count the ledger's time from this moment on."""
    reading = moment.reading
    connection.execute(
        "UPDATE clock SET tick = ?, now = ?, uptime = ?, boot = ?",
        (moment.tick, reading.now, reading.uptime, reading.boot),
    )


def _link(seq: Any, mac: Any) -> Link:
    return Link(seq if isinstance(seq, int) else -1, mac if isinstance(mac, bytes) else b"")


def _members(kind: type[Intent | Outcome], record: Record) -> Record:
    return {member.name: record[member.name] for member in fields(kind) if member.name in record}
