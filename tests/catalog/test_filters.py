import json
from typing import Any

import pytest

from cio_mcp.catalog.filters import audience
from tests.catalog.refusals import accepted, refusal

SEGMENT = {"segment": {"id": 4}}
PLAN = {"attribute": {"field": "plan", "operator": "eq", "value": "pro"}}


@pytest.mark.parametrize(
    "given",
    [
        SEGMENT,
        PLAN,
        {"attribute": {"field": "plan", "operator": "exists"}},
        {"attribute": {"field": "unsubscribed", "operator": "eq", "value": False}},
        {"attribute": {"field": "logins", "operator": "eq", "value": 0}},
        {"and": [SEGMENT, PLAN]},
        {"or": [SEGMENT, {"and": [SEGMENT, PLAN]}]},
        {"not": SEGMENT},
        {"not": {"or": [SEGMENT, {"and": [PLAN]}]}},
        {"and": [{"not": {"or": [SEGMENT, PLAN]}}, PLAN]},
        {"not": {"and": [{"not": {"and": [SEGMENT]}}]}},
        # The App API reference's own example of a broadcast's "Custom recipients".
        {"and": [SEGMENT, {"or": [PLAN, {"not": PLAN}]}]},
    ],
)
def test_what_the_reference_allows_is_taken_as_it_is(given: dict[str, Any]) -> None:
    assert audience(given) == given


@pytest.mark.parametrize(
    ("given", "place", "remedy"),
    [
        ({}, "filter", "must hold exactly one of and | or | not | segment | attribute"),
        ({**SEGMENT, **PLAN}, "filter", "must hold exactly one of"),
        ({"segments": {"id": 1}}, "filter", "must hold exactly one of"),
        ({"and": []}, "filter.and", "a list of one or more"),
        ({"and": SEGMENT}, "filter.and", "a list of one or more"),
        ({"and": [SEGMENT, "pro"]}, "filter.and[1]", "must be an object"),
        ({"not": [SEGMENT]}, "filter.not", "must be an object"),
        ({"not": {"not": SEGMENT}}, "filter.not", "must hold exactly one of and | or | segment | attribute"),
        (
            {"and": [{"or": [{"and": [SEGMENT]}]}]},
            "filter.and[0].or[0]",
            "must hold exactly one of not | segment | attribute",
        ),
        (
            {"and": [{"or": [{"not": {"and": [SEGMENT]}}]}]},
            "filter.and[0].or[0].not",
            "must hold exactly one of segment | attribute",
        ),
        ({"segment": 4}, "filter.segment", "list_segments shows the ids"),
        ({"segment": {"id": 4, "name": "x"}}, "filter.segment", "must be {id: <number>}"),
        ({"segment": {"id": "four"}}, "filter.segment.id", "must be a whole number"),
        ({"segment": {"id": True}}, "filter.segment.id", "must be a whole number"),
        ({"segment": {"id": 4.0}}, "filter.segment.id", "must be a whole number"),
        ({"segment": {"id": 0}}, "filter.segment.id", "1 or more"),
        ({"attribute": "plan"}, "filter.attribute", "must be {field, operator, value}"),
        ({"attribute": {"field": "plan"}}, "filter.attribute", "must be {field, operator, value}"),
        ({"attribute": {"field": "", "operator": "exists"}}, "filter.attribute.field", "must name an attribute"),
        ({"attribute": {"field": 5, "operator": "exists"}}, "filter.attribute.field", "must name an attribute"),
        (
            {"attribute": {"field": "age", "operator": "gt", "value": 5}},
            "filter.attribute.operator",
            "must be eq | exists; for other comparisons use a segment that a person makes in Customer.io",
        ),
        ({"attribute": {"field": "age", "operator": "eq"}}, "filter.attribute.value", "is needed with eq"),
        ({"attribute": {"field": "age", "operator": "eq", "value": [1]}}, "filter.attribute.value", "must be a text"),
        (
            {"attribute": {"field": "age", "operator": "eq", "value": 1, "inverse": True}},
            "filter.attribute",
            "does not take 'inverse'",
        ),
    ],
)
def test_a_wrong_filter_is_refused_at_its_place(given: dict[str, Any], place: str, remedy: str) -> None:
    said = refusal("search_people", {"filter": given})
    assert said.startswith(f"{place}: ")
    assert remedy in said


def test_a_filter_may_come_as_json_text() -> None:
    params = accepted("search_people", {"filter": json.dumps({"segment": {"id": "4"}})})
    assert params.model_dump()["filter"] == SEGMENT


def test_a_filter_nested_without_end_is_refused() -> None:
    node: dict[str, Any] = SEGMENT
    for _ in range(400):
        node = {"and": [node]}
    assert "must hold exactly one of not | segment | attribute" in refusal("search_people", {"filter": node})
    assert "nested more than 20 levels deep" in refusal("search_people", {"filter": json.dumps(node)})


def test_the_value_of_a_refused_filter_is_not_repeated() -> None:
    given = {"filter": {"attribute": {"field": "age", "operator": "eq", "value": ["person@example.com"]}}}
    assert "person@example.com" not in refusal("search_people", given)
