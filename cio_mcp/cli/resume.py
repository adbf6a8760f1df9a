"""`cio-mcp resume`: writes leave again."""

import argparse

from cio_mcp.cli.ledger_file import add_store, run_on_ledger, say, user, visible, when
from cio_mcp.ledger.office import Office


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add nothing but where the ledger is."""
    add_store(command)


def run(arguments: argparse.Namespace) -> int:
    """Let writes leave again; 1 if that cannot be recorded, and then they stay stopped."""
    return run_on_ledger(_resume, arguments)


async def _resume(ledger: Office, arguments: argparse.Namespace) -> int:
    del arguments
    stopped = await ledger.stop_in_force()
    if stopped is None:
        say("Nothing was stopped.")
        return 0
    await ledger.remark("resume", {"by": user(), "since": stopped.since})
    await ledger.release()
    reason = f" ({visible(stopped.reason)})" if stopped.reason else ""
    say(f"Writes leave again. They were stopped since {when(stopped.since)}{reason}.")
    return 0
