"""The whole program under fuzz, as a process: its sandbox inside, nothing that would make calls wait."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
_LIMITS = {f"CIO_MCP_LIMIT_{name}": "10000/1" for name in ("APP", "EMAIL", "TRANSACTIONAL", "BROADCAST", "TRACK")}
HANG = 5.0
"""Seconds after which a frame without the answer that it is owed counts as hung."""


class Program:
    """`cio-mcp serve --sandbox`, with what it says on standard error."""

    def __init__(self, home: str, *arguments: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CIO_MCP_", "CUSTOMERIO_"))}
        environment = kept | _LIMITS | {"CIO_MCP_LEDGER": "memory", "XDG_STATE_HOME": home, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "cio_mcp", "serve", "--sandbox", "--log-level", "error", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        self.errors: list[str] = []
        self._listening = threading.Condition()
        self._reading = threading.Thread(target=self._read_errors, daemon=True)
        self._reading.start()

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def port(self) -> int:
        """Wait until it listens, and return where."""

        def said() -> "re.Match[str] | None":
            return next(filter(None, (re.search(r"http://127\.0\.0\.1:(\d+)/mcp", line) for line in self.errors)), None)

        with self._listening:
            assert self._listening.wait_for(said, 30), self.errors
        found = said()
        assert found
        return int(found[1])

    def stop(self) -> None:
        """End it, whatever it does."""
        if self.is_alive:
            self.process.kill()
        self.process.wait(30)
        self._reading.join(30)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._listening:
                self.errors = [*self.errors[-200:], line.decode("utf-8", "replace").rstrip()]
                self._listening.notify_all()


@contextmanager
def program(*arguments: str) -> Iterator[Program]:
    """Run it for one round."""
    with TemporaryDirectory(prefix="cio-mcp-fuzz-") as home:
        running = Program(home, *arguments)
        try:
            yield running
        finally:
            running.stop()
