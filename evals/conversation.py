"""One entry played: a server of its own in front of a fresh sandbox, a model, and their calls up to a bound."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from mcp import Client, MCPError, StdioServerParameters, types
from mcp.client.stdio import stdio_client

from evals.dialects import Call, Result, Said, Turn
from evals.endpoint import Endpoint, Failed
from evals.entries import Entry, Trap
from evals.scoring import Done

TURNS, CALLS_IN_A_TURN = 8, 16
"""What needs more has lost its way."""
_ROLE = "You help the marketing and engineering people of a company. Use the tools; answer shortly.\n\n"
_NO_OBJECT = "The arguments are no JSON object that can be sent."


@asynccontextmanager
async def server() -> AsyncIterator[Client]:
    """Start cio-mcp with its sandbox, and nothing kept; its client cannot be asked, so confirmations go by token."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("CUSTOMERIO_", "CIO_MCP_"))
    }
    launch = StdioServerParameters(
        command=sys.executable,
        args=["-m", "cio_mcp", "--sandbox", "--log-level", "error"],
        env=environment | {"CIO_MCP_LEDGER": "memory"},
    )
    async with Client(stdio_client(launch)) as client:
        yield client


@dataclass(slots=True, kw_only=True)
class Played:
    """Every call that a model made, its last words, and why it was not asked further, if it could not be."""

    done: list[Done] = field(default_factory=list[Done])
    text: str = ""
    failed: str = ""


async def played(entry: Entry, endpoint: Endpoint) -> Played:
    """Play an entry; raises Unusable, in a group."""
    found = Played()
    async with server() as client:
        tools = (await client.list_tools()).tools
        for before in entry.before if isinstance(entry, Trap) else ():
            await client.call_tool(before.tool, before.arguments)
        system = _ROLE + (client.instructions or "")
        turns: list[Turn] = [entry.say]
        for _ in range(TURNS):
            try:
                said = await endpoint.ask(system, tools, turns)
            except Failed as failure:
                found.failed = str(failure)
                break
            found.text, calls = said.text, said.calls[:CALLS_IN_A_TURN]
            if not calls:
                break
            made = [await _made(client, call, tools) for call in calls]
            found.done += [one for _, one in made]
            turns += [Said(text=said.text, calls=calls), tuple(result for result, _ in made)]
    return found


async def _made(client: Client, call: Call, tools: list[types.Tool]) -> tuple[Result, Done]:
    tool = next((tool for tool in tools if tool.name == call.tool), None)
    writes = tool is not None and not (tool.annotations and tool.annotations.read_only_hint)
    code, text = await _answer(client, call)
    result = Result(id=call.id, text=text, is_error=bool(code))
    return result, Done(tool=call.tool, arguments=call.arguments or {}, writes=writes, code=code)


async def _answer(client: Client, call: Call) -> tuple[str, str]:
    """Return the code of the error, empty if there is none, and what the model is told."""
    if call.arguments is None:
        return "no_object", _NO_OBJECT
    try:
        result = await client.call_tool(call.tool, call.arguments)
    except MCPError as error:
        return "no_such_tool", error.error.message
    told: dict[str, Any] = result.structured_content or {}
    text = "".join(block.text for block in result.content if isinstance(block, types.TextContent))
    return str(told.get("error", {}).get("code", "error")) if result.is_error else "", text
