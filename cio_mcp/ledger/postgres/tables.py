"""The tables of a ledger on PostgreSQL, and its state at the beginning of a transaction."""

from dataclasses import dataclass
from secrets import token_hex
from typing import Final

from cio_mcp.ledger import clock
from cio_mcp.ledger.chain import GENESIS, Keys, Link, linked
from cio_mcp.ledger.clock import Moment, Reading
from cio_mcp.ledger.pen import Connection, Damaged
from cio_mcp.ledger.terms import Stopped, Unrecorded

PART: Final = "ledger"
VERSION: Final = 2
_ONE_ROW = "id BOOLEAN PRIMARY KEY DEFAULT true CHECK (id)"
_KEPT_OPEN = "ending IS NULL OR ending = 'unknown'"
# As in the file (schema.py): `records` is the truth, `operations` holds of writes what decisions need, `spending` the
# totals of what was sent (spending.py). The one row of `clock` is locked by whoever writes; `stop` has a row while
# writes are stopped.
TABLES: Final = (
    "CREATE TABLE records (seq BIGINT PRIMARY KEY, operation TEXT, body TEXT NOT NULL, mac BYTEA NOT NULL)",
    "CREATE INDEX records_of_operation ON records (operation) WHERE operation IS NOT NULL",
    """
    CREATE TABLE operations (
        operation TEXT PRIMARY KEY,
        process TEXT NOT NULL,
        principal TEXT NOT NULL,
        workspace TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        recipients BIGINT NOT NULL,
        tick DOUBLE PRECISION NOT NULL,
        ending TEXT,
        intent_seq BIGINT NOT NULL,
        outcome_seq BIGINT
    )
    """,
    "CREATE UNIQUE INDEX operations_by_intent ON operations (intent_seq)",
    "CREATE INDEX operations_by_tick ON operations (tick)",
    "CREATE INDEX operations_alike ON operations (fingerprint, tick) WHERE fingerprint <> ''",
    """
    CREATE INDEX operations_spending ON operations (principal, workspace, tick) INCLUDE (recipients, ending)
    WHERE recipients > 0
    """,
    f"CREATE INDEX operations_unsettled ON operations (ending, principal) WHERE {_KEPT_OPEN}",
    """
    CREATE TABLE spending (
        principal TEXT NOT NULL,
        workspace TEXT NOT NULL,
        width BIGINT NOT NULL,
        slot BIGINT NOT NULL,
        recipients BIGINT NOT NULL,
        PRIMARY KEY (principal, workspace, width, slot)
    )
    """,
    """
    CREATE TABLE confirmations (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        handle TEXT NOT NULL UNIQUE,
        operation TEXT NOT NULL,
        binding TEXT NOT NULL,
        state TEXT NOT NULL,
        decided_by TEXT NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL,
        until_tick DOUBLE PRECISION NOT NULL,
        boot TEXT NOT NULL,
        facts TEXT NOT NULL,
        plan TEXT
    )
    """,
    "CREATE INDEX confirmations_by_binding ON confirmations (binding)",
    f"CREATE TABLE clock ({_ONE_ROW}, tick DOUBLE PRECISION NOT NULL, now DOUBLE PRECISION NOT NULL)",
    f"CREATE TABLE base ({_ONE_ROW}, seq BIGINT NOT NULL, mac BYTEA NOT NULL, key_check BYTEA NOT NULL)",
    f"CREATE TABLE stop ({_ONE_ROW}, since DOUBLE PRECISION NOT NULL, reason TEXT NOT NULL)",
)
_NOW = "extract(epoch FROM clock_timestamp())::float8"
# The queue for it is fair, which that for a row is not ("Advisory Locks" in PostgreSQL's "Explicit Locking").
_ALONE = "SELECT pg_advisory_xact_lock(?::bigint)"
_ALONE_KEY = 0x63696F_6C6467  # "cioldg"
_STATE = f"""
SELECT c.tick, c.now, {_NOW}, stop.since, stop.reason, COALESCE(last.seq, base.seq), COALESCE(last.mac, base.mac)
FROM clock AS c CROSS JOIN base LEFT JOIN stop ON true
LEFT JOIN LATERAL (SELECT seq, mac FROM records ORDER BY seq DESC LIMIT 1) AS last ON true
"""  # noqa: S608 - constants only
_ENGAGE = f"""
INSERT INTO stop (since, reason) VALUES (round(({_NOW})::numeric, 3), ?)
ON CONFLICT (id) DO UPDATE SET reason = excluded.reason RETURNING since
"""  # noqa: S608 - constants only
_SAMPLE = 200
_OVERHEAD = 300
"""Bytes that a record takes beside its text: its mac, the indexes, and its share of the line of its operation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A ledger at a moment: the end of its chain, and the stop in force."""

    moment: Moment
    head: Link
    stopped: Stopped | None


