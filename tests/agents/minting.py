"""Stores of tokens for tests, tokens in them, and a process that asks whom a token proves."""

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path

from cio_mcp.agents.token_store import KeptToken, Permit, TokenStore
from cio_mcp.agents.token_store_sqlite import SqliteTokenStore
from cio_mcp.agents.tokens import TokenAuthenticator, mint
from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.policy import Grant

NOON = 1_800_000_000.0
READS = Permit(agent="support-bot", grants=frozenset({Grant("customers", "read")}))


@dataclass(slots=True)
class Clock:
    """A clock that a test sets."""

    time: float = NOON

    def now(self) -> float:
        """Return what it shows."""
        return self.time


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A token in a store, and its text."""

    text: str = field(repr=False)
    kept: KeptToken

    @property
    def id(self) -> str:
        """Its public id."""
        return self.kept.proof.id


async def minted(store: TokenStore, permit: Permit = READS, *, lifetime: float | None = None) -> Minted:
    """Put a new token into a store."""
    text, proof = mint()
    return Minted(text=text.reveal(), kept=await store.add(proof, permit, by="ada", lifetime=lifetime))


async def only(store: TokenStore) -> KeptToken:
    """Return the one token of a store."""
    [kept], _ = await store.tokens()
    return kept


def tell_whom_tokens_prove(path: Path) -> None:
    """Answer every token, a line each, with the name of the agent it proves, or an empty line, in one process."""
    authenticator = TokenAuthenticator(SqliteTokenStore(path, now=SteadyClock().now))

    async def tell() -> None:
        while line := await asyncio.to_thread(sys.stdin.readline):
            found = await authenticator.agent(line.strip())
            sys.stdout.write(f"{found.name if found else ''}\n")
            sys.stdout.flush()

    asyncio.run(tell())


if __name__ == "__main__":
    tell_whom_tokens_prove(Path(sys.argv[1]))
