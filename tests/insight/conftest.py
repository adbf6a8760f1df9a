"""Fixtures: a client of our server in front of a sandbox on a socket."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from mcp import Client

from cio_mcp.cli.wiring import workspace
from cio_mcp.framing import unframed
from cio_mcp.sandbox import RunningSandbox
from cio_mcp.server import build_server
from cio_mcp.settings import load
from tests.planning.conftest import APP_KEY, TRACK_KEYS, WIDE, planning_sandbox, sandbox, world

__all__ = ["planning_sandbox", "sandbox", "world"]

Open = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def opened(sandbox: RunningSandbox) -> Open:
    """Open a client; settings are given as variables."""

    @asynccontextmanager
    async def connect(mode: Any = "auto", **more: str) -> AsyncIterator[Client]:
        hosts = {"CUSTOMERIO_TRACK_URL": sandbox.url, "CUSTOMERIO_APP_URL": sandbox.url}
        settings = load({**hosts, **WIDE, **TRACK_KEYS, **APP_KEY, "CIO_MCP_LEDGER": "memory", **more})
        async with workspace(settings) as pipeline, Client(build_server(pipeline), mode=mode) as client:
            yield client

    return connect


async def asked(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool and return its answer, which must be framed as what others wrote."""
    result = await client.call_tool(tool, arguments)
    told = result.structured_content or {}
    assert not result.is_error, told
    [block] = result.content
    assert json.loads(unframed(getattr(block, "text", ""))) == told
    return told
