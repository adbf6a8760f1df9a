"""What must hold of every agent and every call: deny wins, nothing is allowed that is not named, less is never more."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cio_mcp.catalog import CATALOG
from cio_mcp.policy import Grant, Grants, Policy
from cio_mcp.policy.addresses import Recipients
from cio_mcp.policy.grants import FIELDS, Budget, Causes
from cio_mcp.policy.requirements import Requirement
from tests.policy.situations import WRITES, Seen, decided, email

AREAS = [area.name for area in CATALOG.areas]
GRANTS = st.builds(
    Grant,
    st.sampled_from([*AREAS, "*"]),
    st.sampled_from(["read", "write", "send", "destructive", "personal", "*", *CATALOG]),
)
SETS = st.frozensets(GRANTS, max_size=8)
RECIPIENTS = st.builds(
    Recipients,
    own=st.booleans(),
    addresses=st.frozensets(st.sampled_from(["ada@example.com", "+15551234567"])),
    domains=st.frozensets(st.sampled_from(["example.org", "*.example.net", "*"])),
)
BUDGETS = st.builds(Budget, per_call=st.none() | st.integers(0, 3), per_hour=st.none() | st.integers(0, 9))
AGENTS = st.builds(
    Grants,
    origin=st.just("a file"),
    allow=SETS,
    deny=SETS,
    fields=st.frozensets(st.sampled_from(FIELDS)),
    causes=st.sampled_from(Causes),
    recipients=RECIPIENTS,
    hosts=st.frozensets(st.sampled_from(["hooks.example.com", "*.example.com", "*"])),
    budget=BUDGETS,
)
ADDRESSES = st.sampled_from(
    ["ada@example.com", "x@example.org", "eve@evil.example", '"ada@example.com" <e@evil.example>']
)
PEOPLE = st.sampled_from([{"id": "ada-1"}, {"email": "ada@example.com"}, {"email": "eve@evil.example"}])
ITEMS = st.builds(
    lambda who, action: {"type": "person", "action": action, "identifiers": who},
    PEOPLE, st.sampled_from(["identify", "delete", "suppress", "unsuppress"]),
)  # fmt: skip
CALLS: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.one_of(
    st.sampled_from(list(WRITES.items())),
    st.builds(
        lambda to, bcc, who: ("send_email", email(to=to, bcc=bcc, identifiers=who)), ADDRESSES, ADDRESSES, PEOPLE
    ),
    st.builds(lambda who: ("send_push", WRITES["send_push"] | {"identifiers": who}), PEOPLE),
    st.builds(lambda batch: ("apply_batch", {"batch": batch}), st.lists(ITEMS, min_size=1, max_size=4)),
    st.builds(
        lambda to: ("track_event", WRITES["track_event"] | {"data": {"recipient": to}}), ADDRESSES
    ),
)  # fmt: skip
ALLOWS_ALL = frozenset({Grant("*", "*")})


def change(agent: Grants, **members: Any) -> Grants:
    kept = {name: getattr(agent, name) for name in Grants.__slots__}
    return Grants(**kept | members)


def not_more(less: Seen, more: Seen) -> bool:
    """Say whether whatever `less` lets pass `more` does too, asking no more about it."""
    asked: set[Requirement] = set(more.decision.requires)
    return not less.allowed or (more.allowed and asked <= set(less.decision.requires))


@given(agent=AGENTS, call=CALLS, deny=GRANTS)
@settings(max_examples=400, deadline=None)
def test_one_more_denial_never_allows_more(agent: Grants, call: tuple[str, dict[str, Any]], deny: Grant) -> None:
    assert not_more(decided(*call, change(agent, deny=agent.deny | {deny})), decided(*call, agent))


@given(agent=AGENTS, call=CALLS, allow=GRANTS)
@settings(max_examples=400, deadline=None)
def test_one_more_allowance_never_allows_less(agent: Grants, call: tuple[str, dict[str, Any]], allow: Grant) -> None:
    assert not_more(decided(*call, agent), decided(*call, change(agent, allow=agent.allow | {allow})))


@given(agent=AGENTS, call=CALLS)
@settings(max_examples=400, deadline=None)
def test_whatever_is_denied_by_a_name_of_the_call_is_refused(agent: Grants, call: tuple[str, dict[str, Any]]) -> None:
    tool, arguments = call
    endpoint = CATALOG[tool]
    for area in (endpoint.area, "*"):
        for word in (tool, "*"):
            agent_without = change(agent, allow=agent.allow | ALLOWS_ALL, deny=frozenset({Grant(area, word)}))
            assert not decided(tool, arguments, agent_without).allowed


@given(agent=AGENTS, call=CALLS)
@settings(max_examples=400, deadline=None)
def test_whatever_passes_was_allowed_by_a_word_for_its_area(agent: Grants, call: tuple[str, dict[str, Any]]) -> None:
    if decided(*call, agent).allowed:
        area = CATALOG[call[0]].area
        assert any(grant.area in (area, "*") for grant in agent.allow)
        assert Policy(agent=agent).permits(CATALOG[call[0]])


@given(agent=AGENTS, call=CALLS)
@settings(max_examples=400, deadline=None)
def test_flags_narrow_whatever_a_file_allows(agent: Grants, call: tuple[str, dict[str, Any]]) -> None:
    wide = decided(*call, agent)
    only = Recipients(own=False, addresses=frozenset({"ada@example.com"}))
    for flags in ({"areas": frozenset({"people"})}, {"read_only": True}, {"test_recipients": only}):
        assert not_more(decided(*call, agent, **flags), wide) or flags.get("test_recipients")
        assert wide.allowed or not decided(*call, agent, **flags).allowed


@given(agent=AGENTS, call=CALLS)
@settings(max_examples=400, deadline=None)
def test_what_a_stranger_would_get_needs_leave(agent: Grants, call: tuple[str, dict[str, Any]]) -> None:
    """An address that is neither listed nor provably the person's own gets nothing by any e-mail that passes."""
    tool, arguments = call
    if tool != "send_email" or agent.recipients.everybody:
        return
    seen = decided(tool, arguments, agent)
    if seen.allowed and "evil.example" in str(arguments["to"]) + str(arguments.get("bcc", "")):
        assert any("evil.example" in address for _, _, address in seen.own)


@given(agent=AGENTS, call=CALLS)
@settings(max_examples=200, deadline=None)
def test_no_call_that_passes_reaches_more_than_the_budget_holds(
    agent: Grants, call: tuple[str, dict[str, Any]]
) -> None:
    seen = decided(*call, agent)
    most = agent.budget.most_at_once
    if seen.allowed and most is not None:
        count = seen.decision.recipients
        assert (count is not None and count <= most) or any(each.rule == "budget" for each in seen.decision.requires)
