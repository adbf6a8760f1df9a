"""`echo_server.py` as a process, and the client's end of its pipes; every wait is bounded."""

import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

SERVER = str(Path(__file__).with_name("echo_server.py"))
ROOT = str(Path(__file__).parents[2])
PATIENCE = 20.0  # seconds; generous, because it only runs out when a test fails

ENVELOPE = MappingProxyType(
    {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    }
)


def request(request_id: Any, method: str, params: dict[str, Any] | None = None, *, modern: bool = False) -> Any:
    """Make a request of either era."""
    params = dict(params or {})
    if modern:
        params["_meta"] = {**ENVELOPE, **params.get("_meta", {})}
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def call(request_id: Any, tool: str, *, modern: bool = False, **arguments: Any) -> Any:
    """Make a tools/call request of either era."""
    return request(request_id, "tools/call", {"name": tool, "arguments": arguments}, modern=modern)


def initialize(request_id: Any = 0, version: str = "2025-11-25", **capabilities: Any) -> Any:
    """Make the handshake's first request."""
    info = {"name": "test", "version": "1"}
    params = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": info}
    return request(request_id, "initialize", params)


INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


class Served:
    """A running server: its pipes or sockets, what it wrote to standard error, its exit."""

    def __init__(
        self, *arguments: str, program: str = SERVER, over_sockets: bool = False, unread: bool = False
    ) -> None:
        self.process = (_start_over_sockets if over_sockets else _start_over_pipes)(
            [sys.executable, program, *arguments], os.environ | {"PYTHONPATH": ROOT}
        )
        self.lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.errors: list[str] = []
        self._more_errors = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._start(self._read_errors)
        if not unread:
            self.read()

    def read(self) -> None:
        """Begin to read, after a start with `unread`."""
        self._start(self._read_lines)

    def send(self, message: Any) -> None:
        """Write one line."""
        assert self.process.stdin is not None
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.process.stdin.write(data + b"\n")
        self.process.stdin.flush()

    def receive(self) -> Any:
        """Read one line, which must be JSON; `EOFError` at the end of output."""
        line = self.lines.get(timeout=PATIENCE)
        if not line:
            raise EOFError
        return json.loads(line)

    def ask(self, message: Any) -> Any:
        """Send one line and read one."""
        self.send(message)
        return self.receive()

    def rest(self) -> list[Any]:
        """Read to the end of output."""
        messages = []
        while line := self.lines.get(timeout=PATIENCE):
            messages.append(json.loads(line))
        return messages

    def handshake(self, **capabilities: Any) -> None:
        """Open the connection as clients before 2026-07-28 do."""
        assert "result" in self.ask(initialize(**capabilities))
        self.send(INITIALIZED)

    def close_stdin(self) -> None:
        """End the input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def wait(self) -> int:
        """Wait for the exit and return the code."""
        code = self.process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        return code

    def wait_for_error(self, text: str) -> str:
        """Wait until a line with this text is on standard error and return it."""

        def found() -> str | None:
            return next((line for line in self.errors if text in line), None)

        with self._more_errors:
            assert self._more_errors.wait_for(lambda: found() is not None, PATIENCE), self.errors
        line = found()
        assert line is not None
        return line

    def stop(self) -> None:
        """End the process whatever it does, and close its pipes."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _read_lines(self) -> None:
        assert self.process.stdout is not None
        try:
            for line in self.process.stdout:
                self.lines.put(line)
        except ValueError:  # closed by a test
            return
        self.lines.put(b"")

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._more_errors:
                self.errors.append(line.decode().rstrip())
                self._more_errors.notify_all()


def _start_over_pipes(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - our own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )


def _start_over_sockets(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Do as libuv does, and so every client on Node.js: a pair of sockets for each stream."""
    our_in, their_in = socket.socketpair()
    our_out, their_out = socket.socketpair()
    with our_in, their_in, our_out, their_out:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=their_in.fileno(), stdout=their_out.fileno(), stderr=subprocess.PIPE, env=environment
        )
        process.stdin, process.stdout = our_in.makefile("wb"), our_out.makefile("rb")
    return process


@contextmanager
def served(
    *arguments: str, program: str = SERVER, over_sockets: bool = False, unread: bool = False
) -> Iterator[Served]:
    """Run the server for one test."""
    server = Served(*arguments, program=program, over_sockets=over_sockets, unread=unread)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def takes_at_most(seconds: float) -> Iterator[None]:
    """Fail if the block takes longer."""
    start = time.monotonic()
    yield
    elapsed = time.monotonic() - start
    assert elapsed <= seconds, f"took {elapsed:.2f} s"
