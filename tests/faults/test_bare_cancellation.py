"""A program that embeds the pipeline may cancel its tasks as asyncio does: no record is lost, and nothing is undone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
import anyio.lowlevel
import pytest

from cio_mcp.catalog import CATALOG
from cio_mcp.completion import brought_to_its_end
from cio_mcp.delivery import Caller
from cio_mcp.pipeline import Finished
from cio_mcp.sandbox import Fault, RunningSandbox
from tests.faults.arguments import ARGUMENTS
from tests.faults.conftest import Open
from tests.faults.rig import PATIENCE, Rig, until

pytestmark = pytest.mark.anyio

SLOW: Final = Fault(kind="delay", when="after", seconds=0.4, times=None)
SILENT: Final = Fault(kind="hang", seconds=10, times=None)


@asynccontextmanager
async def _calling(house: Rig, sandbox: RunningSandbox, tool: str) -> AsyncIterator["asyncio.Task[Finished]"]:
    """Have a call under way in a task of asyncio's own."""
    call = house.pipeline.call(CATALOG[tool], ARGUMENTS[tool], caller=Caller(name="a test"))
    async with asyncio.timeout(PATIENCE):
        task = asyncio.create_task(call)
        await until(lambda: len(sandbox.app.state.journal) == 1)
        yield task


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("tool", ["send_email", "identify_person", "track_event", "delete_segment", "apply_batch"])
async def test_a_write_whose_task_is_cancelled_is_completed_and_recorded(
    tool: str, times: int, rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(SLOW)
    async with rig() as house:
        async with _calling(house, sandbox, tool) as task:
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
            await asyncio.wait({task})
        assert task.cancelled()
        assert task.cancelling() == times, "a time limit of asyncio's would not know its own cancellation again"
        assert house.ending == "ok"
        assert house.outcome["took"] >= 0.4
    assert len(sandbox.app.state.journal) == 1


async def test_a_write_that_is_never_answered_is_recorded_as_unknown(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(SILENT)
    async with rig(CIO_MCP_TIME_BUDGET="1") as house:
        async with _calling(house, sandbox, "send_email") as task:
            task.cancel()
            await asyncio.wait({task})
        assert house.ending == "unknown"


async def test_reading_is_cancelled_at_once(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(SILENT)
    async with rig() as house:
        async with _calling(house, sandbox, "list_segments") as task:
            task.cancel()
            await asyncio.wait({task})
        assert house.ending == "cancelled"
        assert house.outcome["took"] < 5


async def test_a_time_limit_of_asyncio_is_still_one(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(SLOW)
    async with rig() as house:

        async def call_and_rest() -> None:
            await house.pipeline.call(CATALOG["send_email"], ARGUMENTS["send_email"], caller=Caller(name="a test"))
            await asyncio.sleep(PATIENCE)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call_and_rest(), 0.2)
        assert house.ending == "ok"
        current = asyncio.current_task()
        assert current
        assert current.cancelling() == 0


async def test_what_fails_at_its_end_fails() -> None:
    async def work() -> None:
        await anyio.lowlevel.checkpoint()
        raise ValueError("as it must")

    with pytest.raises(ValueError, match="as it must"):
        await brought_to_its_end(work)


async def test_work_that_is_cancelled_itself_does_not_go_on_for_ever() -> None:
    async def work() -> None:
        asyncio.current_task().cancel()  # type: ignore[union-attr] # there is one
        await anyio.sleep(PATIENCE)

    with pytest.raises(asyncio.CancelledError):
        await brought_to_its_end(work)
