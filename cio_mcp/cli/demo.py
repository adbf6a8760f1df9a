"""`cio-mcp demo`: the main job, seen from an agent's side, in about ten seconds."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from mcp import Client, StdioServerParameters, types
from mcp.client.stdio import stdio_client

from cio_mcp.cli.display import Display, JsonLines, Page, Step

WHO = "demo-1"
ADDRESS = "demo@example.com"
MANUAL_SEGMENT, RECEIPT, BROADCAST = 2, 1, 10
"""What the sandbox is seeded with: a manual segment, a transactional message, a running broadcast."""
BURST = 25
DELIVERED_WITHIN = 8.0
TIME_BUDGET = "8"
"""Seconds a call may take here: long enough for the burst, too short for a second broadcast."""


def run(arguments: argparse.Namespace) -> int:
    """Show the demo; the exit code is 1 if something went otherwise than it should."""
    display: Display = JsonLines(sys.stdout) if arguments.json else Page(sys.stdout)
    try:
        return anyio.run(_shown, display)
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt) is not None:
            raise KeyboardInterrupt from None
        raise


class Story:
    """Calls tools one after the other, shows each, and keeps count of what went otherwise than expected."""

    def __init__(self, client: Client, display: Display) -> None:
        self._client = client
        self._display = display
        self.surprises = 0

    async def step(
        self, title: str, tool: str, arguments: dict[str, Any], *, refused: bool = False, note: str = ""
    ) -> dict[str, Any]:
        """Call a tool and show it; `refused` says that an error is what should come."""
        started = time.monotonic()
        result = await self._client.call_tool(tool, arguments)
        self.surprises += bool(result.is_error) is not refused
        seconds = time.monotonic() - started
        self._display.step(Step(title=title, tool=tool, arguments=arguments, result=result, seconds=seconds, note=note))
        return result.structured_content or {}

    async def delivered(self, delivery_id: str) -> None:
        """Follow a message until it is delivered."""
        seen: list[str] = []
        with anyio.move_on_after(DELIVERED_WITHIN):
            while "delivered" not in seen:
                result = await self._client.call_tool("list_person_messages", {"customer_id": WHO, "limit": 1})
                seen = _metrics(result, delivery_id)
                self._display.follow(seen)
                await anyio.sleep(0.3)
        self.surprises += "delivered" not in seen
        self._display.followed(seen)

    async def burst(self) -> None:
        """Make more calls at once than a second allows."""
        began = time.monotonic()
        waits: list[float] = []
        refused = 0

        async def one() -> None:
            nonlocal refused
            result = await self._client.call_tool("count_segment_people", {"segment_id": 1})
            refused += bool(result.is_error)
            waits.append(time.monotonic() - began)

        async with anyio.create_task_group() as group:
            for _ in range(BURST):
                group.start_soon(one)
        self.surprises += refused
        budget = await self._client.call_tool("get_rate_budget", {})
        self._display.burst(BURST, sorted(waits), refused, (budget.structured_content or {})["budgets"])


async def _shown(display: Display) -> int:
    began = time.monotonic()
    async with _connected() as client:
        listed = await client.list_tools()
        display.opening(client.protocol_version, listed.tools)
        story = Story(client, display)
        await _tell(story)
        display.closing(time.monotonic() - began, story.surprises)
    return 1 if story.surprises else 0


async def _tell(story: Story) -> None:
    await story.step(
        "Create a person",
        "identify_person",
        {"identifier": WHO, "email": ADDRESS, "attributes": {"first_name": "Robin", "plan": "trial"}},
    )
    await story.step(
        "Record what they did",
        "track_event",
        {"identifier": WHO, "name": "order_placed", "data": {"order": "A-1001", "total": 42}},
        note="the id was minted before the first attempt: a retry cannot count twice",
    )
    await story.step("Put them into a segment", "add_people_to_segment", {"segment_id": MANUAL_SEGMENT, "ids": [WHO]})
    await story.step(
        "A misspelt argument is refused, not dropped",
        "send_email",
        {"transactional_message_id": RECEIPT, "to": ADDRESS, "identifier": {"id": WHO}},
        refused=True,
        note="nothing was sent",
    )
    sent = await story.step(
        "Send the receipt",
        "send_email",
        {
            "transactional_message_id": RECEIPT,
            "to": ADDRESS,
            "identifiers": {"id": WHO},
            "message_data": {"order": "A-1001"},
        },
        note="sent at most once, whatever happens to the connection",
    )
    await story.delivered(sent.get("delivery_id", ""))
    await story.step("Announce something to a segment", "trigger_broadcast", {"broadcast_id": BROADCAST})
    await story.step(
        "Once more: Customer.io allows one broadcast every 10 s",
        "trigger_broadcast",
        {"broadcast_id": BROADCAST},
        refused=True,
        note="answered at once with the time to come back, instead of a hanging call",
    )
    await story.burst()


def _metrics(result: types.CallToolResult, delivery_id: str) -> list[str]:
    messages = (result.structured_content or {}).get("messages", [])
    mine: dict[str, Any] = next((message for message in messages if message.get("id") == delivery_id), {})
    return [name for name in ("sent", "delivered", "opened") if name in mine.get("metrics", {})]


@asynccontextmanager
async def _connected() -> AsyncIterator[Client]:
    """Start the server as a host would, and connect to its pipes."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "cio_mcp", "serve", "--sandbox", "--time-budget", TIME_BUDGET, "--log-level", "warning"],
        env={name: value for name, value in os.environ.items() if not name.startswith(("CUSTOMERIO_", "CIO_MCP_"))},
    )
    with tempfile.TemporaryFile("w+") as errors:
        async with Client(stdio_client(server, errlog=errors)) as client:
            yield client
