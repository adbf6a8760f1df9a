"""Fixtures: our server with its tools for events, a receiver beside it, and a sandbox that reports to that."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client

from cio_mcp.pipeline import Pipeline
from cio_mcp.sandbox import Delays, RunningSandbox
from cio_mcp.server import META, build_server
from cio_mcp.webhooks.setup import Setup
from cio_mcp.webhooks.sqlite import SqliteEvents
from cio_mcp.webhooks.store import EventStore
from cio_mcp.webhooks.tools import webhook_tools
from tests.faults.conftest import sandbox, unlimited_sandbox
from tests.faults.rig import PATIENCE, Called, rigged, settings_of
from tests.postgres_cluster import postgres_cluster, postgres_url
from tests.webhooks.receiving import Desk, receiving

__all__ = ["postgres_cluster", "postgres_url", "sandbox", "unlimited_sandbox"]

SIGNING_KEY = "sandbox-signing-key"
EVENTS = [f"email_{metric}" for metric in ("sent", "delivered", "opened", "clicked", "bounced", "failed")]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A connected client, the receiver beside its server, and Customer.io behind both."""

    client: Client
    desk: Desk
    pipeline: Pipeline
    sandbox: RunningSandbox

    async def call(self, tool: str, arguments: dict[str, Any] | None = None, **options: Any) -> Called:
        """Call a tool; a call that never comes back fails the test."""
        with anyio.fail_after(PATIENCE):
            result = await self.client.call_tool(tool, arguments or {}, **options)
        return Called(result=result.structured_content or {}, meta=(result.meta or {}).get(META, {}))

    async def subscribe(self, events: list[str] | None = None) -> None:
        """Have Customer.io report to the receiver; our own tool takes public https addresses alone."""
        body = {"name": "events", "endpoint": f"http://127.0.0.1:{self.desk.port}/", "events": events or EVENTS}
        await self.app("POST", "/v1/reporting_webhooks", body)

    async def send(self, person: str = "ada-1", to: str = "ada@example.com") -> str:
        """Send an e-mail through the server, and return its delivery id."""
        arguments = {"transactional_message_id": 1, "to": to, "identifiers": {"id": person}}
        called = await self.call("send_email", arguments)
        number: str = called.result["delivery_id"]
        return number

    async def report(self, delivery_id: str, metric: str) -> None:
        """Have something happen to a message."""
        body = {"delivery_id": delivery_id, "metric": metric, "timestamp": int(time.time())}
        await self.app("POST", "/api/v1/metrics", body)

    async def app(self, method: str, path: str, body: dict[str, Any]) -> None:
        """Call Customer.io past our server."""
        headers = {"authorization": "Bearer sandbox-app-key"}
        async with httpx2.AsyncClient(base_url=self.sandbox.url, headers=headers, trust_env=False) as http:
            assert (await http.request(method, path, json=body)).is_success

    @property
    def reads(self) -> int:
        """How often a message was read from the API."""
        return sum(each.raw_path.startswith("/v1/messages/") for each in self.sandbox.app.state.journal)


Enter = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def house(sandbox: RunningSandbox) -> Enter:
    """Open a house in front of the sandbox; `events=False` without a store."""
    sandbox.app.state.world.delays = Delays(sent=0.05, delivered=0.2, opened=0.4)
    return partial(_opened, sandbox)


@asynccontextmanager
async def _opened(
    sandbox: RunningSandbox,
    *,
    events: bool = True,
    setup: Setup | None = None,
    tokens: int = 25_000,
    store: EventStore | None = None,
    **settings: str,
) -> AsyncIterator[House]:
    kept = store or SqliteEvents(None, workspace="test", now=time.time)
    async with receiving(keys=(SIGNING_KEY,), store=kept) as desk, rigged(settings_of(sandbox.url, **settings)) as rig:
        made = rig.pipeline
        tools = webhook_tools(
            made.policy,
            events=kept if events else None,
            exchange=made.exchange,
            result_tokens=tokens,
            setup=lambda: setup or Setup(keys=1),
            now=time.time,
        )
        pipeline = replace(made, native={**made.native, **{each.tool.name: each for each in tools}})
        async with Client(build_server(pipeline)) as client:
            yield House(client=client, desk=desk, pipeline=pipeline, sandbox=sandbox)
    if store is None:
        await kept.aclose()
