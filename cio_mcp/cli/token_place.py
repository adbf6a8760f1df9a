"""Where the commands on tokens find them: beside the ledger whose servers take them."""

import argparse
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cio_mcp.agents.token_store import TokenStore
from cio_mcp.agents.token_store_sqlite import SqliteTokenStore, token_path
from cio_mcp.agents.tokens import TokenAuthenticator
from cio_mcp.cli.ledger_file import KEY_SETTING, MEMORY, Impossible, read_setting, stored
from cio_mcp.ledger.chain import Keys
from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.ledger.keys import keys_of
from cio_mcp.ledger.place import ledger_path
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.postgres import Database
from cio_mcp.settings import Settings, SettingsError


class Recorder(Protocol):
    """Records something that is no call; raises Unrecorded."""

    async def __call__(self, kind: str, members: Mapping[str, Any], /) -> None:
        """Record it; `kind` names it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPlace:
    """Tokens, and the record in which it stands who made and who ended them."""

    store: TokenStore
    record: Recorder


@asynccontextmanager
async def token_place(arguments: argparse.Namespace) -> AsyncIterator[TokenPlace]:
    """Open the tokens that the arguments name; raises Impossible.

    The record is opened when something is written in it, so that tokens can be ended without it.
    """
    address = stored(arguments)
    async with _in_database(address) if address else _in_file(arguments.ledger) as place:
        yield place


@asynccontextmanager
async def _in_file(setting: str | None) -> AsyncIterator[TokenPlace]:
    if setting == MEMORY:
        raise Impossible(
            "a ledger in memory ends with its server, and tokens are kept beside the ledger: name a file with --ledger"
        )
    ledger = ledger_path(setting)
    store = beside(ledger, SteadyClock())

    async def record(kind: str, members: Mapping[str, Any]) -> None:
        await _remark(ledger, kind, members)

    try:
        yield TokenPlace(store=store, record=record)
    finally:
        await store.aclose()


@asynccontextmanager
async def _in_database(address: str) -> AsyncIterator[TokenPlace]:
    from cio_mcp.agents.token_store_postgres import PostgresTokenStore  # noqa: PLC0415 - an extra, and few use it
    from cio_mcp.ledger.postgres import PostgresLedger  # noqa: PLC0415 - as above

    try:
        database = Database(address, size=2)
    except ValueError as error:
        raise Impossible(f"--store {error}") from None

    async def record(kind: str, members: Mapping[str, Any]) -> None:
        ledger = PostgresLedger(database, _keys())
        try:
            await ledger.remark(kind, members)
        finally:
            await ledger.aclose()

    try:
        yield TokenPlace(store=PostgresTokenStore(database), record=record)
    finally:
        await database.aclose()


@asynccontextmanager
async def token_authenticator(settings: Settings, database: Database | None) -> AsyncIterator[TokenAuthenticator]:
    """Open what knows a server's agents by their tokens, which lie where its record does; raises SettingsError."""
    if database:
        from cio_mcp.agents.token_store_postgres import PostgresTokenStore  # noqa: PLC0415 - an extra, and few use it

        yield TokenAuthenticator(PostgresTokenStore(database))
        return
    if settings.ledger_in_memory:
        raise SettingsError("--auth tokens: they are kept beside the ledger, and this one is in memory; see --ledger")
    store = beside(ledger_path(settings.ledger), SteadyClock())
    try:
        yield TokenAuthenticator(store)
    finally:
        await store.aclose()


def _keys() -> Keys:
    secret = read_setting(KEY_SETTING)
    if secret is None:
        raise Impossible(f"{KEY_SETTING} is not set: the store's ledger needs the key that its servers have")
    try:
        return keys_of(secret)
    except ValueError as error:
        raise Impossible(str(error)) from None


def beside(ledger: Path, clock: SteadyClock) -> SqliteTokenStore:
    """Return the tokens that belong to a ledger, under the later of both clocks.

    So neither a wall clock that is set back nor a process that began under one that was behind prolongs a token.
    """
    return SqliteTokenStore(token_path(ledger), now=lambda: max(clock.now(), time.time()))


async def _remark(path: Path, kind: str, members: Mapping[str, Any]) -> None:
    """Write in the ledger, and make it if no server has yet."""
    clock = SteadyClock()
    ledger = SqliteLedger.open(path, now=clock.now, boot=clock.boot, tend=False)
    try:
        await ledger.remark(kind, members)
    finally:
        await ledger.aclose()
