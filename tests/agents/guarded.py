"""A small MCP server behind a gate, over real sockets, that tells what it got to know of its caller."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import anyio
import uvicorn
from mcp import types
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.request_state import authenticated_principal
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from starlette.requests import Request
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from cio_mcp.agents.agent import Agent, Authenticator
from cio_mcp.agents.challenges import BearerGate, agent_of
from cio_mcp.agents.metadata import ProtectedResource
from cio_mcp.policy.words import Grant
from tests.agents.issuers import PATIENCE, RESOURCE

NEEDS: Mapping[str, Grant] = {"look": Grant("people", "read"), "change": Grant("people", "write")}
SCOPES = ("people:read",)
METADATA = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"


def needs(tool: str) -> tuple[Grant, ...]:
    """Return what a tool needs, as a gate asks for it."""
    return (NEEDS[tool],) if tool in NEEDS else ()


class Known:
    """An `Authenticator` by a plain table."""

    def __init__(self, agents: Mapping[str, Agent]) -> None:
        self._agents = agents

    async def agent(self, token: str) -> Agent | None:
        """Look a token up."""
        return self._agents.get(token)


def told(ctx: ServerRequestContext[Any]) -> dict[str, Any]:
    """Return what a handler can see of its caller."""
    agent, sdk = agent_of(ctx), get_access_token()
    assert isinstance(ctx.request, Request)
    return {
        "agent": agent and agent.principal,
        "grants": sorted(map(str, agent.grants or ())) if agent else None,
        "sdk": sdk and [sdk.client_id, sdk.subject, sdk.claims, sdk.scopes, sdk.token],
        "binding": authenticated_principal(ctx),
        "headers": sorted(ctx.request.headers),
    }


def server() -> Server[Any]:
    """Return a server whose tools all tell the same."""

    async def list_tools(_ctx: ServerRequestContext[Any], _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[types.Tool(name=name, input_schema={"type": "object"}) for name in ("look", "change", "own")]
        )

    async def call_tool(ctx: ServerRequestContext[Any], params: types.CallToolRequestParams) -> types.CallToolResult:
        seen = {"tool": params.name, **told(ctx)}
        return types.CallToolResult(content=[types.TextContent(text=json.dumps(seen))], structured_content=seen)

    return Server(
        "guarded",
        version="1",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_subscriptions_listen=ListenHandler(InMemorySubscriptionBus()),
    )


def guarded(authenticator: Authenticator, app: ASGIApp, **gate: Any) -> ASGIApp:
    """Return an application behind a gate, with its metadata before it."""
    resource = ProtectedResource(url=RESOURCE, issuers=["https://auth.example.com"], scopes=SCOPES)
    given = {"scopes_of": needs, "now": time.time, "scopes": SCOPES, "metadata_url": resource.metadata_url, **gate}
    return beside(BearerGate(app, authenticator=authenticator, **given), resource)


def beside(gate: ASGIApp, resource: ProtectedResource) -> ASGIApp:
    """Return an application that serves the metadata, and leaves all other paths to the gate."""
    routes = resource.routes()
    paths, published = {route.path for route in routes}, Router(routes)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        is_published = scope["type"] == "http" and scope["path"] in paths
        await (published if is_published else gate)(scope, receive, send)

    return app


@contextmanager
def listening(app: ASGIApp, listener: socket.socket | None = None) -> Iterator[str]:
    """Serve an application with its lifespan on a loopback port, in a thread of its own; yields its URL."""
    listener = listener or socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=2)
    serving = uvicorn.Server(config)
    thread = threading.Thread(target=anyio.run, args=(partial(serving.serve, [listener]),), daemon=True)
    thread.start()
    deadline = time.monotonic() + PATIENCE
    try:
        while not serving.started and thread.is_alive() and time.monotonic() < deadline:
            thread.join(0.01)
        assert serving.started
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        serving.should_exit = True
        thread.join(PATIENCE)
        listener.close()
