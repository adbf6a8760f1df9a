"""Clients of an HTTP MCP server that cost next to nothing: sockets kept open, requests written beforehand."""

import json
import re
import selectors
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rounds import Sample, Take
from stdio_client import KILL_AFTER, Era, cpu_seconds_of, enveloped

_URL = re.compile(r"http://127\.0\.0\.1:(\d+)/mcp")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n")
_PATIENCE = 60.0
"""Seconds for the slowest answer, and for a start."""


class HttpServer:
    """A server in a process of its own that says its URL on standard error; killed after `KILL_AFTER` seconds."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._watchdog = threading.Timer(KILL_AFTER, self._process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()
        assert self._process.stderr is not None
        found = next((match for line in self._process.stderr if (match := _URL.search(line))), None)
        if found is None:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()} instead of serving")
        self.port = int(found[1])
        self._draining = threading.Thread(target=self._drain, daemon=True)
        self._draining.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stderr is not None
        self._process.terminate()
        self._process.wait()
        self._watchdog.cancel()
        self._draining.join()
        self._process.stderr.close()

    def cpu_seconds(self) -> float:
        """Return the processor time used so far, in steps of 10 ms; NaN where there is no /proc."""
        return cpu_seconds_of(self._process.pid)

    def _drain(self) -> None:
        assert self._process.stderr is not None
        for _ in self._process.stderr:
            continue


def over_http(
    server: HttpServer, era: Era, tool: str, arguments: Mapping[str, Any], *, token: str | None = None
) -> Take:
    """Call a tool of a running server from as many clients as are at once, each on a connection that it keeps."""
    request = _request(server.port, era, tool, arguments, token)

    def take(calls: int, at_once: int) -> Sample:
        clients = [_Client(server.port, request) for _ in range(min(at_once, calls))]
        with selectors.DefaultSelector() as selector:
            for client in clients:
                selector.register(client.sock, selectors.EVENT_READ, client)
            cpu, began = server.cpu_seconds(), time.perf_counter()
            latencies = _answered(selector, clients, calls)
            wall = time.perf_counter() - began
        for client in clients:
            client.sock.close()
        return Sample(latencies=latencies, wall=wall, cpu=server.cpu_seconds() - cpu)

    return take


def _answered(selector: selectors.BaseSelector, clients: "Sequence[_Client]", calls: int) -> list[float]:
    latencies: list[float] = []
    for client in clients:
        client.ask()
    asked = len(clients)
    while len(latencies) < calls:
        ready = selector.select(_PATIENCE)
        if not ready:
            raise RuntimeError(f"no answer within {_PATIENCE} s")
        for key, _ in ready:
            client = key.data
            took = client.read()
            if took is None:
                continue
            latencies.append(took)
            if asked < calls:
                client.ask()
                asked += 1
    return latencies


class _Client:
    """One connection with at most one request under way."""

    def __init__(self, port: int, request: bytes) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        self._request = request
        self._sent = 0.0
        self._held = b""

    def ask(self) -> None:
        """Send the request."""
        self._held = b""
        self._sent = time.perf_counter()
        self.sock.sendall(self._request)

    def read(self) -> float | None:
        """Read what has come; return the seconds it took if that was the rest of an answer."""
        more = self.sock.recv(1 << 16)
        self._held += more
        head, mark, body = self._held.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n") if mark else None
        if more and not (mark and length and len(body) >= int(length[1])):
            return None
        took = time.perf_counter() - self._sent
        if not head.startswith(b"HTTP/1.1 200") or b'"result"' not in body or b'"isError":true' in body:
            raise RuntimeError(f"answered {self._held[:1000]!r}")
        return took


def _request(port: int, era: Era, tool: str, arguments: Mapping[str, Any], token: str | None) -> bytes:
    params = enveloped(era, {"name": tool, "arguments": dict(arguments)})
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    body = json.dumps(message, separators=(",", ":")).encode()
    headers = {
        "Host": f"127.0.0.1:{port}",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "MCP-Protocol-Version": era.value,
    }
    if era is Era.MODERN:
        headers |= {"Mcp-Method": "tools/call", "Mcp-Name": tool}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body
