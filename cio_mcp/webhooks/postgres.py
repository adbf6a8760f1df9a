"""The store of events in PostgreSQL, for several replicas: whichever receives, all can tell."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from cio_mcp.postgres import READ, WRITE, Database, Session, Unavailable
from cio_mcp.webhooks import queries
from cio_mcp.webhooks.events import restored
from cio_mcp.webhooks.store import (
    ASIDE_BYTES,
    ASIDE_KEPT,
    Arrival,
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

PART: Final = "events"
VERSION: Final = 1
TIDY_EVERY: Final = 500
STEP: Final = 600
"""Events removed in one transaction: more than come in between two, and few enough to be quick."""
_ROW_BYTES: Final = 600
"""What a row takes beside its line, indexes included; a table does not shrink when rows go, so rows are counted."""
_DAY: Final = 86_400.0
_BYTES: Final = "bytes"
TABLES: Final = (
    """
    CREATE TABLE events (
        seq BIGINT GENERATED ALWAYS AS IDENTITY,
        workspace TEXT NOT NULL,
        event_id TEXT NOT NULL,
        at BIGINT NOT NULL,
        received_at DOUBLE PRECISION NOT NULL,
        object_type TEXT NOT NULL,
        metric TEXT NOT NULL,
        delivery_id TEXT,
        person_id TEXT,
        person_email TEXT,
        person_cio_id TEXT,
        digest BYTEA NOT NULL,
        line TEXT NOT NULL,
        PRIMARY KEY (workspace, seq)
    )
    """,
    "CREATE UNIQUE INDEX events_by_id ON events (workspace, event_id)",
    "CREATE INDEX events_by_time ON events (workspace, at, seq)",
    "CREATE INDEX events_of_metric ON events (workspace, metric, at, seq)",
    "CREATE INDEX events_of_delivery ON events (workspace, delivery_id, at, seq) WHERE delivery_id IS NOT NULL",
    "CREATE INDEX events_of_id ON events (workspace, person_id, at, seq) WHERE person_id IS NOT NULL",
    "CREATE INDEX events_of_email ON events (workspace, person_email, at, seq) WHERE person_email IS NOT NULL",
    "CREATE INDEX events_of_cio_id ON events (workspace, person_cio_id, at, seq) WHERE person_cio_id IS NOT NULL",
    """
    CREATE TABLE events_aside (
        seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        workspace TEXT NOT NULL,
        digest BYTEA NOT NULL,
        received_at DOUBLE PRECISION NOT NULL,
        reason TEXT NOT NULL,
        size BIGINT NOT NULL,
        body BYTEA NOT NULL,
        UNIQUE (workspace, digest)
    )
    """,
    "CREATE TABLE events_counts (workspace TEXT, name TEXT, value BIGINT NOT NULL, PRIMARY KEY (workspace, name))",
    """
    CREATE TABLE events_latest (
        workspace TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL, received_at DOUBLE PRECISION NOT NULL
    )
    """,
)
# In the order of the arrays, which is that of the ids: two replicas never wait for each other in a circle.
_INSERT: Final = f"""
INSERT INTO events ({queries.COLUMNS})
SELECT {queries.COLUMNS} FROM unnest(?::text[], ?::text[], ?::bigint[], ?::float8[], ?::text[], ?::text[], ?::text[],
    ?::text[], ?::text[], ?::text[], ?::bytea[], ?::text[]) WITH ORDINALITY AS given ({queries.COLUMNS}, place)
