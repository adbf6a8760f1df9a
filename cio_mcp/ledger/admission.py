"""What must hold before an intent is recorded, asked of the ledger inside the transaction that records it."""

import sqlite3
from collections.abc import Sequence

from cio_mcp.ledger.operations import operation_of
from cio_mcp.ledger.terms import Cap, Ending, Intent, Operation, Overspent, Repeated, Terms

# An operation that is open or unknown may have reached its recipients, so it counts.
_NOTHING_SENT = ", ".join(f"'{each}'" for each in (Ending.FAILED, Ending.REFUSED, Ending.PLANNED, Ending.CANCELLED))
_ALIKE = """
SELECT operation FROM operations
WHERE fingerprint = ? AND fingerprint <> ''
  AND (ending IS NULL OR ending = 'unknown' OR (ending = 'ok' AND tick > ?))
ORDER BY ending IS 'unknown' DESC, tick DESC, intent_seq DESC LIMIT 1
"""
_SPENT = f"""
FROM operations
WHERE principal = ? AND workspace = ? AND recipients > 0 AND tick > ?
  AND (ending IS NULL OR ending NOT IN ({_NOTHING_SENT}))
"""


def check_repeat(connection: sqlite3.Connection, intent: Intent, terms: Terms, tick: float) -> None:
    """Raise Repeated if the same call may have taken effect: within the time, or whenever nobody knows."""
    found = earlier(connection, intent.fingerprint, terms.repeat_within, tick)
    if found is not None and not (terms.repeat_allowed and found.is_looked_for):
        raise Repeated(found)


def earlier(connection: sqlite3.Connection, fingerprint: str, within: float, tick: float) -> Operation | None:
    """Return the operation that holds a call of a fingerprint back: one that is unknown before any other."""
    if within <= 0:
        return None
    found = connection.execute(_ALIKE, (fingerprint, tick - within)).fetchone()
    return operation_of(connection, found[0]) if found else None


def check_caps(connection: sqlite3.Connection, intent: Intent, caps: Sequence[Cap], tick: float) -> None:
    """Raise Overspent for the first cap that the call's recipients would exceed."""
    if not intent.recipients:
        return
    for cap in caps:
        window = (intent.principal, intent.workspace, tick - cap.seconds)
        (spent,) = connection.execute(f"SELECT COALESCE(SUM(recipients), 0) {_SPENT}", window).fetchone()
        if spent + intent.recipients > cap.recipients:
            spending = connection.execute(f"SELECT tick, recipients {_SPENT} ORDER BY tick", window).fetchall()
            raise Overspent(cap, spent, _free_in(cap, intent.recipients, spent, spending, tick))


def _free_in(cap: Cap, wanted: int, spent: int, spending: list[tuple[float, int]], tick: float) -> float | None:
    """Return the seconds until enough of what was spent leaves the window."""
    for began, recipients in spending:
        spent -= recipients
        if spent + wanted <= cap.recipients:
            return max(0.0, began + cap.seconds - tick)
    return None
