"""Confirmations: asked, decided, spent once. They never outlive their time, by whichever clock."""

import hmac
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from cio_mcp.ledger.clock import Moment
from cio_mcp.ledger.pen import Connection, Damaged
from cio_mcp.ledger.terms import Confirmation, Group, NotConfirmed, State

FORGOTTEN_AFTER: Final = 86_400.0
"""Seconds for which one that has expired can still be asked about."""
_FACTS = ("tool", "principal", "workspace", "target", "audience")
_Row = dict[str, Any]
_COLUMNS = "handle, operation, binding, state, decided_by, expires_at, facts, plan, until_tick, boot"


def keep(connection: Connection, confirmation: Confirmation, moment: Moment) -> None:
    """Keep a confirmation that was asked for now, and drop what is long past."""
    forget(connection, moment)
    connection.execute(
        f"INSERT INTO confirmations ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants only
        (
            confirmation.handle,
            confirmation.operation,
            confirmation.binding,
            confirmation.state,
            confirmation.by,
            confirmation.expires_at,
            json.dumps({name: getattr(confirmation, name) for name in _FACTS} | _groups_of(confirmation)),
            None if confirmation.plan is None else json.dumps(dict(confirmation.plan)),
            moment.tick + max(0.0, confirmation.expires_at - moment.now),
            moment.reading.boot,
        ),
    )


def _groups_of(confirmation: Confirmation) -> dict[str, Any]:
    groups = confirmation.groups
    return {} if groups is None else {"groups": {name: asdict(group) for name, group in groups.items()}}


def forget(connection: Connection, moment: Moment) -> None:
    """Drop confirmations that are long past, and of those that are over what is large or names people."""
    connection.execute("DELETE FROM confirmations WHERE until_tick < ?", (moment.tick - FORGOTTEN_AFTER,))
    connection.execute(
        "UPDATE confirmations SET plan = NULL WHERE plan IS NOT NULL AND until_tick <= ?", (moment.tick,)
    )

    over = "SELECT id, facts FROM confirmations WHERE until_tick <= ? AND facts LIKE ?"
    for number, facts in connection.execute(over, (moment.tick, '%"groups"%')).fetchall():
        connection.execute("UPDATE confirmations SET facts = ? WHERE id = ?", (_without_groups(facts), number))


def _without_groups(facts: str) -> str:
    try:
        return json.dumps({name: value for name, value in json.loads(facts).items() if name != "groups"})
    except (AttributeError, ValueError):
        return "{}"  # damaged before, and told to be when it is asked for


def by_handle(connection: Connection, handle: str) -> Confirmation | None:
    """Return a confirmation, whatever its state."""
    found = _select(connection, "handle = ?", handle)
    return _confirmation(found[0]) if found else None


def by_binding(connection: Connection, binding: str, moment: Moment) -> Confirmation | None:
    """Return the newest of a binding that can still be decided, used or told as rejected.

    One that was approved comes before newer ones that wait. None if the newest was spent: those before it were asked
    about what was no longer so.
    """
    found = _standing(row for row in _select(connection, "binding = ?", binding) if _lives(row, moment))
    return _confirmation(found) if found else None


def _standing(newest_first: Iterable[_Row]) -> _Row | None:
    waiting: _Row | None = None
    for row in newest_first:
        match State(row["state"]):
            case State.WAITING:
                waiting = waiting or row
            case State.APPROVED:
                return row
            case State.REJECTED:
                return waiting or row
            case State.SPENT:
                return waiting
    return waiting


def asked_already(connection: Connection, wanted: Confirmation, moment: Moment) -> Confirmation | None:
    """Return the one that a person reads elsewhere, or has approved, of the same binding and target.

    Two calls made at once each look what they would touch and find nothing asked for: only here one of them is first.
    """
    found = None if wanted.plan is None else by_binding(connection, wanted.binding, moment)
    asked = found is not None and found.state is not State.REJECTED and found.target == wanted.target
    return found if asked else None


