"""Where a server keeps what must last: its ledger, its tokens and its events, in files or in one database."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec

import anyio

from cio_mcp.ledger import Ledger, Unrecorded
from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.ledger.keys import keys_of
from cio_mcp.ledger.late import LateLedger
from cio_mcp.ledger.place import ledger_path, stop_path
from cio_mcp.ledger.retention import Retention
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.postgres import Database
from cio_mcp.settings import Settings, SettingsError

_LIBRARY = "psycopg"


@asynccontextmanager
async def database_of(settings: Settings) -> AsyncIterator[Database | None]:
    """Use the database that servers share, None if there is none; raises SettingsError if it cannot be used so.

    It is reached when it is first needed, so that a server starts, and reads, while it is away.
    """
    if settings.store is None:
        yield None
        return
    if settings.ledger is not None:
        raise SettingsError("--store and --ledger: records are kept in a database or in a file; leave one of them out")
    if settings.ledger_key is None:
        raise SettingsError(
            "--store needs CIO_MCP_LEDGER_KEY (or CIO_MCP_LEDGER_KEY_FILE), a secret of 32 characters or more that "
            "chains the record and is the same on every server; `openssl rand -hex 32` makes one"
        )
    if find_spec(_LIBRARY) is None:
        raise SettingsError("--store needs a library that is not here: pip install 'cio-mcp[postgres]'")
    database = Database(settings.store.reveal())
    try:
        yield database
    finally:
        with anyio.CancelScope(shield=True):
            await database.aclose()


@asynccontextmanager
async def recording(settings: Settings, clock: SteadyClock, database: Database | None) -> AsyncIterator[Ledger]:
    """Open the ledger that the settings name, and close it again."""
    record = _in_database(settings, database) if database else _in_file(settings, clock)
    try:
        yield record
    finally:
        with anyio.CancelScope(shield=True):
            await record.aclose()


def _in_database(settings: Settings, database: Database) -> Ledger:
    from cio_mcp.ledger.postgres import PostgresLedger  # noqa: PLC0415 - few use it, and all would wait for it

    secret = settings.ledger_key
    if secret is None:
        raise SettingsError("--store needs CIO_MCP_LEDGER_KEY")
    return PostgresLedger(database, keys_of(secret.reveal()), keep=_kept(settings))


def _in_file(settings: Settings, clock: SteadyClock) -> Ledger:
    """Open a file, or memory; a file that cannot be opened now is tried again with every call."""
    in_memory = settings.ledger_in_memory
    path = ledger_path(None if in_memory else settings.ledger)
    open_it = partial(
        SqliteLedger.open, None if in_memory else path, now=clock.now, boot=clock.boot, keep=_kept(settings)
    )
    try:
        return open_it()
    except Unrecorded as problem:
        logging.getLogger("cio_mcp").warning("calls cannot be recorded, so nothing is written: %s", problem)
        return LateLedger(open_it, problem, stop_path(path))


def _kept(settings: Settings) -> Retention:
    return Retention(days=settings.ledger_days, megabytes=settings.ledger_megabytes)
