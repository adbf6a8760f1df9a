"""What is kept of agents' tokens, never their text, and what every store of them can do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from cio_mcp.agents.agent import Agent
from cio_mcp.policy.words import Grant


class TokensUnavailable(OSError):
    """The store of tokens cannot be used now, so nobody is known by one; the text names it, the cause and the remedy.

    This is not a token that proves nobody: an agent told so would throw a good token away.
    """


class TokenState(StrEnum):
    """What has become of a token."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a token is recognised by: its public `id`, and the salted digest of its text."""

    id: str
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Whom a token proves, and what for.

    `workspaces` are the names of those it is good for, None for all that the workspaces file binds its agent to.
    """

    agent: str
    grants: frozenset[Grant]
    workspaces: frozenset[str] | None = None
    is_operator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptToken:
    """A token as it is kept. Times are in seconds since 1970 by the store's clock; `used_at` is coarse."""

    proof: Proof
    permit: Permit
    created_by: str
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    used_at: float | None = None

    @property
    def agent(self) -> Agent:
        """The agent that it proves while it is active."""
        permit = self.permit
        return Agent(
            name=permit.agent,
            grants=permit.grants,
            workspaces=permit.workspaces,
            expires_at=self.expires_at,
            is_operator=permit.is_operator,
        )

    def state(self, now: float) -> TokenState:
        """Say what has become of it at a time."""
        if self.revoked_at is not None:
            return TokenState.REVOKED
        return TokenState.EXPIRED if self.expires_at is not None and now >= self.expires_at else TokenState.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a store knows under an id, and the time by its clock, in seconds since 1970."""

    kept: KeptToken | None
    now: float


class TokenStore(Protocol):
    """Where tokens are kept; every method raises TokensUnavailable.

    What `revoke` did is seen within a second by every process that shares the store.
    """

    async def look(self, token_id: str) -> Look:
        """Look a token up by its id, in one query; what was found may be up to half a second old."""
        ...

    async def note_use(self, token_id: str, *, every: float) -> None:
        """Keep that a token is in use now, unless that was kept less than `every` seconds ago."""
        ...

    async def add(self, proof: Proof, permit: Permit, *, by: str, lifetime: float | None) -> KeptToken:
        """Keep a new token, durably; `by` is who made it, `lifetime` in seconds, None for no end."""
        ...

    async def revoke(self, token_id: str) -> bool:
        """End a token for good, durably; False if there is no such token or it was revoked before."""
        ...

    async def tokens(self) -> tuple[Sequence[KeptToken], float]:
        """Return all tokens, ended ones too, the oldest first, and the time by the store's clock."""
        ...
