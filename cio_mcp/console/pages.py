"""What the page asks for: itself, how things stand, and decisions, which only the operator makes."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from cio_mcp.console.picture import identity, picture
from cio_mcp.console.sign_in import Doorkeeper, Session, TooMany, Unrecognizable, WrongKey
from cio_mcp.console.watch import Watch
from cio_mcp.ledger.terms import Confirmation, NotConfirmed, State, Unrecorded

BY = "console"
"""Who decided, in the record, before the operator's name if a token told it."""
_PAGE = {
    "/": ("index.html", "text/html"),
    "/app.js": ("app.js", "text/javascript"),
    "/app.css": ("app.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
# Content Security Policy Level 3 and Trusted Types: nothing from elsewhere, nothing inline, no text becomes markup.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_UNREADABLE = "Tokens cannot be read now: sign in with the key, or later"
_OURS = "x-cio-mcp-console"
"""A header that no form and no foreign page can send without being asked first (Fetch standard, "CORS-preflight")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Answers what the page asks; `port` tells the cookies of several servers on one machine apart."""

    watch: Watch
    doorkeeper: Doorkeeper
    port: int

    def routes(self) -> Sequence[BaseRoute]:
        """Return where everything is served."""
        assets = [
            Route(path, partial(_asset, _read(name), kind), methods=["GET"]) for path, (name, kind) in _PAGE.items()
        ]
        return [
            *assets,
            Route("/console/session", self.session, methods=["GET"]),
            Route("/console/session", self.sign_in, methods=["POST"]),
            Route("/console/session", self.sign_out, methods=["DELETE"]),
            Route("/console/state", self.state, methods=["GET"]),
            Route("/console/approve", partial(self.decide, State.APPROVED), methods=["POST"]),
            Route("/console/reject", partial(self.decide, State.REJECTED), methods=["POST"]),
        ]

    async def session(self, request: Request) -> Response:
        """Tell whether somebody has signed in, and whether they must."""
        return _json({"asks": self.doorkeeper.asks, "signed_in": await self._session(request) is not None})

    async def sign_in(self, request: Request) -> Response:
        """Open a session for whoever gives the key."""
        origin = _checked(request)
        try:
            token = await self.doorkeeper.sign_in(str(_member(await request.body(), "key")))
        except WrongKey:
            raise HTTPException(401, "This is not the key") from None
        except Unrecognizable:
            raise HTTPException(503, _UNREADABLE) from None
        except TooMany as error:
            wait = math.ceil(error.wait)
            told = {"Retry-After": str(wait)}
            raise HTTPException(429, f"Too many wrong keys: try again in {wait} s", told) from None
        answer = _json({"asks": True, "signed_in": True})
        is_secure = origin.startswith("https:")
        answer.set_cookie(self._cookie, token, httponly=True, samesite="strict", path="/", secure=is_secure)
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End a session."""
        _checked(request)
        self.doorkeeper.sign_out(request.cookies.get(self._cookie))
        answer = _json({"asks": self.doorkeeper.asks, "signed_in": False})
        answer.delete_cookie(self._cookie, httponly=True, samesite="strict", path="/")
        return answer

    async def state(self, request: Request) -> Response:
        """Tell how things stand."""
        is_operator = await self._session(request) is not None
        if self.doorkeeper.asks and not is_operator:
            raise HTTPException(401, "Sign in first")
        drawn = picture(await self.watch.look(), whole=is_operator)
        return _json(drawn | {"can_decide": is_operator})

    async def decide(self, state: State, request: Request) -> Response:
        """Approve or reject what was asked with exactly the plan that was shown."""
        _checked(request)
        session = await self._session(request)
        if session is None:
            without = "Sign in first" if self.doorkeeper.asks else "Without CIO_MCP_CONSOLE_KEY this page only shows"
            raise HTTPException(401 if self.doorkeeper.asks else 403, without)
        wanted = _member(await request.body(), "id")
        try:
            office = self.watch.reach()
            waiting = [each for each in await office.for_operator() if identity(each) == wanted]
            if not waiting:
                raise HTTPException(409, "It does not wait any more: it was decided, used or has expired")
            decided = await office.decide(waiting[0].handle, state, f"{BY} {session.operator}".rstrip())
        except NotConfirmed as error:
            raise HTTPException(409, f"This confirmation {error.why}") from None
        except Unrecorded:
            raise HTTPException(503, "The record cannot be written, so nothing was decided") from None
        self.watch.forget()
        return _json(_told(decided))

    @property
    def _cookie(self) -> str:
        return f"cio_mcp_console_{self.port}"

    async def _session(self, request: Request) -> Session | None:
        try:
            return await self.doorkeeper.session(request.cookies.get(self._cookie))
        except Unrecognizable:
            raise HTTPException(503, _UNREADABLE) from None


def _told(decided: Confirmation) -> dict[str, str]:
    return {"operation": decided.operation, "state": decided.state}


def _checked(request: Request) -> str:
    """Return the origin of a request that changes something, which only our own page may make."""
    origin, host = request.headers.get("origin", ""), request.headers.get("host", "")
    if origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
        raise HTTPException(403, "Only the page itself may ask for that")
    if request.headers.get(_OURS) != "1" or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise HTTPException(403, "Only the page itself may ask for that")
    return origin


def _member(body: bytes, name: str) -> Any:
    try:
        found = json.loads(body)[name]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise HTTPException(400, f"The body must be a JSON object with {name}") from None
    if not isinstance(found, str):
        raise HTTPException(400, f"{name} must be a text")
    return found


def _read(name: str) -> bytes:
    return (files("cio_mcp.console") / "page" / name).read_bytes()


async def _asset(content: bytes, kind: str, _request: Request) -> Response:
    return Response(content, media_type=kind, headers=_HEADERS)


def _json(value: Any) -> Response:
    return Response(json.dumps(value), media_type="application/json", headers=_HEADERS)
