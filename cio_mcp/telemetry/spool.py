"""Log records written by a thread of their own, so that whoever reads them slowly holds up no call."""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

WAITING: Final = 10_000
"""Records that may wait to be written, some 20 MB at most; further ones are left out, and counted."""
PAUSE: Final = 0.02
"""Seconds that a line may wait for others to be written with it: every waking of the thread costs the event loop."""
PATIENCE: Final = 1.0
"""Seconds that the end waits for what is still to be written."""


class Unread(Exception):
    """Nobody reads what the log is written to, and it has no more room."""


class Spool(logging.Handler):
    """Keeps records for the thread that writes them, or leaves them out when too many wait."""

    def __init__(self, target: logging.StreamHandler[TextIO], *, waiting: int = WAITING) -> None:
        super().__init__()
        self._target = target
        self._most = waiting
        self._waiting: list[logging.LogRecord] = []
        self._left_out = 0
        self._news = threading.Event()
        self._ended = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Put a record in line; never wait. Called with the handler's lock."""
        if len(self._waiting) < self._most:
            self._waiting.append(record)
        else:
            self._left_out += 1
        self._news.set()

    def write(self) -> None:
        """Write what comes, until `end` and everything before it is written."""
        ended = False
        while not ended:
            self._news.wait()
            ended = self._ended.wait(PAUSE)
            self._news.clear()
            if batch := self._taken():
                self._write(batch)

    def _taken(self) -> list[logging.LogRecord]:
        """Take all records that wait; those that were left out came after them."""
        with self._held():
            batch, missed = self._waiting, self._left_out
            self._waiting, self._left_out = [], 0
        return [*batch, _of_missed(missed)] if missed else batch

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the lock that `emit` is called with."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def end(self) -> None:
        """Let the writing end once everything before is written."""
        self._ended.set()
        self._news.set()

    def _write(self, batch: list[logging.LogRecord]) -> None:
        lines = "".join(self._line(record) for record in batch)
        try:
            self._target.stream.write(lines)
            self._target.flush()
        except Exception:  # noqa: BLE001 - whatever it is, there is nowhere else to say so
            with self._held():
                self._left_out += len(batch)

    def _line(self, record: logging.LogRecord) -> str:
        """Return a record as it is written; what cannot be is named by its place, for its values may be secret."""
        try:
            return self._target.format(record) + self._target.terminator
        except Exception as fault:  # noqa: BLE001 - the record may be any library's
            return self._target.format(_of_unwritable(record, fault)) + self._target.terminator


def _of_missed(count: int) -> logging.LogRecord:
    told = "%d log records were left out here: standard error is read too slowly, or cannot be written"
    return logging.LogRecord("cio_mcp", logging.WARNING, __file__, 0, told, (count,), None)


def _of_unwritable(record: logging.LogRecord, fault: Exception) -> logging.LogRecord:
    told, where = "a record of %s could not be written: %s in %s, line %d", (record.filename, record.lineno)
    values = (record.name, type(fault).__name__, *where)
    return logging.LogRecord("cio_mcp", logging.ERROR, __file__, 0, told, values, None)


@contextmanager
def spooled(log: logging.Logger) -> Iterator[None]:
    """Write what a logger's handlers write to streams from threads, one for each, for as long as the block lasts.

    Raises Unread at the end if they cannot be written.
    """
    direct = log.handlers[:]
    spools = [Spool(handler) for handler in direct if isinstance(handler, logging.StreamHandler)]
    writers = [threading.Thread(target=spool.write, name="log", daemon=True) for spool in spools]
    for writer in writers:
        writer.start()
    log.handlers[:] = [*spools, *(handler for handler in direct if not isinstance(handler, logging.StreamHandler))]
    try:
        yield
    finally:
        log.handlers[:] = direct
        ended = [_ended(spool, writer) for spool, writer in zip(spools, writers, strict=True)]
    if not all(ended):
        raise Unread


def _ended(spool: Spool, writer: threading.Thread) -> bool:
    spool.end()
    writer.join(PATIENCE)
    return not writer.is_alive()


def run_spooled(work: Callable[[], int]) -> int:
    """Return the exit code of some work during which nobody waits for a log line to be written."""
    code = 1
    try:
        with spooled(logging.getLogger()):
            code = work()
    except Unread:
        os._exit(code)  # the interpreter's own end would wait for the thread that is stuck in writing
    return code
