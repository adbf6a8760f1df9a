"""Leaving in time, whatever the rest of the process is doing."""

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Self

import anyio

# Clients send SIGTERM two seconds after closing stdin and SIGKILL two seconds later (MCP specification,
# "Lifecycle", Shutdown; the Python and TypeScript SDKs wait two seconds each): a second cause must be quick.
_HURRY = 1.5

if sys.platform == "win32":
    _SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK)
    _HANGUPS: tuple[signal.Signals, ...] = ()
else:
    _SIGNALS = (signal.SIGINT, signal.SIGTERM)
    _HANGUPS = (signal.SIGHUP,)


def _nothing() -> None:
    """Do nothing."""


class Shutdown:
    """One decision to stop, taken from any thread, and the guarantee that the process then ends in time.

    That is within `budget` seconds, or within `after_signal` if a signal is the cause. `patience` is the cancel scope
    in which to wait for calls in flight: it expires a fifth of the time (at most a second) before the end, so that what
    was cancelled can still record how it ended. A moment before that, `give_up` is called on the event loop: what waits
    for an answer of somebody else can end by itself then, and be answered. `depart` is called there as soon as the end
    is asked for, perhaps more than once: what need not go on waiting at all can be answered at once. A thread of its
    own keeps the guarantee: an event loop that is stuck in a handler, or a worker thread that never returns, cannot
    defeat it.

    The signals of a process are heard at one place alone. So SIGHUP is heard here too where `on_hangup` is given, which
    is called on the event loop then; else, and where there is no such signal, it is left to the system.
    """

    def __init__(
        self,
        *,
        budget: float,
        after_signal: float,
        depart: Callable[[], None] = _nothing,
        give_up: Callable[[], None] = _nothing,
        on_hangup: Callable[[], None] | None = None,
    ) -> None:
        self.requested = anyio.Event()
        self.patience = anyio.CancelScope()
        self.exit_code = 0
        self._budget = budget
        self._after_signal = after_signal
        self._depart = depart
        self._give_up = give_up
        self._on_hangup = on_hangup
        self._giving_up: asyncio.TimerHandle | None = None
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

    def begin(self, exit_code: int, *, signalled: bool = False) -> None:
        """Ask for the end, from any thread; the first cause sets the exit code, a later one may bring it nearer."""
        with self._lock:
            if self._deadline is None:
                self.exit_code = exit_code
                self._deadline = time.monotonic() + (self._after_signal if signalled else self._budget)
            elif signalled or self._signalled:
                # A client that closes stdin and then signals may be seen to do so in the other order.
                self._deadline = min(self._deadline, time.monotonic() + _HURRY)
            self._signalled |= signalled
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
        heard = _SIGNALS + (_HANGUPS if self._on_hangup else ())
        previous = {signum: signal.signal(signum, _already_told) for signum in heard}
        try:
            yield
        finally:
            for signum, handler in previous.items():
                signal.signal(signum, handler)
            signal.set_wakeup_fd(previous_fd)

    def _announce(self) -> None:
        remaining = self.remaining
        spare = min(1.0, remaining / 5)
        self.patience.deadline = self._loop.time() + remaining - spare
        if self._giving_up:
            self._giving_up.cancel()
        self._giving_up = self._loop.call_at(self.patience.deadline - spare / 4, self._give_up)
        self.requested.set()
        self._depart()

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
                    self._hear(signum)
        with suppress(OSError):
            os.write(2, b"cio-mcp: leaving with calls unfinished, the time to stop is over\n")
        os._exit(self.exit_code)

    def _hear(self, signum: int) -> None:
        if signum in _SIGNALS:
            self.begin(130 if signum == signal.SIGINT else 0, signalled=True)
        elif signum in _HANGUPS and self._on_hangup:
            with suppress(RuntimeError):  # as in `begin`
                self._loop.call_soon_threadsafe(self._on_hangup)


def _already_told(_signum: int, _frame: FrameType | None) -> None:
    """Do nothing: the byte on the wakeup descriptor has said it."""
