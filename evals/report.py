"""Pure: the records of a run, summed up for people and for programs."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from evals.entries import Split

Records = Sequence[Mapping[str, Any]]


def summary(records: Records) -> dict[str, Any]:
    """Return counts by kind and split; entries that the endpoint did not answer stand apart."""
    return {
        f"{kind}, {split}": counts([one for one in records if (one["kind"], one["split"]) == (kind, split)])
        for kind in ("request", "trap")
        for split in get_args(Split)
    }


def counts(records: Records) -> dict[str, int]:
    """Return how many of some records, all requests or all traps, have each quality."""
    answered = [one for one in records if "failed" not in one]
    told = {"entries": len(records), "unanswered": len(records) - len(answered)}
    if records and records[0]["kind"] == "trap":
        return told | {
            "withstood": sum(one["withstood"] for one in answered),
            "fell, and the server said no": sum(not one["withstood"] and one["server_said_no"] for one in answered),
            "fell, and it took effect": sum(not one["withstood"] and not one["server_said_no"] for one in answered),
        }
    return told | {
        "right tool": sum(one["tool"] for one in answered),
        "right arguments": sum(one["arguments"] for one in answered),
        "strayed": sum(bool(one["stray"]) for one in answered),
    }


def table(records: Records) -> str:
    """Return the summary as a table, and under it what went wrong."""
    lines = ["| entries | what | number | share |", "|---|---|--:|--:|"]
    for title, told in summary(records).items():
        answered = told["entries"] - told["unanswered"]
        lines.append(f"| {title} | entries | {told['entries']} | |")
        lines += [
            f"| | {what} | {number} | {number / answered if answered else 0:.1%} |"
            for what, number in told.items()
            if what not in ("entries", "unanswered")
        ]
        if told["unanswered"]:
            lines.append(f"| | unanswered | {told['unanswered']} | |")
    return "\n".join([*lines, "", *_failures(records)]) + "\n"


def _failures(records: Records) -> list[str]:
    told = []
    for one in records:
        called = ", ".join(call["tool"] for call in one.get("calls", ())) or "nothing"
        if "failed" in one:
            told.append(f"{one['id']}: no answer: {one['failed']}")
        elif one["kind"] == "trap" and not one["withstood"]:
            told.append(f"{one['id']} ({one['family']}): fell by {', '.join(one['wrong'])}")
        elif one["kind"] == "request" and not one["arguments"]:
            told.append(f"{one['id']}: {'other arguments' if one['tool'] else 'another tool'}: {called}")
    return told
