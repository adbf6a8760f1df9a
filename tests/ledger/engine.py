"""Ledgers on PostgreSQL for tests: their keys, and time that a test lets pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cio_mcp.ledger.keys import keys_of
from cio_mcp.postgres import Database
from tests.ledger.book import Clock

SECRET = "canary-ledger-key-" * 3
KEYS = keys_of(SECRET)


def run(url: str, statement: str, values: Sequence[Any] = ()) -> list[Any]:
    """Run one statement on a database, past the ledger; return what it finds or returns."""
    session = Database(url).connect()
    try:
        cursor = session.execute(statement, values)
        return cursor.fetchall() if cursor.description else []
    finally:
        session.close()


def changed(url: str, statement: str) -> int:
    """Change a database by hand, and return how many rows that touched."""
    session = Database(url).connect()
    try:
        return session.execute(statement).rowcount
    finally:
        session.close()


@dataclass
class EngineClock(Clock):
    """The clock of an engine; time passes by the ledger's own seconds, which are all that windows go by."""

    url: str = ""

    def __post_init__(self) -> None:
        """Take the engine's time."""
        [(self.wall,)] = run(self.url, "SELECT extract(epoch FROM clock_timestamp())::float8")

    def run(self, seconds: float) -> None:
        """Let time pass."""
        run(self.url, "UPDATE clock SET tick = tick + ?", (seconds,))
