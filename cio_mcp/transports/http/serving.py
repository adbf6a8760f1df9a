"""From a server object to a listening socket, and back."""

import math
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import anyio
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from cio_mcp.transports.http.answers import MCP_PATH, NOTHING, Careful
from cio_mcp.transports.http.assembly import assembled, routes_alone
from cio_mcp.transports.http.connections import Connection, Places
from cio_mcp.transports.http.endpoint import McpEndpoint
from cio_mcp.transports.http.exposure import Exposure
from cio_mcp.transports.http.health import Check, Health
from cio_mcp.transports.http.in_flight import EndableCalls, InFlight, made_endable
from cio_mcp.transports.http.limits import Limits, affordable
from cio_mcp.transports.http.writable import refuse_the_unwritable
from cio_mcp.transports.leaks import guard_against_leaks
from cio_mcp.transports.shutdown import Shutdown

Guard = Callable[[ASGIApp], ASGIApp]
"""Wraps the MCP endpoint in what asks callers who they are."""


async def serve_http(
    server: Server[Any],
    *,
    host: str,
    port: int,
    authentication: Guard | None = None,
    insecure_loopback: bool = False,
    allowed_hosts: Sequence[str] | None = None,
    allowed_origins: Sequence[str] | None = None,
    sessions: bool = False,
    routes: Sequence[BaseRoute] = (),
    proving: Sequence[BaseRoute] = (),
    checks: Mapping[str, Check] | None = None,
    limits: Limits | None = None,
    ready: Callable[[str], None] | None = None,
    drain: float = 10.0,
    notice: float = 0.0,
    depart: Callable[[], None] = lambda: None,
    give_up: Callable[[], None] = lambda: None,
    on_hangup: Callable[[], None] | None = None,
) -> None:
    """Serve over streamable HTTP at `/mcp` until SIGTERM, SIGINT or cancellation.

    `host` is an IP address or `localhost`; port 0 picks a free one. `ready` is called with the URL once it is
    listened on. A request whose Host header names something else than this address is answered 421, one from a
    foreign Origin 403; `allowed_hosts` ("name:port", "name" behind a proxy on its scheme's own port) and
    `allowed_origins` ("https://name") add to the lists.

    Who may connect without being asked: this machine's own programs, on a loopback address. Any other address needs
    `authentication`, `allowed_hosts` and `allowed_origins` (which may be empty: no web page calls); a loopback address
    with foreign hosts or origins needs `authentication` or `insecure_loopback`, which says that a proxy asks, and
    leaves `authentication` out on loopback.

    Without `sessions` any process can answer any request, in JSON. With them, clients of the handshake era can be
    asked questions and see progress, and must come back to the process that they began with. `routes` are served
    beside `/mcp`, behind the same hosts and bounds but not behind `authentication`; those of `proving` see to their
    callers themselves, as in `serve_routes`, and are served to any Host. So are `/health/live` and `/health/ready`; the
    latter asks `checks`, whose names only the log shows.

    After a signal requests that have come whole may finish, the others and endless streams end at once, and the
    process ends within `drain` seconds. At once `depart` is called, which makes calls end that need not go on waiting;
    shortly before the end `give_up`, which makes calls end that wait for an answer of somebody else. For the first
    `notice` seconds nothing else changes but that `/health/ready` says 503.

    `on_hangup` is called on SIGHUP, where there is one; without it that ends the process at once.

    Raises `ValueError` for what must not be served so, `OSError` if the port is taken.
    """
    exposure = Exposure(host=host, hosts=allowed_hosts, origins=allowed_origins)
    exposure.check(authenticated=authentication is not None, insecure_loopback=insecure_loopback)
    if not 0 <= notice < drain:
        raise ValueError(f"the notice of {notice} s must leave something of the {drain} s to stop in")
    limits = limits or Limits()
    guard_against_leaks(server)
    calls: EndableCalls | None = None
    if sessions:
        refuse_the_unwritable(server)
        calls = made_endable(server)
    health = Health(checks or {})
    with listening(exposure.address, port) as listener:
        allowed = exposure.allow_list(listener.getsockname()[1])
        manager = _manager(server, sessions=sessions, limits=limits)
        mcp: ASGIApp = McpEndpoint(manager.handle_request, sessions=sessions, requests=limits.requests)
        if authentication and not insecure_loopback:
            mcp = authentication(mcp)
        app = assembled(mcp, health=health, routes=routes, proving=proving, allowed=allowed, limits=limits)
        front = InFlight(Careful(app, nothing=f"{NOTHING}; MCP is served at {MCP_PATH}"))
        with Shutdown(
            budget=drain, after_signal=drain, depart=depart, give_up=give_up, on_hangup=on_hangup
        ) as shutdown:
            serving = Serving(front, health, limits, shutdown=shutdown, notice=notice, calls=calls)
            async with manager.run():
                await serving.run(listener, drain, lambda: _announce(ready, listener, MCP_PATH))


