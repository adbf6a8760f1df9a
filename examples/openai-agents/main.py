"""Customer.io's tools in OpenAI's Agents SDK."""

import asyncio
import json
import os
import sys
from typing import Any
from uuid import uuid4

from agents import Agent, FunctionTool, RunContextWrapper
from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from agents.tool_context import ToolContext

# An address or a command: `main.py http://127.0.0.1:8000/mcp`, `main.py cio-mcp serve --sandbox --profile admin`
SERVER = sys.argv[1:] or ["cio-mcp", "serve", "--sandbox"]
# A client hands its server only a few variables of its environment, so the keys are passed on by name.
KEYS = {name: value for name, value in os.environ.items() if name.startswith("CUSTOMERIO_")}
PATIENCE = 30  # seconds: a call may wait for its turn under Customer.io's rate limit


def connection() -> MCPServerStdio | MCPServerStreamableHttp:
    # With `use_structured_content` the model reads an answer without the frame that marks it as data of others.
    if SERVER[0].startswith("http"):
        return MCPServerStreamableHttp({"url": SERVER[0]}, client_session_timeout_seconds=PATIENCE)
    program: Any = {"command": SERVER[0], "args": SERVER[1:], "env": KEYS}
    return MCPServerStdio(program, client_session_timeout_seconds=PATIENCE)


async def call(tool: FunctionTool, **arguments: Any) -> str:
    """Call a tool as a run does: what comes back is what its model reads."""
    given = json.dumps(arguments)
    context = ToolContext(None, tool_name=tool.name, tool_call_id=str(uuid4()), tool_arguments=given)
    return (await tool.on_invoke_tool(context, given))["text"]


def data(text: str) -> Any:
    """Return the data of an answer, which stands in a frame that says so."""
    return json.loads(text.split("\n")[1])


async def delete(tool: FunctionTool, person: str) -> bool:
    """Delete a person; this SDK cannot be asked, so the server answers with a plan and a token."""
    refusal, _, plan = (await call(tool, identifier=person)).partition("\n")
    if await asyncio.to_thread(input, f"{plan}\nDo it? [y/N] ") != "y":
        return False
    token = json.loads(refusal)["error"]["confirm_token"]
    return data(await call(tool, identifier=person, confirm_token=token))["accepted"]


async def main() -> None:
    async with connection() as customerio:
        # For a run: Runner.run(agent, "...")
        agent = Agent("Marketing", mcp_servers=[customerio], mcp_config={"convert_schemas_to_strict": True})
        tools: Any = {tool.name: tool for tool in await agent.get_mcp_tools(RunContextWrapper(None))}
        print("listed:", len(tools), "tools")

        ada = await call(tools["get_person_attributes"], customer_id="ada-1")
        print("read:", data(ada)["customer"]["attributes"]["plan"])

        event = await call(tools["track_event"], identifier="ada-1", name="trial_extended", data={"days": 7})
        print("tracked:", data(event)["id"])

        # The same send within ten minutes is held back, so each receipt says which order it is of.
        ada = {"to": "ada@example.com", "identifiers": {"id": "ada-1"}}
        order = {"order": str(uuid4())}
        receipt = await call(tools["send_email"], **ada, transactional_message_id=1, message_data=order)
        print("sent:", data(receipt)["delivery_id"])

        # A misspelt safety switch is refused by name; nothing was sent.
        print("refused:", await call(tools["suppress_person"], identifier="bob-2", dryRun=True))

        # A person is asked first.
        print("deleted:", await delete(tools["delete_person"], "bob-2"))


asyncio.run(main())
