"""`cio-mcp` as a user has it: a process of its own, its pipes, its exit; every wait is bounded."""

import json
import os
import queue
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

ROOT = str(Path(__file__).parents[2])
COMMAND = (sys.executable, "-m", "cio_mcp")
PATIENCE = 60.0  # seconds; generous, because it only runs out when a test fails
PROMPTLY = 10.0  # for what a person waits for, on two busy cores

# Nothing of this machine's own settings; a ledger that no other test sees; buffered output, as a user's shell has it.
CLEAN: Mapping[str, str] = MappingProxyType(
    {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CUSTOMERIO_", "CIO_MCP_", "PYTHONIOENCODING", "PYTHONUNBUFFERED"))
    }
    | {"PYTHONPATH": ROOT, "COLUMNS": "100", "CIO_MCP_LEDGER": "memory"}
)
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test-client", "version": "9"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be JSON."""
        return json.loads(self.out)

    def sentence(self, code: int) -> str:
        """Return the one line that a command which could not run says, after checking that it says nothing else."""
        assert (self.code, self.out) == (code, ""), self
        assert re.fullmatch(r"cio-mcp: [^\n]+\n", self.err), self.err
        return self.err


def run(*arguments: str, env: Mapping[str, str] | None = None, given: bytes | None = None) -> Ended:
    """Run a command to its end; `given` is its standard input."""
    done = subprocess.run(  # noqa: S603 - our own program
        [*COMMAND, *arguments],
        env={**CLEAN, **(env or {})},
        stdin=subprocess.DEVNULL if given is None else None,
        input=given,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return Ended(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())


def run_unread(*arguments: str, env: Mapping[str, str] | None = None) -> Ended:
    """Run a command whose output nobody reads any more."""
    unread, output = os.pipe()
    os.close(unread)
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [*COMMAND, *arguments],
            env={**CLEAN, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    finally:
        os.close(output)
    return Ended(code=done.returncode, out="", err=done.stderr.decode())


class Running:
    """A command that runs: what it has written so far, and its end."""

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None, module: str = "cio_mcp") -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", module, *arguments],
            env={**CLEAN, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._grown = threading.Condition()
        self._threads = [
            threading.Thread(target=self._read, args=pipe, daemon=True)
            for pipe in ((self.process.stdout, self.out), (self.process.stderr, self.err))
        ]
        for thread in self._threads:
            thread.start()

    def wait_for(self, text: str) -> str:
        """Wait until a line with this text is written to either output, and return it."""

        def found() -> str | None:
            return next((line for line in [*self.out, *self.err] if text in line), None)

        with self._grown:
            assert self._grown.wait_for(lambda: found() is not None, PATIENCE), (self.out, self.err)
        line = found()
        assert line is not None
        return line

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one JSON line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def ask(
        self, request_id: int, method: str, params: Mapping[str, Any] | None = None, *, modern: bool = False
    ) -> Any:
        """Make a JSON-RPC request of either era and return its answer, which must be the next line."""
        meta = {"_meta": ENVELOPE} if modern else {}
        self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": {**(params or {}), **meta}})
        answer = json.loads(self._answers.get(timeout=PATIENCE))
        assert (answer["jsonrpc"], answer["id"]) == ("2.0", request_id)
        return answer

    def call(self, request_id: int, tool: str, arguments: Mapping[str, Any] | None = None, *, modern: bool) -> Any:
        """Call a tool and return the answer."""
        return self.ask(request_id, "tools/call", {"name": tool, "arguments": arguments or {}}, modern=modern)

    def handshake(self, version: str = "2025-11-25") -> Any:
        """Open the connection as clients before 2026-07-28 do, and return the server's answer."""
        info = {"name": "test-client", "version": "9"}
        answer = self.ask(0, "initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": info})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer["result"]

    def close_input(self) -> None:
        """End its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def end(self, signum: signal.Signals | None = None, *, within: float = PROMPTLY) -> Ended:
        """Wait for its end, after a signal if one is given."""
        if signum is not None:
            self.process.send_signal(signum)
        code = self.process.wait(within)
        for thread in self._threads:
            thread.join(PATIENCE)
        return Ended(code=code, out="".join(self.out), err="".join(self.err))

    def stop(self) -> None:
        """End the process, whatever it does."""
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

    def _read(self, pipe: Any, lines: list[str]) -> None:
        for line in pipe:
            with self._grown:
                lines.append(line.decode())
                self._grown.notify_all()
            if lines is self.out:
                self._answers.put(lines[-1])


@contextmanager
def running(*arguments: str, env: Mapping[str, str] | None = None, module: str = "cio_mcp") -> Iterator[Running]:
    """Run a command for the length of the block."""
    command = Running(*arguments, env=env, module=module)
    try:
        yield command
    finally:
        command.stop()


def exported(page: str) -> dict[str, str]:
    """Return the variables that the `export` lines of a page set, as a shell reads them."""
    words = [word for line in page.splitlines() for word in shlex.split(line) if line.strip().startswith("export ")]
    return dict(word.split("=", 1) for word in words if word != "export")
