"""A private Redis or Valkey server for the tests: on a loopback port, in its own directory, not persistent."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.ports import free_port

_DEADLINE = 10.0


def program() -> str:
    """Return the program of the server; skips the test where there is none, but not in CI."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return found or missing("neither redis-server nor valkey-server is on PATH")


def missing(what: str) -> str:
    """Skip the test for want of something; fail in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


class RedisServer:
    """A server that can be killed, started again on the same port, and frozen."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "dir": self._directory, "daemonize": "no"}
        command = [program(), *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - looked up
        deadline = time.monotonic() + _DEADLINE
        while not self._answers():
            assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once, and everything it held with it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(_DEADLINE)
            self._process = None

    def freeze(self) -> None:
        """Let it stand still; connections stay, and what is sent waits."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
