"""The sandbox on a loopback port: inside an event loop, or in a thread for programs that have none."""

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from typing import Any

import anyio
import uvicorn
from starlette.types import ASGIApp

from cio_mcp.sandbox.app import Sandbox, create_app

_START_TIMEOUT = 30.0
_GRACE = 0.5  # for answers under way when the server stops; then their connections are cut
_FORCED = 3

Certificate = tuple[str | PathLike[str], str | PathLike[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSandbox:
    """A sandbox that listens: its base URL (no trailing slash) and the application, whose state can be read."""

    url: str
    app: Sandbox


async def serve(
    app: ASGIApp,
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[str], None] | None = None,
    *,
    certificate: Certificate | None = None,
) -> None:
    """Serve until cancelled; `ready` is called with the base URL once connections are accepted.

    Port 0 picks a free port. A host that is not loopback is refused with ValueError. `certificate` is
    (certificate file, key file) and makes it https. Nothing is written to stdout, and signals are left to the caller.
    """
    listener = _listen(host, port)
    url = _url(listener, secure=certificate is not None)
    server = _Server(_config(app, certificate), (lambda: ready(url)) if ready is not None else None)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(task)
    finally:
        server.should_exit = True
        with anyio.CancelScope(shield=True):
            await task
        listener.close()


@contextlib.contextmanager
def running_sandbox(*, certificate: Certificate | None = None, **settings: Any) -> Iterator[RunningSandbox]:
    """Run a sandbox in a daemon thread for the length of the block; `settings` are those of `create_app`."""
    app = create_app(**settings)
    listener = _listen("127.0.0.1", 0)
    accepting = threading.Event()
    server = _Server(_config(app, certificate), accepting.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
    url = _url(listener, secure=certificate is not None)
    thread.start()
    try:
        if not accepting.wait(_START_TIMEOUT):
            raise RuntimeError("the sandbox did not start")
        yield RunningSandbox(url=url, app=app)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


class _Server(uvicorn.Server):
    """Uvicorn without signal handlers, that cuts what is still hanging shortly after it was told to stop."""

    def __init__(self, config: uvicorn.Config, accepting: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._accepting = accepting

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self._accepting is not None:
            self._accepting()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(_GRACE, self._cut)
        await super().shutdown(sockets=sockets)

    def _cut(self) -> None:
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()


def _config(app: ASGIApp, certificate: Certificate | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,  # the sandbox has a clock of its own
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=_FORCED,
        ssl_certfile=certificate[0] if certificate else None,
        ssl_keyfile=certificate[1] if certificate else None,
    )


def _listen(host: str, port: int) -> socket.socket:
    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    if not address.is_loopback:
        raise ValueError("the sandbox listens on loopback addresses alone")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET  # noqa: PLR2004 - IPv6
    # Named IPPROTO_TCP, so that asyncio sets TCP_NODELAY on what it accepts: otherwise each answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((str(address), port))
        listener.listen(socket.SOMAXCONN)
    except OSError:
        listener.close()
        raise
    return listener


def _url(listener: socket.socket, *, secure: bool) -> str:
    host, port = listener.getsockname()[:2]
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
