"""Tokens as rows of a table, in statements that SQLite and PostgreSQL both understand."""

from collections.abc import Sequence
from typing import Any, Final

from cio_mcp.agents.token_store import KeptToken, Permit, Proof
from cio_mcp.ledger.pen import Connection
from cio_mcp.policy.words import Grant

VERSION: Final = 1
_TABLE: Final = """
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    salt {octets} NOT NULL,
    digest {octets} NOT NULL,
    agent TEXT NOT NULL,
    grants TEXT NOT NULL,
    workspaces TEXT,
    is_operator INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    expires_at DOUBLE PRECISION,
    revoked_at DOUBLE PRECISION,
    used_at DOUBLE PRECISION
)
"""
_SELECT: Final = (
    "SELECT id, salt, digest, agent, grants, workspaces, is_operator, created_by, created_at, expires_at, revoked_at, "
    "used_at FROM tokens"
)
_ADD: Final = "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_NOTE_USE: Final = "UPDATE tokens SET used_at = ? WHERE id = ? AND (used_at IS NULL OR used_at <= ?)"
_NOT_REVOKED: Final = "SELECT id FROM tokens WHERE id = ? AND revoked_at IS NULL"
_REVOKE: Final = "UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"


def create_table(connection: Connection, *, octets: str) -> None:
    """Create the table; `octets` is the engine's type of bytes."""
    connection.execute(_TABLE.format(octets=octets))


def find(connection: Connection, token_id: str) -> KeptToken | None:
    """Return a token by its id; raises ValueError for a row that nothing of ours wrote."""
    row = connection.execute(f"{_SELECT} WHERE id = ?", (token_id,)).fetchone()
    return _kept(row) if row else None


def find_all(connection: Connection) -> list[KeptToken]:
    """Return all tokens, the oldest first; raises ValueError likewise."""
    return [_kept(row) for row in connection.execute(f"{_SELECT} ORDER BY created_at, id").fetchall()]


def add(connection: Connection, kept: KeptToken) -> None:
    """Insert a token."""
    connection.execute(_ADD, _row(kept))


def note_use(connection: Connection, token_id: str, *, now: float, every: float) -> None:
    """Keep the time of a use, unless one was kept less than `every` seconds before."""
    connection.execute(_NOTE_USE, (now, token_id, now - every))


def revoke(connection: Connection, token_id: str, *, now: float) -> bool:
    """Revoke a token, and say whether it was not revoked before."""
    found = connection.execute(_NOT_REVOKED, (token_id,)).fetchone()
    connection.execute(_REVOKE, (now, token_id))
    return found is not None


def _row(kept: KeptToken) -> tuple[Any, ...]:
    proof, permit = kept.proof, kept.permit
    grants = " ".join(sorted(map(str, permit.grants)))
    workspaces = None if permit.workspaces is None else "\n".join(sorted(permit.workspaces))
    who = (permit.agent, grants, workspaces, int(permit.is_operator))
    times = (kept.created_at, kept.expires_at, kept.revoked_at, kept.used_at)
    return (proof.id, proof.salt, proof.digest, *who, kept.created_by, *times)


def _kept(row: Sequence[Any]) -> KeptToken:
    token_id, salt, digest, agent, grants, workspaces, is_operator, created_by, *times = row
    created_at, expires_at, revoked_at, used_at = times
    return KeptToken(
        proof=Proof(id=token_id, salt=salt, digest=digest),
        permit=Permit(
            agent=agent,
            grants=frozenset(map(Grant.parse, grants.split())),
            workspaces=None if workspaces is None else frozenset(workspaces.split("\n")),
            is_operator=bool(is_operator),
        ),
        created_by=created_by,
        created_at=created_at,
        expires_at=expires_at,
        revoked_at=revoked_at,
        used_at=used_at,
    )
