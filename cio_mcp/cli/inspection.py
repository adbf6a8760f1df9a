"""What `doctor` finds of the record, the stop, and what limits are shared through; it changes none of them."""

import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping

import anyio

from cio_mcp.cli.keeping import database_of
from cio_mcp.cli.ledger_file import when
from cio_mcp.diagnosis import Finding, State
from cio_mcp.ledger import Unrecorded
from cio_mcp.ledger.keys import keys_of
from cio_mcp.ledger.place import ledger_path, stop_path
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.ledger.stop import look
from cio_mcp.ledger.terms import Stopped
from cio_mcp.limiter.engine.terms import Unreachable
from cio_mcp.login.kept import Spoilt, stored_login
from cio_mcp.postgres import Database
from cio_mcp.settings import MEMORY, Settings, SettingsError, keys_named, unreadable
from cio_mcp.workspaces import Entry

UNTIL_MENDED = "until it is mended nothing is written to Customer.io"
ENGINE_SECONDS = 5.0


async def record_found(settings: Settings) -> AsyncIterator[Finding]:
    """Look at the ledger, wherever it is, and whether writes are stopped."""
    try:
        async with database_of(settings) as database:
            if database is None:
                for finding in _file_found(settings):
                    yield finding
                return
            async for finding in _store_found(settings, database):
                yield finding
    except SettingsError as error:
        yield Finding(subject="Ledger", state=State.BAD, text=str(error), remedy=UNTIL_MENDED)


def _file_found(settings: Settings) -> Iterator[Finding]:
    path = ledger_path(None if settings.ledger == MEMORY else settings.ledger)
    if stop := look(stop_path(path)):
        yield _stopped(stop)
    if settings.ledger_in_memory:
        text = "calls are recorded in memory, and forgotten with the process"
        yield Finding(subject="Ledger", state=State.NOTE, text=text)
        return
    if not os.path.lexists(path):
        yield Finding(subject="Ledger", state=State.NOTE, text=f"none yet; a server makes it at {path}")
        return
    try:
        ledger = SqliteLedger.open(path, now=time.time, make=False, tend=False)
        yield _records(str(path), ledger.head().seq)
        ledger.close()
    except Unrecorded as error:
        yield Finding(subject="Ledger", state=State.BAD, text=str(error), remedy=UNTIL_MENDED)


async def _store_found(settings: Settings, database: Database) -> AsyncIterator[Finding]:
    from cio_mcp.ledger.postgres import PostgresLedger  # noqa: PLC0415 - few use it, and all would wait for it

    ledger = PostgresLedger(database, keys_of(settings.ledger_key.reveal() if settings.ledger_key else ""), make=False)
    try:
        if stop := await ledger.stop_in_force():
            yield _stopped(stop)
        yield _records(ledger.name, (await ledger.head()).seq)
    except Unrecorded as error:
        state, remedy = (State.NOTE, "") if "a server makes it" in str(error) else (State.BAD, UNTIL_MENDED)
        yield Finding(subject="Ledger", state=state, text=str(error), remedy=remedy)
    finally:
        await ledger.aclose()


def unread_found(entry: Entry, settings: Settings, problem: str) -> Iterator[Finding]:
    """Say which credentials of a workspace cannot be read; if all can be, what else keeps it from being served."""
    found = unreadable(entry, settings, os.environ)
    for name, error in found.items():
        yield Finding(subject=name, state=State.BAD, text=str(error), remedy=error.remedy)
    if not found:
        yield Finding(subject="Settings", state=State.BAD, text=problem, remedy="mend it where it says")


def login_found(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Look whether keys are stored, and whether they are those that are used."""
    if settings.login:
        text = (
            f"the keys are those that `cio-mcp login` stored ({settings.login.place}); keys in the environment would "
            "go before them. Running servers take up rotated keys; those of another workspace or region, or of "
            "further kinds, once they are restarted"
        )
        yield Finding(subject="Login", state=State.NOTE, text=text)
        return
    named = keys_named(environ)
    if settings.sandbox or settings.workspaces or not named or not _is_stored():
        return
    verb = "is" if len(named) == 1 else "are"
    text = f"a login is stored, and not used, because {' and '.join(named)} {verb} in the environment"
    yield Finding(subject="Login", state=State.NOTE, text=text, remedy="to use what is stored, unset every one of them")


def _is_stored() -> bool:
    try:
        return stored_login() is not None
    except Spoilt:
        return True


async def limits_found(settings: Settings) -> AsyncIterator[Finding]:
    """Look whether what limits are shared through answers, if it is a service."""
    from cio_mcp.limiter.engine.opening import opened  # noqa: PLC0415 - few use it, and all would wait for it

    url = settings.limiter or settings.store
    if url is None or settings.sandbox:
        return
    try:
        async with opened(url.reveal()) as engine:
            with anyio.fail_after(ENGINE_SECONDS):
                await engine.ping()
            yield Finding(subject="Shared limits", state=State.GOOD, text=f"{engine.name} answers")
    except (Unreachable, ImportError, TimeoutError) as error:
        part = "nothing is sent" if settings.limiter_strict else f"each server keeps to 1/{settings.replicas} of them"
        text = str(error) or "no answer"
        yield Finding(subject="Shared limits", state=State.BAD, text=text, remedy=f"until it answers, {part}")


def _stopped(stop: Stopped) -> Finding:
    text = f"all writes are stopped since {when(stop.since)}"
    return Finding(subject="Stop", state=State.BAD, text=text, remedy="let writes leave again: cio-mcp resume")


def _records(place: str, count: int) -> Finding:
    text = f"{place} has {count:,} records; `cio-mcp audit verify` checks them"
    return Finding(subject="Ledger", state=State.GOOD, text=text)
