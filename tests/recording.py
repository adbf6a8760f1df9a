"""A server on loopback that records every request and answers as it is told."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import uvicorn

STARTED_WITHIN = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request, as it stood on the wire."""

    method: str
    raw_path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


class Recorder:
    """An ASGI application that notes requests; `replies` are used up first, then `default` answers."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.replies: list[Reply] = []
        self.default = Reply()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Note a request and answer it."""
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.requests.append(
            Received(
                method=scope["method"],
                raw_path=scope["raw_path"].decode(),
                query=scope["query_string"].decode(),
                headers={name.decode().lower(): value.decode() for name, value in scope["headers"]},
                body=body,
            )
        )
        reply = self.replies.pop(0) if self.replies else self.default
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Serve an ASGI application on a free loopback port, in a thread of its own; yields the URL."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=anyio.run, args=(server.serve,), daemon=True)
    thread.start()
    try:
        assert _started(server), "the recording server did not start"
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(STARTED_WITHIN)


def _started(server: uvicorn.Server) -> bool:
    deadline = time.monotonic() + STARTED_WITHIN
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    return server.started
