"""The process's two pipes, read and written without ever stopping the event loop.

A thread each can do that for whatever a descriptor is: a file, a terminal, a Windows handle. They are daemons: a
blocked read cannot hold up the exit. But each handing over between a thread and the loop costs a call some tens of
microseconds, so pipes and sockets, which is what clients start servers with, do without where the system allows it.
"""

import asyncio
import os
import queue
import select
import socket
import stat
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

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
    """Chunks of bytes from a descriptor; `on_end` is called, from any thread, when the client will send no more.

    `ended` turns true before that; chunks sent before the end are still yielded.
    """

    def __init__(self, fd: int, *, on_end: Callable[[], None]) -> None:
        self.ended = False
        self._on_end = on_end
        self._send, self._receive = anyio.create_memory_object_stream[bytes](_READ_AHEAD + 1)
        self._reader = _reader(fd, self._deliver, self._end)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what arrives until the end of input."""
        with self._send, self._receive:
            async for chunk in self._receive:
                yield chunk
                self._reader.taken()

    def _deliver(self, chunk: bytes) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            if chunk:
                self._send.send_nowait(chunk)
            else:
                self._send.close()

    def _end(self) -> None:
        self.ended = True
        self._on_end()


class _Reader(Protocol):
    """Calls `deliver` on the event loop with each chunk, the last of them empty, and `end` from any thread."""

    def taken(self) -> None:
        """Let one more chunk be read; at most `_READ_AHEAD` are waiting."""


def _reader(fd: int, deliver: Callable[[bytes], None], end: Callable[[], None]) -> _Reader:
    mode = os.fstat(fd).st_mode
    # Only Linux tells of a hang-up without being asked about data as well.
    if sys.platform == "linux" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return _LoopReader(fd, deliver, end)
    return _ThreadReader(fd, deliver, end)


class _ThreadReader:
    """Reads what only a thread can wait for: files, terminals, other systems' pipes."""

    def __init__(self, fd: int, deliver: Callable[[bytes], None], end: Callable[[], None]) -> None:
        self._fd = fd
        self._deliver = deliver
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._credit = threading.Semaphore(_READ_AHEAD)
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    def taken(self) -> None:
        self._credit.release()

    def _read(self) -> None:
        chunk = b"."
        while chunk:
            self._credit.acquire()
            chunk = _read(self._fd)
            try:
                self._loop.call_soon_threadsafe(self._deliver, chunk)
            except RuntimeError:  # the loop is closed
                return
        self._end()


class _LoopReader:
    """Reads on the event loop when there is something to read.

    The descriptor stays blocking, because it may be shared with other processes: the client's pipe has no other
    reader that could take the bytes away between the loop's look and the read. A thread does nothing but wait for
    the hang-up: a loop that is stuck in a handler would not see it, and the process would outlive its client.
    """

    def __init__(self, fd: int, deliver: Callable[[bytes], None], end: Callable[[], None]) -> None:
        self._fd = fd
        self._deliver = deliver
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._waiting = 0
        self._over = False
        self._loop.add_reader(fd, self._read)
        threading.Thread(target=self._watch, name="stdin", daemon=True).start()

    def taken(self) -> None:
        if self._waiting == _READ_AHEAD and not self._over:
            self._loop.add_reader(self._fd, self._read)
        self._waiting -= 1

    def _read(self) -> None:
        chunk = _read(self._fd)
        self._waiting += 1
        self._over = not chunk
        if self._over or self._waiting == _READ_AHEAD:
            self._loop.remove_reader(self._fd)
        self._deliver(chunk)
        if self._over:
            self._end()

    def _watch(self) -> None:
        if sys.platform == "linux":
            hang_up = select.poll()
            hang_up.register(self._fd, select.POLLRDHUP)  # sockets; a pipe's POLLHUP is reported unasked
            hang_up.poll()
        if not self._loop.is_closed():
            self._end()


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _CHUNK)
    except OSError:  # a reset connection is an end like any other
        return b""


class Outbox:
    """Frames to a descriptor, in order; `on_broken` is called, from any thread, if nobody reads any more.

    A frame is written at once if none is waiting and that cannot block; otherwise a thread writes it.
    """

    def __init__(self, fd: int, *, on_broken: Callable[[], None]) -> None:
        self._fd = fd
        self._write_now = _direct_writer(fd)
        self._on_broken = on_broken
        self._broken = False
        self._loop = asyncio.get_running_loop()
        self._frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # Bytes given to the thread: each counter has one writing thread, so their difference needs no lock.
        self._accepted = 0
        self._written = 0
        self._changed = anyio.Event()
        self._done = anyio.Event()
        threading.Thread(target=self._write, name="stdout", daemon=True).start()

    def put(self, frame: bytes) -> None:
        """Write or queue one frame; never blocks."""
        if self._accepted == self._written:  # the thread has nothing in its hands
            frame = self._attempt(frame)
        if frame:
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

    def _attempt(self, frame: bytes) -> bytes:
        """Write what cannot block, and return the rest."""
        if self._broken:
            return b""
        try:
            return frame[self._write_now(frame) :]
        except OSError:
            self._break()
            return b""

    def _write(self) -> None:
        while (frame := self._frames.get()) is not None:
            if not self._broken and not self._write_all(frame):
                self._break()
            was_over = self._accepted - self._written > _BACKLOG
            self._written += len(frame)
            if was_over:
                self._tell(self._wake)
        self._tell(self._done.set)

    def _break(self) -> None:
        self._broken = True
        self._on_broken()

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


def _direct_writer(fd: int) -> Callable[[bytes], int]:
    """Return what writes as much of a frame as cannot block, and returns how many bytes that was."""
    if sys.platform != "win32":
        mode = os.fstat(fd).st_mode
        if stat.S_ISFIFO(mode):
            return _PipeWriter(fd)
        if stat.S_ISSOCK(mode):
            return partial(_send, fd)
    return lambda _frame: 0


if sys.platform != "win32":

    class _PipeWriter:
        """Writes whole frames of at most PIPE_BUF bytes: a pipe that polls as writable has room for that many.

        (Python documentation, "select.PIPE_BUF".) Longer ones could wait for the rest of the room.
        """

        def __init__(self, fd: int) -> None:
            self._fd = fd
            self._poll = select.poll()
            self._poll.register(fd, select.POLLOUT)

        def __call__(self, frame: bytes) -> int:
            if len(frame) > select.PIPE_BUF or not self._poll.poll(0):
                return 0
            return os.write(self._fd, frame)

    def _send(fd: int, frame: bytes) -> int:
        borrowed = socket.socket(fileno=fd)
        try:
            return borrowed.send(frame, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        finally:
            borrowed.detach()  # closing the descriptor is not up to this object
