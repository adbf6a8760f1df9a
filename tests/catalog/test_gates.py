"""Which calls are asked about first, how many people a call names, and declarations that contradict themselves."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from pydantic import Field

from cio_mcp.catalog import CATALOG, Access, Area, Bucket, Effect, Endpoint, Gate, Key, Params, Repeat
from tests.catalog.refusals import EMAIL, SEGMENT, TEMPLATED, accepted
from tests.catalog.test_entities import EXAMPLES, example

DESTRUCTIVE = {
    "delete_person", "delete_device", "suppress_person", "merge_people", "delete_segment", "update_collection",
    "delete_collection", "delete_reporting_webhook",
}  # fmt: skip
TO_AN_AUDIENCE = {"trigger_broadcast", "send_newsletter", "schedule_newsletter"}
TO_AN_ADDRESS = {"create_reporting_webhook", "update_reporting_webhook"}
BY_ITEMS = {"apply_entity", "apply_batch"}
TO_ONE = {"send_email", "send_push", "send_sms", "send_in_app"}
ADA = {"identifier": "ada-1"}


def tools(chosen: Callable[[Endpoint], bool]) -> set[str]:
    return {name for name, endpoint in CATALOG.items() if chosen(endpoint)}


def test_what_destroys_or_reaches_an_audience_or_an_outside_address_is_always_asked_about() -> None:
    assert tools(lambda e: e.gate is Gate.ASKED) == DESTRUCTIVE | TO_AN_AUDIENCE | TO_AN_ADDRESS
    assert tools(lambda e: e.gate is Gate.ITEMS) == BY_ITEMS
    assert tools(lambda e: e.access is Access.DESTRUCTIVE) == DESTRUCTIVE | BY_ITEMS


def test_just_the_reads_have_no_gate() -> None:
    assert tools(lambda e: e.gate is None) == tools(lambda e: e.access is Access.READ)


def test_sending_to_one_and_to_an_audience_are_told_apart_and_permitted_by_one_word() -> None:
    assert tools(lambda e: e.effect is Effect.AUDIENCE) == TO_AN_AUDIENCE
    assert tools(lambda e: e.effect is Effect.MESSAGE) == TO_ONE
    assert tools(lambda e: e.sends) == TO_ONE | TO_AN_AUDIENCE == tools(lambda e: e.permission == "send")


def declare(**changed: Any) -> None:
    """Declare an endpoint that is fine but for what is changed."""
    fine: dict[str, Any] = {
        "key": Key.APP, "access": Access.WRITE, "effect": Effect.DATA, "repeat": Repeat.SAFE, "bucket": Bucket.APP,
        "gate": Gate.FREE, "docs": "app/", "params": _Thing,
    }  # fmt: skip
    params = (given := fine | changed).pop("params")
    Area("things", "Things.").endpoint(given.pop("call", "PUT /v1/things"), **given)(params)


class _Thing(Params):
    """Change a thing."""


class _Taken(Params):
    """Change a thing."""

    dry_run: bool = Field(False, description="Of its own")


READ = {"call": "GET /v1/things", "access": Access.READ, "effect": Effect.NONE}


@pytest.mark.parametrize(
    "fine", [{}, READ | {"gate": None}, {"gate": Gate.ASKED}, {"access": Access.DESTRUCTIVE, "gate": Gate.ASKED}]
)
def test_a_declaration_that_agrees_with_itself_is_taken(fine: dict[str, Any]) -> None:
    declare(**fine)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"gate": None}, "must state its gate: free, items, asked"),
        (READ, "so it has no gate"),
        ({"access": Access.DESTRUCTIVE}, "what destroys is asked about"),
        ({"effect": Effect.AUDIENCE}, "what sends to an audience is always asked about"),
        ({"access": Access.DESTRUCTIVE, "effect": Effect.AUDIENCE, "gate": Gate.ITEMS}, "is always asked about"),
        ({"gate": Gate.ITEMS}, "must say how in own_access"),
        ({"params": _Taken}, "['dry_run'] are arguments of this server itself"),
    ],
)
def test_a_declaration_that_contradicts_itself_fails_with_a_sentence(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError) as caught:
        declare(**changed)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("tool", "given", "people"),
    [
        ("delete_person", ADA, 1),
        ("track_event", {**ADA, "name": "bought"}, 1),
        ("send_push", TEMPLATED, 1),
        ("send_email", EMAIL, 1),
        ("send_email", {**EMAIL, "to": "a@example.com, b@example.com", "bcc": "c@example.com"}, 3),
        ("add_people_to_segment", {"segment_id": 1, "ids": ["1", "2", "3"]}, 3),
        ("remove_people_from_segment", {"segment_id": 1, "ids": ["1", "2"]}, 2),
        ("trigger_broadcast", {"broadcast_id": 1}, 0),
        ("trigger_broadcast", {"broadcast_id": 1, "recipients": SEGMENT}, 0),
        ("trigger_broadcast", {"broadcast_id": 1, "data_file_url": "https://example.com/people.jsonl"}, 0),
        ("trigger_broadcast", {"broadcast_id": 1, "ids": ["1", "2"]}, 2),
        ("trigger_broadcast", {"broadcast_id": 1, "emails": ["a@example.com"]}, 1),
        ("trigger_broadcast", {"broadcast_id": 1, "emails": ["a@example.com"], "email_add_duplicates": True}, 0),
        ("trigger_broadcast", {"broadcast_id": 1, "per_user_data": [{"id": str(n), "data": {}} for n in range(4)]}, 4),
        ("send_newsletter", {"newsletter_id": 1}, 0),
        ("create_segment", {"name": "VIP"}, 0),
        ("delete_segment", {"segment_id": 1}, 0),
        ("update_collection", {"collection_id": 1, "name": "x"}, 0),
        ("delete_reporting_webhook", {"webhook_id": 1}, 0),
        ("apply_entity", example("person", "delete"), 1),
        ("apply_entity", example("delivery", "event"), 0),
        ("apply_entity", example("object", "delete"), 0),
        ("apply_entity", example("object", "add_relationships"), 1),
        ("apply_batch", {"batch": [example(*variant) for variant in EXAMPLES]}, 12 + 4),
    ],
)
def test_a_call_says_how_many_people_it_names(tool: str, given: dict[str, Any], people: int) -> None:
    params = accepted(tool, given)
    assert params.people() == people
    assert people <= max(params.most_people, 1)


@pytest.mark.parametrize(("kind", "action"), EXAMPLES)
def test_an_item_decides_what_its_call_can_do(kind: str, action: str) -> None:
    removes = action in {"delete", "suppress", "merge", "delete_device"}
    expected = Access.DESTRUCTIVE if removes else Access.WRITE
    assert accepted("apply_entity", example(kind, action)).own_access() is expected
    mixed = [example("person", "identify"), example(kind, action)]
    assert accepted("apply_batch", {"batch": mixed}).own_access() is expected


def test_no_other_tools_arguments_decide_what_it_can_do() -> None:
    decided = {name for name, endpoint in CATALOG.items() if endpoint.params.own_access is not Params.own_access}
    assert decided == BY_ITEMS


def test_a_class_without_a_number_of_its_own_names_one_person_at_most() -> None:
    class Nobody(Params):
        most_people: ClassVar[int] = 0

    assert (_Thing().people(), Nobody().people()) == (1, 0)
