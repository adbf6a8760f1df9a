"""The connection to a ledger: transactions that are durable or not, and a fresh start after an error."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from cio_mcp.ledger import schema
from cio_mcp.ledger.chain import Keys
from cio_mcp.ledger.clock import Reading
from cio_mcp.ledger.faults import TRANSIENT, code_of, unrecorded
from cio_mcp.ledger.keys import kept_keys, made_keys, new_keys
from cio_mcp.ledger.pen import Damaged
from cio_mcp.ledger.private_files import check_private, make_directory
from cio_mcp.ledger.terms import Unrecorded

PATIENCE = 2.0
"""Seconds to wait for another process; its transactions take milliseconds."""
_CHECKPOINT_PAGES = 400
"""Smaller than SQLite's 1,000, so that moving the log into the file never holds up a call for long."""
_PRAGMAS = (
    f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}",
    "PRAGMA fullfsync = ON",  # macOS forces to the disk itself only then (SQLite, "PRAGMA fullfsync")
    "PRAGMA journal_size_limit = 4194304",
    "PRAGMA secure_delete = FAST",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
)


class Store:
    """One ledger file, or one in memory. Every error of the file becomes Unrecorded, and the next call tries anew."""

    def __init__(self, path: Path | None, keys: Keys) -> None:
        self.path = path
        self.keys = keys
        self.name = str(path) if path else "the ledger in memory"
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        self._durable: bool | None = None

    @classmethod
    def open(cls, path: Path | None, reading: Reading, *, make: bool = True) -> "Store":
        """Open a ledger, and make it if there is none and `make` says so; None is a new one in memory."""
        try:
            return cls._in_memory(reading) if path is None else cls._of_file(path, reading, make=make)
        except (sqlite3.Error, OSError) as error:
            raise unrecorded(str(path), error) from error

    @classmethod
    def _in_memory(cls, reading: Reading) -> "Store":
        store = cls(None, new_keys())
        store._connection = _connect(":memory:")
        schema.fill(store._connection, store.keys, reading)
        return store

    @classmethod
    def _of_file(cls, path: Path, reading: Reading, *, make: bool) -> "Store":
        if make:
            make_directory(path.parent)
            if not path.is_symlink() and not path.exists():
                schema.make(path, made_keys(path), reading)
        try:
            check_private(path)
        except FileNotFoundError:
            raise Unrecorded(f"{path}: there is no ledger") from None
        store = cls(path, kept_keys(path))
        store._connected()
        return store

    @contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Run one transaction that others see whole or not at all; a durable one survives a power cut.

        What is not durable survives the death of this process. A power cut may take back the newest of it, an outcome
        for one: that operation is then found open and becomes unknown, which is the safe side.
        """
        with self._errors():
            connection = self._connected()
            if durable is not self._durable:
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            _begin(connection)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read one state of the ledger, whatever is written meanwhile."""
        with self._errors():
            connection = self._connected()
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")

    def reclaim(self, pages: int) -> None:
        """Give free pages back to the file system."""
        with self._errors():
            # A statement that yields no columns is stepped to its end by executescript alone.
            self._connected().executescript(f"PRAGMA incremental_vacuum({pages})")

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        connection, self._connection, self._durable = self._connection, None, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except Unrecorded:
            self._start_afresh()
            raise
        except Damaged as damage:
            raise Unrecorded(f"{self.name}: {damage}") from damage
        except (sqlite3.Error, OSError) as error:
            self._start_afresh()
            raise unrecorded(self.name, error) from error

    def _start_afresh(self) -> None:
        if self.path is not None:  # a connection to memory holds the ledger itself
            self.close()

    def _connected(self) -> sqlite3.Connection:
        if self.path is None:
            if self._connection is None:
                raise Unrecorded(f"{self.name}: it is closed")
            return self._connection
        try:
            status = check_private(self.path)
        except FileNotFoundError:
            raise Unrecorded(f"{self.name}: was removed while it was in use") from None
        identity = (status.st_dev, status.st_ino)
        if self._connection is not None and identity != self._identity:
            # SQLite would go on writing to a file that has no name any more.
            raise Unrecorded(f"{self.name}: was replaced while it was in use")
        if self._connection is None:
            connection = _connect(f"file:{quote(os.fsencode(self.path))}?mode=rw")
            try:
                schema.check(connection, self.name, self.keys)
            except BaseException:
                connection.close()
                raise
            self._connection, self._identity = connection, identity
        return self._connection


def _connect(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, timeout=PATIENCE, isolation_level=None, uri=name.startswith("file:"))
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection


def _begin(connection: sqlite3.Connection) -> None:
    """Take the only writer's place: waiting is SQLite's, except where it refuses at once, as when a log is cleared."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not code_of(error).startswith(TRANSIENT) or time.monotonic() >= give_up:
                raise
            time.sleep(0.001)
        else:
            return
