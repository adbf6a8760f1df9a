"""The requests under way, so that stopping can end each in the way it deserves."""

from typing import Any

import anyio
from mcp import MCPError, types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cio_mcp.transports.http.answers import refusal

_KEY = "cio_mcp.request"
_CUT = "The server had to stop before the answer was there"
_LAST_WORD = 1.0
"""Seconds in which a client may take the end of a stream."""


class Request:
    """One request under way, and what may be done to it when the server stops."""

    def __init__(self) -> None:
        self.served = anyio.CancelScope()
        self.is_whole = False
        """All of it has come: from then on it is worth waiting for."""
        self.is_endless = False
        """It ends when its client likes, or when the server stops."""


def request_of(scope: Scope) -> Request:
    """Return the request that a scope belongs to."""
    request: Request = scope[_KEY]
    return request


class InFlight:
    """ASGI middleware that knows what is under way, and ends it on demand."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._requests: set[Request] = set()
        self._stopping = False

    def end_unfinished(self) -> None:
        """End what is not worth waiting for: requests that are not whole, and streams without an end of their own."""
        self._stopping = True
        for request in self._requests:
            if request.is_endless or not request.is_whole:
                request.served.cancel()

    def end_all(self) -> None:
        """End every request; one without an answer is answered 503, which says whether it had begun."""
        for request in self._requests:
            request.served.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, until it ends or is ended."""
        if self._stopping:
            await _stopped(scope)(scope, receive, send)
            return
        request = Request()
        begun = ended = False

        async def watch(message: Message) -> None:
            nonlocal begun, ended
            begun = True
            await send(message)
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)

        self._requests.add(request)
        try:
            with request.served:
                await self._app({**scope, _KEY: request}, receive, watch)
        finally:
            self._requests.discard(request)
        if request.served.cancelled_caught and not ended:
            with anyio.move_on_after(_LAST_WORD):
                if begun:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                else:
                    await (_cut if request.is_whole else _stopped)(scope)(scope, receive, send)


class EndableCalls:
    """Middleware of MCP that ends calls of sessions on demand, each with an answer: they outlive their HTTP requests.

    The SDK would leave them until it closes its sessions, when nothing takes their answers any more: it waits a second
    for that all the same (mcp 2.3.0, shared/jsonrpc_dispatcher.py, `_SHUTDOWN_WRITE_TIMEOUT`).
    """

    def __init__(self) -> None:
        self._under_way: set[anyio.CancelScope] = set()

    def end_all(self) -> None:
        """End every call; each is answered -32603."""
        for call in self._under_way:
            call.cancel()

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Run the rest of the chain for one request or notification, until it ends or is ended."""
        call = anyio.CancelScope()
        self._under_way.add(call)
        try:
            with call:
                return await call_next(ctx)
        finally:
            self._under_way.discard(call)
        raise MCPError(code=types.INTERNAL_ERROR, message=_CUT)


def made_endable(server: Server[Any]) -> EndableCalls:
    """Put `EndableCalls` next to the handlers, if it is not there, and return it."""
    found = next((middleware for middleware in server.middleware if isinstance(middleware, EndableCalls)), None)
    if found is None:
        found = EndableCalls()
        server.middleware.append(found)
    return found


def _stopped(scope: Scope) -> Response:
    """Return the refusal of a request that nobody has looked at: it may be made again elsewhere."""
    return refusal(scope, 503, "The server is stopping", {"Retry-After": "1", "Connection": "close"})


def _cut(scope: Scope) -> Response:
    """Return the end of a request that was served: what it did is not known, so no time is named to make it again."""
    return refusal(scope, 503, _CUT, {"Connection": "close"})
