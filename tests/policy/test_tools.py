"""Which tools an agent has: what is not allowed is denied, deny wins, and no other door leads to the same."""

from typing import Any

import pytest

from cio_mcp.catalog import CATALOG, Access, Effect
from cio_mcp.policy import Policy
from cio_mcp.policy.grants import Causes, Grants
from cio_mcp.policy.items import TWINS, possible_items, word_for
from cio_mcp.privacy import Mask
from tests.policy.situations import ORIGIN, ULID, WRITES, decided, email, granted


def served(agent: Grants) -> set[str]:
    return {name for name, endpoint in CATALOG.items() if Policy(agent=agent).permits(endpoint)}


def tools_that_need(*permissions: str) -> set[str]:
    return {name for name, endpoint in CATALOG.items() if endpoint.permission in permissions}


def test_there_is_a_call_of_every_tool_that_writes() -> None:
    assert set(WRITES) == {name for name, endpoint in CATALOG.items() if endpoint.access is not Access.READ}


def test_an_agent_without_words_has_no_tool() -> None:
    assert served(granted("")) == set()


def test_an_agent_that_was_allowed_everything_has_every_tool() -> None:
    assert served(granted("*:*")) == set(CATALOG)


@pytest.mark.parametrize("tool", CATALOG)
def test_a_tool_that_is_named_is_the_only_one(tool: str) -> None:
    area = CATALOG[tool].area
    assert served(granted(f"{area}:{tool}")) == {tool}
    assert served(granted(f"*:{tool}")) == {tool}
    assert served(granted("*:*", deny=f"{area}:{tool}")) == set(CATALOG) - {tool} - (
        {"apply_batch"} if tool == "apply_entity" else set()
    )


def test_a_permission_is_of_its_area_alone() -> None:
    assert served(granted("segments:read")) == {
        name for name in tools_that_need("read") if CATALOG[name].area == "segments"
    }


@pytest.mark.parametrize("permission", ["read", "destructive"])
def test_a_permission_everywhere_serves_what_needs_nothing_else(permission: str) -> None:
    more = {name for name in tools_that_need(permission) if CATALOG[name].effect is Effect.MAY_TRIGGER}
    served_by_items = {"apply_entity", "apply_batch"} if permission == "destructive" else set()
    assert served(granted(f"*:{permission}")) == tools_that_need(permission) - more | served_by_items


def test_what_may_cause_messages_needs_to_send_unless_it_is_free() -> None:
    causing = {name for name, endpoint in CATALOG.items() if endpoint.effect is Effect.MAY_TRIGGER}
    assert served(granted("*:write *:destructive")) & causing == {"apply_entity", "apply_batch"}
    assert causing <= served(granted("*:write *:destructive *:send"))
    assert causing <= served(granted("*:write *:destructive", causes=Causes.FREE))


def test_items_that_cause_nothing_pass_without_the_permission_to_send() -> None:
    agent = granted("entities:destructive entities:write")
    who = {"type": "person", "identifiers": {"id": "ada-1"}}
    assert decided("apply_entity", who | {"action": "delete"}, agent).allowed
    refused = decided("apply_entity", who | {"action": "identify"}, agent)
    assert "entities:send is not allowed in " + ORIGIN in refused.message
    assert f"entities:send added to `allow` in {ORIGIN}" in refused.next_step


@pytest.mark.parametrize(
    ("allow", "deny"),
    [
        ("*:*", "people:delete_person"),
        ("*:*", "people:destructive"),
        ("*:*", "*:destructive"),
        ("*:*", "people:*"),
        ("people:*", "people:*"),
        ("people:delete_person", "*:*"),
        ("people:delete_person", "people:delete_person"),
    ],
)
def test_deny_wins_over_whatever_allows(allow: str, deny: str) -> None:
    assert "delete_person" not in served(granted(allow, deny))
    assert "delete_person" in served(granted(allow))


