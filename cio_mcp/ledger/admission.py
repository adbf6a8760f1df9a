"""What must hold before an intent is recorded, asked of the ledger inside the transaction that records it."""

from collections.abc import Sequence

from cio_mcp.ledger import operations, spending
from cio_mcp.ledger.pen import Connection
from cio_mcp.ledger.terms import Cap, Intent, Operation, Overspent, Repeated, Terms


def check_repeat(connection: Connection, intent: Intent, terms: Terms, tick: float) -> None:
    """Raise Repeated if the same call may have taken effect: within the time, or whenever nobody knows."""
    found = earlier(connection, intent.fingerprint, terms.repeat_within, tick)
    if found is not None and not (terms.repeat_allowed and found.is_looked_for):
        raise Repeated(found)


def earlier(connection: Connection, fingerprint: str, within: float, tick: float) -> Operation | None:
    """Return the operation that holds a call of a fingerprint back.

    One that holds back even a repeat that is meant comes before any other: what was looked for must not hide it. Of
    those it is one under way, if there is one, since its process may have died.
    """
    if within <= 0:
        return None
    found = operations.alike(connection, fingerprint, since=tick - within)
    return min(found, key=lambda operation: operation.is_looked_for, default=None)


def check_caps(connection: Connection, intent: Intent, caps: Sequence[Cap], tick: float) -> None:
    """Raise Overspent for the first cap that the call's recipients would exceed."""
    if not intent.recipients:
        return
    for cap in caps:
        spent = spending.spent(connection, intent.principal, intent.workspace, since=tick - cap.seconds)
        if spent + intent.recipients > cap.recipients:
            raise Overspent(cap, spent, _free_in(connection, intent, cap, spent, tick))


def _free_in(connection: Connection, intent: Intent, cap: Cap, spent: int, tick: float) -> float | None:
    """Return the seconds until enough of what was spent leaves the window."""
    if intent.recipients > cap.recipients:
        return None
    excess = spent + intent.recipients - cap.recipients
    since = tick - cap.seconds
    freed = spending.freed_at(connection, intent.principal, intent.workspace, since=since, excess=excess)
    return None if freed is None else max(0.0, freed - since)
