"""`cio-mcp reject`: a person at a terminal turns one operation down."""

import argparse

from cio_mcp.cli.approve import asked
from cio_mcp.cli.ledger_file import add_store, run_on_ledger, say, user
from cio_mcp.ledger.office import Office
from cio_mcp.ledger.terms import State


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add which operation is meant."""
    command.add_argument("operation", metavar="OPERATION", help="its id, as `cio-mcp pending` lists it")
    add_store(command)


def run(arguments: argparse.Namespace) -> int:
    """Turn an operation down."""
    return run_on_ledger(_reject, arguments)


async def _reject(ledger: Office, arguments: argparse.Namespace) -> int:
    confirmation = await asked(ledger, arguments.operation)
    await ledger.decide(confirmation.handle, State.REJECTED, user())
    say(f"Rejected: {confirmation.operation}.")
    return 0
