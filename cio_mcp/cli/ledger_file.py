"""The ledger that a command works on, and how commands show what is in it."""

import argparse
import getpass
import os
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.ledger.keys import keys_of
from cio_mcp.ledger.office import FileOffice, Office
from cio_mcp.ledger.place import ledger_path
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.ledger.terms import NotConfirmed, Unrecorded

MEMORY = "memory"
FAILED = 1
Work = Callable[[Office, argparse.Namespace], Coroutine[Any, Any, int]]
_STORE, KEY_SETTING = "CIO_MCP_STORE", "CIO_MCP_LEDGER_KEY"


class Impossible(Exception):
    """A command cannot do what it was asked; the text says why."""


def add_store(command: argparse.ArgumentParser) -> None:
    """Let a command work on a store that servers share; a file is named with --ledger."""
    command.add_argument(
        "--store",
        metavar="URL",
        default=None,
        help="the PostgreSQL database that the servers share, instead of a file, as they were given it; "
        f"needs their {KEY_SETTING} [{_STORE}]",
    )


def run_on_ledger(work: Work, arguments: argparse.Namespace, *, tend: bool = True, failed: int = FAILED) -> int:
    """Open the ledger that the arguments name, do the work, and say in one line what stands in its way.

    Unless told to `tend` to it, opening leaves the ledger as it is; `failed` is the exit code if nothing can be done.
    """
    try:
        return anyio.run(_on_ledger, work, arguments, tend)
    except (Impossible, Unrecorded) as error:
        return fail(str(error), failed)
    except NotConfirmed as error:
        return fail(f"this confirmation {error.why}", failed)


def stored(arguments: argparse.Namespace) -> str | None:
    """Return the address of the store that the arguments or the environment name; None means a file."""
    given: str | None = arguments.store
    return given or read_setting(_STORE)


def existing(setting: str | None) -> Path:
    """Return the path of the ledger that a setting means; raises Impossible if there is none."""
    if setting == MEMORY:
        raise Impossible("a ledger in memory ends with its server and cannot be reached from here")
    path = ledger_path(setting)
    if not os.path.lexists(path):
        raise Impossible(f"there is no ledger at {path}; a server makes it when it starts, --ledger names another")
    return path


async def _on_ledger(work: Work, arguments: argparse.Namespace, tend: bool) -> int:  # noqa: FBT001 - anyio.run passes by position
    address = stored(arguments)
    office = _shared(address) if address else _of_file(existing(arguments.ledger), tend=tend)
    try:
        return await work(office, arguments)
    finally:
        await office.aclose()


def _of_file(path: Path, *, tend: bool) -> Office:
    clock = SteadyClock()
    return FileOffice(SqliteLedger.open(path, now=clock.now, boot=clock.boot, make=False, tend=tend))


def _shared(address: str) -> Office:
    from cio_mcp.ledger.postgres import PostgresLedger  # noqa: PLC0415 - an extra, and few use it
    from cio_mcp.postgres import Database  # noqa: PLC0415 - as above

    secret = read_setting(KEY_SETTING)
    if secret is None:
        raise Impossible(f"{KEY_SETTING} is not set: the store's ledger needs the key that its servers have")
    try:
        return PostgresLedger(Database(address, size=2), keys_of(secret), make=False)
    except ValueError as error:
        raise Impossible(str(error)) from None


def read_setting(name: str) -> str | None:
    """Return what the environment says, or the file that it names."""
    value, path = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if value and path:
        raise Impossible(f"{name} and {name}_FILE are both set: unset one of them")
    if not path:
        return value or None
    try:
        return Path(path).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeError) as error:
        raise Impossible(f"{name}_FILE cannot be read: {error}") from None


def fail(text: str, code: int = FAILED) -> int:
    """Say in one line why a command failed; return its exit code."""
    sys.stderr.write(f"cio-mcp: {visible(text)}\n")
    return code


def say(text: str) -> None:
    """Print one line."""
    sys.stdout.write(f"{text}\n")


def user() -> str:
    """Return the name of the person at the keyboard, as the system knows it and not as the environment says."""
    try:
        import pwd  # noqa: PLC0415 - POSIX only

        return visible(pwd.getpwuid(os.getuid()).pw_name)
    except (ImportError, KeyError):
        return visible(getpass.getuser())


def when(seconds: float) -> str:
    """Return a time as people and programs read it, in UTC; a number that is none, as in a changed record, as it is."""
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g} (no time)"
    return moment.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00") + "Z"


def is_text(word: str) -> bool:
    """Say whether a word of the command line is text: bytes that are none in UTF-8 come as halves of characters."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def visible(text: str) -> str:
    """Show what would hide or move text on a terminal as an escape; lines stay lines."""
    return "".join(each if each.isprintable() or each == "\n" else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
