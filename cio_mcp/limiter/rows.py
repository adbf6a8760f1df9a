"""What stands in the shared file: slots held, processes in line, pauses; one statement each."""

import sqlite3

from cio_mcp.limiter.turns import TICKET_SECONDS, Held, Place, Stage

Change = tuple[str, tuple[str | float, ...]]
"""A statement and its values."""

TABLES = (
    """CREATE TABLE IF NOT EXISTS limiter_slots (
    bucket TEXT NOT NULL, frees_at REAL NOT NULL, process INTEGER NOT NULL, number INTEGER NOT NULL,
    stage INTEGER NOT NULL, PRIMARY KEY (bucket, frees_at, process, number)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS limiter_line (
    bucket TEXT NOT NULL, process INTEGER NOT NULL, ticket INTEGER NOT NULL, alive_until REAL NOT NULL,
    waiting INTEGER NOT NULL, PRIMARY KEY (bucket, process)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS limiter_pauses (
    bucket TEXT PRIMARY KEY, paused_until REAL NOT NULL, lowered INTEGER NOT NULL) WITHOUT ROWID""",
)
_ONE = "bucket = ? AND frees_at = ? AND process = ? AND number = ?"


def expire(connection: sqlite3.Connection, bucket: str, now: float, horizon: float) -> None:
    """Drop slots that are free, and those beyond any hold: a clock that has begun anew, with the machine."""
    connection.execute("DELETE FROM limiter_slots WHERE bucket = ? AND frees_at <= ?", (bucket, now))
    connection.execute("DELETE FROM limiter_slots WHERE bucket = ? AND frees_at > ?", (bucket, horizon))


def bury(connection: sqlite3.Connection, bucket: str, now: float) -> None:
    """Drop the places of those who are dead."""
    question = "DELETE FROM limiter_line WHERE bucket = ? AND NOT (alive_until > ? AND alive_until <= ?)"
    connection.execute(question, (bucket, now, now + TICKET_SECONDS))


def held(connection: sqlite3.Connection, bucket: str, now: float, horizon: float) -> int:
    """Return how many slots are held."""
    question = "SELECT count(*) FROM limiter_slots WHERE bucket = ? AND frees_at > ? AND frees_at <= ?"
    found: int = connection.execute(question, (bucket, now, horizon)).fetchone()[0]
    return found


def slots(connection: sqlite3.Connection, bucket: str, now: float, horizon: float) -> list[Held]:
    """Return the slots that are held, the first to be free first."""
    question = (
        "SELECT frees_at, process, number, stage FROM limiter_slots"
        " WHERE bucket = ? AND frees_at > ? AND frees_at <= ? ORDER BY frees_at"
    )
    return [Held._make(row) for row in connection.execute(question, (bucket, now, horizon))]


def line(connection: sqlite3.Connection, bucket: str, now: float) -> list[Place]:
    """Return the processes in line that are alive."""
    question = (
        "SELECT process, ticket, alive_until, waiting FROM limiter_line"
        " WHERE bucket = ? AND alive_until > ? AND alive_until <= ?"
    )
    return [Place._make(row) for row in connection.execute(question, (bucket, now, now + TICKET_SECONDS))]


def pause(connection: sqlite3.Connection, bucket: str) -> tuple[float, int] | None:
    """Return the end of the last pause and the limit that it left."""
    question = "SELECT paused_until, lowered FROM limiter_pauses WHERE bucket = ?"
    found: tuple[float, int] | None = connection.execute(question, (bucket,)).fetchone()
    return found


def placed(bucket: str, slot: Held) -> Change:
    """Put a slot into the file."""
    return "INSERT OR REPLACE INTO limiter_slots VALUES (?, ?, ?, ?, ?)", (bucket, *slot)


def dropped(bucket: str, slot: Held) -> Change:
    """Take a slot out of the file."""
    return f"DELETE FROM limiter_slots WHERE {_ONE}", (bucket, *slot[:3])  # noqa: S608 - a constant


def cooled(bucket: str, slot: Held, frees_at: float) -> Change:
    """Note when a slot is free, if it is still held."""
    change = f"UPDATE OR REPLACE limiter_slots SET frees_at = ?, stage = ? WHERE {_ONE}"  # noqa: S608 - a constant
    return change, (frees_at, int(Stage.COOLING), bucket, *slot[:3])


def stood(bucket: str, place: Place) -> Change:
    """Put a process in line, or refresh its place."""
    change = (
        "INSERT OR REPLACE INTO limiter_line (bucket, process, ticket, alive_until, waiting) VALUES (?, ?, ?, ?, ?)"
    )
    return change, (bucket, *place)


def left(bucket: str, process: int) -> Change:
    """Take a process out of line."""
    return "DELETE FROM limiter_line WHERE bucket = ? AND process = ?", (bucket, process)


def paused(bucket: str, until: float, lowered: int) -> Change:
    """Note what a 429 has left."""
    return "INSERT OR REPLACE INTO limiter_pauses VALUES (?, ?, ?)", (bucket, until, lowered)


def apply(connection: sqlite3.Connection, *changes: Change) -> None:
    """Make changes in a transaction that is under way."""
    for statement, values in changes:
        connection.execute(statement, values)
