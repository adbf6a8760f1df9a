"""`cio-mcp approve`: a person at a terminal lets one operation pass. No tool can do this."""

import argparse
import sys

from cio_mcp.cli.asking import typed_line
from cio_mcp.cli.ledger_file import Impossible, add_store, run_on_ledger, say, user
from cio_mcp.cli.pending import shown
from cio_mcp.ledger.office import Office
from cio_mcp.ledger.terms import Confirmation, State


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add which operation is meant."""
    command.add_argument("operation", metavar="OPERATION", help="its id, as `cio-mcp pending` lists it")
    command.add_argument("--yes", action="store_true", help="do not ask; for scripts")
    add_store(command)


def run(arguments: argparse.Namespace) -> int:
    """Show the plan and, after a typed yes, approve it; 1 if it was not approved."""
    return run_on_ledger(_approve, arguments)


async def _approve(ledger: Office, arguments: argparse.Namespace) -> int:
    confirmation = await asked(ledger, arguments.operation)
    say(shown(confirmation))
    if not arguments.yes and not await _agreed():
        raise Impossible("nothing was approved")
    await ledger.decide(confirmation.handle, State.APPROVED, user())
    say(f"Approved: {confirmation.operation}. The agent has to make the same call once more.")
    return 0


async def asked(ledger: Office, operation: str) -> Confirmation:
    """Return the confirmation that waits for a decision about an operation."""
    waiting = [each for each in await ledger.for_operator() if each.operation == operation]
    if not waiting:
        raise Impossible("no such operation waits for you; `cio-mcp pending` lists those that do")
    return waiting[0]


async def _agreed() -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        raise Impossible("nobody can be asked here; in a script, give --yes")
    sys.stdout.write("Type yes to let it pass: ")
    sys.stdout.flush()
    return (await typed_line()).strip().lower() == "yes"
