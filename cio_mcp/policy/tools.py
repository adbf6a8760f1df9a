"""Pure: may an agent use a tool, and an item of one, by the words of its grants."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cio_mcp.catalog import Effect, Endpoint, Params
from cio_mcp.policy.denials import Denial
from cio_mcp.policy.grants import Causes, Grants
from cio_mcp.policy.items import items_in, may_cause, possible_items, twin_of, word_for

SINGLE_ITEM = "apply_entity"
"""Denied by its name, items are denied in a batch too: it is the same door, more than once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Need:
    """What is needed in one area: all of `words`; `tools` are the names under which it may be denied."""

    area: str
    tools: tuple[str, ...]
    words: tuple[str, ...]


def needs(endpoint: Endpoint, causes: Causes) -> tuple[str, ...]:
    """Return the permissions that a tool without items needs in its area."""
    counts = endpoint.effect is Effect.MAY_TRIGGER and causes is Causes.COUNT
    return (endpoint.permission, "send") if counts else (endpoint.permission,)


def item_needs(item: Mapping[str, Any], causes: Causes) -> tuple[str, ...]:
    """Return the permissions that an item needs in the area of its tool."""
    counts = may_cause(item) and causes is Causes.COUNT
    return (word_for(item), "send") if counts else (word_for(item),)


def tool_denial(grants: Grants, endpoint: Endpoint) -> Denial | None:
    """Return why a tool may not be used at all; a tool with items is served for the sake of any one of them."""
    items = possible_items(endpoint)
    if not items:
        words = needs(endpoint, grants.causes)
        return _denial(grants, endpoint, _Need(area=endpoint.area, tools=(endpoint.name,), words=words))
    found = [item_denial(grants, endpoint, item) for item in items]
    return None if None in found else found[0]


def item_denial(grants: Grants, endpoint: Endpoint, item: Mapping[str, Any]) -> Denial | None:
    """Return why an item may not be applied: by its own words, or because the tool that does the same is denied."""
    if twin := twin_of(item):
        need = _Need(area=twin.area, tools=(twin.name,), words=needs(twin, grants.causes))
        if denied := _denied(grants, need, f"{item['type']} {item['action']}"):
            return denied
    words = item_needs(item, grants.causes)
    return _denial(grants, endpoint, _Need(area=endpoint.area, tools=(endpoint.name, SINGLE_ITEM), words=words))


def allowed_by(grants: Grants, endpoint: Endpoint, params: Params | None) -> str:
    """Return the rule that allows a call as the operator wrote it; without arguments, of whatever the tool can do."""
    items = items_in(params) if params else tuple(
        item for item in possible_items(endpoint) if item_denial(grants, endpoint, item) is None
    )  # fmt: skip
    words = dict.fromkeys(word for item in items for word in item_needs(item, grants.causes))
    found = grants.allowing(endpoint.area, endpoint.name, tuple(words) or needs(endpoint, grants.causes))
    return f"allow {', '.join(map(str, found))} ({grants.origin})"


def _denial(grants: Grants, endpoint: Endpoint, need: _Need) -> Denial | None:
    if denied := _denied(grants, need, endpoint.name):
        return denied
    missing = [word for word in need.words if not grants.allowing(need.area, endpoint.name, (word,))]
    if not missing:
        return None
    scopes = " and ".join(f"{need.area}:{word}" for word in missing)
    return Denial(
        rule="not allowed",
        because=f"{scopes} {'is' if len(missing) == 1 else 'are'} not allowed in {grants.origin}",
        remedy=f"{scopes} added to `allow` in {grants.origin}",
    )


def _denied(grants: Grants, need: _Need, what: str) -> Denial | None:
    denied = grants.denial(need.area, need.tools, need.words)
    if denied is None:
        return None
    return Denial(
        rule=f"deny {denied}",
        because=f"{denied}, which covers {what}, is denied in {grants.origin}",
        remedy=f"{denied} taken out of `deny` in {grants.origin}",
    )
