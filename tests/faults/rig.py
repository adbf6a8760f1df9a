"""Our server as an agent meets it: a real MCP client in front, a sandbox on a socket behind, a record on the side."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
from mcp import Client
from mcp.client.session import ElicitationFnT

from cio_mcp.breaker import Breaker, Breakers
from cio_mcp.cli.wiring import workspace
from cio_mcp.ledger import Intent, Terms
from cio_mcp.pipeline import Pipeline
from cio_mcp.sandbox import RunningSandbox
from cio_mcp.server import META, build_server
from cio_mcp.settings import Settings, load
from tests.recorded import MemoryLedger

KEYS = {
    "CUSTOMERIO_SITE_ID": "sandbox-site-id",
    "CUSTOMERIO_TRACK_API_KEY": "sandbox-track-key",
    "CUSTOMERIO_APP_API_KEY": "sandbox-app-key",
}
# A pause after a 429 lasts a window at least: a short one keeps the tests short.
WIDE = {f"CIO_MCP_LIMIT_{name}": "1000/0.05" for name in ("APP", "EMAIL", "TRANSACTIONAL", "BROADCAST", "TRACK")}
# Calls are not held back here: what stands before the request has tests of its own.
UNGUARDED = {"CIO_MCP_CONFIRM": "off", "CIO_MCP_REPEAT_WINDOW": "0", "CIO_MCP_LEDGER": "memory"}
# On two busy cores, a thousand calls at once; what takes longer than this hangs.
PATIENCE = 60.0
STEP = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What the client got."""

    result: dict[str, Any]
    meta: dict[str, Any]

    @property
    def error(self) -> dict[str, Any]:
        """The error's members; empty for a success."""
        told: dict[str, Any] = self.result.get("error", {})
        return told

    @property
    def code(self) -> str | None:
        """The error's code; None for a success."""
        return self.error.get("code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A connected client, and the pipeline and the ledger behind it."""

    client: Client
    pipeline: Pipeline
    ledger: MemoryLedger

    async def call(self, tool: str, arguments: dict[str, Any] | None = None) -> Called:
        """Call a tool; a call that never comes back fails the test."""
        with anyio.fail_after(PATIENCE):
            result = await self.client.call_tool(tool, arguments or {})
        structured = result.structured_content or {}
        assert bool(result.is_error) is ("error" in structured)
        return Called(result=structured, meta=(result.meta or {}).get(META, {}))

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        """The outcome records of calls to Customer.io so far."""
        return [
            record
            for record in self.ledger.recent
            if record["kind"] == "outcome" and record["tool"] != "get_rate_budget"
        ]

    @property
    def outcome(self) -> dict[str, Any]:
        """The only outcome record."""
        assert len(self.outcomes) == 1, self.outcomes
        return self.outcomes[0]

    @property
    def ending(self) -> str:
        """How the only call ended."""
        return str(self.outcome["ending"])

    async def budget(self, name: str) -> dict[str, Any]:
        """Return a bucket as `get_rate_budget` shows it."""
        budgets = (await self.call("get_rate_budget")).result["budgets"]
        found: dict[str, Any] = next(budget for budget in budgets if budget["name"] == name)
        return found


class Unbroken(Breakers):
    """Forgets every failure."""

    def of(self, _host: str) -> Breaker:
        """Return a breaker that knows nothing."""
        return Breaker()


class WatchedLedger(MemoryLedger):
    """Notes how much the sandbox had seen when a write was about to leave."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        super().__init__()
        self.seen_before: list[int] = []
        self._journal = sandbox.app.state.journal

    async def begin(self, intent: Intent, terms: Terms) -> None:
        """Record a write."""
        self.seen_before.append(len(self._journal))
        await super().begin(intent, terms)


def settings_of(url: str, **more: str) -> Settings:
    """Return settings that lead to `url` with the sandbox's keys."""
    return load({"CUSTOMERIO_TRACK_URL": url, "CUSTOMERIO_APP_URL": url, **KEYS, **WIDE, **UNGUARDED, **more})


@asynccontextmanager
async def rigged(
    settings: Settings,
    *,
    ledger: MemoryLedger | None = None,
    mode: str = "auto",
    attempt_seconds: float = 15.0,
    breakers: Breakers | None = None,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    asks: ElicitationFnT | None = None,
    now: Callable[[], float] | None = None,
) -> AsyncIterator[Rig]:
    """Connect a client to our server; retries follow without a delay of chance, or as `sleep` says.

    No host is left alone, whatever its failures, unless `breakers` are given: what follows a fault is under test.
    `asks` puts the server's questions to somebody; without it the client says that it cannot ask. `now` is the time by
    which the policy decides, if it is not the real one.
    """
    record = ledger or MemoryLedger()
    async with workspace(settings, record) as made:
        effects = replace(made.exchange.delivery.effects, jitter=lambda: 0.0, sleep=sleep)
        delivery = replace(
            made.exchange.delivery,
            effects=effects,
            breakers=breakers or Unbroken(),
            attempt_seconds=attempt_seconds,
        )
        exchange = replace(made.exchange, delivery=delivery)
        clearance = replace(made.clearance, exchange=exchange)
        pipeline = replace(made, exchange=exchange, clearance=clearance, now=now or made.now)
        async with Client(build_server(pipeline), mode=mode, elicitation_callback=asks) as client:
            yield Rig(client=client, pipeline=pipeline, ledger=record)


async def until(condition: Callable[[], bool], *, within: float = PATIENCE) -> None:
    """Wait until something is so; fail when it never is."""
    with anyio.fail_after(within):
        while not condition():  # noqa: ASYNC110 - what another thread does sets no event here
            await anyio.sleep(STEP)
