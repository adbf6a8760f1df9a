"""Pure: what an example that was played has shown of its client."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.frameworks.play import Played

ACTS = ("listed", "read", "tracked", "sent", "refused")
EVENT = {"name": "trial_extended", "data": {"days": 7}}
Outcome = dict[str, Any]


def outcome(played: Played, tools: int) -> Outcome:
    """Return what the client did; only what Customer.io and the record tell of counts, but for the list of tools."""
    return {
        "acts": [act for act in ACTS if _SHOWN[act](played, tools)],
        "confirmed": _confirmed(played),
    }


def requests(journal: Sequence[Any], method: str, path: str) -> list[Any]:
    """Return what arrived at a path."""
    return [entry for entry in journal if (entry.method, entry.raw_path) == (method, path)]


def deletions(journal: Sequence[Any]) -> list[Any]:
    """Return what arrived to delete the person whom every example deletes."""
    return requests(journal, "DELETE", "/api/v1/customers/bob-2")


def _listed(played: Played, tools: int) -> bool:
    return f"listed: {tools} tools" in played.said


def _read(played: Played, _tools: int) -> bool:
    return bool(requests(played.arrived, "GET", "/v1/customers/ada-1/attributes")) and "read: trial" in played.said


def _tracked(played: Played, _tools: int) -> bool:
    arrived = requests(played.arrived, "POST", "/api/v1/customers/ada-1/events")
    return len(arrived) == 1 and EVENT.items() <= json.loads(arrived[0].body).items()


def _sent(played: Played, _tools: int) -> bool:
    arrived = requests(played.arrived, "POST", "/v1/send/email")
    return len(arrived) == 1 and json.loads(arrived[0].body)["to"] == "ada@example.com"


def _refused(played: Played, _tools: int) -> bool:
    """Whether a misspelt argument was refused by this server, and the one who runs the example was told which."""
    refused = [record["code"] for record in of_tool(played.records, "suppress_person") if record["kind"] == "outcome"]
    told = re.search(r"^refused: .*dryRun.*did you mean dry_run", played.said, re.MULTILINE)
    return refused == ["invalid_arguments"] and told is not None


def of_tool(records: Sequence[Mapping[str, Any]], tool: str) -> list[Mapping[str, Any]]:
    """Return what is on record of a tool."""
    return [record for record in records if record.get("tool") == tool]


def _confirmed(played: Played) -> str | None:
    """Return by which way the deletion was confirmed, as the record has it."""
    approvals = [record["approval"] for record in of_tool(played.records, "delete_person") if "approval" in record]
    return approvals[0] if len(deletions(played.arrived)) == 1 and len(approvals) == 1 else None


_SHOWN = {"listed": _listed, "read": _read, "tracked": _tracked, "sent": _sent, "refused": _refused}
