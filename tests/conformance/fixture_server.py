"""The tools that the suite's scenarios about HTTP call, behind our transport: `fixture_server.py [sessions]`.

Their names and answers are the suite's ("SDK Tier Audit: test server requirements", modelcontextprotocol/conformance).
"""

import sys
import warnings
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
from mcp import MCPDeprecationWarning, MCPError, types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged

from cio_mcp.transports import serve_http

Context = ServerRequestContext[Any, Any]
_PAUSE = 0.05
_QUESTION = {"type": "object", "properties": {"response": {"type": "string"}}, "required": ["response"]}


async def _text(_ctx: Context, _arguments: dict[str, Any]) -> str:
    return "This is a simple text response for testing."


async def _logging(ctx: Context, _arguments: dict[str, Any]) -> str:
    for said in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message("info", said, related_request_id=ctx.request_id)
        await anyio.sleep(_PAUSE)
    return "logged"


async def _progress(ctx: Context, _arguments: dict[str, Any]) -> str:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100, f"Completed step {done} of 100")
        await anyio.sleep(_PAUSE)
    return "done"


async def _sampling(ctx: Context, arguments: dict[str, Any]) -> str:
    asked = types.SamplingMessage(role="user", content=types.TextContent(text=arguments["prompt"]))
    answer = await ctx.session.create_message([asked], max_tokens=100, related_request_id=ctx.request_id)
    return f"LLM response: {answer.content}"


async def _elicitation(ctx: Context, arguments: dict[str, Any]) -> str:
    answer = await ctx.session.elicit_form(arguments["message"], _QUESTION, related_request_id=ctx.request_id)
    return f"User response: action={answer.action}, content={answer.content}"


async def _missing_capability(ctx: Context, _arguments: dict[str, Any]) -> str:
    capabilities = ctx.session.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        raise MCPError(
            code=types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This tool needs sampling",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return "has it"


async def _x_mcp_header(_ctx: Context, arguments: dict[str, Any]) -> str:
    return str(arguments.get("region"))


_TOOLS: dict[str, Callable[[Context, dict[str, Any]], Awaitable[str]]] = {
    "test_simple_text": _text,
    "test_tool_with_logging": _logging,
    "test_logging_tool": _logging,
    "test_tool_with_progress": _progress,
    "test_streaming_elicitation": _progress,
    "test_sampling": _sampling,
    "test_elicitation": _elicitation,
    "test_missing_capability": _missing_capability,
    "test_x_mcp_header": _x_mcp_header,
    "test_trigger_tool_change": _text,
}


def _schema(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "test_sampling": {"prompt": {"type": "string"}},
        "test_elicitation": {"message": {"type": "string"}},
        "test_x_mcp_header": {"region": {"type": "string", "x-mcp-header": "Region"}},
    }.get(name, {})
    return {"type": "object", "properties": properties}


async def _list(_ctx: Context, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    return types.ListToolsResult(
        tools=[types.Tool(name=name, description=f"The suite's {name}", input_schema=_schema(name)) for name in _TOOLS]
    )


def build() -> Server[dict[str, Any]]:
    """Make the server."""
    bus = InMemorySubscriptionBus()

    async def call(ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        text = await _TOOLS[params.name](ctx, params.arguments or {})
        if params.name == "test_trigger_tool_change":
            await bus.publish(ToolsListChanged())
        return types.CallToolResult(content=[types.TextContent(text=text)])

    server: Server[dict[str, Any]] = Server(
        "fixture",
        version="1",
        on_list_tools=_list,
        on_call_tool=call,
        on_subscriptions_listen=ListenHandler(bus),
    )
    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, _set_level)
    return server


async def _set_level(_ctx: Context, _params: types.SetLevelRequestParams) -> types.EmptyResult:
    return types.EmptyResult()


def main() -> int:
    """Serve until told to stop."""
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    say = partial(print, file=sys.stderr, flush=True)
    anyio.run(partial(serve_http, build(), host="127.0.0.1", port=0, sessions=sys.argv[1:] == ["sessions"], ready=say))
    return 0


if __name__ == "__main__":
    sys.exit(main())
