"""Customer.io for an agent of the Claude Agent SDK. It needs a login, or ANTHROPIC_API_KEY."""

import asyncio
import os
import sys
from typing import Any

from claude_agent_sdk import AssistantMessage, ClaudeAgentOptions, ClaudeSDKClient, TextBlock

# An address or a command: `main.py http://127.0.0.1:8000/mcp`,
# `main.py cio-mcp serve --sandbox --profile admin --confirm token`.
# A yes to the server's question does not get through this SDK, so the server answers with a plan and a token instead.
SERVER = sys.argv[1:] or ["cio-mcp", "serve", "--sandbox", "--confirm", "token"]
KEYS = {name: value for name, value in os.environ.items() if name.startswith("CUSTOMERIO_")}
TASK = """\
Use customerio, one call after the other. Say how many tools it has. Read the attributes of person ada-1. Track the
event trial_extended for ada-1, with data {"days": 7}. Send transactional message 1 to ada@example.com, who is id ada-1.
Call suppress_person with {"identifier": "bob-2", "dryRun": true}, and say why it is refused. Call delete_person for
bob-2, show the plan, and stop there."""
GO_ON = "I agree to the deletion: make that call again, with the confirm_token that you were given."


async def say(client: ClaudeSDKClient, words: str) -> None:
    """Say something to the agent, and print what it answers."""
    await client.query(words)
    async for message in client.receive_response():
        for block in message.content if isinstance(message, AssistantMessage) else ():
            if isinstance(block, TextBlock):
                print(block.text)


async def main() -> None:
    program: Any = {"type": "stdio", "command": SERVER[0], "args": SERVER[1:], "env": KEYS}
    options = ClaudeAgentOptions(
        mcp_servers={"customerio": {"type": "http", "url": SERVER[0]} if SERVER[0].startswith("http") else program},
        allowed_tools=["mcp__customerio"],
        env={"MCP_CONNECTION_NONBLOCKING": "0"},  # the first answer waits for the server
    )
    async with ClaudeSDKClient(options) as client:
        await say(client, TASK)
        # A person is asked first.
        if await asyncio.to_thread(input, "Do it? [y/N] ") == "y":
            await say(client, GO_ON)


asyncio.run(main())
