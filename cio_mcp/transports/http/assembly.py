"""The layers of the HTTP server, put together."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from cio_mcp.transports.http.answers import MCP_PATH, Refusing
from cio_mcp.transports.http.entrance import Bounded, Screened
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
    mcp: ASGIApp, *, health: Health, routes: Sequence[BaseRoute], allowed: AllowList, limits: Limits
) -> ASGIApp:
    """Return the application around the MCP endpoint, which is authenticated already if it is to be."""
    inside: ASGIApp = Refusing(Bounded(Paths(mcp, routes), limits))
    if allowed.origins:
        # A page whose origin is allowed could not read an answer without it (Fetch standard, "CORS protocol").
        inside = CORSMiddleware(
            inside,
            allow_origins=sorted(allowed.origins),
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=_ASKED,
            expose_headers=_ANSWERED,
        )
    return Refusing(Doors(health, Screened(inside, allowed=allowed, limits=limits)))


def routes_alone(routes: Sequence[BaseRoute], *, health: Health, limits: Limits) -> ASGIApp:
    """Return an application of routes that see to their callers themselves, whatever name they are called by."""
    return Refusing(Doors(health, Bounded(Router(routes, redirect_slashes=False), limits)))