def item(kind: str, action: str) -> dict[str, Any]:
    """Return a right item of a kind."""
    who = {"person": {"id": "a"}, "object": {"object_type_id": "1", "object_id": "o"}, "delivery": {"id": "d"}}[kind]
    related = {"identifiers": {"object_type_id": "1", "object_id": "o"} if kind == "person" else {"id": "a"}}
    more: dict[str, dict[str, Any]] = {
        "event": {"name": "opened", "attributes": {"device_token": "t"}},
        "page": {"name": "page"},
        "screen": {"name": "screen"},
        "add_device": {"device": {"token": "t", "platform": "ios"}},
        "delete_device": {"device": {"token": "t"}},
        "add_relationships": {"cio_relationships": [related]},
        "delete_relationships": {"cio_relationships": [related]},
    }
    base = {"type": kind, "action": action, "identifiers": who} | more.get(action, {})
    if action == "merge":
        base = {"type": kind, "action": action, "primary": {"id": "a"}, "secondary": {"id": "b"}}
    return base


ITEMS = [item(each["type"], each["action"]) for each in possible_items(CATALOG["apply_entity"])]
every_item = pytest.mark.parametrize("each", ITEMS, ids=lambda each: f"{each['type']} {each['action']}")


def by_both_doors(each: dict[str, Any], agent: Grants) -> set[bool]:
    harmless = {"type": "person", "action": "identify", "identifiers": {"id": "b"}}
    return {
        decided("apply_entity", each, agent).allowed,
        decided("apply_batch", {"batch": [each]}, agent).allowed,
        decided("apply_batch", {"batch": [harmless, each]}, agent).allowed,
    }


@every_item
def test_an_item_needs_the_permission_of_what_it_does(each: dict[str, Any]) -> None:
    fields = ["address"]
    assert by_both_doors(each, granted("entities:write entities:destructive entities:send", fields=fields)) == {True}
    other = "write" if word_for(each) == "destructive" else "destructive"
    alone = granted(f"entities:{other} entities:send", fields=fields)
    assert not decided("apply_entity", each, alone).allowed
    assert not decided("apply_batch", {"batch": [each]}, alone).allowed


@every_item
def test_an_item_is_denied_where_its_permission_is(each: dict[str, Any]) -> None:
    agent = granted("*:*", deny=f"entities:{word_for(each)}", fields=["address"])
    assert not decided("apply_entity", each, agent).allowed
    assert not decided("apply_batch", {"batch": [each]}, agent).allowed


@pytest.mark.parametrize("action", TWINS)
def test_what_is_denied_by_its_own_tool_is_denied_as_an_item(action: str) -> None:
    twin = CATALOG[TWINS[action]]
    for deny in (f"people:{twin.name}", f"people:{twin.permission}", f"*:{twin.name}"):
        each = item("person", action)
        agent = granted("*:*", deny, fields=["address"])
        assert not decided("apply_entity", each, agent).allowed, deny
        assert not decided("apply_batch", {"batch": [each]}, agent).allowed, deny
        assert f"covers person {action}" in decided("apply_entity", each, agent).message or deny.startswith("*")


def test_to_lift_a_suppression_is_destructive() -> None:
    lift = {"type": "person", "action": "unsuppress", "identifiers": {"id": "a"}}
    assert not decided("apply_entity", lift, granted("entities:write entities:send")).allowed
    assert decided("apply_entity", lift, granted("entities:destructive")).allowed


def test_a_batch_is_no_way_around_a_denied_single_item() -> None:
    agent = granted("*:*", deny="entities:apply_entity")
    assert not decided("apply_batch", WRITES["apply_batch"], agent).allowed
    assert decided("apply_entity", WRITES["apply_entity"], granted("*:*", deny="entities:apply_batch")).allowed


def test_one_bad_item_refuses_the_batch() -> None:
    agent = granted("entities:write entities:send")
    good, bad = item("person", "identify"), item("person", "delete")
    assert decided("apply_batch", {"batch": [good]}, agent).allowed
    assert "entities:destructive is not allowed" in decided("apply_batch", {"batch": [good, bad]}, agent).message


