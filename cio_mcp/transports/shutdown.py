"""Leaving in time, whatever the rest of the process is doing."""

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Self

import anyio

# Clients send SIGTERM two seconds after closing stdin and SIGKILL two seconds later (MCP specification,
# "Lifecycle", Shutdown; the Python and TypeScript SDKs wait two seconds each): a second cause must be quick.
_HURRY = 1.5

if sys.platform == "win32":
    _SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK)
else:
    _SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Shutdown:
    """One decision to stop, taken from any thread, and the guarantee that the process then ends within `budget` s.

    `patience` is the cancel scope in which to wait for calls in flight: it expires a fifth of the budget (at most a
    second) before the end, so that what was cancelled can still record how it ended. A thread of its own keeps the
    guarantee: an event loop that is stuck in a handler, or a worker thread that never returns, cannot defeat it.
    """

    def __init__(self, *, budget: float) -> None:
        self.requested = anyio.Event()
        self.patience = anyio.CancelScope()
        self.exit_code = 0
        self._budget = budget
        self._deadline: float | None = None
        self._released = False
        self._signalled = False
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        # Signals and other threads both knock here. Python's C-level handler may only write to a descriptor, and
        # on Windows only to a socket.
        self._knocking, self._door = socket.socketpair()
        self._knocking.setblocking(False)
        threading.Thread(target=self._watch, name="shutdown", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        """Let go of the process, unless its end has begun: then that still comes in time."""
        self._released = self._deadline is None
        self._knock()

    @property
    def remaining(self) -> float:
        """Seconds until the process ends; the whole budget while nothing has asked it to."""
        return self._budget if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def begin(self, exit_code: int, *, within: float | None = None) -> None:
        """Ask for the end, from any thread; the first cause sets the exit code, a later one may bring it nearer."""
        with self._lock:
            if self._deadline is None:
                self.exit_code = exit_code
                self._deadline = time.monotonic() + self._budget
            elif within is not None or self._signalled:
                # A client that closes stdin and then signals may be seen to do so in the other order.
                self._deadline = min(self._deadline, time.monotonic() + (within or _HURRY))
        self._knock()
        with suppress(RuntimeError):  # the loop is closed: there is nobody left to tell
            self._loop.call_soon_threadsafe(self._announce)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Begin on SIGTERM (exit code 0) and SIGINT (130, as shells have it); a second signal leaves 1.5 seconds.

        Outside the main thread Python delivers no signals, and none are taken.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # The byte goes to the watching thread, not through the loop: a stuck loop could not read it.
        previous_fd = signal.set_wakeup_fd(self._knocking.fileno(), warn_on_full_buffer=False)
        previous = {signum: signal.signal(signum, _already_told) for signum in _SIGNALS}
        try:
            yield
        finally:
            for signum, handler in previous.items():
                signal.signal(signum, handler)
            signal.set_wakeup_fd(previous_fd)

    def _announce(self) -> None:
        remaining = self.remaining
        self.patience.deadline = self._loop.time() + remaining - min(1.0, remaining / 5)
        self.requested.set()

    def _knock(self) -> None:
        with suppress(OSError):  # full: the thread has enough to wake up for
            self._knocking.send(b"\0")

    def _watch(self) -> None:
        while self._deadline is None or self.remaining > 0:
            if self._released:
                self._knocking.close()
                self._door.close()
                return
            self._door.settimeout(None if self._deadline is None else max(self.remaining, 0.001))
            with suppress(TimeoutError):
                for signum in self._door.recv(64):
                    if signum in _SIGNALS:
                        self._signalled = True  # before: the end of input may be noticed at this very moment
                        self.begin(130 if signum == signal.SIGINT else 0, within=_HURRY)
        with suppress(OSError):
            os.write(2, b"cio-mcp: leaving with calls unfinished, the time to stop is over\n")
        os._exit(self.exit_code)


def _already_told(_signum: int, _frame: FrameType | None) -> None:
    """Do nothing: the byte on the wakeup descriptor has said it."""
