"""The tables of a ledger, and how a new one comes to be."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from secrets import token_hex
from typing import Final

from cio_mcp.ledger.chain import GENESIS, Keys, linked
from cio_mcp.ledger.clock import Reading
from cio_mcp.ledger.private_files import publish, temporary_beside, write_new
from cio_mcp.ledger.terms import Unrecorded

APPLICATION: Final = 0x63696F6C  # "ciol", so that a ledger is told from other SQLite files
VERSION: Final = 2
_KEPT_OPEN = "ending IS NULL OR ending = 'unknown'"

# `records` is the truth. `operations` holds of writes what decisions need, and `spending` the totals of what was sent
# (spending.py); both are checked by `audit verify`. Ticks are the ledger's own seconds (clock.py).
TABLES: Final = f"""
CREATE TABLE records (
    seq INTEGER PRIMARY KEY,
    operation TEXT,
    body TEXT NOT NULL,
    mac BLOB NOT NULL
);
CREATE INDEX records_of_operation ON records (operation) WHERE operation IS NOT NULL;
CREATE TABLE operations (
    operation TEXT PRIMARY KEY,
    process TEXT NOT NULL,
    principal TEXT NOT NULL,
    workspace TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    recipients INTEGER NOT NULL,
    tick REAL NOT NULL,
    ending TEXT,
    intent_seq INTEGER NOT NULL,
    outcome_seq INTEGER
) WITHOUT ROWID;
CREATE UNIQUE INDEX operations_by_intent ON operations (intent_seq);
CREATE INDEX operations_by_tick ON operations (tick);
CREATE INDEX operations_alike ON operations (fingerprint, tick) WHERE fingerprint <> '';
CREATE INDEX operations_spending ON operations (principal, workspace, tick, recipients, ending) WHERE recipients > 0;
CREATE INDEX operations_unsettled ON operations (ending, principal) WHERE {_KEPT_OPEN};
CREATE TABLE spending (
    principal TEXT NOT NULL,
    workspace TEXT NOT NULL,
    width INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    PRIMARY KEY (principal, workspace, width, slot)
) WITHOUT ROWID;
CREATE TABLE confirmations (
    id INTEGER PRIMARY KEY,
    handle TEXT NOT NULL UNIQUE,
    operation TEXT NOT NULL,
    binding TEXT NOT NULL,
    state TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    expires_at REAL NOT NULL,
    until_tick REAL NOT NULL,
    boot TEXT NOT NULL,
    facts TEXT NOT NULL,
    plan TEXT
);
CREATE INDEX confirmations_by_binding ON confirmations (binding);
CREATE TABLE clock (tick REAL NOT NULL, now REAL NOT NULL, uptime REAL NOT NULL, boot TEXT NOT NULL);
CREATE TABLE base (seq INTEGER NOT NULL, mac BLOB NOT NULL, key_check BLOB NOT NULL);
"""


def make(path: Path, keys: Keys, reading: Reading) -> None:
    """Make a new ledger under a temporary name and give it its name once it is whole; another's may win.

    So a ledger is never half made, and an empty file in its place is damage.
    """
    temporary = temporary_beside(path)
    write_new(temporary, b"")  # SQLite takes the mode of the file it finds, for those beside it too
    try:
        with closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")  # nobody knows the file yet; it is synced as a whole below
            fill(connection, keys, reading)
            connection.execute("PRAGMA journal_mode = WAL")
        descriptor = os.open(temporary, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    publish(temporary, path)


def fill(connection: sqlite3.Connection, keys: Keys, reading: Reading) -> None:
    """Create the tables and the first record."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table, or not at all
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.executescript(f"BEGIN; {TABLES} COMMIT")
    # A random name, so that no two chains begin alike even under one key.
    first = linked(keys.chain, GENESIS, {"kind": "created", "at": round(reading.now, 3), "ledger": token_hex(16)})
    connection.execute("INSERT INTO records VALUES (?, NULL, ?, ?)", (first.seq, first.body, first.mac))
    connection.execute("INSERT INTO clock VALUES (0, ?, ?, ?)", (reading.now, reading.uptime, reading.boot))
    connection.execute("INSERT INTO base VALUES (?, ?, ?)", (GENESIS.seq, GENESIS.mac, keys.check))


def check(connection: sqlite3.Connection, name: str, keys: Keys) -> None:
    """Raise Unrecorded unless this is a ledger that this version can read, with the right key."""
    ((application,),) = connection.execute("PRAGMA application_id")
    ((version,),) = connection.execute("PRAGMA user_version")
    if application != APPLICATION:
        raise Unrecorded(f"{name}: is no ledger of cio-mcp, or is damaged; name another file, or move it away")
    if version != VERSION:
        raise Unrecorded(f"{name}: was written by another version of cio-mcp; use that one, or move it away")
    if connection.execute("SELECT key_check FROM base").fetchall() != [(keys.check,)]:
        raise Unrecorded(f"{name}: the key beside it is not its own; put the right one back")


def page_bytes(connection: sqlite3.Connection) -> int:
    """Return how many bytes of the file are in use."""
    (size,), (pages,), (free,) = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_size", "page_count", "freelist_count")
    )
    return int(size) * (int(pages) - int(free))
