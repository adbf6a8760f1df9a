"""Frames as the bodies of requests, and heads with a byte or two amiss."""

import http.client
import json
import random
import socket
import threading
from collections.abc import Sequence
from itertools import islice

from tests.fuzz.frames import METHODS, MUTATIONS, TOOLS, VERSIONS, Frames
from tests.fuzz.owed import owed
from tests.fuzz.server import HANG, Program, program

_CLIENTS = 4
_SPOILED_HEADS = 0.01
_GLANCE = 0.05
"""Seconds to wait for the answer to a head that may never be whole."""


class _Client(threading.Thread):
    """One connection at a time, kept while it is good; the first problem ends it."""

    def __init__(self, port: int, frames: Sequence[bytes], seed: str) -> None:
        super().__init__(daemon=True)
        self.problem = ""
        self._port = port
        self._frames = frames
        self._random = random.Random(seed)  # noqa: S311 - chance, not secrecy
        self._sock: socket.socket | None = None

    def run(self) -> None:
        """Send all frames."""
        for frame in self._frames:
            try:
                self.problem = self._spoiled(frame) if self._random.random() < _SPOILED_HEADS else self._sent(frame)
            except (OSError, http.client.HTTPException) as error:
                self.problem = f"{type(error).__name__}: {error}"
            if self.problem:
                self.problem = f"{self.problem} for {frame[:300]!r}"
                return
        self._hang_up()

    def _sent(self, frame: bytes) -> str:
        sock = self._connected()
        sock.sendall(self._head(len(frame)) + frame)
        response = http.client.HTTPResponse(sock, method="POST")
        response.begin()
        body = response.read()
        if response.will_close:
            self._hang_up()
        return judged(frame, response.status, response.getheader("content-type") or "", body)

    def _spoiled(self, frame: bytes) -> str:
        """Send a head that may never be whole, and see nothing but an HTTP answer, or none."""
        whole = self._head(len(frame)) + frame
        for _ in range(self._random.randrange(1, 4)):
            whole = self._random.choice(MUTATIONS)(self._random, whole)
        self._hang_up()
        sock = self._connected()
        sock.settimeout(_GLANCE)
        try:
            sock.sendall(whole)
            said = sock.recv(4096)
        except OSError:
            said = b""
        self._hang_up()
        return "" if said == b"" or said.startswith(b"HTTP/1.1 ") else f"not HTTP: {said[:100]!r}"

    def _head(self, length: int) -> bytes:
        version = self._random.choice((None, "2025-11-25", "2026-07-28", *VERSIONS))
        more = [f"MCP-Protocol-Version: {version}"] if version is not None else []
        if self._random.random() < 0.5:
            more.append(f"Mcp-Method: {self._random.choice(METHODS[:15])}")
        if self._random.random() < 0.5:
            more.append(f"Mcp-Name: {self._random.choice(TOOLS)}")
        lines = [
            "POST /mcp HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            "Accept: application/json, text/event-stream",
            "Content-Type: application/json",
            f"Content-Length: {length}",
        ]
        return "\r\n".join([*lines, *more, "", ""]).encode()

    def _connected(self) -> socket.socket:
        if self._sock is None:
            self._sock = socket.create_connection(("127.0.0.1", self._port), timeout=HANG)
        return self._sock

    def _hang_up(self) -> None:
        if self._sock:
            self._sock.close()
            self._sock = None


def judged(frame: bytes, status: int, content_type: str, body: bytes) -> str:
    """Return what is wrong with the one answer that a request has got."""
    due = owed(frame)
    if status == 202 and not body:
        return f"accepted without an answer, owed {due.ids}" if due.ids else ""
    if not content_type.startswith("application/json"):
        return f"{status} with {content_type!r}"
    said = json.loads(body)
    answers = said if isinstance(said, list) else [said]
    if status >= 500 and any("result" in answer for answer in answers):
        return f"{status} with a result"
    ids = [answer["id"] for answer in answers if answer["id"] is not None]
    if due.unsure or (status >= 400 and not ids):
        return ""  # refused as a whole: HTTP itself tells which request is meant
    return "" if sorted(map(str, ids)) == sorted(map(str, due.ids)) else f"answered {ids}, owed {due.ids}"


def fuzz_http(number: int, seed: int) -> None:
    """Send frames to one server; `AssertionError` names the seed and what went wrong."""
    with program("--http", "0") as server:
        port = server.port()
        share = -(-number // _CLIENTS)
        frames = list(islice(Frames(seed), number))
        clients = [_Client(port, frames[n * share : (n + 1) * share], f"{seed}-{n}") for n in range(_CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
            assert not client.problem, f"http, seed {seed}: {client.problem}"
        _still_serves(server, port)


def _still_serves(server: Program, port: int) -> None:
    assert server.is_alive, server.errors[-5:]
    assert not any("Traceback" in line for line in server.errors), server.errors[-20:]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG)
    connection.request("GET", "/health/ready")
    assert connection.getresponse().read() == b'{"status":"ok"}'
    connection.close()
