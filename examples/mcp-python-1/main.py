"""Customer.io through the client of MCP's Python SDK, 1.x."""

import asyncio
import os
import sys
from typing import Any
from uuid import uuid4

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitRequestParams, ElicitResult

# An address or a command: `main.py http://127.0.0.1:8000/mcp`, `main.py cio-mcp serve --sandbox --profile admin`
SERVER = sys.argv[1:] or ["cio-mcp", "serve", "--sandbox"]
# A client hands its server only a few variables of its environment, so the keys are passed on by name.
KEYS = {name: value for name, value in os.environ.items() if name.startswith("CUSTOMERIO_")}


async def agreed(question: str) -> bool:
    return await asyncio.to_thread(input, f"{question}\nDo it? [y/N] ") == "y"


async def asked(_context: Any, params: ElicitRequestParams) -> ElicitResult:
    """Answer the server's question before something that cannot be undone."""
    if await agreed(params.message):
        return ElicitResult(action="accept", content={"confirm": True})
    return ElicitResult(action="decline")


async def delete(session: ClientSession, person: str) -> bool:
    """Delete a person; over HTTP without `--sessions` the server cannot ask, and answers with a plan and a token."""
    gone = await session.call_tool("delete_person", {"identifier": person})
    error = (gone.structuredContent or {}).get("error", {})
    if token := error.get("confirm_token"):
        plan = error["plan"]
        if not await agreed(f"{plan['does']} {plan['undo']}"):
            return False
        gone = await session.call_tool("delete_person", {"identifier": person, "confirm_token": token})
    return not gone.isError


async def main() -> None:
    over_http = SERVER[0].startswith("http")
    program = StdioServerParameters(command=SERVER[0], args=SERVER[1:], env=KEYS)
    connection = streamable_http_client(SERVER[0]) if over_http else stdio_client(program)
    async with connection as (read, write, *_), ClientSession(read, write, elicitation_callback=asked) as session:
        await session.initialize()
        tools = (await session.list_tools()).tools
        print("listed:", len(tools), "tools")

        ada = await session.call_tool("get_person_attributes", {"customer_id": "ada-1"})
        print("read:", ada.structuredContent["customer"]["attributes"]["plan"])

        event = {"identifier": "ada-1", "name": "trial_extended", "data": {"days": 7}}
        print("tracked:", (await session.call_tool("track_event", event)).structuredContent["id"])

        # The same send within ten minutes is held back, so each receipt says which order it is of.
        receipt = {
            "to": "ada@example.com",
            "identifiers": {"id": "ada-1"},
            "transactional_message_id": 1,
            "message_data": {"order": str(uuid4())},
        }
        print("sent:", (await session.call_tool("send_email", receipt)).structuredContent["delivery_id"])

        # A misspelt safety switch is refused by name; nothing was sent.
        misspelt = await session.call_tool("suppress_person", {"identifier": "bob-2", "dryRun": True})
        print("refused:", misspelt.structuredContent["error"]["message"])

        # A person is asked first.
        print("deleted:", await delete(session, "bob-2"))


asyncio.run(main())