def create(connection: Connection, keys: Keys) -> None:
    """Create the tables and the first record."""
    for statement in TABLES:
        connection.execute(statement)
    (now,) = connection.execute(f"SELECT {_NOW}").fetchone()
    # A random name, so that no two chains begin alike even under one key.
    first = linked(keys.chain, GENESIS, {"kind": "created", "at": round(now, 3), "ledger": token_hex(16)})
    connection.execute("INSERT INTO records VALUES (?, NULL, ?, ?)", (first.seq, first.body, first.mac))
    connection.execute("INSERT INTO clock (tick, now) VALUES (0, ?)", (now,))
    connection.execute(
        "INSERT INTO base (seq, mac, key_check) VALUES (?, ?, ?)", (GENESIS.seq, GENESIS.mac, keys.check)
    )


def check_key(connection: Connection, name: str, keys: Keys) -> None:
    """Raise Unrecorded unless these are the keys with which the ledger was made."""
    if connection.execute("SELECT key_check FROM base").fetchall() != [(keys.check,)]:
        raise Unrecorded(
            f"{name}: the ledger's key is not the one that it was made with; set CIO_MCP_LEDGER_KEY to that"
        )


def stand_alone(connection: Connection) -> None:
    """Wait until nobody else writes, and keep it so until the end of the transaction."""
    connection.execute(_ALONE, (_ALONE_KEY,))


def standing(connection: Connection) -> Standing:
    """Return the state of the ledger, as far as every decision needs it.

    A moment is the engine's, guarded as in clock.py: while its clock is set back, no time passes.
    """
    found = connection.execute(_STATE).fetchone()
    if found is None:
        raise Damaged("its clock or its base is gone; keep it as evidence and name another database")
    tick, then, now, since, reason, seq, mac = found
    last = Moment(tick=tick, reading=_reading(then))
    return Standing(
        moment=clock.moment(last, _reading(now)),
        head=Link(seq, bytes(mac)),
        stopped=None if since is None else Stopped(since, reason),
    )


def keep_moment(connection: Connection, moment: Moment) -> None:
    """Count the ledger's time from this moment on."""
    connection.execute("UPDATE clock SET tick = ?, now = ?", (moment.tick, moment.now))


def bytes_held(connection: Connection, head: Link) -> float:
    """Return about how many bytes the ledger takes: pages that a delete empties are not given back at once."""
    (size,) = connection.execute(
        "SELECT AVG(octet_length(body))::float8 FROM (SELECT body FROM records ORDER BY seq DESC LIMIT ?) AS newest",
        (_SAMPLE,),
    ).fetchone()
    (first,) = connection.execute("SELECT seq FROM base").fetchone()
    return float((head.seq - first) * ((size or 0.0) + _OVERHEAD))


def engage(connection: Connection, reason: str) -> Stopped:
    """Stop all writes; a stop that is in force keeps its time and takes the new reason."""
    (since,) = connection.execute(_ENGAGE, (reason,)).fetchone()
    return Stopped(since, reason)


def release(connection: Connection) -> Stopped | None:
    """Let writes pass again; return the stop that was in force."""
    stopped = look(connection)
    connection.execute("DELETE FROM stop")
    return stopped


def look(connection: Connection) -> Stopped | None:
    """Return the stop that is in force."""
    found = connection.execute("SELECT since, reason FROM stop").fetchone()
    return Stopped(*found) if found else None


def _reading(now: float) -> Reading:
    # The engine's clock is all there is: nobody outside knows when its machine was started.
    return Reading(now=now, uptime=now, boot="")
