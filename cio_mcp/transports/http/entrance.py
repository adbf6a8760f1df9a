"""What a request must be before anybody looks at what it asks: from a known name, unambiguous, and of bounded size."""

from collections.abc import Sequence

import anyio
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cio_mcp.transports.http.answers import busy
from cio_mcp.transports.http.exposure import AllowList
from cio_mcp.transports.http.in_flight import request_of
from cio_mcp.transports.http.limits import Limits

_BODY_FOLLOWS = (b"content-length", b"transfer-encoding")  # RFC 9112, section 6.3
_LINE_ENDS = 4  # ": " and CR LF of a header


class OneMeaning:
    """ASGI middleware that lets through only what everybody on its way reads alike, with a head of bounded size."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
        if sum(len(name) + len(value) + _LINE_ENDS for name, value in headers) > self._limits.head:
            raise HTTPException(431, f"The headers are longer than the limit of {self._limits.head} bytes")
        if len(_given(headers, b"authorization")) > 1:
            raise HTTPException(400, "Authorization is given more than once")
        if _given(headers, b"transfer-encoding") and _given(headers, b"content-length"):
            # Two who disagree where a request ends can be made to see different ones (RFC 9112, section 6.3).
            raise HTTPException(400, "Content-Length and Transfer-Encoding exclude each other")
        await self._app(scope, receive, send)


class Screened:
    """ASGI middleware that lets through what names this server, may come from where it comes, and can be read."""

    def __init__(self, app: ASGIApp, *, allowed: AllowList, limits: Limits) -> None:
        self._app = app
        self._allowed = allowed
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        self._check(scope["headers"])
        await self._app(scope, receive, send)

    def _check(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        if not self._allowed.host(_given(headers, b"host")):
            # MCP specification 2025-11-25, "Transports", Security Warning; status: RFC 9110, section 15.5.20
            raise HTTPException(421, "This server does not go by that name: its allowed hosts do not list it")
        if not self._allowed.origin(_given(headers, b"origin")):
            raise HTTPException(403, "Pages from there may not call this server: its allowed origins do not list it")
        if [coding for coding in _given(headers, b"content-encoding") if coding.strip().lower() != b"identity"]:
            raise HTTPException(415, "Send the body as it is, without a content encoding")
        # Digits: h11 has seen to that.
        if any(int(length) > self._limits.body for length in _given(headers, b"content-length")):
            raise _too_long(self._limits.body)


def _given(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]


class Bounded:
    """ASGI middleware that bounds the size and time in which each body comes, as it is read.

    Nothing is read ahead: whoever refuses a request by its headers costs no memory.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        deadline = anyio.current_time() + self._limits.body_seconds
        request = request_of(scope)
        request.is_whole = not any(name in _BODY_FOLLOWS for name, _ in scope["headers"])
        size = 0

        async def bounded() -> Message:
            nonlocal size
            if request.is_whole:
                return await receive()
            message = await _in_time(receive, deadline)
            size += len(message.get("body", b""))
            if size > self._limits.body:
                raise _too_long(self._limits.body)
            request.is_whole = not message.get("more_body", False)
            return message

        await self._app(scope, bounded, send)


class Pooled:
    """ASGI middleware that bounds the size of all bodies together, for an application that holds what it reads."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._most = limits.bodies
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            body = len(message.get("body", b""))
            size += body
            self._held += body
            if self._held > self._most:
                raise busy("The server holds as many requests as it can")
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._held -= size


async def _in_time(receive: Receive, deadline: float) -> Message:
    with anyio.CancelScope(deadline=deadline) as waiting:
        return await receive()
    if waiting.cancelled_caught:
        raise HTTPException(408, "The body did not come in time", {"Connection": "close"})
    raise AssertionError  # pragma: no cover - a scope that was not cancelled has returned


def _too_long(limit: int) -> HTTPException:
    return HTTPException(413, f"The body is longer than the limit of {limit} bytes")
