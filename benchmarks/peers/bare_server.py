"""The least that the MCP SDK can do over stdio: its low-level server, its own pipes, a tool that does nothing.

python benchmarks/peers/bare_server.py                     # one tool, `noop`
python benchmarks/peers/bare_server.py --tools list.json   # a tools/list result, listed as it stands
"""

import argparse
from pathlib import Path
from typing import Any

import anyio
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


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", type=Path, metavar="FILE", help="a tools/list result as JSON")
    options = parser.parse_args()
    tools = types.ListToolsResult(tools=[NOOP])
    if options.tools:
        tools = types.ListToolsResult.model_validate_json(options.tools.read_bytes())
    anyio.run(serve, bare_server(tools))


if __name__ == "__main__":
    main()
