"""`cio-mcp grants`: what an agent may do, why a call would pass or not, and the profiles."""

import json
from typing import Any

import pytest

from cio_mcp.catalog import CATALOG
from cio_mcp.cli.grants import explain
from cio_mcp.cli.own import OWN, reads_of
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


def test_a_call_that_rests_on_a_look_up_is_told_with_its_rule_count_and_budget() -> None:
    told = explained("send_email", EMAIL, "sender")
    page = told.pop("page")
    assert told == {
        "tool": "send_email",
        "verdict": "depends",
        "rule": "allow messaging:send_email (profile sender)",
        "recipients": 1,
        "budget": [{"recipients": 100, "seconds": 3600}, {"recipients": 500, "seconds": 86400}],
        "requires": ["`to` must be the address that Customer.io has of the person with that id"],
        "asked_because": [],
    }
    assert page.splitlines() == [
        "send_email: depends on what is looked up",
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


def test_a_search_by_what_is_masked_is_told_with_the_attribute_and_how_to_ask() -> None:
    by_plan = {"filter": {"attribute": {"field": "plan", "operator": "eq", "value": "trial"}}}
    told = explained("search_people", by_plan, "safe")
    assert (told["verdict"], told["rule"]) == ("denied", "personal")
    assert "its filter compares 'plan', an attribute that is masked for this agent" in told["page"]
    assert "'plan' listed in `attributes` under [personal] in profile safe" in told["page"]
    assert explained("search_people", by_plan, "support")["verdict"] == "allowed"


def test_a_call_whose_audience_must_be_counted_is_not_said_to_be_allowed() -> None:
    told = explained("trigger_broadcast", {"broadcast_id": 1}, "broadcaster")
    assert (told["verdict"], told["recipients"]) == ("depends", None)
    page = told["page"].splitlines()
    assert page[0] == "trigger_broadcast: depends on what is counted, and asked about"
    assert "  recipients  known only from a look at the audience" in page
    assert "  counted     its audience must be counted, and within the budget" in told["page"]
    assert "; refused where that cannot be known\n" in told["page"]
    unasked = explained("trigger_broadcast", {"broadcast_id": 1}, "broadcaster", CIO_MCP_CONFIRM="off")
    assert unasked["page"].startswith("trigger_broadcast: depends on what is counted\n")


@pytest.mark.parametrize(
    ("mode", "by"),
    [
        ("auto", "a person, or by a token where the client cannot ask one"),
        ("ask", "a person, through the client"),
        ("token", "a token"),
        ("operator", "the operator"),
    ],
)
def test_what_confirms_a_call_is_told(mode: str, by: str) -> None:
    told = explained("delete_segment", {"segment_id": 1}, "admin", CIO_MCP_CONFIRM=mode)
    assert (told["verdict"], told["confirmed_by"]) == ("asked about", by)
    assert f"  confirmed   by {by}, because it removes or replaces what cannot be had back" in told["page"]
    unasked = explained("delete_segment", {"segment_id": 1}, "admin", CIO_MCP_CONFIRM="off")
    assert (unasked["verdict"], "confirmed_by" in unasked) == ("allowed", False)


@pytest.mark.parametrize("tool", OWN)
def test_a_tool_of_this_server_is_explained_by_what_it_reads(here: Here, tool: str) -> None:
    reads = reads_of(OWN[tool])
    allowed = here("grants", "explain", tool)
    assert (allowed.code, allowed.out.splitlines()[0]) == (0, f"{tool}: allowed")
    assert f"  reads with  {', '.join(reads) or 'none'}\n" in allowed.out
    narrowed = here("grants", "explain", tool, "--areas", "segments", "--json")
    assert (narrowed.code, narrowed.json["verdict"]) == ((1, "denied") if reads else (0, "allowed"))
    if reads:
        assert narrowed.json["rule"] == "--areas"


def test_arguments_of_a_tool_of_this_server_are_checked(here: Here) -> None:
    assert "reconcile_operation: " in here("grants", "explain", "reconcile_operation", '{"operation": 4}').sentence(2)
    assert "did you mean list_delivery_events?" in here("grants", "explain", "list_delivery_event").sentence(2)


@pytest.mark.parametrize("words", [[], ["--read-only"], ["--areas", "segments"], ["--profile", "safe"]])
def test_the_tools_that_are_shown_are_those_that_a_client_gets(here: Here, words: list[str]) -> None:
    shown = here("grants", "show", "--json", *words).json
    listed = [tool["name"] for tool in here("tools", "--json", *words).json["tools"]]
    assert shown["tools"] + shown["own_tools"] == listed
    assert f"of this server   {len(shown['own_tools'])} more" in here("grants", "show", *words).out


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
