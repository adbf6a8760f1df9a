"""A caller may give up at any moment: a write under way is brought to its end, and every record tells the truth."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from cio_mcp.catalog.endpoint import Bucket
from cio_mcp.sandbox import Fault, RunningSandbox
from tests.faults.arguments import ARGUMENTS, IDENTIFY
from tests.faults.conftest import Open
from tests.faults.rig import PATIENCE, Rig, until

pytestmark = pytest.mark.anyio

SLOW: Final = Fault(kind="delay", when="after", seconds=0.4, times=None)
SILENT: Final = Fault(kind="hang", seconds=10, times=None)
WRITES: Final = ("send_email", "create_segment", "identify_person", "track_event", "delete_segment")
# Over a pipe a client cancels by a notification; within a process, and in the newer era, the call itself ends.
in_both_eras = pytest.mark.parametrize("mode", ["legacy", "auto"])


@asynccontextmanager
async def _calling(house: Rig, tool: str, arguments: dict[str, Any]) -> AsyncIterator[anyio.CancelScope]:
    """Have a call under way; cancelling the scope is its caller's giving up."""
    scope = anyio.CancelScope()

    async def call() -> None:
        with scope:
            await house.client.call_tool(tool, arguments)

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(call)
            yield scope


async def _received(sandbox: RunningSandbox, count: int = 1) -> None:
    await until(lambda: len(sandbox.app.state.journal) == count)


