"""`cio-mcp demo`: the main job, seen from an agent's side, in about ten seconds."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import anyio
from mcp import Client, StdioServerParameters, types
from mcp.client import ClientRequestContext
from mcp.client.stdio import stdio_client

from cio_mcp.cli.display import Display, JsonLines, Page, Step

WHO = "demo-1"
ADDRESS = "demo@example.com"
MANUAL_SEGMENT, RECEIPT, BROADCAST = 2, 1, 10
"""What the sandbox is seeded with: a manual segment, a transactional message, a running broadcast."""
RECEIPT_TO_THEM: Final = MappingProxyType(
    {
        "transactional_message_id": RECEIPT,
        "to": ADDRESS,
        "identifiers": {"id": WHO},
        "message_data": {"order": "A-1001"},
    }
)
BURST = 25
DELIVERED_WITHIN = 8.0
TIME_BUDGET = "8"
"""Seconds a call may take here: long enough for the burst, too short for a second broadcast."""
GRANTS = """\
profile = "broadcaster"
fields = ["address"]

[budget]
per_hour = 50
"""
SHOWN_RECORDS = "7"


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

    def __init__(self, client: Client, display: Display, ledger: Path) -> None:
        self._client = client
        self._display = display
        self._ledger = ledger
        self.surprises = 0

    async def step(
        self, title: str, tool: str, arguments: Mapping[str, Any], *, refused: bool = False, note: str = ""
    ) -> dict[str, Any]:
        """Call a tool and show it; `refused` says that an error is what should come."""
        started = time.monotonic()
        result = await self._client.call_tool(tool, dict(arguments))
        self.surprises += bool(result.is_error) is not refused
        seconds = time.monotonic() - started
        self._display.step(
            Step(title=title, tool=tool, arguments=dict(arguments), result=result, seconds=seconds, note=note)
        )
        return result.structured_content or {}

    async def typed(self, title: str, *words: str) -> None:
        """Type a command as an operator would, beside the running server, and show what it prints."""
        command = [sys.executable, "-m", "cio_mcp", *words, "--ledger", str(self._ledger)]
        done = await anyio.run_process(command, check=False, stdin=subprocess.DEVNULL)
        self.surprises += done.returncode != 0
        self._display.command(title, f"cio-mcp {' '.join(words)}", (done.stdout + done.stderr).decode())

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
    with tempfile.TemporaryDirectory(prefix="cio-mcp-demo-") as folder:
        ledger, grants = Path(folder, "state", "ledger.sqlite3"), Path(folder, "grants.toml")
        await anyio.Path(grants).write_text(GRANTS, encoding="utf-8")
        async with _connected(ledger, grants, display) as client:
            listed = await client.list_tools()
            display.opening(client.protocol_version, listed.tools)
            story = Story(client, display, ledger)
            await _tell(story)
            await _tell_of_safety(story)
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
        RECEIPT_TO_THEM,
        note="sent at most once, whatever happens to the connection",
    )
    await story.delivered(sent.get("delivery_id", ""))
    await story.burst()


async def _tell_of_safety(story: Story) -> None:
    await story.step(
        "The same receipt again is held back",
        "send_email",
        RECEIPT_TO_THEM,
        refused=True,
        note="the agent is told of the first one; allow_repeat sends it twice on purpose",
    )
    await story.step(
        "A hidden copy to somebody else is denied",
        "send_email",
        RECEIPT_TO_THEM | {"bcc": "stranger@example.org", "message_data": {"order": "A-1002"}},
        refused=True,
        note="the grants file of this agent allows messages to people's own addresses",
    )
    audience = {"broadcast_id": BROADCAST, "ids": [WHO]}
    await story.step("What would a broadcast do?", "trigger_broadcast", audience | {"dry_run": True})
    await story.step("Announce something: the client is asked first, and agrees", "trigger_broadcast", audience)
    await story.step(
        "Once more: Customer.io allows one broadcast every 10 s",
        "trigger_broadcast",
        audience | {"allow_repeat": True},
        refused=True,
        note="answered at once with the time to come back, instead of a hanging call",
    )
    await story.typed("What the operator can read of it", "audit", "show", "--last", SHOWN_RECORDS)
    await story.typed("Nobody has changed it since", "audit", "verify")


def _metrics(result: types.CallToolResult, delivery_id: str) -> list[str]:
    messages = (result.structured_content or {}).get("messages", [])
    mine: dict[str, Any] = next((message for message in messages if message.get("id") == delivery_id), {})
    return [name for name in ("sent", "delivered", "opened") if name in mine.get("metrics", {})]


@asynccontextmanager
async def _connected(ledger: Path, grants: Path, display: Display) -> AsyncIterator[Client]:
    """Start the server as a host would, and connect to its pipes; its questions are shown, and answered with yes."""
    flags = ["--sandbox", "--ledger", str(ledger), "--grants", str(grants)]
    flags += ["--time-budget", TIME_BUDGET, "--log-level", "warning"]

    async def agreed(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        del context
        display.question(params.message)
        return types.ElicitResult(action="accept", content={"confirm": True})

    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "cio_mcp", "serve", *flags],
        env={name: value for name, value in os.environ.items() if not name.startswith(("CUSTOMERIO_", "CIO_MCP_"))},
    )
    with tempfile.TemporaryFile("w+") as errors:
        async with Client(stdio_client(server, errlog=errors), elicitation_callback=agreed) as client:
            yield client
