"""The tools as an MCP client gets them."""

from functools import cache

import anyio
from mcp import Client, types

from cio_mcp.cli.wiring import workspace
from cio_mcp.server import build_server
from cio_mcp.settings import load

IN_MEMORY = {"CIO_MCP_LEDGER": "memory"}


@cache
def tools(mode: str = "auto") -> tuple[types.Tool, ...]:
    """Return the whole list in its order, over MCP; `mode` is the client's choice of protocol era."""
    return anyio.run(_listed, mode)


@cache
def instructions() -> str:
    """Return what the server tells a model at the start."""
    return anyio.run(_instructions)


async def _listed(mode: str) -> tuple[types.Tool, ...]:
    async with workspace(load(IN_MEMORY)) as pipeline, Client(build_server(pipeline), mode=mode) as client:
        return tuple((await client.list_tools()).tools)


async def _instructions() -> str:
    async with workspace(load(IN_MEMORY)) as pipeline, Client(build_server(pipeline)) as client:
        return client.instructions or ""
