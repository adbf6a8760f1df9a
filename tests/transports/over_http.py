"""`http_server.py` as a process, and sockets to it that say exactly what a test wants said; every wait is bounded."""

import http.client
import json
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.transports.served import PATIENCE, Served, served

PROGRAM = str(Path(__file__).with_name("http_server.py"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: its headers by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON and say so."""
        assert self.headers["content-type"].startswith("application/json"), self
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """What an error says."""
        said: str = self.json["error"]["message"]
        return said


def head(method: str, path: str, headers: Mapping[str, str | None]) -> bytes:
    """Write a request line and headers; None leaves one out."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def answer(sock: socket.socket, method: str = "POST") -> Answer:
    """Read one answer."""
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    body = response.read()
    return Answer(
        status=response.status, headers={name.lower(): value for name, value in response.getheaders()}, body=body
    )


class OverHttp:
    """A running server and ways to reach it."""

    def __init__(self, server: Served) -> None:
        self.server = server
        self.url = server.wait_for_error("http://")
        self.port = urlsplit(self.url).port or 0
        self.authority = f"127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        """Open one connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def usual(self, **headers: str | None) -> dict[str, str | None]:
        """Return the headers of an MCP client, with others in their place; `_` in a name stands for `-`."""
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        accept = "application/json, text/event-stream"
        return {"host": self.authority, "accept": accept, "content-type": "application/json"} | own

    def send(self, sock: socket.socket, body: object, path: str = "/mcp", **headers: str | None) -> None:
        """Send a POST and leave its answer to be read."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sock.sendall(head("POST", path, self.usual(content_length=str(len(data)), **headers)) + data)

    def post(self, body: object, path: str = "/mcp", **headers: str | None) -> Answer:
        """Send a POST on a connection of its own and read the answer."""
        with self.connect() as sock:
            self.send(sock, body, path, **headers)
            return answer(sock)

    def get(self, path: str, method: str = "GET", **headers: str | None) -> Answer:
        """Ask for a path on a connection of its own."""
        with self.connect() as sock:
            sock.sendall(head(method, path, {"host": self.authority} | headers))
            return answer(sock, method)

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> None:
        """Ask the process to end."""
        self.server.process.send_signal(signum)


@contextmanager
def over_http(**settings: Any) -> Iterator[OverHttp]:
    """Run the server for one test."""
    with served(json.dumps(settings), program=PROGRAM) as server:
        yield OverHttp(server)


def is_closed(sock: socket.socket, within: float) -> bytes:
    """Wait until the other side closes and return what came before; `TimeoutError` if it does not."""
    sock.settimeout(within)
    with closing(sock.makefile("rb")) as stream:
        try:
            return stream.read()
        except ConnectionResetError:
            return b""
