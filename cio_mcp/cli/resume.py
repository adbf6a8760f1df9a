"""`cio-mcp resume`: writes leave again."""

import argparse

from cio_mcp.cli.ledger_file import existing, run_on_ledger, say, user, visible, when
from cio_mcp.ledger import stop
from cio_mcp.ledger.place import stop_path
from cio_mcp.ledger.sqlite import SqliteLedger


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Take no arguments."""
    del command


def run(arguments: argparse.Namespace) -> int:
    """Let writes leave again; 1 if that cannot be recorded, and then they stay stopped."""
    return run_on_ledger(_resume, arguments)


async def _resume(ledger: SqliteLedger, arguments: argparse.Namespace) -> int:
    path = stop_path(existing(arguments.ledger))
    stopped = stop.look(path)
    if stopped is None:
        say("Nothing was stopped.")
        return 0
    await ledger.remark("resume", {"by": user(), "since": stopped.since})
    stop.release(path)
    reason = f" ({visible(stopped.reason)})" if stopped.reason else ""
    say(f"Writes leave again. They were stopped since {when(stopped.since)}{reason}.")
    return 0
