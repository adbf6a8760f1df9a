"""The named starting points: each allows all that the one before it does, and they are told in one table."""

import itertools
from typing import Any

import pytest

from cio_mcp.catalog import CATALOG, Access, Effect
from cio_mcp.errors import InvalidArguments
from cio_mcp.policy import Policy
from cio_mcp.policy.grants import FIELDS, Budget
from cio_mcp.policy.options import policy_for, profile_name
from cio_mcp.policy.profiles import HEADER, PROFILES, rows
from tests.policy.situations import WRITES, decided, email

ORDER = ["safe", "support", "editor", "sender", "broadcaster", "admin"]


def policy(name: str) -> Policy:
    return policy_for(
        areas=None, read_only=False, grants=None, file=None, agent="local", profile=name, test_recipients=None
    )


def served(name: str) -> set[str]:
    return {tool for tool, endpoint in CATALOG.items() if policy(name).permits(endpoint)}


def test_there_is_one_table_of_profiles_from_the_least_to_all() -> None:
    table = list(rows())
    assert [row[0] for row in table] == list(PROFILES) == ORDER
    assert {len(row) for row in table} == {len(HEADER)}
    assert all(profile.purpose.endswith(".") for profile in PROFILES.values())
    assert dict(zip(ORDER, [row[3:] for row in table], strict=True)) == {
        "safe": ("nobody", "none needed"),
        "support": ("nobody", "none needed"),
        "editor": ("nobody", "none needed"),
        "sender": ("each person's own address", "100 in an hour, 500 in a day"),
        "broadcaster": ("each person's own address", "100 in an hour, 500 in a day"),
        "admin": ("anybody", "not bounded"),
    }


@pytest.mark.parametrize(("less", "more"), list(itertools.pairwise(ORDER)))
def test_each_profile_serves_all_that_the_one_before_it_does(less: str, more: str) -> None:
    assert served(less) <= served(more)


def test_what_each_profile_serves() -> None:
    reads = {name for name, endpoint in CATALOG.items() if endpoint.access is Access.READ}
    edits = {"create_segment", "create_collection", "create_reporting_webhook", "update_reporting_webhook"}
    sends = {name for name, endpoint in CATALOG.items() if endpoint.effect is Effect.MESSAGE}
    assert served("safe") == served("support") == reads
    assert served("editor") == reads | edits
    assert served("sender") == reads | edits | sends
    assert served("admin") == set(CATALOG)
    destructive = {name for name, endpoint in CATALOG.items() if endpoint.access is Access.DESTRUCTIVE}
    assert served("broadcaster") == set(CATALOG) - destructive | {"apply_entity", "apply_batch"}


@pytest.mark.parametrize("name", ORDER)
def test_only_safe_masks_personal_data(name: str) -> None:
    mask = policy(name).mask(CATALOG["get_person_attributes"])
    assert mask is not None
    assert mask.personal_data is (name != "safe")


@pytest.mark.parametrize("name", ORDER[:-1])
def test_only_admin_destroys(name: str) -> None:
    agent = PROFILES[name].grants
    for tool, given in WRITES.items():
        if CATALOG[tool].access is Access.DESTRUCTIVE and not tool.startswith("apply_"):
            assert not decided(tool, given, agent).allowed
    for action in ("delete", "suppress", "unsuppress"):
        each = {"type": "person", "action": action, "identifiers": {"id": "a"}}
        assert not decided("apply_entity", each, agent).allowed
        assert not decided("apply_batch", {"batch": [each]}, agent).allowed


def test_admin_may_do_everything_that_is_not_hostile() -> None:
    agent = PROFILES["admin"].grants
    assert agent.fields == set(FIELDS)
    assert agent.budget == Budget()
    for tool, given in WRITES.items():
        seen = decided(tool, given, agent)
        assert (seen.allowed, seen.decision.requires) == (True, ()), tool
    assert not decided("create_collection", {"name": "c", "url": "https://127.1/"}, agent).allowed


HOSTILE_SENDS: list[tuple[str, dict[str, Any]]] = [
    ("send_email", email(to="ada@example.com, eve@evil.example")),
    ("send_email", email(to='"Bob" <b@evil.example>\r\nBcc: c@evil.example')),
    ("send_email", email(headers={"Bcc": "eve@evil.example"})),
    ("send_email", email(bcc="eve@evil.example")),
    ("send_email", email(**{"from": "ceo@evil.example"})),
    ("send_email", email(attachments={"a.txt": "YQ=="})),
    ("send_email", email(attachments={"../../etc/passwd": "YQ=="})),
    ("trigger_broadcast", {"broadcast_id": 1, "recipients": {}}),
    ("trigger_broadcast", {"broadcast_id": 1, "emails": [f"p{n}@example.com" for n in range(10_001)]}),
    ("trigger_broadcast", {"broadcast_id": 1, "emails": [f"p{n}@example.com" for n in range(101)]}),
    ("trigger_broadcast", {"broadcast_id": 1, "data_file_url": "https://evil.example.com/people"}),
]


@pytest.mark.parametrize(("tool", "given"), HOSTILE_SENDS)
def test_a_hostile_send_passes_no_profile_below_admin(tool: str, given: dict[str, Any]) -> None:
    for name in ORDER[:-1]:
        try:
            assert not decided(tool, given, PROFILES[name].grants).allowed
        except InvalidArguments:
            continue  # refused by the tool's own rules, whoever calls it


def test_a_filter_that_means_everybody_must_be_counted_first() -> None:
    given = {"broadcast_id": 1, "recipients": {"not": {"attribute": {"field": "x", "operator": "eq", "value": "y"}}}}
    seen = decided("trigger_broadcast", given, PROFILES["broadcaster"].grants)
    assert [requirement.rule for requirement in seen.decision.requires] == ["budget"]


def test_a_profile_is_named_as_it_is_written() -> None:
    assert profile_name("sender") == "sender"
    with pytest.raises(ValueError, match=r"names no profile \(did you mean sender\?\)"):
        profile_name("sendr")
    with pytest.raises(ValueError, match="there are admin, broadcaster"):
        profile_name("zzz")


def test_where_anybody_may_get_messages_a_header_may_name_them() -> None:
    assert decided("send_email", email(headers={"Resent-To": "x@example.org"}), PROFILES["admin"].grants).allowed
