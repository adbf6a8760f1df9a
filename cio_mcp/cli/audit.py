"""`cio-mcp audit`: read the ledger, and check that nobody else wrote in it."""

import argparse
import json
import sys
from typing import Any

from cio_mcp.cli.ledger_file import FAILED, Impossible, add_store, is_text, run_on_ledger, say, visible, when
from cio_mcp.ledger.chain import UNSEEN, Record, Verdict
from cio_mcp.ledger.office import Office
from cio_mcp.ledger.redaction import SHOWN
from cio_mcp.moments import moment

UNASKED = 2
"""The exit code of a question that was put wrongly, or could not be answered: 1 is for a ledger that is not whole."""
_LAST = 20
_AT_ONCE = 1000
# What a reader looks for first, in columns of its own; then the rest by name, the longest last.
_COLUMNS = ("tool", "ending", "code", "operation")
_FIRST = ("status", "recipients", "audience", "approval", "rule", "by", "reason", "since", "made", "principal")
_LATER = ("caller", "workspace", "arguments")
# Shown in columns of their own, or of no use to a reader.
_NOT_NAMED = (*_COLUMNS, "seq", "at", "kind", "fingerprint", "tick")
_TIMES = frozenset({"since"})


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add what can be asked."""
    asked = command.add_argument(
        "question",
        choices=("verify", "show", "export", "find"),
        help="verify: is every record as it was written; show: the last records, or those of one OPERATION; export: "
        "all, as JSON lines; find: those that name a person or thing, or are of an operation",
    )
    asked.metavar = "verify|show|export|find"
    command.add_argument(
        "identifier",
        metavar="IDENTIFIER",
        nargs="?",
        help="find: an id, e-mail address, phone, token; find and show: an operation's id",
    )
    command.add_argument("--head", metavar="SEQ:MAC", help="verify: a head that was noted earlier")
    command.add_argument("--last", metavar="N", type=_count, help=f"show: how many (default: {_LAST})")
    command.add_argument("--json", action="store_true", help="verify: print JSON; show, find: print JSON lines")
    command.epilog = (
        f"Exit code: 0 for an answer, {FAILED} for a FAULT, {UNASKED} if the question is put wrongly or has no answer."
    )
    add_store(command)


def run(arguments: argparse.Namespace) -> int:
    """Answer one question about the ledger; 1 if verification finds a fault, 2 if there is no answer."""
    return run_on_ledger(_answer, arguments, tend=False, failed=UNASKED)


async def _answer(ledger: Office, arguments: argparse.Namespace) -> int:
    _check(arguments)
    match arguments.question:
        case "verify":
            return await _verify(ledger, arguments.head, as_json=arguments.json)
        case "show" if arguments.identifier:
            return await _show(ledger, arguments.identifier, as_json=arguments.json)
        case "show":
            last = (await ledger.head()).seq
            _print(await ledger.records(max(0, last - (arguments.last or _LAST))), as_json=arguments.json)
        case "export":
            await _export(ledger)
        case _:
            return await _find(ledger, arguments.identifier, as_json=arguments.json)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what a question does not take: whoever gives it expects something of it. Raises Impossible."""
    question, given = arguments.question, arguments.identifier is not None
    if question == "find" and not given:
        raise Impossible("audit find takes one IDENTIFIER")
    if given and not is_text(arguments.identifier):
        raise Impossible(f"IDENTIFIER is no text in UTF-8, as all that is recorded: {arguments.identifier}")
    strange = {
        "IDENTIFIER": given and question in ("verify", "export"),
        "--head": arguments.head is not None and question != "verify",
        "--last": arguments.last is not None and (question != "show" or given),
    }
    if named := [name for name, is_strange in strange.items() if is_strange]:
        asked = "show OPERATION" if question == "show" and given else question
        raise Impossible(f"audit {asked} takes no {' and no '.join(named)}")


async def _verify(ledger: Office, noted: str | None, *, as_json: bool) -> int:
    try:
        verdict = await ledger.verify(noted)
    except ValueError as error:
        raise Impossible(f"--head: {error}") from None
    if as_json:
        say(json.dumps(_told(verdict), separators=(",", ":")))
    elif verdict.fault:
        say(f"FAULT ({verdict.fault.flaw}) at record {verdict.fault.seq}: {verdict.fault.text}")
        say(f"  {_extent(verdict)} before it; keep it as evidence")
    else:
        say(f"ok: {_extent(verdict)}" + (", and the noted head is one of them" if noted else ""))
        say(f"  head {verdict.head}")
        say(f"  {UNSEEN}")
    return FAILED if verdict.fault else 0


def _told(verdict: Verdict) -> dict[str, Any]:
    fault = verdict.fault
    return {
        "ok": fault is None,
        "records": verdict.held,
        "removed_up_to": verdict.base.seq,
        "head": None if fault else str(verdict.head),
        "fault": {"flaw": fault.flaw, "record": fault.seq, "text": fault.text} if fault else None,
    }


def _extent(verdict: Verdict) -> str:
    removed = f" (those up to {verdict.base.seq} were removed by retention)" if verdict.base.seq else ""
    return f"{verdict.held} records hold{removed}"


async def _show(ledger: Office, operation: str, *, as_json: bool) -> int:
    found = await ledger.of_operation(operation.strip())
    if not found:
        raise Impossible(f"no record is of an operation {operation}; audit find looks for people and things")
    _print(found, as_json=as_json)
    return 0


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
    columns = (str(record.get(name, "")) for name in _COLUMNS)
    line = f"{record['seq']:>6} {when(record['at'])} {record['kind']:10} {' '.join(filter(None, columns))}"
    return visible(f"{line}  {_brief(record)}").rstrip().replace("\n", "\\n")


def _brief(record: Record) -> str:
    """Return the members without a column of their own, those that matter most first."""
    others = [name for name in record if name not in (*_NOT_NAMED, *_FIRST, *_LATER)]
    return " ".join(f"{name}={_shown(name, record[name])}" for name in (*_FIRST, *others, *_LATER) if name in record)


def _shown(name: str, value: Any) -> str:
    is_time = name in _TIMES and isinstance(value, int | float)
    return moment(value) if is_time else json.dumps(value, ensure_ascii=False)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not int(text):
        raise argparse.ArgumentTypeError("must be a number from 1")
    return int(text)
