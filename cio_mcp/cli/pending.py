"""`cio-mcp pending`: what waits for a person to read and decide."""

import argparse
import json

from cio_mcp.cli.ledger_file import add_store, run_on_ledger, say, visible, when
from cio_mcp.ledger.office import Office
from cio_mcp.ledger.terms import Confirmation
from cio_mcp.moments import moment


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add how it is shown."""
    command.add_argument("--json", action="store_true", help="print one JSON object a line")
    add_store(command)


def run(arguments: argparse.Namespace) -> int:
    """List the operations that wait, with their plans."""
    return run_on_ledger(_pending, arguments)


async def _pending(ledger: Office, arguments: argparse.Namespace) -> int:
    waiting = await ledger.for_operator()
    for confirmation in waiting:
        say(_as_json(confirmation) if arguments.json else shown(confirmation))
    if not waiting and not arguments.json:
        say("Nothing waits for you.")
    return 0


def shown(confirmation: Confirmation) -> str:
    """Return a confirmation as a person reads it before deciding."""
    people = "person" if confirmation.audience == 1 else "people"
    audience = "" if confirmation.audience is None else f", {confirmation.audience:,} {people}"
    return (
        f"{confirmation.operation}  {confirmation.tool}{audience}  asked by {visible(confirmation.principal)}, "
        f"until {when(confirmation.expires_at)}\n"
        + visible(json.dumps(confirmation.plan, indent=2, ensure_ascii=False))
    )


def _as_json(confirmation: Confirmation) -> str:
    names = ("operation", "tool", "principal", "workspace", "audience", "expires_at", "plan")
    told = {name: getattr(confirmation, name) for name in names}
    return json.dumps(told | {"expires_at": moment(confirmation.expires_at)}, separators=(",", ":"))
