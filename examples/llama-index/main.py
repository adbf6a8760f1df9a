"""Customer.io's tools as LlamaIndex's, through llama-index-tools-mcp."""

import asyncio
import os
import sys
from typing import Any
from uuid import uuid4

from llama_index.core.tools import FunctionTool
from llama_index.tools.mcp import McpToolSpec
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, ElicitRequestParams, ElicitResult

# An address or a command: `main.py http://127.0.0.1:8000/mcp`, `main.py cio-mcp serve --sandbox --profile admin`
SERVER = sys.argv[1:] or ["cio-mcp", "serve", "--sandbox"]
# A client hands its server only a few variables of its environment, so the keys are passed on by name.
KEYS = {name: value for name, value in os.environ.items() if name.startswith("CUSTOMERIO_")}


async def asked(_context: Any, params: ElicitRequestParams) -> ElicitResult:
    """Answer the server's question before something that cannot be undone."""
    if await asyncio.to_thread(input, f"{params.message}\nDo it? [y/N] ") == "y":
        return ElicitResult(action="accept", content={"confirm": True})
    return ElicitResult(action="decline")


async def call(tool: FunctionTool, **arguments: Any) -> CallToolResult:
    """Call a tool as an agent does; `content` of what comes back is what its model reads."""
    return (await tool.acall(**arguments)).raw_output


async def main() -> None:
    over_http = SERVER[0].startswith("http")
    server: Any = SERVER[0] if over_http else StdioServerParameters(command=SERVER[0], args=SERVER[1:], env=KEYS)
    # The SDK's client keeps one session and can be asked; LlamaIndex's own starts the server anew for each call.
    async with Client(server, elicitation_callback=asked) as client:
        # For an agent: FunctionAgent(tools=list(tools.values()), llm=...)
        tools = {tool.metadata.name: tool for tool in await McpToolSpec(client).to_tool_list_async()}
        print("listed:", len(tools), "tools")

        ada = await call(tools["get_person_attributes"], customer_id="ada-1")
        print("read:", ada.structured_content["customer"]["attributes"]["plan"])

        event = await call(tools["track_event"], identifier="ada-1", name="trial_extended", data={"days": 7})
        print("tracked:", event.structured_content["id"])

        receipt = await call(
            tools["send_email"],
            to="ada@example.com",
            identifiers={"id": "ada-1"},
            transactional_message_id=1,
            # The same send within ten minutes is held back, so each receipt says which order it is of.
            message_data={"order": str(uuid4())},
        )
        print("sent:", receipt.structured_content["delivery_id"])

        # A misspelt safety switch is refused by name; nothing was sent.
        misspelt = await call(tools["suppress_person"], identifier="bob-2", dryRun=True)
        print("refused:", misspelt.structured_content["error"]["message"])

        # A person is asked first: by `asked`, while this call waits.
        gone = await call(tools["delete_person"], identifier="bob-2")
        print("deleted:", not gone.is_error)


asyncio.run(main())
