"""A small MCP server to run as a process: `echo_server.py stdio [DRAIN]` or `echo_server.py http PORT [DRAIN]`."""

import gc
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler

from cio_mcp.transports import serve_http, serve_stdio

_TOOLS = (
    "echo",
    "slow",
    "stubborn",
    "blocked",
    "fail",
    "surrogate",
    "noisy",
    "reader",
    "orphan",
    "progress",
    "steps",
    "ask",
)


async def _list_tools(_ctx: Any, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[types.Tool(name=n, input_schema={"type": "object"}) for n in _TOOLS])


async def _call_tool(ctx: ServerRequestContext[Any, Any], params: types.CallToolRequestParams) -> types.CallToolResult:
    arguments = params.arguments or {}
    text = await _RUN[params.name](ctx, arguments)
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


async def _echo(_ctx: Any, arguments: dict[str, Any]) -> str:
    return str(arguments.get("text", "")) + "!" * int(arguments.get("padding", 0))


async def _slow(_ctx: Any, arguments: dict[str, Any]) -> str:
    """Take the given seconds, and say on standard error how it ended."""
    _say("slow started")
    try:
        await anyio.sleep(float(arguments["seconds"]))
    except anyio.get_cancelled_exc_class():
        _say("slow cancelled")
        raise
    return "slow done"


async def _stubborn(_ctx: Any, _arguments: dict[str, Any]) -> str:
    """Never let itself be cancelled."""
    _say("stubborn started")
    with anyio.CancelScope(shield=True):
        await anyio.sleep(600)
    return "never"


async def _blocked(_ctx: Any, _arguments: dict[str, Any]) -> str:
    """Hold up the event loop itself."""
    _say("blocked started")
    time.sleep(600)  # noqa: ASYNC251 - the mistake under test
    return "never"


async def _fail(_ctx: Any, _arguments: dict[str, Any]) -> str:
    raise RuntimeError("canary-secret in an exception text")


async def _surrogate(_ctx: Any, _arguments: dict[str, Any]) -> str:
    return "lone \ud800 surrogate"


async def _noisy(_ctx: Any, _arguments: dict[str, Any]) -> str:
    """Print in three ways, the first of them buffered until the interpreter exits."""
    sys.stdout.write("buffered print\n")
    subprocess.run([sys.executable, "-c", "print('child print')"], check=True)  # noqa: ASYNC221
    print("flushed print", flush=True)  # noqa: T201
    sys.stdout.write("buffered at exit\n")
    return "quiet"


async def _reader(_ctx: Any, _arguments: dict[str, Any]) -> str:
    return repr(sys.stdin.read())


async def _orphan(_ctx: Any, _arguments: dict[str, Any]) -> str:
    """Leave a thread behind that the interpreter would wait for."""
    threading.Thread(target=time.sleep, args=(600,), daemon=False).start()
    return "left behind"


async def _progress(ctx: ServerRequestContext[Any, Any], _arguments: dict[str, Any]) -> str:
    await ctx.session.report_progress(1, 2, "a lone \ud800 surrogate")
    await ctx.session.report_progress(2, 2, "whole")
    return "reported"


async def _steps(ctx: ServerRequestContext[Any, Any], arguments: dict[str, Any]) -> str:
    total = int(arguments["total"])
    for done in range(total):
        await ctx.session.report_progress(done + 1, total)
    return "there"


async def _ask(ctx: ServerRequestContext[Any, Any], _arguments: dict[str, Any]) -> str:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
    answer = await ctx.session.elicit_form("Really?", schema, related_request_id=ctx.request_id)
    return answer.action


_RUN = {
    "echo": _echo,
    "slow": _slow,
    "stubborn": _stubborn,
    "blocked": _blocked,
    "fail": _fail,
    "surrogate": _surrogate,
    "noisy": _noisy,
    "reader": _reader,
    "orphan": _orphan,
    "progress": _progress,
    "steps": _steps,
    "ask": _ask,
}


@asynccontextmanager
async def _lifespan(_server: Server[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    _say("lifespan entered")
    yield {}
    _say("lifespan left")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def build() -> Server[dict[str, Any]]:
    """Make the server, as a program that uses the transports would."""
    return Server(
        "echo",
        version="1",
        lifespan=_lifespan,
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
        on_subscriptions_listen=ListenHandler(InMemorySubscriptionBus()),
    )


def main() -> int:
    """Serve until told to stop."""
    server = build()
    gc.collect()
    gc.freeze()
    match sys.argv[1:]:
        case ["stdio", *drain]:
            return anyio.run(lambda: serve_stdio(server, drain=float(drain[0]) if drain else 5.0))
        case ["http", port, *drain]:
            seconds = float(drain[0]) if drain else 10.0
            anyio.run(lambda: serve_http(server, host="127.0.0.1", port=int(port), ready=_say, drain=seconds))
            return 0
    return 2


if __name__ == "__main__":
    sys.exit(main())
