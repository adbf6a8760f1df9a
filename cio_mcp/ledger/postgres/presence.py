"""Which processes of a ledger on PostgreSQL still live: each holds a lock on a connection of its own.

The server releases the lock when the connection ends, however it ends, and then whatever stands open under that name
counts as left behind. So a process is there only as long as its lock is: before every attempt of a write it asks over
that very connection (`look`), and where the connection is gone it takes a new name, and with it those of its
operations that nobody has concluded meanwhile (`PostgresLedger`).
"""

from collections.abc import Sequence
from secrets import randbits
from typing import Final

from cio_mcp.ledger.pen import Connection
from cio_mcp.ledger.postgres import tables
from cio_mcp.ledger.terms import Stopped
from cio_mcp.postgres import Database, Session

_NAME_BITS: Final = 62
_TRIES: Final = 5
# An advisory lock on a bigint shows its halves ("pg_locks", postgresql.org/docs/current/view-pg-locks.html).
_DEAD = """
SELECT DISTINCT process FROM operations WHERE ending IS NULL AND process <> ? AND process NOT IN (
    SELECT ((classid::bigint << 32) | objid::bigint)::text FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""
# It says nothing for as long as nothing is written. Servers before version 14 end no idle sessions.
_STAY = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'"


class Presence:
    """This process, as long as its connection lives. Its methods run in threads, one at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: Session | None = None

    @property
    def seems_held(self) -> bool:
        """Whether nothing has been heard of the connection's end."""
        return self._session is not None and self._session.is_usable()

    def look(self) -> Stopped | None:
        """Return the stop that is in force, and so prove that the lock is still held; raises Unavailable."""
        if self._session is None:
            raise ConnectionError("nobody has come yet")
        with self._database.errors():
            return tables.look(self._session)

    def come(self) -> str:
        """Take a new name and return it; raises Unavailable."""
        self.leave()
        session = self._database.connect()
        try:
            with self._database.errors():
                session.execute(_STAY)
                name = _locked(session)
        except BaseException:
            session.close()
            raise
        self._session = session
        return name

    def leave(self) -> None:
        """Give the name up."""
        session, self._session = self._session, None
        if session is not None:
            session.close()


def dead(connection: Connection, name: str) -> Sequence[str]:
    """Return the processes that have left operations open, except the one that asks."""
    return [process for (process,) in connection.execute(_DEAD, (name,)).fetchall()]


def _locked(session: Session) -> str:
    for _ in range(_TRIES):
        number = randbits(_NAME_BITS)
        found = session.execute("SELECT pg_try_advisory_lock(?::bigint)", (number,)).fetchone()
        if found and found[0]:
            return str(number)
    raise ConnectionError("no name is free")
