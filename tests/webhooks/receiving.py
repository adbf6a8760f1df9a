"""A receiver on a real socket, and somebody who speaks to it as Customer.io would, or worse."""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from starlette.types import ASGIApp

from cio_mcp.secret import Secret
from cio_mcp.webhooks.intake import Intake
from cio_mcp.webhooks.receiver import Receiver
from cio_mcp.webhooks.room import Room
from cio_mcp.webhooks.sqlite import SqliteEvents
from cio_mcp.webhooks.store import EventStore

KEY = "canary-signing-key"
PATIENCE = 20.0
ULID = "01E4C4CT6YDC7Y5M7FE1GWWPQJ"


def event(number: int = 0, **members: Any) -> dict[str, Any]:
    """Return an event in the shape of the reference's examples."""
    told: dict[str, Any] = {
        "event_id": f"{ULID[:-6]}{number:06d}",
        "object_type": "email",
        "metric": "delivered",
        "timestamp": 1_700_000_000 + number,
        "data": {
            "delivery_id": f"dlv-{number}",
            "identifiers": {"id": "42", "email": "ada@example.com", "cio_id": "d9c106000001"},
            "recipient": "ada@example.com",
            "subject": "Your receipt",
        },
    }
    return told | members


def body_of(told: Any) -> bytes:
    """Return JSON as Customer.io writes it."""
    return json.dumps(told, separators=(",", ":")).encode()


def signature(body: bytes, timestamp: str, key: str = KEY) -> str:
    """Sign as the reference says, written without the code under test."""
    return hmac.new(key.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()


def signed(body: bytes, *, timestamp: str | None = None, key: str = KEY) -> dict[str, str]:
    """Return the headers of a signed request."""
    at = timestamp if timestamp is not None else str(int(time.time()))
    return {"x-cio-timestamp": at, "x-cio-signature": signature(body, at, key)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the receiver answered, and after how many seconds."""

    status: int
    text: str
    took: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A receiver that listens, and its store."""

    port: int
    store: EventStore
    receiver: Receiver
    seen: list[int] = field(default_factory=list[int])

    async def post(self, body: bytes, headers: dict[str, str] | list[tuple[str, str]] | None = None) -> Answer:
        """Send one request over a connection of its own; without headers, it is signed."""
        given = (
            list((signed(body) if headers is None else headers).items()) if not isinstance(headers, list) else headers
        )
        lines = [f"{name}: {value}" for name, value in given]
        head = "\r\n".join(["POST / HTTP/1.1", "host: x", f"content-length: {len(body)}", *lines, "", ""])
        return await self.raw(head.encode("latin-1") + body)

    async def tell(self, told: Any) -> Answer:
        """Report an event, signed now."""
        return await self.post(body_of(told))

    async def raw(self, request: bytes) -> Answer:
        """Send bytes and return what comes back."""
        began = time.monotonic()
        with anyio.fail_after(PATIENCE):
            async with await anyio.connect_tcp("127.0.0.1", self.port) as stream:
                return await _exchanged(stream, request, began)


def half_of(body: bytes, path: str = "/", *, host: str = "x", key: str = KEY) -> bytes:
    """Return a signed request without the last byte of its body."""
    head = "".join(f"{name}: {value}\r\n" for name, value in signed(body, key=key).items())
    return f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\n{head}\r\n".encode() + body[:-1]


async def _exchanged(stream: anyio.abc.SocketStream, request: bytes, began: float) -> Answer:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # it may answer before it has read all
        await stream.send(request)
    received = b""
    while not _is_whole(received):
        try:
            received += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            break
    head, _, text = received.partition(b"\r\n\r\n")
    told = json.loads(text)["error"]["message"] if text.startswith(b"{") else text.decode()
    return Answer(status=int(head.split()[1]), text=told, took=time.monotonic() - began)


def _is_whole(received: bytes) -> bool:
    head, end, text = received.partition(b"\r\n\r\n")
    if not end:
        return False
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(lengths) and len(text) >= int(lengths[0])


class _Uvicorn(uvicorn.Server):
    """Leaves signals to the tests."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Serve for the length of the block, and give the port."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._serve_quietly)
            with anyio.fail_after(PATIENCE):
                while not self.started:  # noqa: ASYNC110 - uvicorn sets no event
                    await anyio.sleep(0.005)
            try:
                yield self.servers[0].sockets[0].getsockname()[1]
            finally:
                self.should_exit = True

    async def _serve_quietly(self) -> None:
        await self._serve()


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[int]:
    """Serve an application on a free loopback port."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, lifespan="off", log_config=None, access_log=False, ws="none",
        timeout_graceful_shutdown=2,
    )  # fmt: skip
    async with _Uvicorn(config).running() as port:
        yield port


@asynccontextmanager
async def receiving(
    path: Path | None = None,
    *,
    keys: Sequence[str] = (KEY,),
    store: EventStore | None = None,
    now: Callable[[], float] = time.time,
    room: Room | None = None,
) -> AsyncIterator[Desk]:
    """Open a receiver with a store of its own, or with the one that is given."""
    kept = store or SqliteEvents(path, workspace="test", now=now)
    receiver = Receiver(
        intake=Intake(store=kept), keys=lambda: [Secret(key) for key in keys], now=now, room=room or Room()
    )
    try:
        async with listening(receiver) as port:
            yield Desk(port=port, store=kept, receiver=receiver)
    finally:
        if store is None:
            with anyio.CancelScope(shield=True):
                await kept.aclose()
