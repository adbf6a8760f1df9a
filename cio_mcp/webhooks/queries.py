"""Pure: what both stores say in SQL; they differ in the mark that stands for a value."""

from collections.abc import Iterator, Mapping
from typing import Any

from cio_mcp.webhooks.events import line
from cio_mcp.webhooks.store import Arrival, Filter, Kept, Position, Standing

REFUSED = "refused:"
"""Before the name of a reason, among the counts."""
COLUMNS = (
    "workspace, event_id, at, received_at, object_type, metric, delivery_id, person_id, person_email, person_cio_id, "
    "digest, line"
)
_PERSON = {"id": "person_id", "email": "person_email", "cio_id": "person_cio_id"}


def row(workspace: str, arrival: Arrival) -> tuple[Any, ...]:
    """Return the values of COLUMNS for an event."""
    event = arrival.event
    return (
        workspace,
        event.event_id,
        event.at,
        float(arrival.received_at),
        event.object_type,
        event.metric,
        event.delivery_id,
        event.person.id,
        folded(event.person.email),
        event.person.cio_id,
        arrival.digest,
        line(event),
    )


def folded(email: str | None) -> str | None:
    """Return an e-mail address as it is looked for: Customer.io does not tell capitals apart ("Identifying people")."""
    return email.casefold() if email else None


def selection(
    workspace: str, wanted: Filter, limit: int, after: Position | None, *, mark: str = "?"
) -> tuple[str, list[Any]]:
    """Return the statement that finds events, newest first, and its values."""
    conditions = [("workspace = {}", (workspace,)), *_conditions(wanted)]
    if after:
        conditions.append(("(at, seq) < ({}, {})", (after.at, after.seq)))
    where = " AND ".join(text.format(*[mark] * len(values)) for text, values in conditions)
    found: list[Any] = [value for _, values in conditions for value in values]
    # Only constants are written into the statement; every value travels beside it.
    return (
        f"SELECT seq, received_at, line FROM events WHERE {where} ORDER BY at DESC, seq DESC LIMIT {mark}",  # noqa: S608
        [*found, limit],
    )


def _conditions(wanted: Filter) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for name, given in wanted.identifiers.items():
        yield f"{_PERSON[name]} = {{}}", (folded(given) if name == "email" else given,)
    named = {"delivery_id": wanted.delivery_id, "metric": wanted.metric, "object_type": wanted.object_type}
    for column, value in named.items():
        if value is not None:
            yield f"{column} = {{}}", (value,)
    if wanted.since is not None:
        yield "at >= {}", (wanted.since,)
    if wanted.before is not None:
        yield "at < {}", (wanted.before,)


def standing(counts: Mapping[str, int], latest: tuple[float, float] | None) -> Standing:
    """Return what the tables of counts tell."""
    at, received_at = latest or (None, None)
    return Standing(
        counts={each: counts.get(each.value, 0) for each in Kept},
        refused={name.removeprefix(REFUSED): count for name, count in counts.items() if name.startswith(REFUSED)},
        last_at=at,
        last_received_at=received_at,
    )
