"""Pure: which calls must be confirmed, by which way, and whether a confirmation still fits what it was given for."""

import json
from collections.abc import Mapping
from enum import StrEnum

from cio_mcp.catalog.endpoint import Access, Endpoint, Gate
from cio_mcp.catalog.params import Params
from cio_mcp.consent import Way
from cio_mcp.ledger.terms import Confirmation, Group, State
from cio_mcp.policy import reach

CONFIRMATION_SECONDS = 600.0
"""Ten minutes: long enough to read a plan, too short for what it says to grow stale."""
DRIFT = 0.05
"""An audience that changed by more than this since it was shown is shown again: in size, or in who is in it."""
_ANOTHER = "what it would touch is not what it was"


class Mode(StrEnum):
    """How calls are confirmed."""

    AUTO = "auto"
    """Ask through the client where it can ask, else by a token."""
    ASK = "ask"
    """Ask through the client, or refuse."""
    TOKEN = "token"  # noqa: S105 - the name of a way, no secret
    OPERATOR = "operator"
    """Wait for a person at the operator's own terminal."""
    OFF = "off"


class Level(StrEnum):
    """What a confirmation came through."""

    ROUND_TRIP = "round trip"
    INLINE = "elicitation"
    TOKEN = "token"  # noqa: S105 - the name of a way, no secret
    OPERATOR = "operator"


def level_of(mode: Mode, way: Way, *, has_token: bool) -> Level | None:
    """Return how a call is to be confirmed; None if it cannot be."""
    match mode:
        case Mode.OPERATOR:
            return Level.OPERATOR
        case Mode.TOKEN:
            return Level.TOKEN
        case Mode.AUTO if has_token or way is Way.NONE:
            return Level.TOKEN
        case _:
            return {Way.ROUND_TRIP: Level.ROUND_TRIP, Way.INLINE: Level.INLINE, Way.NONE: None}[way]


def canonical(endpoint: Endpoint, params: Params) -> str:
    """Return the text that two calls share only if they ask for the same, whatever the order of their arguments."""
    given = params.model_dump(mode="json", by_alias=True, exclude_none=True)
    return json.dumps([endpoint.name, given], sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def reasons(endpoint: Endpoint, params: Params, *, crowd: int) -> tuple[str, ...]:
    """Return why a call must be confirmed; empty if it may leave unasked."""
    access = params.own_access() or endpoint.access
    found: list[str] = []
    if endpoint.gate is Gate.ASKED:
        found.append(_why_asked(endpoint))
    elif endpoint.gate is Gate.ITEMS and access is Access.DESTRUCTIVE:
        found.append("an item of it deletes, suppresses or merges")
    if (people := reach.named(endpoint, params)) is None:
        found.append("it writes out addresses that cannot be counted")
    elif people > crowd:
        found.append(f"it names {people:,} people at once, more than {crowd:,}")
    return tuple(found)


def _why_asked(endpoint: Endpoint) -> str:
    if endpoint.access is Access.DESTRUCTIVE:
        return "it removes or replaces what cannot be had back"
    return "it sends to an audience" if endpoint.sends else "it changes where Customer.io sends personal data"


def unusable(kept: Confirmation | None, binding: str, now: float) -> str:
    """Return why a confirmation cannot be used, as the end of "this confirmation …"; empty if it can be."""
    if kept is None:
        return "is not one of ours"
    if kept.binding != binding:
        return "belongs to another call"
    if kept.state is State.SPENT:
        return "was used already"
    if kept.state is State.REJECTED:
        return "was rejected"
    return "has expired" if kept.expires_at <= now else ""


def drifted(before: Confirmation, *, audience: int | None, target: str, groups: Mapping[str, Group]) -> str:
    """Return what changed since a confirmation was asked for, as a clause; empty if nothing that matters."""
    if resized := _resized("the audience", before.audience, audience):
        return resized
    if before.target != target:
        return _ANOTHER
    if before.groups is None:  # kept by a version that knew the audience by its size alone
        return ""
    names = dict.fromkeys([*before.groups, *groups])
    return next(filter(None, (_regrouped(name, before.groups.get(name), groups.get(name)) for name in names)), "")


def _resized(what: str, seen: int | None, found: int | None) -> str:
    if seen != found:
        if seen is None or found is None:
            return f"{what} was {_people(seen)} and is now {_people(found)}"
        if abs(found - seen) > DRIFT * seen:
            return f"{what} was {seen:,} and is now {found:,}"
    return ""


def _regrouped(name: str, seen: Group | None, found: Group | None) -> str:
    """Return what changed about a part of the audience: a large one must not hide that a small one was exchanged."""
    if seen is None or found is None:
        return _ANOTHER
    if resized := _resized(f"the number of {name}", seen.people, found.people):
        return resized
    if seen.who is None or found.who is None:
        return (
            ""
            if seen.who == found.who
            else f"who the {name} are is {'not known now' if seen.who else 'known only now'}"
        )
    gone, new = len(seen.marks - found.marks), len(found.marks - seen.marks)
    if gone + new > DRIFT * len(seen.marks):
        return f"of the {len(seen.marks):,} {name} {gone:,} are not among them now, and {new:,} others are"
    return ""


def _people(count: int | None) -> str:
    return "not known" if count is None else f"{count:,}"