async def serve_routes(
    routes: Sequence[BaseRoute],
    *,
    host: str,
    port: int,
    checks: Mapping[str, Check] | None = None,
    limits: Limits | None = None,
    ready: Callable[[str], None] | None = None,
    drain: float = 10.0,
    notice: float = 0.0,
    on_hangup: Callable[[], None] | None = None,
) -> None:
    """Serve routes alone, which see to their callers themselves: a webhook that is signed, for instance.

    They are served on any address and under any name; bounds, probes, errors and the end are those of `serve_http`,
    and so are the parameters. What all bodies hold together is theirs to bound. Raises `ValueError` for what is no
    address, `OSError` if the port is taken.
    """
    limits = limits or Limits()
    health = Health(checks or {})
    app = InFlight(Careful(routes_alone(routes, health=health, limits=limits)))
    with (
        listening(Exposure(host=host, hosts=None, origins=None).address, port) as listener,
        Shutdown(budget=drain, after_signal=drain, on_hangup=on_hangup) as shutdown,
    ):
        serving = Serving(app, health, limits, shutdown=shutdown, notice=notice)
        await serving.run(listener, drain, lambda: _announce(ready, listener, ""))


def _manager(server: Server[Any], *, sessions: bool, limits: Limits) -> StreamableHTTPSessionManager:
    # Host, Origin and the size of bodies are looked at before, for every path alike.
    elsewhere = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    return StreamableHTTPSessionManager(
        server,
        json_response=not sessions,
        stateless=not sessions,
        security_settings=elsewhere,
        max_request_body_size=limits.body,
        max_sessions=limits.sessions,
    )


class Serving:
    """One run of uvicorn on one socket, and how it ends."""

    def __init__(
        self,
        in_flight: InFlight,
        health: Health,
        limits: Limits,
        *,
        shutdown: Shutdown,
        notice: float,
        calls: EndableCalls | None = None,
    ) -> None:
        self._in_flight = in_flight
        self._health = health
        self._limits = limits
        self._shutdown = shutdown
        self._notice = notice
        self._calls = calls
        self._places = Places(affordable(limits.connections))

    async def run(self, listener: socket.socket, drain: float, announce: Callable[[], None]) -> None:
        """Serve until asked to stop, then stop in time."""
        server = _Uvicorn(
            config_of(self._in_flight, self._places, self._limits, drain=drain),
            shutdown=self._shutdown,
            announce=announce,
        )
        async with anyio.create_task_group() as stopping:
            stopping.start_soon(self._stop_in_time, server)
            with anyio.CancelScope(shield=True):
                await server.serve(sockets=[listener])
            stopping.cancel_scope.cancel()

    async def _stop_in_time(self, server: "_Uvicorn") -> None:
        try:
            await self._shutdown.requested.wait()
            self._health.draining = True
            with self._shutdown.patience:
                await anyio.sleep(self._notice)
                self._take_no_more(server)
                await anyio.sleep_forever()
        finally:  # also when cancelled from outside: uvicorn leaves sockets and requests behind if it is
            self._take_no_more(server)
        if self._calls:
            self._calls.end_all()
            await anyio.sleep(self._shutdown.remaining / 4)  # their answers need the requests that wait for them
        self._in_flight.end_all()
        await anyio.sleep(self._shutdown.remaining / 2)
        self._places.abort_all()

    def _take_no_more(self, server: "_Uvicorn") -> None:
        self._in_flight.end_unfinished()
        server.should_exit = True


def config_of(app: ASGIApp, places: Places, limits: Limits, *, drain: float) -> uvicorn.Config:
    """Return how uvicorn serves an application whose connections are bounded."""
    # What does not finish in time is ended here; uvicorn would cancel its tasks, and log each as an exception.
    return uvicorn.Config(
        app,
        access_log=False,
        h11_max_incomplete_event_size=limits.head,
        # Called once for each connection, and nothing else.
        http=cast("type[Connection]", partial(Connection, places=places, limits=limits)),
        lifespan="off",  # entered by the caller, so that its errors are raised and its end is never skipped
        log_config=None,
        log_level="error",  # what it warns of are the faults of clients
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(drain),
        timeout_keep_alive=limits.idle_seconds,
        ws="none",
    )


class _Uvicorn(uvicorn.Server):
    """Uvicorn that leaves by our rules: its own re-raises the signal when done, which no caller's cleanup survives."""

    def __init__(self, config: uvicorn.Config, *, shutdown: Shutdown, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._shutdown = shutdown
        self._announce = announce

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGTERM, SIGINT and perhaps SIGHUP while serving."""
        with self._shutdown.on_signals():
            yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then say so."""
        await super().startup(sockets=sockets)
        self._announce()


def listening(address: str, port: int) -> socket.socket:
    """Return a socket that listens; raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=128)


def url_of(listener: socket.socket) -> str:
    """Return where a socket listens, as a URL without a path."""
    address, port = listener.getsockname()[:2]
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _announce(ready: Callable[[str], None] | None, listener: socket.socket, path: str) -> None:
    if ready is not None:
        ready(url_of(listener) + path)
