"""Customer.io as a toolset of Google's Agent Development Kit."""

import asyncio
import os
import sys
from typing import Any
from uuid import uuid4

from google.adk.agents import Agent
from google.adk.agents.invocation_context import InvocationContext
from google.adk.sessions import InMemorySessionService, Session
from google.adk.tools import BaseTool, ToolContext
from google.adk.tools.mcp_tool import McpToolset, StdioConnectionParams, StreamableHTTPConnectionParams
from mcp import StdioServerParameters
from mcp.types import ElicitRequestParams, ElicitResult

# An address or a command: `main.py http://127.0.0.1:8000/mcp`, `main.py cio-mcp serve --sandbox --profile admin`
SERVER = sys.argv[1:] or ["cio-mcp", "serve", "--sandbox"]
# A client hands its server only a few variables of its environment, so the keys are passed on by name.
KEYS = {name: value for name, value in os.environ.items() if name.startswith("CUSTOMERIO_")}
PATIENCE = 30  # seconds, for the start and for each call


async def agreed(question: str) -> bool:
    return await asyncio.to_thread(input, f"{question}\nDo it? [y/N] ") == "y"


async def asked(_context: Any, params: ElicitRequestParams) -> ElicitResult:
    """Answer the server's question before something that cannot be undone; over stdio only, see `delete`."""
    yes = ElicitResult(action="accept", content={"confirm": True})
    return yes if await agreed(params.message) else ElicitResult(action="decline")


async def call(tool: BaseTool, **arguments: Any) -> dict[str, Any]:
    """Call a tool as a runner does: with a context, which takes the pictures that some answers can be drawn as."""
    session, sessions = Session(id="1", app_name="cio", user_id="marketing"), InMemorySessionService()
    turn = InvocationContext(invocation_id="1", agent=Agent(name="cio"), session=session, session_service=sessions)
    context = ToolContext(turn, function_call_id="1")
    return (await tool.run_async(args=arguments, tool_context=context))["structuredContent"]


async def delete(tool: BaseTool, person: str) -> bool:
    """Delete a person; over HTTP without `--sessions` the server cannot ask, and answers with a plan and a token."""
    gone = await call(tool, identifier=person)
    if token := gone.get("error", {}).get("confirm_token"):
        plan = gone["error"]["plan"]
        if not await agreed(f"{plan['does']} {plan['undo']}"):
            return False
        gone = await call(tool, identifier=person, confirm_token=token)
    return "error" not in gone


async def main() -> None:
    program = StdioServerParameters(command=SERVER[0], args=SERVER[1:], env=KEYS)
    connection: Any = StdioConnectionParams(server_params=program, timeout=PATIENCE)
    if SERVER[0].startswith("http"):
        connection = StreamableHTTPConnectionParams(url=SERVER[0], timeout=PATIENCE)
    # For an agent: Agent(name="marketing", model="...", tools=[toolset])
    toolset = McpToolset(connection_params=connection, elicitation_callback=asked)
    tools = {tool.name: tool for tool in await toolset.get_tools()}
    print("listed:", len(tools), "tools")
    ada = await call(tools["get_person_attributes"], customer_id="ada-1")
    print("read:", ada["customer"]["attributes"]["plan"])
    event = await call(tools["track_event"], identifier="ada-1", name="trial_extended", data={"days": 7})
    print("tracked:", event["id"])

    # The same send within ten minutes is held back, so each receipt says which order it is of.
    to_ada, order = {"to": "ada@example.com", "identifiers": {"id": "ada-1"}}, {"order": str(uuid4())}
    receipt = await call(tools["send_email"], **to_ada, transactional_message_id=1, message_data=order)
    print("sent:", receipt["delivery_id"])

    # A misspelt safety switch is refused by name; nothing was sent.
    misspelt = await call(tools["suppress_person"], identifier="bob-2", dryRun=True)
    print("refused:", misspelt["error"]["message"])
    print("deleted:", await delete(tools["delete_person"], "bob-2"))
    await toolset.close()


asyncio.run(main())
