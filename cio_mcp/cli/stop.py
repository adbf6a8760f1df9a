"""`cio-mcp stop`: no write leaves any more, from any process on this ledger."""

import argparse
import sys
import time

from cio_mcp.cli.ledger_file import Impossible, add_store, existing, fail, run_on_ledger, say, stored, user, when
from cio_mcp.ledger import stop
from cio_mcp.ledger.office import Office
from cio_mcp.ledger.place import stop_path
from cio_mcp.ledger.terms import Stopped, Unrecorded


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add what can be said about it."""
    command.add_argument("reason", metavar="REASON", nargs="?", default="", help="why; callers are told")
    add_store(command)


def run(arguments: argparse.Namespace) -> int:
    """Stop every write, before anything else that could fail; 1 if there is no ledger whose writes could be stopped."""
    # Bytes that are no text must not keep a stop from standing: a database would not take them.
    arguments.reason = arguments.reason.encode("utf-8", "backslashreplace").decode()
    try:
        if stored(arguments):
            return run_on_ledger(_stop, arguments, tend=False)
        stopped = stop.engage(stop_path(existing(arguments.ledger)), arguments.reason, time.time())
    except (Impossible, OSError) as error:
        return fail(f"nothing was stopped: {error}")
    _tell(stopped)
    if run_on_ledger(_record, arguments, tend=False):
        _tell_unrecorded()
    return 0


async def _stop(ledger: Office, arguments: argparse.Namespace) -> int:
    """Stop the writes of a ledger that is no file, and record it in a transaction of its own."""
    try:
        stopped = await ledger.engage(arguments.reason)
    except Unrecorded as error:
        raise Impossible(f"nothing was stopped: {error}") from None
    _tell(stopped)
    try:
        return await _record(ledger, arguments)
    except Unrecorded as error:
        fail(str(error))
        _tell_unrecorded()
        return 0


def _tell(stopped: Stopped) -> None:
    say(f"Stopped since {when(stopped.since)}: nothing is written to Customer.io, reads go on. Undo: cio-mcp resume")


def _tell_unrecorded() -> None:
    sys.stderr.write("cio-mcp: the stop holds all the same, but stands in no record\n")


async def _record(ledger: Office, arguments: argparse.Namespace) -> int:
    await ledger.remark("stop", {"by": user(), "reason": arguments.reason})
    return 0