def for_operator(connection: Connection, moment: Moment) -> list[Confirmation]:
    """Return those that wait for a person to read their plan, the newest first."""
    found = _select(connection, "state = ? AND plan IS NOT NULL", State.WAITING)
    return [_confirmation(row) for row in found if _lives(row, moment)]


def decide(connection: Connection, handle: str, state: State, by: str, moment: Moment) -> Confirmation:
    """Approve or reject one that waits; raises NotConfirmed for any other."""
    if state not in (State.APPROVED, State.REJECTED):
        raise ValueError(f"nobody can decide that a confirmation is {state}")
    _check(_wanted(connection, handle), State.WAITING, moment)
    return _change(connection, handle, state, by)


def withdraw(connection: Connection, handle: str, by: str, moment: Moment) -> Confirmation:
    """Reject one that waits or was approved, because what it was given for is no longer so; raises NotConfirmed."""
    row = _wanted(connection, handle)
    _check(row, State.APPROVED if row["state"] == State.APPROVED else State.WAITING, moment)
    return _change(connection, handle, State.REJECTED, by)


def spend(connection: Connection, handle: str, binding: str, moment: Moment) -> Confirmation:
    """Use an approved confirmation for the call it was asked for, once; raises NotConfirmed."""
    row = _wanted(connection, handle)
    if not hmac.compare_digest(str(row["binding"]).encode(), binding.encode()):
        raise NotConfirmed("belongs to another call")
    _check(row, State.APPROVED, moment)
    return _change(connection, handle, State.SPENT, str(row["decided_by"]))


def _check(row: _Row, due: State, moment: Moment) -> None:
    state = State(row["state"])
    if state is State.SPENT:
        raise NotConfirmed("was used already")
    if state is State.REJECTED:
        raise NotConfirmed("was rejected")
    if not _lives(row, moment):
        raise NotConfirmed("has expired")
    if state is not due:
        raise NotConfirmed("is still waiting" if due is State.APPROVED else "was approved already")


def _lives(row: _Row, moment: Moment) -> bool:
    """Say whether its time is not over by any clock; a machine started anew has lost count, so nothing outlives it."""
    asked_in, now_in = row["boot"], moment.reading.boot
    same_boot = asked_in == now_in or not (asked_in and now_in)
    return bool(same_boot and moment.tick < row["until_tick"] and moment.now < row["expires_at"])


def _change(connection: Connection, handle: str, state: State, by: str) -> Confirmation:
    """Change the state; the plan has been read, and names people."""
    connection.execute(
        "UPDATE confirmations SET state = ?, decided_by = ?, plan = NULL WHERE handle = ?", (state, by, handle)
    )
    return _confirmation(_wanted(connection, handle))


def _wanted(connection: Connection, handle: str) -> _Row:
    found = _select(connection, "handle = ?", handle)
    if not found:
        raise NotConfirmed("is not one of ours")
    return found[0]


def _select(connection: Connection, condition: str, value: str) -> list[_Row]:
    if not value.isascii():
        return []  # ours are; and text that is no Unicode would be refused as an error
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM confirmations WHERE {condition} ORDER BY id DESC",  # noqa: S608 - constants only
        (value,),
    )
    rows = found.fetchall()
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in rows]


def _confirmation(row: _Row) -> Confirmation:
    try:
        facts = json.loads(row["facts"])
        if (groups := facts.pop("groups", None)) is not None:
            facts["groups"] = {name: Group(**group) for name, group in groups.items()}
        return Confirmation(
            handle=row["handle"],
            operation=row["operation"],
            binding=row["binding"],
            expires_at=row["expires_at"],
            state=State(row["state"]),
            by=row["decided_by"],
            plan=None if row["plan"] is None else json.loads(row["plan"]),
            **facts,
        )
    except (AttributeError, TypeError, ValueError):
        raise Damaged("a confirmation that is kept is not as it was written; it can only be asked for anew") from None
