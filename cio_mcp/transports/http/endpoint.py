"""The MCP endpoint: a message that can be served, served while there is room."""

import codecs
import json
from collections.abc import Iterator
from contextlib import contextmanager

from mcp import types
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cio_mcp.transports.frames import Refusals, decode
from cio_mcp.transports.http.answers import busy
from cio_mcp.transports.http.in_flight import request_of

_SESSION = b"mcp-session-id"
_LISTEN = "subscriptions/listen"


class McpEndpoint:
    """ASGI application in front of the SDK's: what reaches that is one JSON-RPC message, and not too many at a time.

    The SDK drops what it cannot read without its id, or answers with the text of its parser's error. With sessions,
    a client's GET opens a stream of messages outside of any request, and DELETE ends the session; without, there are
    neither (405: MCP specification 2025-11-25, "Transports").
    """

    def __init__(self, app: ASGIApp, *, sessions: bool, requests: int) -> None:
        self._app = app
        self._methods = ("GET", "POST", "DELETE") if sessions else ("POST",)
        self._room = requests
        self._sessions = sessions
        self._taken: set[tuple[bytes, str]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] not in self._methods:
            allow = ", ".join(self._methods)
            raise HTTPException(405, f"MCP is served here with {allow}", {"Allow": allow})
        if scope["method"] != "POST":
            request_of(scope).is_endless = scope["method"] == "GET"
            await self._app(scope, receive, send)
            return
        _check_content_type(scope)
        body = await _whole(receive)
        message = decode(body)
        if isinstance(message, tuple):
            await _refused(message)(scope, receive, send)
            return
        with self._slot(), self._own_id(scope, message):
            request_of(scope).is_endless = isinstance(message, types.JSONRPCRequest) and message.method == _LISTEN
            # The SDK reads a byte order mark in one era and not in the other.
            await self._app(scope, _again(body.removeprefix(codecs.BOM_UTF8), receive), send)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """Take one of the places for requests that are served at one time; none is waited for."""
        if not self._room:
            raise busy("The server serves as many requests as it can")
        self._room -= 1
        try:
            yield
        finally:
            self._room += 1

    @contextmanager
    def _own_id(self, scope: Scope, message: types.JSONRPCMessage) -> Iterator[None]:
        """Keep an id to one request at a time: the SDK sends a session's answers by id, and would lose the first's."""
        session = next((value for name, value in scope["headers"] if name == _SESSION), None)
        if not (self._sessions and session and isinstance(message, types.JSONRPCRequest)):
            yield
            return
        key = (session, str(message.id))  # as the SDK compares them
        if key in self._taken:
            raise HTTPException(400, "A request with this id is under way in this session")
        self._taken.add(key)
        try:
            yield
        finally:
            self._taken.discard(key)


def _check_content_type(scope: Scope) -> None:
    given = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    if given.split(b";")[0].strip().lower() != b"application/json":
        raise HTTPException(415, "Content-Type must be application/json")


async def _whole(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body once more, then what else comes: that the client is gone."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _refused(refusals: Refusals) -> Response:
    nothing = types.ErrorData(code=types.PARSE_ERROR, message="Parse error: the body is empty")
    errors = refusals or (types.JSONRPCError(jsonrpc="2.0", id=None, error=nothing),)
    written = [error.model_dump(mode="json", by_alias=True, exclude_unset=True) for error in errors]
    return Response(json.dumps(written[0] if len(written) == 1 else written), 400, media_type="application/json")
