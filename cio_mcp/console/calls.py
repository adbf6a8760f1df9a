"""Pure: the latest records of the ledger, one line a call."""

from collections.abc import Iterable, Sequence
from typing import Any

from cio_mcp.ledger.chain import Record
from cio_mcp.ledger.entries import CARRIED, INTENT

_CALL = (
    "operation", "tool", "access", "principal", "caller", "workspace", "rule", "approval", "arguments", "recipients",
    "ending", "code", "status", "credential", "attempts", "waited", "took", "made", "settled_by",
)  # fmt: skip
"""What the page tells of a call; whatever else records hold stays where it is."""
_OWN = ("by", "reason", "until")
"""What it tells of a record that is no call, such as a stop."""
_QUESTIONS = ("asked", "approved", "rejected")
_OPEN = (INTENT, CARRIED)


def lines(records: Iterable[Record], limit: int) -> Sequence[dict[str, Any]]:
    """Return the calls and events that records tell of, the one that changed last first."""
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        operation = record.get("operation")
        key = operation or f"#{record['seq']}"
        line = found.pop(key, {"key": key, "began": record["at"]})
        found[key] = line | (_of_call(record, line) if operation else _of_event(record))
    return [_told(line) for line in reversed(list(found.values()))][:limit]


def _of_call(record: Record, line: dict[str, Any]) -> dict[str, Any]:
    kind = record["kind"]
    members = {name: record[name] for name in _CALL if name in record}
    members |= {"at": record["at"], "kind": "call", "is_open": kind in _OPEN}
    if kind in _QUESTIONS:
        members |= {"question": kind, "is_open": line.get("is_open", False)}
        members |= {"by": record["by"]} if "by" in record else {}
    return members


def _of_event(record: Record) -> dict[str, Any]:
    return {"kind": record["kind"], "at": record["at"], **{name: record[name] for name in _OWN if name in record}}


def _told(line: dict[str, Any]) -> dict[str, Any]:
    if line["kind"] != "call":
        return line
    return {**line, "state": _state(line), "decision": _decision(line)}


def _state(line: dict[str, Any]) -> str:
    """Return how a call ended, or how far it is."""
    if "ending" in line:
        return str(line["ending"])
    return "under way" if line["is_open"] else {"asked": "waiting"}.get(line.get("question", ""), "decided")


def _decision(line: dict[str, Any]) -> str:
    """Return in one word or two what was decided about a call."""
    if line.get("ending") == "refused":
        return "refused"
    if line.get("approval"):
        return f"confirmed: {line['approval']}"
    if "question" in line:
        return {"asked": "asked"}.get(line["question"], f"{line['question']} by {line.get('by', 'somebody')}")
    return "planned" if line.get("ending") == "planned" else "allowed"
