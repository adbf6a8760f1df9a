"""A client of a stdio MCP server that costs next to nothing: lines of JSON-RPC, read and written without a loop."""

import json
import math
import subprocess
import threading
import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

KILL_AFTER = 300.0
_TICKS_PER_SECOND = 100  # Linux: USER_HZ, the unit of /proc/PID/stat
_CLIENT = {"name": "benchmark", "version": "1"}


class Era(Enum):
    """A generation of the protocol, by its version; the modern one has no handshake (MCP 2026-07-28)."""

    MODERN = "2026-07-28"
    LEGACY = "2025-11-25"


_ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": Era.MODERN.value,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": _CLIENT,
}


def enveloped(era: Era, params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters with what the era wants beside them."""
    return params | {"_meta": _ENVELOPE} if era is Era.MODERN else params


def cpu_seconds_of(process: int) -> float:
    """Return the processor time that a process has used so far, in steps of 10 ms; NaN where there is no /proc."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return math.nan
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / _TICKS_PER_SECOND


class StdioServer:
    """A server in a process of its own, killed `KILL_AFTER` seconds after its start if it still runs."""

    def __init__(self, command: Sequence[str], era: Era) -> None:
        self._era = era
        self._next_id = 0
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._watchdog = threading.Timer(KILL_AFTER, self._process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    def greet(self) -> None:
        """Make the handshake, in the era that has one."""
        if self._era is Era.MODERN:
            return
        hello = {"protocolVersion": self._era.value, "capabilities": {}, "clientInfo": _CLIENT}
        self.request("initialize", hello)
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send one request, wait for its answer and return the result."""
        self.send(method, params)
        return self.receive()[1]

    def send(self, method: str, params: dict[str, Any]) -> int:
        """Send one request and return its id."""
        self._next_id += 1
        self._write({"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": enveloped(self._era, params)})
        return self._next_id

    def receive(self) -> tuple[int, dict[str, Any]]:
        """Return the next answer as (id, result); raises RuntimeError for an error or the end of output."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "id" not in message:
                continue  # a notification
            if "result" not in message or message["result"].get("isError"):
                raise RuntimeError(f"{self._process.args!r} answered {line.decode()[:500]}")
            return message["id"], message["result"]
        raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()} instead of answering")

    def end(self) -> float:
        """End the server's input and return the seconds until it has exited."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        began = time.perf_counter()
        self._process.stdin.close()
        self._process.wait()
        self._watchdog.cancel()
        self._process.stdout.close()
        return time.perf_counter() - began

    def cpu_seconds(self) -> float:
        """Return the processor time used so far, in steps of 10 ms; NaN where there is no /proc."""
        return cpu_seconds_of(self._process.pid)

    def resident_megabytes(self) -> float:
        """Return the resident memory in units of 10^6 bytes; NaN where there is no /proc."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return math.nan
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        self._process.stdin.flush()
