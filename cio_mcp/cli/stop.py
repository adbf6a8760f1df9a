"""`cio-mcp stop`: no write leaves any more, from any process on this ledger."""

import argparse
import sys
import time

from cio_mcp.cli.ledger_file import Impossible, existing, fail, run_on_ledger, say, user, when
from cio_mcp.ledger import stop
from cio_mcp.ledger.place import stop_path
from cio_mcp.ledger.sqlite import SqliteLedger


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add what can be said about it."""
    command.add_argument("reason", metavar="REASON", nargs="?", default="", help="why; callers are told")


def run(arguments: argparse.Namespace) -> int:
    """Stop every write, before anything else that could fail; 1 if there is no ledger whose writes could be stopped."""
    try:
        stopped = stop.engage(stop_path(existing(arguments.ledger)), arguments.reason, time.time())
    except (Impossible, OSError) as error:
        return fail(f"nothing was stopped: {error}")
    say(f"Stopped since {when(stopped.since)}: nothing is written to Customer.io, reads go on. Undo: cio-mcp resume")
    if run_on_ledger(_record, arguments, tend=False):
        sys.stderr.write("cio-mcp: the stop holds all the same, but stands in no record\n")
    return 0


async def _record(ledger: SqliteLedger, arguments: argparse.Namespace) -> int:
    await ledger.remark("stop", {"by": user(), "reason": arguments.reason})
    return 0
