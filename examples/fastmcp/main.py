"""Customer.io through the client of FastMCP."""

import asyncio
import os
import sys
from typing import Any
from uuid import uuid4

from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport

# An address or a command: `main.py http://127.0.0.1:8000/mcp`, `main.py cio-mcp serve --sandbox --profile admin`
SERVER = sys.argv[1:] or ["cio-mcp", "serve", "--sandbox"]
# A client hands its server only a few variables of its environment, so the keys are passed on by name.
KEYS = {name: value for name, value in os.environ.items() if name.startswith("CUSTOMERIO_")}


async def asked(question: str, _type: Any, _params: Any, _context: Any) -> ElicitResult:
    """Answer the server's question before something that cannot be undone."""
    if await asyncio.to_thread(input, f"{question}\nDo it? [y/N] ") == "y":
        return ElicitResult(action="accept", content={"confirm": True})
    return ElicitResult(action="decline")


async def main() -> None:
    over_http = SERVER[0].startswith("http")
    server = SERVER[0] if over_http else StdioTransport(command=SERVER[0], args=SERVER[1:], env=KEYS)
    async with Client(server, elicitation_handler=asked) as client:
        print("listed:", len(await client.list_tools()), "tools")

        ada = await client.call_tool("get_person_attributes", {"customer_id": "ada-1"})
        print("read:", ada.structured_content["customer"]["attributes"]["plan"])

        event = {"identifier": "ada-1", "name": "trial_extended", "data": {"days": 7}}
        print("tracked:", (await client.call_tool("track_event", event)).structured_content["id"])

        # The same send within ten minutes is held back, so each receipt says which order it is of.
        receipt = {
            "to": "ada@example.com",
            "identifiers": {"id": "ada-1"},
            "transactional_message_id": 1,
            "message_data": {"order": str(uuid4())},
        }
        print("sent:", (await client.call_tool("send_email", receipt)).structured_content["delivery_id"])

        # A misspelt safety switch is refused by name; nothing was sent. Otherwise errors are raised, as ToolError.
        misspelt = {"identifier": "bob-2", "dryRun": True}
        refusal = await client.call_tool("suppress_person", misspelt, raise_on_error=False)
        print("refused:", refusal.structured_content["error"]["message"])

        # A person is asked first: by `asked`, while this call waits.
        gone = await client.call_tool("delete_person", {"identifier": "bob-2"}, raise_on_error=False)
        print("deleted:", not gone.is_error)


asyncio.run(main())
