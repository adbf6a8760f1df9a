"""The layers of the HTTP server, put together."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from cio_mcp.transports.http.answers import MCP_PATH, Refusing
from cio_mcp.transports.http.entrance import Bounded, OneMeaning, Pooled, Screened
from cio_mcp.transports.http.exposure import AllowList
from cio_mcp.transports.http.health import LIVE, READY, Health
from cio_mcp.transports.http.limits import Limits

# What a client of either era sends and reads (MCP specification 2026-07-28 and 2025-11-25, "Transports").
_ASKED = (
    "authorization", "content-type", "last-event-id", "mcp-method", "mcp-name", "mcp-protocol-version",
    "mcp-session-id",
)  # fmt: skip
_ANSWERED = ("mcp-session-id", "retry-after", "www-authenticate")


class Paths:
    """ASGI application: `/mcp` to the MCP endpoint, everything else to the routes."""

    def __init__(self, mcp: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._mcp = mcp
        self._others = Router(routes, redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await (self._mcp if scope["path"].rstrip("/") == MCP_PATH else self._others)(scope, receive, send)


class Doors:
    """ASGI application: probes to `Health`, everything else through the entrance."""

    def __init__(self, health: Health, inside: ASGIApp) -> None:
        self._health = health
        self._inside = inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await (self._health if scope["path"] in (LIVE, READY) else self._inside)(scope, receive, send)


def assembled(
    mcp: ASGIApp,
    *,
    health: Health,
    routes: Sequence[BaseRoute],
    proving: Sequence[BaseRoute],
    allowed: AllowList,
    limits: Limits,
) -> ASGIApp:
    """Return the application around the MCP endpoint, which is authenticated already if it is to be.

    The routes of `proving` see to their callers themselves, and are served past what is known of others: names, and
    what their bodies may hold together.
    """
    inside: ASGIApp = Refusing(Pooled(Paths(mcp, routes), limits))
    if allowed.origins:
        # A page whose origin is allowed could not read an answer without it (Fetch standard, "CORS protocol").
        inside = CORSMiddleware(
            inside,
            allow_origins=sorted(allowed.origins),
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=_ASKED,
            expose_headers=_ANSWERED,
        )
    screened = Screened(inside, allowed=allowed, limits=limits)
    return _entered(Router(proving, redirect_slashes=False, default=screened), health, limits)


def routes_alone(routes: Sequence[BaseRoute], *, health: Health, limits: Limits) -> ASGIApp:
    """Return an application of routes that see to their callers themselves, whatever name they are called by.

    What their bodies may hold together is theirs to bound: only they know what of them they keep, and for whom.
    """
    return _entered(Router(routes, redirect_slashes=False), health, limits)


def _entered(inside: ASGIApp, health: Health, limits: Limits) -> ASGIApp:
    return Refusing(Doors(health, OneMeaning(Bounded(inside, limits), limits)))
