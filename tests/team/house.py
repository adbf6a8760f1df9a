"""A team's server as a real process on a loopback port, and agents with tokens of their own."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2

from cio_mcp.agents.token_store import Permit
from cio_mcp.agents.token_store_sqlite import SqliteTokenStore, token_path
from cio_mcp.agents.tokens import mint
from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.policy import Grant
from tests.cli.commands import Ended, run, running
from tests.recorded import records_in

PATIENCE = 60.0
ALL = frozenset({Grant("*", "*")})
WIDE = {f"CIO_MCP_LIMIT_{name}": "100000/1" for name in ("APP", "EMAIL", "TRANSACTIONAL", "BROADCAST", "TRACK")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A server on a socket, and its ledger."""

    url: str
    ledger: Path
    tokens: dict[str, str] = field(repr=False)
    http: httpx2.AsyncClient

    async def post(self, agent: str | None, message: dict[str, Any], **headers: str) -> httpx2.Response:
        """Send a JSON-RPC message of the handshake era as an agent; None sends no token."""
        sent = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
        if agent is not None:
            sent["Authorization"] = f"Bearer {self.tokens.get(agent, agent)}"
        return await self.http.post(self.url, json=message, headers=sent | headers)

    async def call(self, agent: str, tool: str, arguments: dict[str, Any], number: int = 1) -> dict[str, Any]:
        """Call a tool and return its result, or the error in it."""
        answer = (await self.post(agent, calling(tool, arguments, number))).json()
        assert answer["id"] == number
        found: dict[str, Any] = answer["result"]["structuredContent"]
        return found

    async def command(self, *words: str, **environment: str) -> Ended:
        """Type a command of ours."""
        return await anyio.to_thread.run_sync(lambda: run(*words, env=environment))

    @property
    def records(self) -> list[dict[str, Any]]:
        """What the ledger holds, once the server has ended."""
        return records_in(self.ledger)


def calling(tool: str, arguments: dict[str, Any], number: int = 1) -> dict[str, Any]:
    """Return a call as a message."""
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


async def given_tokens(ledger: Path, permits: Iterable[Permit]) -> dict[str, str]:
    """Make a token for each agent, as `cio-mcp token create` does."""
    store, tokens = SqliteTokenStore(token_path(ledger), now=SteadyClock().now), {}
    for permit in permits:
        text, proof = mint()
        await store.add(proof, permit, by="test", lifetime=None)
        tokens[permit.agent] = text.reveal()
    await store.aclose()
    return tokens


@asynccontextmanager
async def team(
    folder: Path, permits: Iterable[Permit], *flags: str, workspaces: str = "", **environment: str
) -> AsyncIterator[Team]:
    """Start a server in front of the sandbox; `workspaces` is the text of a file that names several."""
    ledger = folder / "state" / "ledger.sqlite3"
    ledger.parent.mkdir(mode=0o700)
    tokens = await given_tokens(ledger, permits)
    if workspaces:
        file = folder / "workspaces.toml"
        file.write_text(workspaces, encoding="utf-8")
        file.chmod(0o600)
        flags = (*flags, "--workspaces", str(file))
    words = ("serve", "--sandbox", "--http", "0", "--auth", "tokens", "--ledger", str(ledger), *flags)
    limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64)
    with running(*words, env={**WIDE, **environment}) as server:
        with anyio.fail_after(PATIENCE):
            url = (await anyio.to_thread.run_sync(server.wait_for, "serves MCP at")).split()[-1]
        async with httpx2.AsyncClient(timeout=PATIENCE, limits=limits, trust_env=False) as http:
            yield Team(url=url, ledger=ledger, tokens=tokens, http=http)
