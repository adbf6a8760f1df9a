"""A person at the operator's terminal decides, through the real commands; nothing an agent can call does."""

import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from cio_mcp.cli.wiring import workspace
from cio_mcp.sandbox import Fault, RunningSandbox
from cio_mcp.server import build_server
from tests.confirm.people import Somebody
from tests.confirm.test_confirm_clients import ERASED, ERASING, writes
from tests.faults.rig import settings_of

pytestmark = pytest.mark.anyio

DELETE = ("delete_person", {"identifier": "1"})
PATIENCE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A client of a server in operator mode, and its ledger for the commands."""

    client: Client
    ledger: Path

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a tool; return its result."""
        with anyio.fail_after(PATIENCE):
            return (await self.client.call_tool(tool, arguments)).structured_content or {}

    async def command(self, *words: str, code: int = 0) -> str:
        """Type a command; return what it printed."""
        typed = [sys.executable, "-m", "cio_mcp", *words, "--ledger", str(self.ledger)]
        done = await anyio.run_process(typed, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == code, done.stderr.decode()
        return done.stdout.decode() + done.stderr.decode()


@asynccontextmanager
async def served(sandbox: RunningSandbox, ledger: Path, **more: str) -> AsyncIterator[House]:
    """Serve in operator mode, on a ledger in a file, to a client that would say yes to everything."""
    settings = settings_of(
        sandbox.url, CIO_MCP_CONFIRM="operator", CIO_MCP_REPEAT_WINDOW="600", CIO_MCP_LEDGER=str(ledger), **more
    )
    async with (
        workspace(settings) as pipeline,
        Client(build_server(pipeline), elicitation_callback=Somebody()) as client,
    ):
        yield House(client=client, ledger=ledger)


async def test_a_call_waits_for_approval_and_passes_once(sandbox: RunningSandbox, tmp_path: Path) -> None:
    async with served(sandbox, tmp_path / "l.sqlite3", CIO_MCP_TIME_BUDGET="2") as house:
        first = await house.call(*DELETE)
        assert first["error"]["code"] == "approval_needed"
        operation = first["error"]["operation"]
        assert f"cio-mcp approve {operation}" in first["error"]["next_step"]
        pending = await house.command("pending")
        assert operation in pending
        assert "Delete a person" in pending
        still = await house.call(*DELETE)
        assert still["error"]["operation"] == operation, "the same call waits for the same approval"
        assert writes(sandbox) == []
        assert "Approved" in await house.command("approve", operation, "--yes")
        assert "error" not in await house.call(*DELETE)
        assert len(writes(sandbox)) == 1
        again = await house.call(*DELETE)
        assert again["error"]["code"] == "approval_needed", "an approval is good once"
    assert len(writes(sandbox)) == 1


async def test_the_operator_reads_everybody_whom_a_batch_erases(sandbox: RunningSandbox, tmp_path: Path) -> None:
    async with served(sandbox, tmp_path / "l.sqlite3", CIO_MCP_TIME_BUDGET="2") as house:
        await house.call("apply_batch", ERASING)
        pending = await house.command("pending")
    assert [who for who in ERASED if who not in pending] == []


async def test_a_waiting_call_goes_on_when_it_is_approved(sandbox: RunningSandbox, tmp_path: Path) -> None:
    results: list[dict[str, Any]] = []
    async with served(sandbox, tmp_path / "l.sqlite3", CIO_MCP_TIME_BUDGET="40") as house:

        async def call() -> None:
            results.append(await house.call(*DELETE))

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            with anyio.fail_after(PATIENCE):
                while "Nothing waits" in (listed := await house.command("pending")):  # noqa: ASYNC110
                    await anyio.sleep(0.1)
            await house.command("approve", listed.split()[0], "--yes")
    assert "error" not in results[0], results
    assert len(writes(sandbox)) == 1


async def test_a_rejected_call_is_not_sent_and_does_not_ask_again_at_once(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    async with served(sandbox, tmp_path / "l.sqlite3", CIO_MCP_TIME_BUDGET="1") as house:
        operation = (await house.call(*DELETE))["error"]["operation"]
        await house.command("reject", operation)
        for _ in range(2):
            error = (await house.call(*DELETE))["error"]
            assert (error["code"], error["next_step"]) == (
                "not_confirmed",
                "Do not call it again unless the user asks for it.",
            )
            assert error["message"] == "The operator said no to delete_person. Nothing was sent."
        assert "Nothing waits" in await house.command("pending")
    assert writes(sandbox) == []


async def test_without_a_terminal_nothing_is_approved_by_accident(sandbox: RunningSandbox, tmp_path: Path) -> None:
    async with served(sandbox, tmp_path / "l.sqlite3", CIO_MCP_TIME_BUDGET="1") as house:
        operation = (await house.call(*DELETE))["error"]["operation"]
        assert "give --yes" in await house.command("approve", operation, code=1)
        assert "no such operation" in await house.command("approve", "01J0000000000000000000000", "--yes", code=1)
        assert (await house.call(*DELETE))["error"]["code"] == "approval_needed"
    assert writes(sandbox) == []


async def test_an_approval_ends_when_the_audience_is_another_and_does_not_come_back_with_it(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    filtered = {"broadcast_id": 10, "recipients": {"attribute": {"field": "id", "operator": "exists"}}}
    world, late = sandbox.app.state.world, [f"late-{number}" for number in range(9)]
    async with served(sandbox, tmp_path / "l.sqlite3", CIO_MCP_TIME_BUDGET="4") as house:
        first = (await house.call("trigger_broadcast", filtered))["error"]["operation"]
        await house.command("approve", first, "--yes")
        for name in late:
            world.people.add({"id": name}, 1_700_000_000)
        grown = await house.call("trigger_broadcast", filtered)
        assert "because the audience was" in grown["error"]["message"]
        await house.command("approve", grown["error"]["operation"], "--yes")
        assert "error" not in await house.call("trigger_broadcast", filtered)
        for name in late:
            world.people.remove(world.people.find("id", name))
        again = await house.call("trigger_broadcast", filtered | {"allow_repeat": True})
    assert again["error"]["code"] == "approval_needed", "what the operator approved at first was replaced"
    assert again["error"]["operation"] not in (first, grown["error"]["operation"])
    assert len(writes(sandbox)) == 1


async def test_an_approval_outlives_a_look_that_fails(sandbox: RunningSandbox, tmp_path: Path) -> None:
    async with served(sandbox, tmp_path / "l.sqlite3", CIO_MCP_TIME_BUDGET="2") as house:
        operation = (await house.call(*DELETE))["error"]["operation"]
        await house.command("approve", operation, "--yes")
        sandbox.app.state.faults.add(Fault(kind="status", status=503, match="GET *", times=None))
        away = (await house.call(*DELETE))["error"]
        sandbox.app.state.faults.clear()
        assert (away["code"], "cannot be looked up now" in away["message"]) == ("unavailable", True)
        assert writes(sandbox) == []
        assert "error" not in await house.call(*DELETE)
    assert len(writes(sandbox)) == 1


async def test_of_two_calls_that_wait_for_one_approval_none_is_told_of_a_no_that_nobody_said(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    results: list[dict[str, Any]] = []
    trigger = ("trigger_broadcast", {"broadcast_id": 10, "recipients": {"segment": {"id": 1}}})
    async with served(sandbox, tmp_path / "l.sqlite3", CIO_MCP_TIME_BUDGET="40") as house:

        async def call(after: float) -> None:
            await anyio.sleep(after)
            results.append(await house.call(*trigger))

        async with anyio.create_task_group() as group:
            for after in (0.0, 1.12):  # their looks are out of step
                group.start_soon(call, after)
            with anyio.fail_after(PATIENCE):
                while "Nothing waits" in (listed := await house.command("pending")):  # noqa: ASYNC110
                    await anyio.sleep(0.1)
            await anyio.sleep(2)
            for number in range(50):
                sandbox.app.state.world.people.add({"id": f"late-{number}"}, 1_700_000_000)
            await house.command("approve", listed.split()[0], "--yes")
    assert {result["error"]["code"] for result in results} == {"approval_needed"}, results
    assert writes(sandbox) == []


async def test_the_same_call_made_twice_at_once_asks_once(sandbox: RunningSandbox, tmp_path: Path) -> None:
    delete = ("delete_segment", {"segment_id": 2})
    operations: list[str] = []
    async with served(sandbox, tmp_path / "l.sqlite3", CIO_MCP_TIME_BUDGET="4") as house:

        async def call() -> None:
            operations.append((await house.call(*delete))["error"]["operation"])

        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(call)
        assert len(set(operations)) == 1, operations
        assert (await house.command("pending")).count("asked by") == 1
        await house.command("approve", operations[0], "--yes")
        assert "error" not in await house.call(*delete)
    assert len(writes(sandbox)) == 1


async def test_no_token_and_no_other_answer_replaces_the_operator(sandbox: RunningSandbox, tmp_path: Path) -> None:
    async with served(sandbox, tmp_path / "l.sqlite3", CIO_MCP_TIME_BUDGET="1") as house:
        operation = (await house.call(*DELETE))["error"]["operation"]
        for token in (operation, "approved", "yes"):
            called = await house.call(DELETE[0], DELETE[1] | {"confirm_token": token})
            assert called["error"]["code"] == "approval_needed"
        tools = {tool.name for tool in (await house.client.list_tools()).tools}
        assert not {name for name in tools if "approve" in name or "reject" in name}
    assert writes(sandbox) == []


async def test_stop_reaches_a_write_that_stands_in_line(sandbox: RunningSandbox, tmp_path: Path) -> None:
    ledger, results = tmp_path / "l.sqlite3", list[dict[str, Any]]()
    async with served(
        sandbox, ledger, CIO_MCP_LIMIT_TRACK="1/8"
    ) as house:  # longer than a command takes on a busy machine
        assert "error" not in await house.call("identify_person", {"identifier": "1"})

        async def second() -> None:
            results.append(await house.call("identify_person", {"identifier": "2"}))

        async with anyio.create_task_group() as group:
            group.start_soon(second)
            await house.command("stop")
    assert results[0]["error"]["code"] == "writes_stopped"
    assert len(writes(sandbox)) == 1


async def test_stop_reaches_a_running_server_at_once_and_survives_its_restart(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    write = ("identify_person", {"identifier": "1"})
    ledger = tmp_path / "l.sqlite3"
    async with served(sandbox, ledger) as house:
        assert "error" not in await house.call(*write)
        await house.command("stop", "too many mails")
        began = time.monotonic()
        stopped = await house.call(*write)
        assert stopped["error"]["code"] == "writes_stopped"
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", stopped["error"]["stopped_since"])
        assert time.monotonic() - began < 3
        assert (await house.call("list_segments", {}))["segments"]
    async with served(sandbox, ledger) as house:
        assert (await house.call(*write))["error"]["code"] == "writes_stopped"
        assert len(writes(sandbox)) == 1
        await house.command("resume")
        assert "error" not in await house.call(*write)
        kinds = await house.command("audit", "show")
    assert " stop " in kinds
    assert " resume " in kinds
