"""Pure: what was gathered, as the JSON that the page draws."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from cio_mcp.console.calls import lines
from cio_mcp.ledger.chain import Link, Record, Verdict
from cio_mcp.ledger.terms import Confirmation, Operation, Stopped
from cio_mcp.limiter import Budget
from cio_mcp.scrub import text
from cio_mcp.under_way import Flight

CALLS = 100
SHOWN = 50
"""Of each list that seldom holds more than a few."""
OUTLINE = frozenset(
    {"tool", "permission", "does", "asked_because", "workspace", "key", "audience", "of", "audience_is",
     "undo", "usually_meant_instead", "not_known"}
)  # fmt: skip
"""Members of a plan in this server's own words. The others name people, and whoever has not signed in may be anybody
on this machine, who could not read the ledger's file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the last verification of the chain found, or why there was none; `at` in seconds since 1970."""

    verdict: Verdict | None
    problem: str
    at: float
    took: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the ledger holds: `head` is the end of its chain, `records` its newest records."""

    head: Link
    records: Sequence[Record]
    pending: Sequence[Confirmation]
    unknown: Sequence[Operation]
    stop: Stopped | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One workspace now: its calls under way, `at` on their clock, and its budgets."""

    name: str
    at: float
    flights: Sequence[Flight]
    budgets: Sequence[Budget]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Everything that the page shows, at one moment; without `kept`, `problem` says why."""

    at: float
    server: Mapping[str, Any]
    sites: Sequence[Site]
    kept: Kept | None
    problem: str
    checked: Checked | None


def picture(gathered: Gathered, *, whole: bool) -> dict[str, Any]:
    """Return what the page draws; only the `whole` of it holds plans with the names that stand in them."""
    drawn: dict[str, Any] = {
        "at": gathered.at,
        "server": dict(gathered.server),
        "problem": gathered.problem if whole or not gathered.problem else "The server's log says why.",
        "now": [_flight(site, flight) for site in gathered.sites for flight in site.flights][:SHOWN],
        "under_way": sum(len(site.flights) for site in gathered.sites),
        "budgets": [_budget(site, budget) for site in gathered.sites for budget in site.budgets],
        "record": _record(gathered, whole=whole) if gathered.kept else None,
    }
    shown: dict[str, Any] = visible(drawn)
    return shown


def visible(value: Any) -> Any:
    """Return JSON whose texts hide nothing: what nobody would see is shown as an escape."""
    match value:
        case str():
            return text(value)
        case Mapping():
            return {text(str(name)): visible(member) for name, member in value.items()}
        case list() | tuple():
            return [visible(item) for item in value]
        case _:
            return value


def _record(gathered: Gathered, *, whole: bool) -> dict[str, Any]:
    kept = gathered.kept
    assert kept is not None  # noqa: S101 - the caller has looked
    return {
        "stop": {"since": kept.stop.since, "reason": kept.stop.reason} if kept.stop else None,
        "pending": [_pending(each, gathered.at, whole=whole) for each in _oldest(kept.pending)],
        "waiting": len(kept.pending),
        "unknown": [_unknown(each) for each in kept.unknown],
        "calls": lines(kept.records, CALLS),
        "chain": _chain(kept.head, gathered.checked, gathered.at),
    }


def _oldest(pending: Iterable[Confirmation]) -> Sequence[Confirmation]:
    """Return them so that a new one stands last, and moves no button that somebody is about to press."""
    return sorted(pending, key=lambda each: each.expires_at)[:SHOWN]


def _pending(confirmation: Confirmation, now: float, *, whole: bool) -> dict[str, Any]:
    plan = confirmation.plan or {}
    return {
        "id": identity(confirmation),
        "operation": confirmation.operation,
        "tool": confirmation.tool,
        "principal": confirmation.principal,
        "workspace": confirmation.workspace,
        "audience": confirmation.audience,
        "expires_in": round(max(0.0, confirmation.expires_at - now), 1),
        "plan": dict(plan) if whole else {name: value for name, value in plan.items() if name in OUTLINE},
        "is_whole": whole,
    }


def identity(confirmation: Confirmation) -> str:
    """Return what names one question, asked with one plan: its operation may be asked about again with another."""
    return hashlib.sha256(confirmation.handle.encode()).hexdigest()[:24]  # the handle itself is for nobody's eyes


def _unknown(operation: Operation) -> dict[str, Any]:
    intent = operation.intent
    return {
        "operation": intent.operation,
        "tool": intent.tool,
        "principal": intent.principal,
        "workspace": intent.workspace,
        "started_at": operation.started_at,
        "arguments": dict(intent.arguments),
        "looked_for": operation.settled_by,
    }


def _flight(site: Site, flight: Flight) -> dict[str, Any]:
    course = flight.course
    return {
        "operation": course.operation,
        "workspace": site.name,
        "tool": flight.tool,
        "permission": flight.permission,
        "principal": course.caller.principal,
        "caller": course.caller.name,
        "seconds": round(max(0.0, site.at - course.started), 2),
        "left": round(max(0.0, course.deadline - site.at), 2),
        "attempts": course.attempts,
        "waited": round(course.waited, 2),
    }


def _budget(site: Site, budget: Budget) -> dict[str, Any]:
    members = {each.name: getattr(budget, each.name) for each in fields(budget)}
    rounded = {name: round(value, 2) if isinstance(value, float) else value for name, value in members.items()}
    return {"workspace": site.name, **rounded}


def _chain(head: Link, checked: Checked | None, now: float) -> dict[str, Any]:
    told: dict[str, Any] = {"head": str(head), "state": "not yet"}
    if checked is None:
        return told
    told |= {"age": round(max(0.0, now - checked.at), 1), "took": round(checked.took, 2)}
    if checked.verdict is None:
        return told | {"state": "not verified", "text": checked.problem}
    verdict = checked.verdict
    told |= {"records": verdict.records, "removed": verdict.base.seq}
    if verdict.fault is None:
        return told | {"state": "holds"}
    return told | {"state": "broken", "text": verdict.fault.text, "flaw": verdict.fault.flaw}
