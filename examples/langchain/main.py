"""Customer.io's tools as LangChain's, through langchain-mcp-adapters."""

import asyncio
import json
import os
import sys
from typing import Any
from uuid import uuid4

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.callbacks import Callbacks, ElicitRequestParams
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp.types import ElicitResult

# An address or a command: `main.py http://127.0.0.1:8000/mcp`, `main.py cio-mcp serve --sandbox --profile admin`
SERVER = sys.argv[1:] or ["cio-mcp", "serve", "--sandbox"]
# A client hands its server only a few variables of its environment, so the keys are passed on by name.
KEYS = {name: value for name, value in os.environ.items() if name.startswith("CUSTOMERIO_")}


async def agreed(question: str) -> bool:
    return await asyncio.to_thread(input, f"{question}\nDo it? [y/N] ") == "y"


async def asked(_mcp_context: Any, params: ElicitRequestParams, _context: Any) -> ElicitResult:
    """Answer the server's question before something that cannot be undone; over stdio only, see `delete`."""
    if await agreed(params.message):
        return ElicitResult(action="accept", content={"confirm": True})
    return ElicitResult(action="decline")


async def call(tool: BaseTool, **arguments: Any) -> ToolMessage:
    """Call a tool as an agent does: what comes back is the message that its model reads."""
    return await tool.ainvoke({"type": "tool_call", "id": str(uuid4()), "name": tool.name, "args": arguments})


async def delete(tool: BaseTool, person: str) -> bool:
    """Delete a person; over HTTP without `--sessions` the server cannot ask, and answers with a plan and a token."""
    gone = await call(tool, identifier=person)
    refusal, _, plan = gone.text.partition("\n")
    if "confirmation_needed" in refusal and await agreed(plan):
        gone = await call(tool, identifier=person, confirm_token=json.loads(refusal)["error"]["confirm_token"])
    return gone.status == "success"


async def main() -> None:
    connection: Any = {"transport": "stdio", "command": SERVER[0], "args": SERVER[1:], "env": KEYS}
    if SERVER[0].startswith("http"):
        connection = {"transport": "http", "url": SERVER[0]}
    client = MultiServerMCPClient({"customerio": connection}, callbacks=Callbacks(on_elicitation=asked))
    # One session for all calls; `client.get_tools()` would start the server anew for each.
    async with client.session("customerio") as session:
        # For an agent: create_agent("anthropic:...", list(tools.values()))
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}
        print("listed:", len(tools), "tools")

        ada = await call(tools["get_person_attributes"], customer_id="ada-1")
        print("read:", ada.artifact["structured_content"]["customer"]["attributes"]["plan"])

        event = await call(tools["track_event"], identifier="ada-1", name="trial_extended", data={"days": 7})
        print("tracked:", event.artifact["structured_content"]["id"])

        # The same send within ten minutes is held back, so each receipt says which order it is of.
        to_ada, order = {"to": "ada@example.com", "identifiers": {"id": "ada-1"}}, {"order": str(uuid4())}
        receipt = await call(tools["send_email"], **to_ada, transactional_message_id=1, message_data=order)
        print("sent:", receipt.artifact["structured_content"]["delivery_id"])

        # A misspelt safety switch is refused by name; nothing was sent.
        misspelt = await call(tools["suppress_person"], identifier="bob-2", dryRun=True)
        print("refused:", misspelt.text)

        # A person is asked first.
        print("deleted:", await delete(tools["delete_person"], "bob-2"))


asyncio.run(main())
