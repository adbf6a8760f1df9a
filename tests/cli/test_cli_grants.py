"""`cio-mcp grants`: what an agent may do, why a call would pass or not, and the profiles."""

import json
from typing import Any

import pytest

from cio_mcp.catalog import CATALOG
from cio_mcp.cli.grants import explain
from cio_mcp.errors import InvalidArguments
from cio_mcp.policy import Policy
from cio_mcp.policy.profiles import PROFILES
from cio_mcp.settings import load
from tests.cli.conftest import Here

EMAIL = {"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}}


def explained(tool: str, given: dict[str, Any] | None, profile: str, **variables: str) -> dict[str, Any]:
    policy = Policy(agent=PROFILES[profile].grants)
    told = explain(policy, CATALOG[tool], given, load(variables))
    return told.as_json() | {"page": told.page()}


def test_an_allowed_call_is_told_with_its_rule_count_budget_and_look_up() -> None:
    told = explained("send_email", EMAIL, "sender")
    page = told.pop("page")
    assert told == {
        "tool": "send_email",
        "verdict": "allowed",
        "rule": "allow messaging:send_email (profile sender)",
        "recipients": 1,
        "budget": [{"recipients": 100, "seconds": 3600}, {"recipients": 500, "seconds": 86400}],
        "requires": ["`to` must be the address that Customer.io has of the person with that id"],
        "asked_because": [],
    }
    assert page.splitlines() == [
        "send_email: allowed",
        "  rule        allow messaging:send_email (profile sender)",
        "  recipients  1",
        "  budget      at most 100 in any hour, in each workspace",
        "  budget      at most 500 in any 24 hours, in each workspace",
        "  looked up   `to` must be the address that Customer.io has of the person with that id",
    ]


def test_a_denied_call_is_told_with_what_would_have_to_change() -> None:
    told = explained("send_email", EMAIL | {"bcc": "eve@evil.example"}, "sender")
    assert (told["verdict"], told["rule"], told["code"]) == ("denied", "fields.bcc, recipients", "not_permitted")
    assert "evil" not in told["page"]
    assert "  to change   Leave bcc out." in told["page"]


def test_a_call_that_a_person_is_asked_about_is_told_as_such_unless_nobody_is() -> None:
    told = explained("trigger_broadcast", {"broadcast_id": 1}, "broadcaster")
    assert (told["verdict"], told["recipients"]) == ("asked about", None)
    assert "  confirmed   by a person, because it sends to an audience" in told["page"]
    assert "  recipients  known only from a look at the audience" in told["page"]
    assert "  counted     its audience must be counted" in told["page"]
    assert (
        explained("trigger_broadcast", {"broadcast_id": 1}, "broadcaster", CIO_MCP_CONFIRM="off")["verdict"]
        == "allowed"
    )


def test_a_tool_is_explained_without_arguments() -> None:
    assert explained("send_email", None, "safe")["verdict"] == "denied"
    told = explained("send_email", None, "sender")
    assert (told["verdict"], told["rule"]) == ("allowed", "allow messaging:send_email (profile sender)")
    assert "give them as JSON" in told["page"]
    assert explained("apply_entity", None, "admin")["rule"] == "allow *:* (profile admin)"


def test_arguments_that_are_wrong_are_told_as_a_call_would_be() -> None:
    with pytest.raises(InvalidArguments, match="did you mean to"):
        explained("send_email", {"too": "ada@example.com"}, "sender")


def test_the_command_ends_with_the_verdict(here: Here) -> None:
    allowed = here("grants", "explain", "delete_segment", '{"segment_id": 1}')
    assert (allowed.code, allowed.err) == (0, "")
    assert allowed.out.startswith("delete_segment: asked about\n")
    denied = here("grants", "explain", "delete_segment", '{"segment_id": 1}', "--read-only")
    assert denied.code == 1
    assert "  rule        --read-only\n" in denied.out
    assert here("grants", "explain", "--read-only", "--json", "delete_segment").json["verdict"] == "denied"


def test_arguments_may_come_from_standard_input(here: Here) -> None:
    assert here("grants", "explain", "delete_segment", "-", given=b'{"segment_id": 1}').code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explain"], "needs a tool"),
        (["explain", "send_emial"], "did you mean send_email?"),
        (["explain", "zzz"], "there is no such tool; "),
        (["explain", "send_email", "[]"], "must be one JSON object"),
        (["explain", "send_email", "{"], "must be one JSON object"),
        (["explain", "send_email", "{}"], "send_email: "),
    ],
)
def test_what_cannot_be_explained_is_a_wrong_use(here: Here, words: list[str], said: str) -> None:
    assert said in here("grants", *words).sentence(2)


def test_what_the_settings_come_to_is_shown(here: Here) -> None:
    shown = here("grants", "--read-only", "--areas", "segments", "--json").json
    assert shown["areas"] == "segments"
    assert shown["read-only"] == "yes"
    assert shown["grants"] == "no file and no profile: whatever the flags leave"
    assert shown["tools"] == [
        "list_segments",
        "get_segment",
        "count_segment_people",
        "get_segment_used_by",
        "list_segment_people",
    ]
    assert set(shown["tools"]) | set(shown["hidden"]) == set(CATALOG)
    page = here("grants", "show", "--grant", "segments:read").out
    assert "grant            segments:read\n" in page
    assert f"tools            5 served: {', '.join(shown['tools'])}\n" in page


def test_the_profiles_are_listed(here: Here) -> None:
    listed = here("grants", "profiles", "--json").json
    assert [row["profile"] for row in listed] == list(PROFILES)
    page = here("grants", "profiles").out
    for row in listed:
        assert f"{row['profile']:12} {row['what_it_is_for']}\n" in page
    assert json.dumps(listed)
