"""The ASGI side: reading a request, writing a reply, and ending a connection the hard way."""

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import anyio
import httpx2
from starlette.types import Receive, Scope, Send

from cio_mcp.sandbox.replies import Reply

_NO_LINGER = struct.pack("ii", 1, 0)  # close sends RST at once


class ConnectionDropped(httpx2.ReadError):
    """Raised in process, where there is no socket to close.

    It is the exception an httpx2 client sees when a real peer resets the connection, so code under test meets the
    same class over `InProcess` and over a socket.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as received: raw path and query, header names in lower case."""

    method: str
    raw_path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


async def read(scope: Scope, receive: Receive) -> Request | None:
    """Return the whole request; None when the client went away first."""
    chunks = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    raw = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else quote(scope["path"])
    return Request(
        method=scope["method"],
        raw_path=path,
        query=scope.get("query_string", b"").decode("latin-1"),
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        body=b"".join(chunks),
    )


async def answer(send: Send, reply: Reply) -> None:
    """Send a reply."""
    await send(_start(reply))
    await send({"type": "http.response.body", "body": reply.body})


async def answer_half(receive: Receive, send: Send, reply: Reply) -> None:
    """Announce the whole body, send half of it, then close the connection."""
    await send(_start(reply))
    half = reply.body[: max(1, len(reply.body) // 2)]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    transport = _transport(send)
    if transport is None:
        raise ConnectionDropped("connection closed after half of the body")
    transport.close()
    await _gone(receive)


async def drop(receive: Receive, send: Send) -> None:
    """Reset the connection without an answer (RST on TCP); in process raise `ConnectionDropped`."""
    transport = _transport(send)
    if transport is None:
        raise ConnectionDropped("connection reset without an answer")
    peer = transport.get_extra_info("socket")
    if peer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
    await _gone(receive)


async def wait(receive: Receive, seconds: float) -> bool:
    """Wait, or return True as soon as the client has gone away."""
    with anyio.move_on_after(seconds):
        await _gone(receive)
        return True
    return False


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(reply: Reply) -> dict[str, object]:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    if reply.status != 204:  # noqa: PLR2004 - "no content" carries no length (RFC 9110, 8.6)
        headers.append((b"content-length", str(len(reply.body)).encode()))
    return {"type": "http.response.start", "status": reply.status, "headers": headers}


def _transport(send: Send) -> asyncio.Transport | None:
    """Return the socket's transport under uvicorn: `send` is a method of the cycle that owns it."""
    return getattr(getattr(send, "__self__", None), "transport", None)
