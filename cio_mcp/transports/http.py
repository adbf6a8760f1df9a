"""Streamable HTTP on a loopback address, in both protocol eras."""

import ipaddress
import math
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import anyio
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cio_mcp.transports.leaks import guard_against_leaks
from cio_mcp.transports.shutdown import Shutdown

_PATH = "/mcp"
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_HTTP_PORT = 80  # a client leaves it out of Host and Origin (RFC 9110, section 7.2)


async def serve_http(
    server: Server[Any],
    *,
    host: str,
    port: int,
    allowed_hosts: Sequence[str] = (),
    allowed_origins: Sequence[str] = (),
    ready: Callable[[str], None] | None = None,
    drain: float = 10.0,
    give_up: Callable[[], None] = lambda: None,
) -> None:
    """Serve over streamable HTTP at `/mcp` until SIGTERM, SIGINT or cancellation.

    `host` is a loopback address or `localhost`; port 0 picks a free one. `ready` is called with the URL once it is
    listened on. A request whose Host header names something else than this address is answered 421, one from a
    foreign Origin 403; `allowed_hosts` ("name:port") and `allowed_origins` ("https://name") add to the lists, for a
    proxy in front. After a signal requests in flight may finish, and the process ends within `drain` seconds, even
    if a body is half sent; shortly before, `give_up` is called, which makes calls end that wait for somebody else.

    Raises `ValueError` for a host that is not loopback, `OSError` if the port is taken.
    """
    address = _loopback_address(host)
    guard_against_leaks(server)
    with _listen(address, port) as listener:
        bound = listener.getsockname()[1]
        app = server.streamable_http_app(
            json_response=True,
            stateless_http=True,
            streamable_http_path=_PATH,
            transport_security=_security(bound, allowed_hosts, allowed_origins),
        )
        endpoint = _Endpoint(app)
        # What does not finish in time is ended here; uvicorn would cancel its tasks, and log each as an exception.
        config = uvicorn.Config(
            endpoint,
            access_log=False,
            lifespan="off",  # entered here, so that its errors are raised and its end is never skipped
            log_config=None,
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=math.ceil(drain),
            ws="none",
        )
        with Shutdown(budget=drain, after_signal=drain, give_up=give_up) as shutdown:
            announce = partial(_announce, ready, address, bound)
            async with app.router.lifespan_context(app):
                await _run(_Uvicorn(config, shutdown=shutdown, announce=announce), endpoint, shutdown, listener)


class _Endpoint:
    """ASGI middleware for a server without sessions: POST only, and no stream outlives the decision to stop.

    A client's GET asks for a stream of messages outside of any request, and there are none (405, as the MCP
    specification 2025-11-25, "Transports", has it). What streams there are (subscriptions/listen) last as long as
    their client likes, so waiting for them would spend the whole time to stop.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._requests: set[anyio.CancelScope] = set()
        self._streams: set[anyio.CancelScope] = set()

    def end_streams(self) -> None:
        """End every event stream that is open."""
        for stream in self._streams:
            stream.cancel()

    def end_requests(self) -> None:
        """End every request; one without an answer is answered 503."""
        for request in self._requests:
            request.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] != "POST":
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
            return
        served = anyio.CancelScope()
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start" and _is_event_stream(message):
                self._streams.add(served)
            await send(message)

        self._requests.add(served)
        try:
            with served:
                await self._app(scope, receive, watch)
        finally:
            self._requests.discard(served)
            self._streams.discard(served)
        if served.cancelled_caught and begun:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif served.cancelled_caught:
            await Response("The server is stopping", 503)(scope, receive, send)


class _Uvicorn(uvicorn.Server):
    """Uvicorn that leaves by our rules: its own re-raises the signal when done, which no caller's cleanup survives."""

    def __init__(self, config: uvicorn.Config, *, shutdown: Shutdown, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._shutdown = shutdown
        self._announce = announce

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT while serving."""
        with self._shutdown.on_signals():
            yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then say so."""
        await super().startup(sockets=sockets)
        self._announce()


async def _run(uvicorn_server: _Uvicorn, endpoint: _Endpoint, shutdown: Shutdown, listener: socket.socket) -> None:
    async def stop_in_time() -> None:
        try:
            await shutdown.requested.wait()
        finally:  # also when cancelled from outside: uvicorn leaves sockets and requests behind if it is
            endpoint.end_streams()
            uvicorn_server.should_exit = True
        with shutdown.patience:
            await anyio.sleep_forever()
        endpoint.end_requests()

    async with anyio.create_task_group() as stopping:
        stopping.start_soon(stop_in_time)
        with anyio.CancelScope(shield=True):
            await uvicorn_server.serve(sockets=[listener])
        stopping.cancel_scope.cancel()


def _is_event_stream(start: Message) -> bool:
    return any(name == b"content-type" and b"text/event-stream" in value for name, value in start["headers"])


def _loopback_address(host: str) -> str:
    name = host.removeprefix("[").removesuffix("]")
    if name == "localhost":
        return "127.0.0.1"
    try:
        if ipaddress.ip_address(name).is_loopback:
            return name
    except ValueError:
        pass
    raise ValueError(
        f"{host!r} is not a loopback address. Over HTTP nobody is asked who they are, so only this machine may "
        "reach the server: use 127.0.0.1, and for other machines a proxy on this one that authenticates its users."
    )


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=128)


def _security(port: int, hosts: Sequence[str], origins: Sequence[str]) -> TransportSecuritySettings:
    suffixes = (f":{port}", "") if port == _HTTP_PORT else (f":{port}",)
    own = [name + suffix for name in _LOOPBACK_NAMES for suffix in suffixes]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[*own, *hosts],
        allowed_origins=[*(f"http://{name}" for name in own), *origins],
    )


def _announce(ready: Callable[[str], None] | None, address: str, port: int) -> None:
    if ready is not None:
        ready(f"http://[{address}]:{port}{_PATH}" if ":" in address else f"http://{address}:{port}{_PATH}")
