"""A filter compares nothing that is masked: whom it finds, or how many, would tell it."""

from typing import Any

import pytest

from cio_mcp.catalog import CATALOG, Access
from cio_mcp.policy import Grants
from cio_mcp.policy.grants import Budget
from tests.policy.situations import ORIGIN, decided, granted

MASKED = granted("*:read *:send", shown=frozenset({"plan"}))
PERSONAL = granted("*:read *:personal")


def compares(field: str, value: Any = "x", operator: str = "eq") -> dict[str, Any]:
    return {"attribute": {"field": field, "operator": operator, "value": value}}


def searched(wanted: dict[str, Any], agent: Grants | None) -> Any:
    return decided("search_people", {"filter": wanted}, agent)


@pytest.mark.parametrize(
    "wanted",
    [
        compares("phone", "+15550100001"),
        compares("Plan", "trial"),
        compares("plan ", "trial"),
        compares("vip", value=False),
        compares("age", 0),
        compares("created_at", "Ada"),
        compares("city", "Berlin", "exists"),
        {"not": compares("city")},
        {"and": [{"segment": {"id": 1}}, {"or": [compares("plan"), {"not": compares("city")}]}]},
    ],
)
def test_what_is_masked_cannot_be_searched_by(wanted: dict[str, Any]) -> None:
    seen = searched(wanted, MASKED)
    assert not seen.allowed
    assert seen.decision.rule == "personal"
    assert "an attribute that is masked for this agent" in seen.message
    assert searched(wanted, None).allowed, "without grants nothing is masked"
    assert searched(wanted, PERSONAL).allowed


def test_the_denial_names_the_attribute_and_how_to_ask_and_never_the_value() -> None:
    seen = searched(compares("phone", "+15550100001"), MASKED)
    assert "its filter compares 'phone'," in seen.message
    assert f"'phone' listed in `attributes` under [personal] in {ORIGIN}" in seen.next_step
    assert "15550100001" not in seen.message + seen.next_step


@pytest.mark.parametrize(
    "wanted",
    [
        {"segment": {"id": 1}},
        compares("id", "ada-1"),
        compares("id", "ada@example.com"),
        compares("cio_id", "a3000001"),
        compares("plan", "trial"),
        compares("unsubscribed", value=True),
        compares("created_at", 1_769_850_000),
        {"attribute": {"field": "city", "operator": "exists"}},
        {"or": [{"not": {"attribute": {"field": "email", "operator": "exists"}}}, {"segment": {"id": 1}}]},
    ],
)
def test_segments_ids_what_is_shown_and_whether_an_attribute_is_there_can_be_searched_by(
    wanted: dict[str, Any],
) -> None:
    assert searched(wanted, MASKED).allowed


@pytest.mark.parametrize("condition", [compares("ssn", "1"), compares("note", "4111111111111111")])
def test_what_stays_masked_even_where_personal_data_is_granted_cannot_be_searched_by(condition: dict[str, Any]) -> None:
    assert not searched(condition, PERSONAL).allowed
    assert searched(condition, granted("*:*", shown=frozenset({"ssn", "note"}))).allowed


def test_where_a_budget_would_tell_how_many_an_audience_compares_nothing_masked_either() -> None:
    call = {"broadcast_id": 1, "recipients": {"or": [compares("id", "ada-1"), compares("phone", "+15550100001")]}}
    bounded = granted("*:read *:send", budget=Budget(per_day=1))
    assert decided("trigger_broadcast", call, bounded).decision.rule == "personal"
    assert decided("trigger_broadcast", call, MASKED).allowed, "no count is told of it"
    told = granted("*:read *:send *:personal", budget=Budget(per_day=1))
    assert decided("trigger_broadcast", call, told).allowed


def test_no_read_takes_a_filter_by_another_name() -> None:
    shaped = {
        (name, member)
        for name, endpoint in CATALOG.items()
        for member, schema in endpoint.input_schema()["properties"].items()
        if endpoint.access is Access.READ and schema.get("type") == "object"
    }
    assert shaped == {("search_people", "filter")}
