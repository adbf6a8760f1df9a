"""`cio-mcp audit`: read the ledger, and check that nobody else wrote in it."""

import argparse
import json
import sys
from typing import Any

from cio_mcp.cli.ledger_file import FAILED, Impossible, add_store, run_on_ledger, say, visible, when
from cio_mcp.ledger.chain import UNSEEN, Record, Verdict
from cio_mcp.ledger.office import Office
from cio_mcp.ledger.redaction import SHOWN

_LAST = 20
_AT_ONCE = 1000
# Shown in columns of their own, or of no use to a reader.
_OWN_COLUMNS = ("seq", "at", "kind", "operation", "tool", "ending", "fingerprint", "tick")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add what can be asked."""
    asked = command.add_argument(
        "question",
        choices=("verify", "show", "export", "find"),
        help="verify: is every record as it was written; show: the last records; export: all, as JSON lines; "
        "find: those that name a person or thing",
    )
    asked.metavar = "verify|show|export|find"
    command.add_argument(
        "identifier", metavar="IDENTIFIER", nargs="?", help="find: an id, e-mail address, phone, token"
    )
    command.add_argument("--head", metavar="SEQ:MAC", help="verify: a head that was noted earlier")
    command.add_argument("--last", metavar="N", type=_count, default=_LAST, help=f"show: how many (default: {_LAST})")
    command.add_argument("--json", action="store_true", help="show, find: print records as JSON lines")
    add_store(command)


def run(arguments: argparse.Namespace) -> int:
    """Answer one question about the ledger; 1 if verification finds a fault."""
    return run_on_ledger(_answer, arguments, tend=False)


async def _answer(ledger: Office, arguments: argparse.Namespace) -> int:
    if (arguments.question == "find") is not (arguments.identifier is not None):
        raise Impossible("audit find takes one IDENTIFIER, the other questions none")
    match arguments.question:
        case "verify":
            return await _verify(ledger, arguments.head)
        case "show":
            last = (await ledger.head()).seq
            _print(await ledger.records(max(0, last - arguments.last)), as_json=arguments.json)
        case "export":
            await _export(ledger)
        case _:
            return await _find(ledger, arguments.identifier, as_json=arguments.json)
    return 0


async def _verify(ledger: Office, noted: str | None) -> int:
    try:
        verdict = await ledger.verify(noted)
    except ValueError as error:
        raise Impossible(f"--head: {error}") from None
    if verdict.fault:
        say(f"FAULT ({verdict.fault.flaw}) at record {verdict.fault.seq}: {verdict.fault.text}")
        say(f"  {_extent(verdict)} before it; keep it as evidence")
        return FAILED
    say(f"ok: {_extent(verdict)}" + (", and the noted head is one of them" if noted else ""))
    say(f"  head {verdict.head}")
    say(f"  {UNSEEN}")
    return 0


def _extent(verdict: Verdict) -> str:
    removed = f" (those up to {verdict.base.seq} were removed by retention)" if verdict.base.seq else ""
    return f"{verdict.records} records hold{removed}"


async def _export(ledger: Office) -> None:
    """Print all records a thousand at a time: a ledger may be larger than memory."""
    after = 0
    while found := await ledger.records(after, _AT_ONCE):
        _print(found, as_json=True)
        after = found[-1]["seq"]


async def _find(ledger: Office, identifier: str, *, as_json: bool) -> int:
    found = await ledger.find(identifier)
    _print(found, as_json=as_json)
    sys.stderr.write(
        f"{len(found)} records name it; of a longer list than {SHOWN} only the first {SHOWN} are recorded, "
        "and free text and attributes not at all\n"
    )
    return 0


def _print(records: list[Record], *, as_json: bool) -> None:
    for record in records:
        say(json.dumps(record, ensure_ascii=True, separators=(",", ":")) if as_json else _line(record))


def _line(record: Record) -> str:
    columns = (str(record.get(name, "")) for name in ("operation", "tool", "ending"))
    others = {name: value for name, value in record.items() if name not in _OWN_COLUMNS}
    line = f"{record['seq']:>6} {when(record['at'])} {record['kind']:10} {' '.join(filter(None, columns))}"
    return visible(f"{line}  {_brief(others)}").rstrip().replace("\n", "\\n")


def _brief(members: dict[str, Any]) -> str:
    return " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in members.items())


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not int(text):
        raise argparse.ArgumentTypeError("must be a number from 1")
    return int(text)