def test_a_tool_of_items_is_served_for_the_sake_of_one() -> None:
    assert "apply_entity" in served(granted("entities:write", causes=Causes.FREE))
    assert "apply_entity" not in served(granted("entities:write"))
    assert "apply_entity" not in served(granted("entities:send"))


def test_flags_narrow_what_a_file_allows_and_all_rules_are_told() -> None:
    policy = Policy(
        areas=frozenset({"people"}), read_only=True, grants=frozenset(), agent=granted("people:*", deny="*:send")
    )
    refusal = policy.refusal(CATALOG["send_email"])
    assert refusal is not None
    assert refusal.message.startswith("This server does not serve send_email: it serves only the areas people, and ")
    assert refusal.details == {"rule": "--areas, --read-only, --grant"}
    assert "--read-only taken away" in refusal.next_step


@pytest.mark.parametrize(
    ("tool", "given", "allow", "rule"),
    [
        ("send_email", email(), "messaging:send", f"allow messaging:send ({ORIGIN})"),
        ("send_email", email(), "*:*", f"allow *:* ({ORIGIN})"),
        ("send_email", email(), "messaging:send_email", f"allow messaging:send_email ({ORIGIN})"),
        ("track_event", WRITES["track_event"], "people:send people:write",
         f"allow people:write, people:send ({ORIGIN})"),
        ("apply_entity", item("person", "delete"), "entities:destructive", f"allow entities:destructive ({ORIGIN})"),
        ("get_segment", {"segment_id": 1}, "segments:read", f"allow segments:read ({ORIGIN})"),
    ],
)  # fmt: skip
def test_a_decision_names_what_allowed_it(tool: str, given: dict[str, Any], allow: str, rule: str) -> None:
    assert decided(tool, given, granted(allow, fields=["address"])).decision.rule == rule


def test_a_decision_names_the_flags_that_are_set() -> None:
    assert decided("get_segment", {"segment_id": 1}).decision.rule == "unrestricted"
    both = decided("get_segment", {"segment_id": 1}, areas=frozenset({"segments"}), read_only=True)
    assert both.decision.rule == "--areas, --read-only"


def test_a_refusal_names_the_word_that_denies_and_how_to_have_it_taken_out() -> None:
    refused = decided("delete_person", WRITES["delete_person"], granted("*:*", deny="people:destructive"))
    assert refused.decision.rule == "deny people:destructive"
    assert f"people:destructive, which covers delete_person, is denied in {ORIGIN}" in refused.message
    assert f"people:destructive taken out of `deny` in {ORIGIN}" in refused.next_step


def test_without_grants_every_right_call_passes_as_before() -> None:
    for tool, given in WRITES.items():
        seen = decided(tool, given | ({"id": ULID} if tool == "track_event" else {}))
        assert seen.allowed, tool
        assert seen.decision.requires == ()
        assert seen.decision.caps == ()


@pytest.mark.parametrize(
    ("allow", "deny", "shows"),
    [
        ("*:read", "", False),
        ("*:read customers:personal", "", True),
        ("*:*", "", True),
        ("*:read segments:personal", "", False),
        ("*:*", "customers:personal", False),
        ("customers:personal customers:get_person_attributes", "*:personal", False),
        ("customers:get_person_attributes", "", False),
    ],
)
def test_personal_data_is_shown_where_it_is_allowed_and_not_denied(allow: str, deny: str, *, shows: bool) -> None:
    agent = granted(allow, deny, shown=frozenset({"plan"}))
    mask = Policy(agent=agent).mask(CATALOG["get_person_attributes"])
    assert mask == Mask(personal_data=shows, attributes_shown=frozenset({"plan"}))


def test_without_grants_nothing_is_masked() -> None:
    assert Policy().mask(CATALOG["get_person_attributes"]) is None
