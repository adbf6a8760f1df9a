"""Killed at the worst moment: what was answered is there, and what was not is taken again without a double."""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.streams.text import TextReceiveStream

from cio_mcp.webhooks.sqlite import SqliteEvents
from cio_mcp.webhooks.store import Filter
from tests.webhooks.receiving import PATIENCE, Answer, Desk, event, receiving

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def crashing(path: Path, how: str) -> AsyncIterator[tuple[Desk, TextReceiveStream, anyio.abc.Process]]:
    """Run a receiver in a process that is killed at the end."""
    command = [sys.executable, "-m", "tests.webhooks.crashing", str(path), how]
    async with await anyio.open_process(command, stderr=None) as process:
        try:
            assert process.stdout
            said = TextReceiveStream(process.stdout)
            with anyio.fail_after(PATIENCE):
                port = int(await said.receive())
            async with receiving() as here:  # only to speak with the other one
                yield Desk(port=port, store=here.store, receiver=here.receiver), said, process
        finally:
            if process.returncode is None:
                process.kill()


async def ids(path: Path) -> list[str]:
    store = SqliteEvents(path, workspace="test", now=time.time)
    try:
        return [each.event.event_id for each in await store.find(Filter(), limit=100_000)]
    finally:
        await store.aclose()


async def test_killed_between_keeping_and_answering_an_event_is_there_and_its_repeat_is_known(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    async with crashing(path, "hang") as (desk, said, process), anyio.create_task_group() as group:

        async def tell() -> None:
            with pytest.raises(IndexError):  # no status: the connection ends without an answer
                await desk.tell(event())

        group.start_soon(tell)
        with anyio.fail_after(PATIENCE):
            assert (await said.receive()).strip() == "kept"
            process.kill()
            await process.wait()
    assert await ids(path) == [event()["event_id"]]
    async with receiving(path) as desk:
        assert (await desk.tell(event())).text == "known already"


async def test_killed_under_load_it_has_lost_nothing_that_it_answered(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    answered: list[int] = []
    async with crashing(path, "answer") as (desk, _, process), anyio.create_task_group() as group:
        enough = anyio.Event()

        async def tell(first: int) -> None:
            for number in range(first, 100_000, 16):
                try:
                    answer: Answer = await desk.tell(event(number))
                except (OSError, IndexError):
                    return
                assert answer.status == 200
                answered.append(number)
                if len(answered) >= 150:
                    enough.set()

        for first in range(16):
            group.start_soon(tell, first)
        with anyio.fail_after(PATIENCE):
            await enough.wait()
            process.kill()
            await process.wait()
    kept = await ids(path)
    assert len(set(kept)) == len(kept)
    assert {event(number)["event_id"] for number in answered} <= set(kept)
    async with receiving(path) as desk:
        for number in range(16):
            assert (await desk.tell(event(number))).text == "known already"
    assert len(await ids(path)) == len(kept)
