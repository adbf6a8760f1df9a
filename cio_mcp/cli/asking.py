"""One call made through an MCP client, with a person at the terminal who may be asked."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
from mcp import Client, MCPError, types
from mcp.client import ClientRequestContext

Asked = types.CallToolResult | MCPError | None


async def asked_of(server: Any, tool: str, given: dict[str, Any], *, begun: anyio.Event | None = None) -> Asked:
    """Call a tool and return its result, or MCP's error; `begun` is set once the call may have left."""
    # Only a terminal has somebody to ask; a script is given the plan and a token instead.
    asks = _asked if sys.stdin is not None and sys.stdin.isatty() else None
    async with Client(server, elicitation_callback=asks) as client:
        try:
            await client.list_tools()  # the SDK wants to know the tools, and else asks once the result is there
            if begun:
                begun.set()
            return await client.call_tool(tool, given)
        except MCPError as error:  # raised inside, it would come wrapped in exception groups
            return error


class GivenUp(Exception):
    """The person at the terminal does not want to wait any longer."""


async def until_interrupted(scope: anyio.CancelScope, heard: Callable[[], None]) -> None:
    """Wait for the first Ctrl-C, say that it was `heard`, and cancel; another one ends the process at once."""
    if os.name == "nt":  # where no loop hears of it: the interpreter breaks the call off
        return
    with anyio.open_signal_receiver(signal.SIGINT) as signals:
        await anext(signals)
    heard()
    scope.cancel()


async def typed_line() -> str:
    """Return a line that is typed at the terminal; whoever gives up on it is not held by the reading."""
    if os.name == "nt":  # whose consoles cannot be waited for
        return await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    await anyio.wait_readable(sys.stdin)
    return sys.stdin.readline()


async def _asked(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
    """Put a question of the server to the person at the terminal; anything but yes is a no."""
    del context
    sys.stderr.write(f"{params.message}\n\nType yes to go on: ")
    sys.stderr.flush()
    if (await typed_line()).strip().lower() != "yes":
        return types.ElicitResult(action="decline")
    return types.ElicitResult(action="accept", content={"confirm": True})
