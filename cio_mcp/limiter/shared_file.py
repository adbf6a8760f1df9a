"""The file in which processes share their limits: rows of SQLite, short transactions, and what goes wrong with them."""

import asyncio
import logging
import math
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from cio_mcp.limiter.rows import TABLES, Change, apply
from cio_mcp.limiter.turns import RENEW_SECONDS

# Longer than most commits of others, and short enough to stand still for in an event loop.
_PATIENCE = 0.005
# A file that is locked for so long is treated like one that cannot be used.
_LOCKED_SECONDS = 1.0
# Found locked twice within this time it counts as locked in between; who waits tries again sooner.
_APART_SECONDS = 0.2
# What found the file locked is written after this time, if nothing else is written before.
_LATE_SECONDS = 0.05
# A file that cannot be used is tried again after this time.
_RETRY_SECONDS = 5.0
# How often it is checked that the file opened is still the one that others would open.
_CHECK_SECONDS = 1.0
# Pages of 4 KiB. Checkpoints write to the disk, and are left to those who need durable records; this is a backstop.
_CHECKPOINT_PAGES = 10_000

_log = logging.getLogger(__name__)


class Unusable(Exception):
    """The file cannot be used; it is tried again later by itself."""


class Busy(Exception):
    """Another process is writing to the file; try again in a moment."""


class SharedFile:
    """The tables of the limiter in an SQLite file, which must exist: it belongs to somebody else.

    A file whose application id is not `application_id` is a stranger's, and is neither used nor changed.
    `clock` is one that every process of the machine reads, in seconds, and `process` the number by which they know
    this one. Rows are not made durable: after a loss of power nothing of them is of use. For one event loop; opened
    when first used. Reading and writing raise Busy or Unusable.
    """

    def __init__(self, path: Path, *, application_id: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.process = int.from_bytes(os.urandom(8), "big") >> 1  # an INTEGER of SQLite has a sign
        self._path = path.absolute()
        self._application_id = application_id
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._check_at = -math.inf
        self._retry_at = -math.inf
        self._locked: tuple[float, float] | None = None  # since when, and when last
        self._renewals: list[Callable[[float], list[Change]]] = []
        self.renew_at = math.inf
        self._late: list[Change] = []  # found the file locked; go before whatever is written next
        self._catching_up: asyncio.TimerHandle | None = None

    @property
    def usable(self) -> bool:
        """Whether nothing has failed yet, or the file was written to since."""
        return self._retry_at == -math.inf

    def close(self) -> None:
        """Close the file; slots that are held stay in it until they are free."""
        connection, self._connection = self._connection, None
        self._late.clear()
        if self._catching_up is not None:
            self._catching_up.cancel()
            self._catching_up = None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def keep(self, renewal: Callable[[float], list[Change]]) -> None:
        """Ask for changes by which leases live longer, whenever `renew` is due."""
        self._renewals.append(renewal)

    def leave(self, renewal: Callable[[float], list[Change]]) -> None:
        """Ask no more: leases that are not prolonged come free by themselves."""
        self._renewals.remove(renewal)

    def renew(self, now: float) -> None:
        """Prolong leases, if that is due: at `renew_at`, which is infinity while there are none."""
        if now < self.renew_at:
            return
        self.renew_at = math.inf
        if changes := [change for renewal in self._renewals for change in renewal(now)]:
            self.renew_at = now + RENEW_SECONDS
            self.change(*changes)

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Read from the file as it is at one moment; one that could not be used must be written to first."""
        return self._transaction(writes=False)

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """Change the file in one transaction, which fails as a whole."""
        return self._transaction(writes=True)

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[sqlite3.Connection]:
        if not (self.usable or (writes and self.clock() >= self._retry_at)):
            raise Unusable
        try:
            connection = self._opened()
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            if writes:
                apply(connection, *self._late)
            yield connection
            connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            self._roll_back()
            raise self._failure(error) from None
        except BaseException:
            self._roll_back()
            raise
        if writes:
            self._written()

    def change(self, *changes: Change) -> None:
        """Change the file now, or as soon as nobody else writes to it; dropped if the file cannot be used."""
        if self.clock() < self._retry_at:
            return
        self._late += changes
        with suppress(Busy, Unusable), self.writing():
            pass
        if self._late and self._catching_up is None:
            with suppress(RuntimeError):  # outside of an event loop the next change comes first
                self._catching_up = asyncio.get_running_loop().call_later(_LATE_SECONDS, self._catch_up)

    def _catch_up(self) -> None:
        """Write what is late: until then others count what stands in the file, such as slots long answered."""
        self._catching_up = None
        if self._late:
            self.change()

    def _opened(self) -> sqlite3.Connection:
        now = self.clock()
        if self._connection is not None and now >= self._check_at:
            self._check_at = now + _CHECK_SECONDS
            if _identity(self._path) != self._identity:
                raise FileNotFoundError("it was replaced")
        if self._connection is None:
            self._connection = self._open()
            self._identity = _identity(self._path)
            self._check_at = now + _CHECK_SECONDS
        return self._connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=_PATIENCE
        )
        try:
            _check(connection, self._application_id)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            for table in TABLES:
                connection.execute(table)
        except BaseException:
            connection.close()
            raise
        return connection

    def _written(self) -> None:
        if not self.usable:
            _log.warning("limits are shared with other processes again: %s", self._path.name)
        self._late.clear()
        self._retry_at, self._locked = -math.inf, None

    def _roll_back(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def _failure(self, error: sqlite3.Error | OSError) -> Exception:
        now = self.clock()
        if _is_lock(error):
            since, last = self._locked or (now, now)
            if now - last > _APART_SECONDS:
                since = now
            self._locked = since, now
            if now - since <= _LOCKED_SECONDS:
                return Busy()
        if self.usable:
            reason = getattr(error, "strerror", None) or error
            _log.warning("limits are not shared with other processes for now: %s: %s", self._path.name, reason)
        self.close()
        self._retry_at = now + _RETRY_SECONDS
        return Unusable()


def _check(connection: sqlite3.Connection, application_id: int) -> None:
    if connection.execute("PRAGMA application_id").fetchone() != (application_id,):
        raise sqlite3.DatabaseError("it is a file of another program")


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116 - a tenth of the cost of pathlib's, on the way of every request
    return found.st_dev, found.st_ino


def _is_lock(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
