"""What the server says besides MCP: errors as JSON, and headers that keep browsers careful."""

import json
import logging
from collections.abc import Mapping

from mcp import types
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger(__name__)

MCP_PATH = "/mcp"
_FIRST_ERROR = 400

# OWASP, "HTTP Security Response Headers Cheat Sheet". A route that knows better sets its own.
_CAREFUL = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)

NOTHING = "There is nothing at this path"
_MEANT = {
    405: "This method is not served here",
    406: "Accept must name application/json and text/event-stream",
    500: "Internal server error",
}


def busy(message: str, *, retry_after: int = 1) -> HTTPException:
    """Return the refusal of something that may be tried again after some seconds."""
    return HTTPException(503, message, {"Retry-After": str(retry_after)})


def refusal(scope: Scope, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error as JSON: to MCP clients a JSON-RPC error without an id, to others an object alike.

    The MCP specification 2025-11-25 has it so ("Transports", Sending Messages to the Server, 4).
    """
    return Response(
        json.dumps(_error(scope["path"], status, message)),
        status,
        dict(headers or {}),
        media_type="application/json",
    )


def _error(path: str, status: int, message: str) -> dict[str, object]:
    if path.rstrip("/") != MCP_PATH:
        return {"error": {"message": message}}
    code = types.INVALID_REQUEST if status < 500 else types.INTERNAL_ERROR  # noqa: PLR2004 - whose fault it is
    return {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}


class Refusing:
    """ASGI middleware: a refusal raised below becomes its answer, and an unexpected exception one without detail."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            return
        except HTTPException as refused:
            if begun:
                raise
            await refusal(scope, refused.status_code, refused.detail, refused.headers)(scope, receive, send)
        except Exception as exc:
            _log.error("A request failed: %s", type(exc).__name__)  # a traceback may hold what was sent
            if begun:
                raise  # uvicorn closes the connection: what has begun cannot become another answer
            await refusal(scope, 500, _MEANT[500])(scope, receive, send)


class Careful:
    """ASGI middleware: security headers on every answer, and no library's error page: its text becomes JSON.

    `nothing` is what is said at a path where there is nothing.
    """

    def __init__(self, app: ASGIApp, *, nothing: str = NOTHING) -> None:
        self._app = app
        self._meant = {**_MEANT, 404: nothing}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        replaced = False

        async def careful(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                present = {name.lower(): value for name, value in message.get("headers", ())}
                replaced = message["status"] >= _FIRST_ERROR and b"json" not in present.get(b"content-type", b"")
                if not replaced:
                    added = [header for header in _CAREFUL if header[0] not in present]
                    await send({**message, "headers": [*message.get("headers", ()), *added]})
                    return
                await self._say_anew(scope, message, send)
            elif not replaced:
                await send(message)

        await self._app(scope, receive, careful)

    async def _say_anew(self, scope: Scope, start: Message, send: Send) -> None:
        status, given = start["status"], start.get("headers", ())
        answer = refusal(scope, status, self._meant.get(status, "This request cannot be served"))
        kept = [item for item in given if item[0].lower() not in (b"content-type", b"content-length")]
        headers = [*answer.raw_headers, *kept, *_CAREFUL]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})
