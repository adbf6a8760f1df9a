"""The store of events in an SQLite file of its own, which all processes of a machine may use at once.

Statements run in worker threads, one that writes and one that reads: events come in crowds, and while one batch is
forced to disk the next one gathers.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio

from cio_mcp.ledger.faults import TRANSIENT, code_of
from cio_mcp.ledger.private_files import check_private, make_directory, write_new
from cio_mcp.ledger.terms import Unrecorded
from cio_mcp.webhooks import queries
from cio_mcp.webhooks.events import restored
from cio_mcp.webhooks.store import (
    ASIDE_BYTES,
    ASIDE_KEPT,
    Aside,
    EventsUnavailable,
    Filter,
    Kept,
    Position,
    Received,
    Retention,
    Standing,
    Stored,
)

NAME = "events.sqlite3"
APPLICATION = 0x63696F77  # "ciow", so that this file is told from other SQLite files
VERSION = 1
PATIENCE = 1.5
"""Seconds to wait for another process: Customer.io gives up on a call after four (reference, "Timeouts")."""
TIDY_EVERY = 500
STEP = 600
"""Events removed in one transaction: more than come in between two, and few enough to be quick."""
_DAY = 86_400.0
_PAGES = 200
_TABLES = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    event_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    received_at REAL NOT NULL,
    object_type TEXT NOT NULL,
    metric TEXT NOT NULL,
    delivery_id TEXT,
    person_id TEXT,
    person_email TEXT,
    person_cio_id TEXT,
    digest BLOB NOT NULL,
    line TEXT NOT NULL
);
CREATE UNIQUE INDEX events_by_id ON events (workspace, event_id);
CREATE INDEX events_of_metric ON events (workspace, metric, at, seq);
CREATE INDEX events_by_time ON events (workspace, at, seq);
CREATE INDEX events_of_delivery ON events (workspace, delivery_id, at, seq) WHERE delivery_id IS NOT NULL;
CREATE INDEX events_of_id ON events (workspace, person_id, at, seq) WHERE person_id IS NOT NULL;
CREATE INDEX events_of_email ON events (workspace, person_email, at, seq) WHERE person_email IS NOT NULL;
CREATE INDEX events_of_cio_id ON events (workspace, person_cio_id, at, seq) WHERE person_cio_id IS NOT NULL;
CREATE TABLE aside (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    digest BLOB NOT NULL,
    received_at REAL NOT NULL,
    reason TEXT NOT NULL,
    size INTEGER NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (workspace, digest)
);
CREATE TABLE counts (workspace TEXT, name TEXT, value INTEGER NOT NULL, PRIMARY KEY (workspace, name)) WITHOUT ROWID;
CREATE TABLE latest (workspace TEXT PRIMARY KEY, at REAL NOT NULL, received_at REAL NOT NULL) WITHOUT ROWID;
"""
_INSERT = f"""
INSERT INTO events ({queries.COLUMNS})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (workspace, event_id) DO NOTHING
"""  # noqa: S608 - constants
_ASIDE = """
INSERT INTO aside (workspace, digest, received_at, reason, size, body) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (workspace, digest) DO NOTHING
"""
_ASIDE_OVER = "DELETE FROM aside WHERE seq <= (SELECT max(seq) FROM aside) - ?"
_COUNT = (
    "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT (workspace, name) DO UPDATE SET value = value + excluded.value"
)
_OLDEST = "DELETE FROM events WHERE seq < (SELECT min(seq) FROM events) + ? AND received_at < ?"
_LATEST = """
INSERT INTO latest VALUES (?, ?, ?)
ON CONFLICT (workspace) DO UPDATE SET at = excluded.at, received_at = excluded.received_at
"""

T = TypeVar("T")


def events_path(ledger: Path) -> Path:
    """Return where the events lie that belong to the server of a ledger."""
    return ledger.with_name(NAME)


