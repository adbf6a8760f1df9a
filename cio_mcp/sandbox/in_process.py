"""A transport that answers from this process, with the trace events that a socket's has."""

from typing import Any

import anyio
import httpx2

from cio_mcp.sandbox.app import Sandbox


class InProcess(httpx2.AsyncBaseTransport):
    """Hands requests of an httpx2 client to the sandbox, without a socket.

    What a socket's transport tells by trace events is told here too: a request counts as sent before the sandbox
    sees it, and as answered when its answer begins. A fault that closes the connection surfaces as
    `ConnectionDropped`.
    """

    def __init__(self, app: Sandbox) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request."""
        trace = request.extensions.get("trace", _untraced)
        await trace("send_request_headers.started", {"request": request})
        body = await request.aread()
        await trace("send_request_body.complete", {})
        exchange = _Exchange(body)
        await self._app(_scope(request), exchange.receive, exchange.send)
        await trace("receive_response_headers.complete", {})
        body_sent = httpx2.ByteStream(b"".join(exchange.parts))
        return httpx2.Response(exchange.status, headers=exchange.headers, stream=body_sent)


async def _untraced(_event: str, _info: Any) -> None:
    """Tell nobody."""


def _scope(request: httpx2.Request) -> dict[str, Any]:
    raw_path, _, query = request.url.raw_path.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": raw_path,
        "query_string": query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (request.url.host, request.url.port),
        "client": ("127.0.0.1", 0),
        "root_path": "",
    }


class _Exchange:
    """One request and its answer, as ASGI messages."""

    def __init__(self, body: bytes) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []
        self._body: bytes | None = body

    async def receive(self) -> dict[str, Any]:
        """Give the application the whole body at once; after it nothing comes, for the client does not go away."""
        if self._body is None:
            await anyio.sleep_forever()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Any) -> None:
        """Take what the application answers."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            self.parts.append(message.get("body", b""))
