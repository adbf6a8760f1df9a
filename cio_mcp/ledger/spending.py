"""How many people were reached within a time: running totals, so that a sum reads few rows however much was sent.

A total counts the recipients of one principal in one workspace whose calls began in one slot of the ledger's time.
There are wide slots and narrow ones; what no whole slot covers is summed from the operations themselves.
"""

from collections import Counter

from cio_mcp.ledger.pen import Connection
from cio_mcp.ledger.terms import Ending

KEPT_SECONDS = 2 * 86_400.0
"""Seconds for which sends and their totals stay: budgets and repeats are counted over up to a day."""
# Powers of two, by which a float is divided exactly. A day has 84 wide slots, a wide one has 64 narrow ones, and in a
# narrow one at most 1,600 calls begin at 100 a second.
_WIDE, _NARROW = 1024, 16
# An operation that is open or unknown may have reached its recipients, so it counts.
_NOTHING_SENT = frozenset({Ending.FAILED, Ending.REFUSED, Ending.PLANNED, Ending.CANCELLED})
_SPELT = ", ".join(f"'{each}'" for each in sorted(_NOTHING_SENT))
_MAY_HAVE_SENT = f"(ending IS NULL OR ending NOT IN ({_SPELT}))"
_ADD = """
INSERT INTO spending (principal, workspace, width, slot, recipients) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (principal, workspace, width, slot) DO UPDATE SET recipients = spending.recipients + excluded.recipients
"""
_FORGET = "DELETE FROM spending WHERE principal = ? AND workspace = ? AND width = ? AND slot < ?"
_WHOSE = "principal = ? AND workspace = ?"
_TOTALS = f"SELECT recipients FROM spending WHERE {_WHOSE}"  # noqa: S608 - constants only
_CALLS = f"FROM operations WHERE recipients > 0 AND {_MAY_HAVE_SENT}"
_SUM = f"""
SELECT CAST(COALESCE(SUM(recipients), 0) AS BIGINT) FROM (
    {_TOTALS} AND width = {_WIDE} AND slot >= ?
    UNION ALL {_TOTALS} AND width = {_NARROW} AND slot >= ? AND slot < ?
    UNION ALL SELECT recipients {_CALLS} AND {_WHOSE} AND tick > ? AND tick < ?
) AS parts
"""  # noqa: S608 - constants only
_Slot = tuple[str, str, int, int]
_COUNTED = f"SELECT principal, workspace, tick, recipients {_CALLS} AND tick > ?"
_HELD = "SELECT principal, workspace, width, slot, recipients FROM spending"
_SINCE = f"SELECT tick, recipients {_CALLS} AND {_WHOSE} AND tick > ? ORDER BY tick"


def count(connection: Connection, principal: str, workspace: str, *, tick: float, recipients: int) -> None:
    """Count the recipients of a call that began at `tick`; fewer than none take back what was counted."""
    if not recipients:
        return
    for width in (_WIDE, _NARROW):
        connection.execute(_FORGET, (principal, workspace, width, _slot(tick - KEPT_SECONDS, width)))
        connection.execute(_ADD, (principal, workspace, width, _slot(tick, width), recipients))


def recount(connection: Connection, operation: str, ending: str) -> None:
    """Count an operation's recipients no longer, or again, if its ending says so; before it is told to the table."""
    principal, workspace, tick, recipients, before = connection.execute(
        "SELECT principal, workspace, tick, recipients, ending FROM operations WHERE operation = ?", (operation,)
    ).fetchone()
    change = (before in _NOTHING_SENT) - (ending in _NOTHING_SENT)
    count(connection, principal, workspace, tick=tick, recipients=change * recipients)


def spent(connection: Connection, principal: str, workspace: str, *, since: float) -> int:
    """Return the recipients of calls that began after `since` and may have reached them."""
    wide = _slot(since, _WIDE) + 1
    narrow = _slot(since, _NARROW) + 1
    whose = (principal, workspace)
    values = (*whose, wide, *whose, narrow, wide * (_WIDE // _NARROW), *whose, since, float(narrow * _NARROW))
    (total,) = connection.execute(_SUM, values).fetchone()
    return int(total)


def freed_at(connection: Connection, principal: str, workspace: str, *, since: float, excess: int) -> float | None:
    """Return when the call began with which `excess` recipients or more will have left the time after `since`."""
    for tick, recipients in connection.execute(_SINCE, (principal, workspace, since)):
        excess -= recipients
        if excess <= 0:
            return float(tick)
    return None


def is_true(connection: Connection) -> bool:
    """Say whether the totals are those of the operations, as far back as none was forgotten."""
    (now,) = connection.execute("SELECT tick FROM clock").fetchone()
    since = now - KEPT_SECONDS
    wrong: Counter[_Slot] = Counter()
    for principal, workspace, tick, recipients in connection.execute(_COUNTED, (since,)):
        for width in (_WIDE, _NARROW):
            wrong[principal, workspace, width, _slot(tick, width)] += recipients
    for principal, workspace, width, slot, recipients in connection.execute(_HELD):
        wrong[principal, workspace, width, slot] -= recipients
    return not any(count and slot > _slot(since, width) for (_, _, width, slot), count in wrong.items())


def _slot(tick: float, width: int) -> int:
    return int(tick // width)
