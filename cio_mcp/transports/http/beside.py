"""Routes on a port of their own, beside the server that they tell of, which decides when both end."""

import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import anyio
import uvicorn
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp

from cio_mcp.transports.http.answers import Careful, Refusing
from cio_mcp.transports.http.connections import Places
from cio_mcp.transports.http.entrance import Bounded, OneMeaning, Pooled, Screened
from cio_mcp.transports.http.exposure import AllowList
from cio_mcp.transports.http.in_flight import InFlight
from cio_mcp.transports.http.limits import Limits, affordable
from cio_mcp.transports.http.serving import config_of

LIMITS = Limits(connections=64, body=16 * 1024, bodies=256 * 1024)
"""A few people or programs look at it; what they send is a key or an id."""
_DRAIN = 1.0


@asynccontextmanager
async def serving_beside(
    routes: Sequence[BaseRoute], *, listener: socket.socket, allowed: AllowList | None
) -> AsyncIterator[None]:
    """Serve routes as long as the block runs, which begins once they are served.

    `allowed` names the hosts and origins that are answered, so that no web page reads them through a name of its own
    (DNS rebinding); with None all are, and nothing worth protecting may be there.
    """
    inside: ASGIApp = Refusing(Pooled(Bounded(Router(routes, redirect_slashes=False), LIMITS), LIMITS))
    if allowed is not None:
        inside = Screened(inside, allowed=allowed, limits=LIMITS)
    in_flight, ready = InFlight(Careful(Refusing(OneMeaning(inside, LIMITS)))), anyio.Event()
    server = _Beside(config_of(in_flight, Places(affordable(LIMITS.connections)), LIMITS, drain=_DRAIN), ready)
    async with anyio.create_task_group() as serving:
        serving.start_soon(_serve, server, in_flight, listener)
        await ready.wait()
        try:
            yield
        finally:
            serving.cancel_scope.cancel()


async def _serve(server: uvicorn.Server, in_flight: InFlight, listener: socket.socket) -> None:
    async with anyio.create_task_group() as stopping:
        stopping.start_soon(_stop_when_cancelled, server, in_flight)
        with anyio.CancelScope(shield=True):  # uvicorn leaves sockets and requests behind if it is cancelled
            await server.serve(sockets=[listener])
        stopping.cancel_scope.cancel()


async def _stop_when_cancelled(server: uvicorn.Server, in_flight: InFlight) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        in_flight.end_all()
        server.should_exit = True


class _Beside(uvicorn.Server):
    """Uvicorn that leaves signals to the server which it runs beside."""

    def __init__(self, config: uvicorn.Config, ready: anyio.Event) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then say so."""
        await super().startup(sockets=sockets)
        self._ready.set()
