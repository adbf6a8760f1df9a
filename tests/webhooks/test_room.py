"""Strangers who fill the room of a receiver over real sockets: signed events are kept all the same."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketStream

from cio_mcp.webhooks.room import NoRoom, Room
from cio_mcp.webhooks.sqlite import SqliteEvents
from cio_mcp.webhooks.store import Kept, Received
from tests.webhooks.receiving import PATIENCE, Desk, event, half_of, receiving

pytestmark = pytest.mark.anyio
SOON = 1.0
"""Seconds, long before whoever sends half a body is given up."""


@asynccontextmanager
async def strangers(desk: Desk, number: int, body: bytes) -> AsyncIterator[list[SocketStream]]:
    """Have so many connections each send all but one byte of a body that is not signed, one after the other."""
    async with AsyncExitStack() as stack:
        streams: list[SocketStream] = []
        for _ in range(number):
            stream = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", desk.port))
            await stream.send(half_of(body, key="a stranger's"))
            streams.append(stream)
        yield streams


async def holding(room: Room, size: int) -> None:
    """Wait until so many bytes are held."""
    with anyio.fail_after(PATIENCE):
        while room.held < size:  # noqa: ASYNC110 - a room sets no event
            await anyio.sleep(0.005)


async def status_of(stream: SocketStream) -> int:
    """Return what a connection was answered."""
    with anyio.fail_after(SOON):
        return int((await stream.receive()).split()[1])


async def test_where_there_is_no_place_the_request_that_has_taken_longest_gives_way() -> None:
    room = Room(most_unproven=2)
    async with receiving(room=room) as desk, strangers(desk, 2, b"x" * 9) as (longest, other):
        await holding(room, 2 * 8)
        answer = await desk.tell(event())
        assert (answer.status, answer.text) == (200, "kept")
        assert answer.took < SOON
        assert await status_of(longest) == 503
        await other.send(b"x")
        assert await status_of(other) == 401


async def test_where_there_is_no_memory_the_requests_that_have_taken_longest_give_way() -> None:
    room = Room(most_bytes=200_000)
    async with receiving(room=room) as desk, strangers(desk, 3, b"x" * 60_001) as (longest, *_):
        await holding(room, 180_000)
        answer = await desk.tell(event(data={"content": "x" * 50_000}))
        assert (answer.status, answer.text) == (200, "kept")
        assert await status_of(longest) == 503
        assert room.held == 120_000


async def test_only_what_is_kept_of_a_body_counts() -> None:
    room = Room()
    async with receiving(room=room) as desk, strangers(desk, 2, b"x" * 4_194_304):
        await holding(room, 2 * 1_048_576)
        assert (await desk.tell(event())).text == "kept"
        assert room.held == 2 * 1_048_576
    with anyio.fail_after(PATIENCE):
        while room.held:  # noqa: ASYNC110 - a room sets no event
            await anyio.sleep(0.005)


class Slow(SqliteEvents):
    """Keeps nothing before it is let go."""

    def __init__(self) -> None:
        super().__init__(None, workspace="test", now=time.time)
        self.asked, self.released = anyio.Event(), anyio.Event()

    async def put(self, batch: Sequence[Received]) -> list[Kept]:
        """Wait, then keep it."""
        self.asked.set()
        await self.released.wait()
        return await super().put(batch)


async def test_what_is_proven_gives_way_to_nobody() -> None:
    store = Slow()
    answers: list[tuple[int, str]] = []
    async with receiving(store=store, room=Room(most_unproven=1, most_proven=1)) as desk:

        async def tell() -> None:
            answer = await desk.tell(event())
            answers.append((answer.status, answer.text))

        async with anyio.create_task_group() as group:
            group.start_soon(tell)
            await store.asked.wait()
            assert (await desk.tell(event(1))).status == 503
            assert (await desk.post(b"{}", {})).status == 401
            store.released.set()
        assert answers == [(200, "kept")]
        assert (await desk.tell(event(1))).status == 200
    await store.aclose()


def test_bytes_are_never_more_than_there_is_room_for() -> None:
    room = Room(most_bytes=10)
    with room.place() as first, room.place() as second:
        first.hold(6)
        second.hold(6)
        assert (first.gave_way, room.held) == (True, 6)
        with pytest.raises(NoRoom):
            first.prove()
        second.prove()
        with room.place() as third, pytest.raises(NoRoom):
            third.hold(6)
    assert room.held == 0
