"""A server that answers byte by byte as it is told, for what no proper server would send."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

HEAD_BYTES = 100_000
Answer = Callable[[SocketStream], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class RawServer:
    """Where it listens, the heads of the requests it received, and how many connections it has closed."""

    url: str
    requests: list[str] = field(default_factory=list[str])
    closed: int = 0


@asynccontextmanager
async def raw_server(*answers: Answer) -> AsyncIterator[RawServer]:
    """Listen on loopback; each connection brings one request, answered by the next of `answers` or the last."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's, no query of Django
    server = RawServer(url=f"http://127.0.0.1:{port}")

    async def serve(stream: SocketStream) -> None:
        async with stream:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # the client had enough
                head = await _request(stream)
                if head is not None:
                    server.requests.append(head)
                    await answers[min(len(server.requests), len(answers)) - 1](stream)
        server.closed += 1

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield server
        group.cancel_scope.cancel()


async def _request(stream: SocketStream) -> str | None:
    """Read a whole request and return its head, or None if the client went away before."""
    buffered = BufferedByteReceiveStream(stream)
    try:
        head = (await buffered.receive_until(b"\r\n\r\n", HEAD_BYTES)).decode("latin-1")
        lengths = [line.partition(":")[2] for line in head.splitlines() if line.lower().startswith("content-length:")]
        await buffered.receive_exactly(int(lengths[0]) if lengths else 0)
    except (anyio.EndOfStream, anyio.IncompleteRead):
        return None
    return head


def sends(data: bytes) -> Answer:
    """Answer with these bytes, then close."""

    async def answer(stream: SocketStream) -> None:
        await stream.send(data)

    return answer


def head_of(status: int, *lines: str, length: int | None = None) -> bytes:
    """Return the head of an answer, which announces `length` bytes if that is given."""
    announced = [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([f"HTTP/1.1 {status} Reason", *lines, *announced, "", ""]).encode("latin-1")


def whole(status: int = 200, body: bytes = b"{}", *lines: str) -> bytes:
    """Return an answer with nothing wrong, whose connection closes."""
    return head_of(status, "Content-Type: application/json", "Connection: close", *lines, length=len(body)) + body
