"""The least that the MCP SDK can do: its low-level server, its own pipes or HTTP, a tool that does nothing.

python benchmarks/peers/bare_server.py                     # one tool, `noop`
python benchmarks/peers/bare_server.py --tools list.json   # a tools/list result, listed as it stands
python benchmarks/peers/bare_server.py --http sdk          # over HTTP: stateless, JSON, the URL on standard error
python benchmarks/peers/bare_server.py --http cio-mcp      # the same tool behind our own HTTP transport
"""

import argparse
import socket
import sys
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

NOOP = types.Tool(name="noop", description="Do nothing.", input_schema={"type": "object", "properties": {}})


def bare_server(listed: types.ListToolsResult) -> Server[Any]:
    """Return a server that lists these tools and answers every call with an empty object."""

    async def list_tools(
        _ctx: ServerRequestContext[Any], _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return listed

    async def call_tool(_ctx: ServerRequestContext[Any], _params: types.CallToolRequestParams) -> types.CallToolResult:
        return types.CallToolResult(content=[types.TextContent(text="{}")], structured_content={})

    return Server("bare", on_list_tools=list_tools, on_call_tool=call_tool)


async def serve(server: Server[Any]) -> None:
    """Serve until standard input ends."""
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


async def serve_sdk_http(server: Server[Any]) -> None:
    """Serve the SDK's own application on the uvicorn that it installs."""
    app = server.streamable_http_app(json_response=True, stateless_http=True)
    config = uvicorn.Config(app, http="h11", loop="asyncio", access_log=False, log_level="error")
    # With the protocol's number asyncio sends without delay, as it does on sockets of its own.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        _announce(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp")
        await uvicorn.Server(config).serve(sockets=[listener])


async def serve_our_http(server: Server[Any]) -> None:
    """Serve over the transport of cio-mcp."""
    from cio_mcp.transports import serve_http  # noqa: PLC0415 - without it, its import is not to be paid

    await serve_http(server, host="127.0.0.1", port=0, ready=_announce)


def _announce(url: str) -> None:
    print(url, file=sys.stderr, flush=True)


_WAYS = {None: serve, "sdk": serve_sdk_http, "cio-mcp": serve_our_http}


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", type=Path, metavar="FILE", help="a tools/list result as JSON")
    parser.add_argument("--http", choices=[way for way in _WAYS if way], help="over HTTP, by whose transport")
    options = parser.parse_args()
    tools = types.ListToolsResult(tools=[NOOP])
    if options.tools:
        tools = types.ListToolsResult.model_validate_json(options.tools.read_bytes())
    anyio.run(_WAYS[options.http], bare_server(tools))


if __name__ == "__main__":
    main()