ORDER BY place ON CONFLICT (workspace, event_id) DO NOTHING RETURNING event_id
"""  # noqa: S608 - constants
_KNOWN: Final = "SELECT event_id, digest FROM events WHERE workspace = ? AND event_id = ANY (?)"
_ASIDE: Final = """
INSERT INTO events_aside (workspace, digest, received_at, reason, size, body) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (workspace, digest) DO NOTHING RETURNING seq
"""
_ASIDE_OVER: Final = "DELETE FROM events_aside WHERE seq <= (SELECT max(seq) FROM events_aside) - ?"
_COUNT: Final = """
INSERT INTO events_counts VALUES (?, ?, ?)
ON CONFLICT (workspace, name) DO UPDATE SET value = events_counts.value + excluded.value
"""
_LATEST: Final = """
INSERT INTO events_latest VALUES (?, ?, ?)
ON CONFLICT (workspace) DO UPDATE SET at = excluded.at, received_at = excluded.received_at
"""
# Numbers of other workspaces lie between, and those that repeats used up: only counting rows takes as many as come in.
_OLDEST: Final = """
DELETE FROM events WHERE workspace = ? AND received_at < ?
AND seq IN (SELECT seq FROM events WHERE workspace = ? ORDER BY seq LIMIT ?) RETURNING length(line)
"""

T = TypeVar("T")


class PostgresEvents:
    """The events of one workspace in a database; the tables are made when they are first needed."""

    def __init__(self, database: Database, *, workspace: str, keep: Retention | None = None) -> None:
        self._database = database
        self._workspace = workspace
        self._keep = keep or Retention()
        self._untidied = TIDY_EVERY  # the first batch tidies up after whoever ran before

    async def put(self, batch: Sequence[Received]) -> list[Kept]:
        """Keep a batch, durably once this returns."""
        kept = await self._run(partial(self._put, batch))
        self._untidied += len(batch)
        if self._untidied >= TIDY_EVERY:
            self._untidied = 0
            await self._run(self._tidy)
        return kept

    async def knows(self, event_id: str) -> bool:
        """Say whether an event of this id is kept."""
        asked = (self._workspace, [event_id])
        return await self._run(lambda session: session.execute(_KNOWN, asked).fetchone() is not None, READ)

    async def find(self, wanted: Filter, *, limit: int, after: Position | None = None) -> list[Stored]:
        """Return the newest events that are wanted."""
        sql, values = queries.selection(self._workspace, wanted, limit, after)
        rows = await self._run(lambda session: session.execute(sql, values).fetchall(), READ)
        return [Stored(seq=seq, event=restored(text), received_at=at) for seq, at, text in rows]

    async def standing(self) -> Standing:
        """Tell how receiving goes."""
        return await self._run(self._standing, READ)

    async def note_refused(self, counts: Mapping[str, int]) -> None:
        """Add to the counts of requests that were refused."""
        named = {queries.REFUSED + name: count for name, count in counts.items()}
        await self._run(partial(self._count, named))

    async def prune(self) -> int:
        """Remove what is too old or too much."""
        removed = 0
        while gone := await self._run(self._tidy):
            removed += gone
        return removed

    async def aclose(self) -> None:
        """Let go of the store; the database is its owner's to close."""

    async def _run(self, work: Callable[[Session], T], begin: str = WRITE) -> T:
        try:
            await self._database.thread(self._database.ensure, PART, VERSION, _create)
            return await self._database.run(work, begin=begin)
        except Unavailable as problem:
            raise EventsUnavailable(str(problem)) from problem

    def _put(self, batch: Sequence[Received], session: Session) -> list[Kept]:
        arrivals = [each for each in batch if isinstance(each, Arrival)]
        first: dict[str, Arrival] = {}
        for each in arrivals:
            first.setdefault(each.event.event_id, each)
        new = self._insert(sorted(first.values(), key=lambda each: each.event.event_id), session)
        known = self._known([name for name in first if name not in new], session)
        kept = [
            self._set_aside(each, session) if isinstance(each, Aside) else _became(each, first, new, known)
            for each in batch
        ]
        named: dict[str, int] = {how.value: count for how, count in Counter(kept).items()}
        if new:
            last = [each for each in arrivals if each.event.event_id in new][-1]
            session.execute(_LATEST, (self._workspace, last.event.at, last.received_at))
            named[_BYTES] = sum(_bytes(queries.row(self._workspace, first[name])[-1]) for name in new)
        if Kept.ASIDE in kept:
            session.execute(_ASIDE_OVER, (ASIDE_KEPT,))
        self._count(named, session)
        return kept

    def _insert(self, arrivals: Sequence[Arrival], session: Session) -> set[str]:
        if not arrivals:
            return set()
        columns = zip(*(queries.row(self._workspace, each) for each in arrivals), strict=True)
        return {name for (name,) in session.execute(_INSERT, [list(column) for column in columns]).fetchall()}

    def _known(self, event_ids: Sequence[str], session: Session) -> dict[str, bytes]:
        if not event_ids:
            return {}
        found = session.execute(_KNOWN, (self._workspace, event_ids)).fetchall()
        return {name: bytes(digest) for name, digest in found}

    def _set_aside(self, aside: Aside, session: Session) -> Kept:
        facts = (aside.digest, aside.received_at, aside.reason, aside.size, aside.body[:ASIDE_BYTES])
        return Kept.ASIDE if session.execute(_ASIDE, (self._workspace, *facts)).fetchone() else Kept.AGAIN

    def _count(self, named: Mapping[str, int], session: Session) -> None:
        for name, count in sorted(named.items()):  # in one order, for whoever counts at the same time
            session.execute(_COUNT, (self._workspace, name, count))

    def _counts(self, session: Session) -> dict[str, int]:
        sql = "SELECT name, value FROM events_counts WHERE workspace = ?"
        return dict(session.execute(sql, (self._workspace,)).fetchall())

    def _standing(self, session: Session) -> Standing:
        sql = "SELECT at, received_at FROM events_latest WHERE workspace = ?"
        return queries.standing(self._counts(session), session.execute(sql, (self._workspace,)).fetchone())

    def _tidy(self, session: Session) -> int:
        """Remove a step of what is due by the database's clock; age is counted from arrival."""
        (now,) = session.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone() or (0.0,)
        too_large = self._counts(session).get(_BYTES, 0) > self._keep.megabytes * 1e6
        bound = float("inf") if too_large else now - self._keep.days * _DAY
        gone = session.execute(_OLDEST, (self._workspace, bound, self._workspace, STEP)).fetchall()
        if gone:
            self._count({_BYTES: -sum(size + _ROW_BYTES for (size,) in gone)}, session)
        return len(gone)


def _create(session: Session) -> None:
    for statement in TABLES:
        session.execute(statement)


def _bytes(line: Any) -> int:
    return len(line) + _ROW_BYTES


def _became(arrival: Arrival, first: Mapping[str, Arrival], new: set[str], known: Mapping[str, bytes]) -> Kept:
    name = arrival.event.event_id
    if name in new and first[name] is arrival:
        return Kept.NEW
    digest = first[name].digest if name in new else known.get(name)
    return Kept.AGAIN if digest in (arrival.digest, None) else Kept.OTHERWISE
