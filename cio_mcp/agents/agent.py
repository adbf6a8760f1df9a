"""Who calls: one agent, as a value, however it proved itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cio_mcp.policy.grants_file import DEFAULT_AGENT
from cio_mcp.policy.words import Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent that may call this server.

    `grants` are the words that its token or its scopes carry: they narrow what the server's own settings allow, and
    None narrows nothing. `workspaces` are the names of those that its token is good for: of those that the workspaces
    file binds it to, and None for all of these. `issuer` is who vouched for it, empty for a token of this server's own;
    `expires_at` is in seconds since 1970.
    """

    name: str
    grants: frozenset[Grant] | None = None
    workspaces: frozenset[str] | None = None
    issuer: str = ""
    subject: str = ""
    """By which the operator's files may name it as well, where `name` says through which client it acts, too."""
    is_proven: bool = True
    """False of the one that a process was started for, which nobody asks who it is."""
    expires_at: float | None = None
    is_operator: bool = False
    """It may see what all agents did, and signs in on the operator's page, where it approves and rejects."""

    @property
    def principal(self) -> str:
        """As whom its calls are recorded, counted and bound: two issuers' subjects of one name are two principals."""
        return f"{self.name} ({self.issuer})" if self.issuer else self.name

    @property
    def listed_as(self) -> tuple[str, ...]:
        """By which names the operator's files mean it, the more telling first.

        Nobody proves to be the default agent: users of an issuer may choose what they are called.
        """
        names = (self.name, self.subject) if self.subject else (self.name,)
        return tuple(name for name in names if not (self.is_proven and name == DEFAULT_AGENT))


class Authenticator(Protocol):
    """Knows agents by their bearer tokens."""

    async def agent(self, token: str) -> Agent | None:
        """Return the agent that a token proves; None if it proves nobody, for whatever reason."""
        ...


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Several ways to prove oneself, asked in their order."""

    authenticators: Sequence[Authenticator]

    async def agent(self, token: str) -> Agent | None:
        """Return the agent whom the first that knows the token names."""
        for authenticator in self.authenticators:
            if found := await authenticator.agent(token):
                return found
        return None
