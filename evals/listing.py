"""The tools as a model gets them: asked of the server by a client, over MCP."""

from collections.abc import Mapping

import anyio
from mcp import Client, types

from cio_mcp.cli.wiring import workspace
from cio_mcp.server import build_server
from cio_mcp.settings import load


def tools() -> tuple[types.Tool, ...]:
    """Return the whole list in its order."""
    return anyio.run(_listed)


def descriptions() -> Mapping[str, str]:
    """Return the description of every tool, by its name."""
    return {tool.name: tool.description or "" for tool in tools()}


async def _listed() -> tuple[types.Tool, ...]:
    async with workspace(load({"CIO_MCP_LEDGER": "memory"})) as pipeline, Client(build_server(pipeline)) as client:
        return tuple((await client.list_tools()).tools)