class _Connection:
    """One connection to the file, used by one thread at a time; after an error the next use begins afresh."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._name = str(path) if path else "the events in memory"
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        self._turn = anyio.CapacityLimiter(1)

    async def use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a thread, with the connection for itself; it ends even if whoever waits for it is gone."""
        return await anyio.to_thread.run_sync(self._used, work, limiter=self._turn)

    def close(self) -> None:
        """Close the connection; a later use opens it again, unless the events are in memory."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _used(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._open())
        except (EventsUnavailable, Unrecorded, OSError, sqlite3.Error) as error:
            if self._path is not None:  # in memory, the connection holds the events themselves
                self.close()
            raise _unavailable(self._name, error) from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._path is not None:
            status = check_private(self._path)
            if (status.st_dev, status.st_ino) != self._identity:
                # SQLite would go on writing to a file that has no name any more.
                raise EventsUnavailable(f"{self._name}: was replaced while it was in use")
        if self._connection is None:
            self._connection = _opened(self._path)
            if self._path is not None:
                status = check_private(self._path)
                self._identity = (status.st_dev, status.st_ino)
        return self._connection


def _opened(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        make_directory(path.parent)
        if not path.is_symlink() and not path.exists():
            with suppress(FileExistsError):  # another process was quicker
                write_new(path, b"")  # SQLite takes the mode of the file it finds, for those beside it too
        check_private(path)
    connection = sqlite3.connect(path or ":memory:", timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, str(path))
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table, or not at all
    _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
    for pragma in ("synchronous = FULL", "journal_size_limit = 4194304", "trusted_schema = OFF",
                   "cell_size_check = ON", "secure_delete = FAST"):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")
    _begin(connection)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if not version and not application and not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    elif (application, version) != (APPLICATION, VERSION):
        raise EventsUnavailable(f"{name}: holds no events, or those of another version; name another file")
    connection.execute("COMMIT")


def _unavailable(name: str, error: Exception) -> EventsUnavailable:
    code = getattr(error, "sqlite_errorname", "")
    words = getattr(error, "strerror", None) or str(error)
    if isinstance(error, EventsUnavailable | Unrecorded):
        return EventsUnavailable(words)
    return EventsUnavailable(f"{name}: {words}" + (f" ({code})" if code else ""))


class SqliteEvents:
    """The events of one workspace in a file; None keeps them in memory."""

    def __init__(
        self,
        path: Path | None,
        *,
        workspace: str,
        now: Callable[[], float],
        keep: Retention | None = None,
    ) -> None:
        self._workspace = workspace
        self._keep = keep or Retention()
        self._now = now
        self._writer = _Connection(path)
        self._reader = _Connection(path) if path else self._writer
        self._untidied = TIDY_EVERY  # the first batch tidies up after whoever ran before

    async def put(self, batch: Sequence[Received]) -> list[Kept]:
        """Keep a batch, durably once this returns."""
        return await self._writer.use(partial(self._put, batch))

    async def knows(self, event_id: str) -> bool:
        """Say whether an event of this id is kept."""
        sql = "SELECT 1 FROM events WHERE workspace = ? AND event_id = ?"
        asked = (self._workspace, event_id)
        return await self._reader.use(lambda connection: connection.execute(sql, asked).fetchone() is not None)

    async def find(self, wanted: Filter, *, limit: int, after: Position | None = None) -> list[Stored]:
        """Return the newest events that are wanted."""
        sql, values = queries.selection(self._workspace, wanted, limit, after)
        rows = await self._reader.use(lambda connection: connection.execute(sql, values).fetchall())
        return [Stored(seq=seq, event=restored(text), received_at=at) for seq, at, text in rows]

    async def standing(self) -> Standing:
        """Tell how receiving goes."""
        return await self._reader.use(self._standing)

    async def note_refused(self, counts: Mapping[str, int]) -> None:
        """Add to the counts of requests that were refused."""
        rows = [(self._workspace, queries.REFUSED + name, count) for name, count in counts.items()]
        await self._writer.use(lambda connection: _written(connection, lambda: connection.executemany(_COUNT, rows)))

    async def prune(self) -> int:
        """Remove what is too old or too much."""
        removed = 0
        while gone := await self._writer.use(self._tidy):
            removed += gone
        return removed

    async def aclose(self) -> None:
        """Close the file."""
        for each in (self._writer, self._reader):
            await anyio.to_thread.run_sync(each.close)

    def _put(self, batch: Sequence[Received], connection: sqlite3.Connection) -> list[Kept]:
        kept = _written(connection, lambda: self._inserted(batch, connection))
        self._untidied += len(batch)
        if self._untidied >= TIDY_EVERY:
            self._tidy(connection)
        return kept

    def _inserted(self, batch: Sequence[Received], connection: sqlite3.Connection) -> list[Kept]:
        kept = [self._insert(each, connection) for each in batch]
        connection.executemany(_COUNT, [(self._workspace, name, count) for name, count in Counter(kept).items()])
        fresh = [each for each, how in zip(batch, kept, strict=True) if how is Kept.NEW and not isinstance(each, Aside)]
        if fresh:
            connection.execute(_LATEST, (self._workspace, fresh[-1].event.at, fresh[-1].received_at))
        if Kept.ASIDE in kept:
            connection.execute(_ASIDE_OVER, (ASIDE_KEPT,))
        return kept

    def _insert(self, received: Received, connection: sqlite3.Connection) -> Kept:
        if isinstance(received, Aside):
            facts = (received.digest, received.received_at, received.reason, received.size, received.body[:ASIDE_BYTES])
            new = connection.execute(_ASIDE, (self._workspace, *facts)).rowcount
            return Kept.ASIDE if new else Kept.AGAIN
        if connection.execute(_INSERT, queries.row(self._workspace, received)).rowcount:
            return Kept.NEW
        sql = "SELECT digest FROM events WHERE workspace = ? AND event_id = ?"
        (known,) = connection.execute(sql, (self._workspace, received.event.event_id)).fetchone()
        return Kept.AGAIN if known == received.digest else Kept.OTHERWISE

    def _standing(self, connection: sqlite3.Connection) -> Standing:
        asked = (self._workspace,)
        counts = dict(connection.execute("SELECT name, value FROM counts WHERE workspace = ?", asked).fetchall())
        latest = connection.execute("SELECT at, received_at FROM latest WHERE workspace = ?", asked).fetchone()
        return queries.standing(counts, latest)

    def _tidy(self, connection: sqlite3.Connection) -> int:
        """Remove a step of what is due; age is counted from arrival, so that old news is not gone at once."""
        self._untidied = 0
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        too_large = (pages - free) * size > self._keep.megabytes * 1e6
        too_old = self._now() - self._keep.days * _DAY
        bound = float("inf") if too_large else too_old
        gone: int = _written(connection, lambda: connection.execute(_OLDEST, (STEP, bound)).rowcount)
        if gone:
            connection.executescript(f"PRAGMA incremental_vacuum({_PAGES})")
        return gone


def _written(connection: sqlite3.Connection, work: Callable[[], T]) -> T:
    _begin(connection)
    try:
        done = work()
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return done


def _begin(connection: sqlite3.Connection) -> None:
    _patiently(lambda: connection.execute("BEGIN IMMEDIATE"))


def _patiently(statement: Callable[[], object]) -> None:
    """Wait for other processes also where SQLite refuses at once, as when a log is begun or cleared."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            statement()
        except sqlite3.OperationalError as error:
            if not code_of(error).startswith(TRANSIENT) or time.monotonic() >= give_up:
                raise
            time.sleep(0.002)
        else:
            return
