"""A host that answers one request twice: the second answer is never read as that to a write."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from cio_mcp.budgets import Slots
from cio_mcp.catalog import CATALOG
from cio_mcp.credentials import Credentials
from cio_mcp.gateway import Gateway, Place, new_client
from cio_mcp.wire import Request
from tests.faults.arguments import ARGUMENTS
from tests.faults.raw import HEAD_BYTES, head_of
from tests.faults.rig import PATIENCE, rigged, settings_of, until

pytestmark = pytest.mark.anyio

READ: Final[tuple[str, dict[str, Any]]] = ("list_segments", {})
SEND: Final[tuple[str, dict[str, Any]]] = ("send_email", ARGUMENTS["send_email"])
WRITES: Final = {tool: ARGUMENTS[tool] for tool in ("send_email", "merge_people", "delete_segment")}
STALE: Final = "stale"


@dataclass(slots=True, kw_only=True)
class Twice:
    """Where it listens, and what each connection was asked; every answer that it gives is followed by a stale one."""

    url: str
    at_once: bool
    """The stale answer comes in one piece with the proper one, and not right after it."""
    connections: list[list[str]] = field(default_factory=list[list[str]])
    finished: int = 0
    """Connections that are over, and requests with both answers on their way."""

    async def serve(self, stream: SocketStream) -> None:
        """Keep a connection open as long as the client does."""
        asked: list[str] = []
        self.connections.append(asked)
        buffered = BufferedByteReceiveStream(stream)
        async with stream:
            with suppress(anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
                while True:
                    head = (await buffered.receive_until(b"\r\n\r\n", HEAD_BYTES)).decode("latin-1").lower()
                    asked.append(head)
                    if "content-length: " in head:
                        await buffered.receive_exactly(int(head.partition("content-length: ")[2].split()[0]))
                    await self._answer(stream, f"{len(self.connections)}.{len(asked)}")
        self.finished += 1

    async def _answer(self, stream: SocketStream, name: str) -> None:
        answers = [_answer(name), _answer(STALE)]
        for part in [b"".join(answers)] if self.at_once else answers:
            await stream.send(part)
            await anyio.lowlevel.checkpoint()
        self.finished += 1


def _answer(name: str) -> bytes:
    body = b'{"segments": [], "delivery_id": "%s"}' % name.encode()
    return head_of(200, "Content-Type: application/json", length=len(body)) + body


@asynccontextmanager
async def twice(*, at_once: bool) -> AsyncIterator[Twice]:
    """Listen on loopback."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's, no query of Django
    server = Twice(url=f"http://127.0.0.1:{port}", at_once=at_once)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, server.serve)
        yield server
        group.cancel_scope.cancel()


either_way = pytest.mark.parametrize("at_once", [True, False], ids=["in one piece", "right after"])


@either_way
@pytest.mark.parametrize("tool", WRITES)
async def test_a_write_is_not_told_what_came_before_it(tool: str, *, at_once: bool) -> None:
    async with twice(at_once=at_once) as server, rigged(settings_of(server.url)) as house:
        for number, (name, arguments) in enumerate([READ, (tool, WRITES[tool]), (tool, WRITES[tool])], 1):
            called = await house.call(name, arguments)
            assert called.result["delivery_id"] == f"{number}.1"
        await until(lambda: server.finished == 5)  # three requests, and the connections of the writes
    assert [len(asked) for asked in server.connections] == [1, 1, 1]
    assert ["connection: close" in asked[0] for asked in server.connections] == [False, True, True]


@either_way
async def test_a_read_is_not_told_what_came_after_the_answer_to_a_write(*, at_once: bool) -> None:
    async with twice(at_once=at_once) as server, rigged(settings_of(server.url)) as house:
        assert (await house.call(*SEND)).result["delivery_id"] == "1.1"
        assert (await house.call(*READ)).result["delivery_id"] == "2.1"


async def test_sends_at_once_are_each_told_their_own() -> None:
    async with twice(at_once=True) as server, rigged(settings_of(server.url)) as house:
        told: list[str] = []

        async def one() -> None:
            await house.call(*READ)
            told.append((await house.call(*SEND)).result["delivery_id"])

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one)
        posted = [asked for asked in server.connections if asked[0].startswith("post")]
    assert STALE not in told
    assert [len(asked) for asked in posted] == [1] * 20


async def test_a_second_answer_that_came_by_itself_is_noticed_by_a_read() -> None:
    async with twice(at_once=False) as server, rigged(settings_of(server.url)) as house:
        for number in (1, 2, 3):
            assert (await house.call(*READ)).result["delivery_id"] == f"{number}.1"
            await until(lambda number=number: server.finished >= 2 * number - 1)  # type: ignore[misc] # mypy: no type for it


async def test_a_read_may_ask_for_a_connection_of_its_own() -> None:
    async with twice(at_once=True) as server:
        gateway = Gateway(partial(new_client, loopback=True))
        lease = Credentials(settings_of(server.url)).lease(CATALOG["list_segments"])
        request = Request(method="GET", path="/v1/segments", query="", body=None)
        ask = partial(gateway.exchange, request, lease, timeout=PATIENCE)
        kept = [(await ask(Slots(()), Place())).body for _ in range(2)]
        own = [(await ask(Slots(()), Place(), fresh=True)).body for _ in range(2)]
        await gateway.aclose()
    assert STALE.encode() in kept[1]  # what `fresh` is for
    assert not [body for body in own if STALE.encode() in body]
