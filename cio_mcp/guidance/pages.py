"""Pure: the pages that an agent can read: which tools it has, the rules of the API, what it may do."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from cio_mcp.catalog.endpoint import Catalog
from cio_mcp.policy import Policy

RULES = """\
# Rules of Customer.io's API

## Identifiers
- id, email, phone and cio_id are different keys. A lookup takes customer_id and, unless it is an id, id_type.
- Sends, merges and events of entities take identifiers: an object with exactly one of id, email, cio_id.
- Answers give cio_id without the prefix cio_. It never changes; the others may.
- One e-mail address may belong to several people: find_people_by_email shows all of them.
- An object (a company, say) has object_type_id and object_id.

## Filters
- {"and": [...]}, {"or": [...]}, {"not": {...}}; {"segment": {"id": 1}};
  {"attribute": {"field": "plan", "operator": "eq", "value": "pro"}}, or operator exists without value.
- There are no other operators: no greater, no contains. Make a segment in Customer.io for those.

## Times
- Arguments: ISO 8601 or unix seconds. Without an offset: in the time zone given beside it, else UTC. Milliseconds are
  refused.
- Answers: unix seconds. Series of metrics: one number a period, the oldest first.
- Messages of six months and activities of 30 days are kept for certain.

## Limits
- App API 10 requests a second; triggers of broadcasts 1 in 10 seconds; sends 100, Track 1,000 a second, unless the
  operator set others. They are kept for you: a call waits its turn. get_rate_budget shows what is left.
- Lists come in pages: follow next as start. _cut says that a result is incomplete, and how to get the rest.

## Writes
- A write is accepted first and applied a moment later: read back before you report success.
- What cannot be undone or reaches many is confirmed by a person. dry_run shows what would happen.
- On outcome_unknown never repeat the call: reconcile_operation looks.
"""


def tool_map(catalog: Catalog, tools: Mapping[str, str]) -> str:
    """Return what each area does, and which tools this agent has; `tools` are the descriptions by name."""
    return "\n".join(_mapped(catalog, tools)) + "\n"


def _mapped(catalog: Catalog, tools: Mapping[str, str]) -> Iterator[str]:
    yield "# Tools that are served to you"
    for area in catalog.areas:
        own = [endpoint for endpoint in area.endpoints if endpoint.name in tools]
        yield f"\n## {area.name}\n{area.about}"
        yield from (f"- {endpoint.name} ({endpoint.permission}): {endpoint.summary}" for endpoint in own)
        if missing := len(area.endpoints) - len(own):
            yield f"{missing} of its {len(area.endpoints)} tools {'is' if missing == 1 else 'are'} not served to you."
    yield "\n## this server\nWhat it answers itself, and questions that take several reads."
    yield from (f"- {name}: {_first(text)}" for name, text in tools.items() if name not in catalog)


def _first(text: str) -> str:
    sentence, dot, _ = text.partition(". ")
    return sentence + dot.strip()


def grants(catalog: Catalog, policy: Policy, *, principal: str) -> dict[str, Any]:
    """Return what is in force for an agent; addresses and hosts that are listed are only counted among the rules."""
    served = [endpoint for endpoint in catalog.values() if policy.permits(endpoint)]
    told: dict[str, Any] = {
        "agent": principal,
        "served": {area.name: _words(e.permission for e in served if e.area == area.name) for area in catalog.areas},
        "read_only": policy.read_only,
    }
    if policy.areas is not None:
        told["areas"] = sorted(policy.areas)
    told |= {name: _words(map(str, words)) for name, words in _given(policy) if words is not None}
    told["only_test_recipients"] = policy.test_recipients is not None
    return {**told, **_agents(policy)}


def _given(policy: Policy) -> Iterator[tuple[str, Collection[Any] | None]]:
    yield "grant", policy.grants
    yield "token", policy.token


def _agents(policy: Policy) -> dict[str, Any]:
    agent = policy.agent
    if agent is None:
        return {"personal_data": "shown", "budget": "not bounded"}
    return {
        "allow": _words(map(str, agent.allow)),
        "deny": _words(map(str, agent.deny)),
        "fields": sorted(agent.fields),
        "causes": f"{agent.causes}",
        "budget": str(agent.budget),
        "quiet_hours": [str(quiet) for quiet in agent.quiet],
        "attributes_shown": sorted(agent.shown),
        "personal_data": "masked, unless an area's grant says personal",
    }


def _words(words: Any) -> list[str]:
    return sorted(set(words))
