"""The process's two pipes, read and written by a thread each.

Threads, because nothing else reads a pipe, a file, a terminal and a Windows handle alike, and because a client that
does not read must not stop the event loop. They are daemons: a blocked read cannot hold up the exit.
"""

import asyncio
import os
import queue
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import anyio

if sys.platform == "win32":
    from mcp.os.win32.utilities import rebind_std_handle_to_fd

_CHUNK = 64 * 1024  # bytes a read, the size of a Linux pipe
_READ_AHEAD = 4  # chunks read and not yet looked at
_BACKLOG = 8 * 1024 * 1024  # bytes of answers the client has not taken before its requests are left waiting


def take_standard_streams() -> tuple[int, int]:
    """Take the client's pipes for good and return them as (input, output) descriptors.

    From here on descriptor 0 is empty and descriptor 1 is standard error: what a handler, a library, a child process
    or the interpreter's last flush prints never reaches the client. They are not given back.
    """
    _fill_closed_standard_descriptors()
    wire_in, wire_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for fd in (0, 1):
        if sys.platform == "win32":
            with suppress(OSError):
                rebind_std_handle_to_fd(fd)  # child processes inherit the handle, not the descriptor
    if sys.platform != "win32":
        os.set_blocking(wire_in, True)  # some parents hand over descriptors that do not block
        os.set_blocking(wire_out, True)
    return wire_in, wire_out


def _fill_closed_standard_descriptors() -> None:
    # Started without one of them, the duplicate of another would take its number, and be written to as if it was it.
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - the three standard descriptors
        pass
    os.close(fd)


class Inbox:
    """Chunks of bytes from a descriptor; `on_end` is called from the reading thread when there are no more.

    `ended` turns true before anything that `on_end` schedules on the event loop runs.
    """

    def __init__(self, fd: int, *, on_end: Callable[[], None]) -> None:
        self.ended = False
        self._fd = fd
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._credit = threading.Semaphore(_READ_AHEAD)
        self._send, self._receive = anyio.create_memory_object_stream[bytes](_READ_AHEAD + 1)
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what arrives until the end of input."""
        with self._send, self._receive:
            async for chunk in self._receive:
                yield chunk
                self._credit.release()

    def _read(self) -> None:
        chunk = b"."
        while chunk:
            self._credit.acquire()
            try:
                chunk = os.read(self._fd, _CHUNK)
            except OSError:  # a reset connection is an end like any other
                chunk = b""
            if not self._hand_over(chunk):
                return
        self._on_end()

    def _hand_over(self, chunk: bytes) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._deliver, chunk)
        except RuntimeError:  # the loop is closed
            return False
        return True

    def _deliver(self, chunk: bytes) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            if chunk:
                self._send.send_nowait(chunk)
            else:
                self.ended = True
                self._send.close()


class Outbox:
    """Frames to a descriptor, in order; `on_broken` is called from the writing thread if nobody reads any more."""

    def __init__(self, fd: int, *, on_broken: Callable[[], None]) -> None:
        self._fd = fd
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # Bytes: each counter has one writing thread, so their difference needs no lock.
        self._accepted = 0
        self._written = 0
        self._changed = anyio.Event()
        self._done = anyio.Event()
        threading.Thread(target=self._write, name="stdout", daemon=True).start()

    def put(self, frame: bytes) -> None:
        """Queue one frame; never blocks."""
        self._accepted += len(frame)
        self._frames.put(frame)

    async def room(self) -> None:
        """Wait until the client has taken enough of what it was sent."""
        while self._accepted - self._written > _BACKLOG:
            self._changed = anyio.Event()
            if self._accepted - self._written > _BACKLOG:
                await self._changed.wait()

    async def flush(self) -> None:
        """Wait until everything is written; nothing may be put afterwards."""
        self._frames.put(None)
        await self._done.wait()

    def _write(self) -> None:
        broken = False
        while (frame := self._frames.get()) is not None:
            if not broken and not self._write_all(frame):
                broken = True
                self._on_broken()
            was_over = self._accepted - self._written > _BACKLOG
            self._written += len(frame)
            if was_over:
                self._tell(self._wake)
        self._tell(self._done.set)

    def _wake(self) -> None:
        self._changed.set()

    def _write_all(self, frame: bytes) -> bool:
        rest = memoryview(frame)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            return False
        return True

    def _tell(self, callback: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(callback)
