"""The requests under way, so that stopping can end each in the way it deserves."""

import anyio
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cio_mcp.transports.http.answers import refusal

_KEY = "cio_mcp.request"
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


def _stopped(scope: Scope) -> Response:
    """Return the refusal of a request that nobody has looked at: it may be made again elsewhere."""
    return refusal(scope, 503, "The server is stopping", {"Retry-After": "1", "Connection": "close"})


def _cut(scope: Scope) -> Response:
    """Return the end of a request that was served: what it did is not known, so no time is named to make it again."""
    return refusal(scope, 503, "The server had to stop before the answer was there", {"Connection": "close"})