@in_both_eras
@pytest.mark.parametrize("tool", WRITES)
async def test_a_write_that_is_cancelled_under_way_is_completed_and_recorded(
    tool: str, mode: str, rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(SLOW)
    async with rig(mode=mode) as house:
        async with _calling(house, tool, ARGUMENTS[tool]) as caller:
            await _received(sandbox)
            caller.cancel()
        await until(lambda: bool(house.outcomes))
    assert (house.ending, house.outcome["status"], house.outcome["attempts"]) == ("ok", _status(sandbox), 1)
    assert house.outcome["took"] >= 0.4
    assert len(sandbox.app.state.journal) == 1


def _status(sandbox: RunningSandbox) -> int:
    status: int = sandbox.app.state.journal[0].status
    return status


async def test_a_write_whose_caller_has_no_patience_is_completed_and_recorded(
    rig: Open, sandbox: RunningSandbox
) -> None:
    before = len(sandbox.app.state.world.deliveries)
    sandbox.app.state.faults.add(SLOW)
    async with rig(mode="legacy") as house:
        with pytest.raises(MCPError, match=r"[Tt]imed out"):
            await house.client.call_tool("send_email", ARGUMENTS["send_email"], read_timeout_seconds=0.15)
        await until(lambda: bool(house.outcomes))
    assert house.ending == "ok"
    assert len(sandbox.app.state.world.deliveries) == before + 1


@in_both_eras
async def test_writes_whose_client_goes_away_are_completed_and_recorded(
    mode: str, rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(SLOW)
    with anyio.fail_after(PATIENCE):
        async with rig(mode=mode) as house, anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(house.client.call_tool, "send_email", ARGUMENTS["send_email"])
            await _received(sandbox, 10)
            group.cancel_scope.cancel()
    assert [record["ending"] for record in house.outcomes] == ["ok"] * 10
    assert len(sandbox.app.state.journal) == 10


@in_both_eras
async def test_a_cancelled_write_that_is_never_answered_is_recorded_as_unknown(
    mode: str, rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(SILENT)
    async with rig(mode=mode, CIO_MCP_TIME_BUDGET="1") as house:
        async with _calling(house, "send_email", ARGUMENTS["send_email"]) as caller:
            await _received(sandbox)
            caller.cancel()
        await until(lambda: bool(house.outcomes))
    assert house.ending == "unknown"
    assert 0.9 < house.outcome["took"] < 2
    assert len(sandbox.app.state.journal) == 1


@pytest.mark.parametrize(
    ("call", "fault", "ending"),
    [
        (("identify_person", ARGUMENTS["identify_person"]), Fault(kind="reset", when="after"), "unknown"),
        (("apply_batch", {"batch": [IDENTIFY]}), Fault(kind="status", status=503), "unknown"),
        (("list_segments", {}), Fault(kind="status", status=503), "cancelled"),
    ],
    ids=["after a reset", "after a 503", "reading"],
)
async def test_a_call_that_is_cancelled_before_its_repeat_says_what_is_known(
    call: tuple[str, dict[str, Any]], fault: Fault, ending: str, rig: Open, sandbox: RunningSandbox
) -> None:
    asleep = anyio.Event()

    async def sleep(_seconds: float) -> None:
        asleep.set()
        await anyio.sleep_forever()

    sandbox.app.state.faults.add(fault)
    async with rig(mode="legacy", sleep=sleep) as house:
        async with _calling(house, *call) as caller:
            await asleep.wait()
            caller.cancel()
        await until(lambda: bool(house.outcomes))
    assert house.ending == ending
    assert len(sandbox.app.state.journal) == 1


@in_both_eras
async def test_a_send_that_is_cancelled_while_it_waits_out_a_429_was_not_sent(
    mode: str, rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="throttle", retry_after=20))
    async with rig(mode=mode) as house:
        async with _calling(house, "send_email", ARGUMENTS["send_email"]) as caller:
            await until(lambda: _queued(house, Bucket.EMAIL) == 1)
            caller.cancel()
        await until(lambda: bool(house.outcomes))
        assert _queued(house, Bucket.EMAIL) == 0
    assert house.ending == "cancelled"
    assert len(sandbox.app.state.journal) == 1


def _queued(house: Rig, bucket: Bucket) -> int:
    return house.pipeline.exchange.budgets.limiter("app", bucket).snapshot().queued


@in_both_eras
async def test_a_call_that_is_cancelled_in_line_sends_nothing_and_gives_its_turn_away(
    mode: str, rig: Open, sandbox: RunningSandbox
) -> None:
    async with rig(mode=mode, CIO_MCP_LIMIT_APP="1/2") as house:
        await house.call("get_segment", {"segment_id": 1})
        async with anyio.create_task_group() as group:
            async with _calling(house, "create_segment", {"name": "Never made"}) as caller:
                await until(lambda: _queued(house, Bucket.APP) == 1)
                group.start_soon(house.call, "get_segment", {"segment_id": 2})
                await until(lambda: _queued(house, Bucket.APP) == 2)
                caller.cancel()
            await until(lambda: _queued(house, Bucket.APP) == 1)
    assert [received.raw_path for received in sandbox.app.state.journal] == ["/v1/segments/1", "/v1/segments/2"]
    first, later = (received.at for received in sandbox.app.state.journal)
    assert 2 <= later - first < 4, "the one behind takes the place of the one who left"
    ended = {record["tool"]: record for record in house.outcomes}
    assert ended["create_segment"]["ending"] == "cancelled"
    assert not {"attempts", "status"} & ended["create_segment"].keys()


@in_both_eras
async def test_a_trigger_that_is_cancelled_in_line_for_its_second_limit_gives_the_first_back(
    mode: str, rig: Open, sandbox: RunningSandbox
) -> None:
    async with rig(mode=mode, CIO_MCP_LIMIT_APP="1/20", CIO_MCP_LIMIT_BROADCAST="1/3600") as house:
        await house.call("list_segments")
        async with _calling(house, "trigger_broadcast", {"broadcast_id": 10}) as caller:
            await until(lambda: _queued(house, Bucket.APP) == 1)
            assert (await house.budget("app/broadcast"))["available"] == 0
            caller.cancel()
        await until(lambda: len(house.outcomes) == 2)
        assert (await house.budget("app/broadcast"))["available"] == 1
    assert len(sandbox.app.state.journal) == 1


@in_both_eras
async def test_reading_is_cancelled_at_once(mode: str, rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(SILENT)
    async with rig(mode=mode) as house:
        async with _calling(house, "list_segments", {}) as caller:
            await _received(sandbox)
            began = time.monotonic()
            caller.cancel()
        await until(lambda: bool(house.outcomes))
        took = time.monotonic() - began
        sandbox.app.state.faults.clear()
        assert (await house.call("list_segments")).code is None
    assert took < 1
    assert house.outcomes[0]["ending"] == "cancelled"


async def test_a_cancelled_read_that_has_left_keeps_its_slot(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(SILENT)
    async with rig(mode="legacy", CIO_MCP_LIMIT_APP="1/20") as house:
        async with _calling(house, "list_segments", {}) as caller:
            await _received(sandbox)
            caller.cancel()
        await until(lambda: bool(house.outcomes))
        assert (await house.budget("app/app"))["available"] == 0


@in_both_eras
async def test_a_deletion_that_is_cancelled_while_it_is_looked_up_is_unknown(
    mode: str, rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="status", status=500, when="after"))
    sandbox.app.state.faults.add(SILENT)
    async with rig(mode=mode) as house:
        async with _calling(house, "delete_segment", {"segment_id": 2}) as caller:
            await _received(sandbox, 2)
            caller.cancel()
        await until(lambda: bool(house.outcomes))
    assert house.ending == "unknown"
    assert house.outcome["took"] < 5


@in_both_eras
async def test_a_call_that_is_cancelled_before_it_starts_sends_nothing(
    mode: str, rig: Open, sandbox: RunningSandbox
) -> None:
    async with rig(mode=mode) as house:
        async with _calling(house, "send_email", ARGUMENTS["send_email"]) as caller:
            caller.cancel()
        assert (await house.call("list_segments")).code is None
    assert [received.raw_path for received in sandbox.app.state.journal] == ["/v1/segments"]
    assert all(record["ending"] in ("cancelled", "ok") for record in house.outcomes)
