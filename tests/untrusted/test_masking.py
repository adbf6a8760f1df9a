"""Personal data of a planted person comes through no read tool unless it was granted, and nothing else is lost."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cio_mcp.catalog import CATALOG
from cio_mcp.privacy import Mask, is_id, masked
from cio_mcp.wire import Answer, read
from tests.untrusted.planting import READS, Words, answers, planted_world

VALUE = "Canaryvalue-7f3a"
EMAIL = "canary.person+tag@mail.example.com"
PHONE = "+15550100042"
PROSE = f"Ask {EMAIL} or {PHONE}, (555) 010-0042"
# What must not be seen; the parts too, since half an address is one.
PERSONAL = (VALUE, "canary.person", "mail.example.com", "15550100042", "010-0042")
# These tell ids, numbers and times alone.
SAY_NOTHING = {
    "count_segment_people", "get_broadcast_metrics", "get_broadcast_trigger", "get_campaign_metrics",
    "get_segment_used_by", "list_broadcast_triggers",
}  # fmt: skip
SAY_A_VALUE = {
    "get_person_attributes", "list_person_messages", "list_person_activities", "list_person_relationships",
    "get_collection_content",
}  # fmt: skip

every_read = pytest.mark.parametrize("tool", READS)


@pytest.fixture(scope="module")
def answered() -> dict[str, Answer]:
    """Return what the sandbox answers to every read."""
    return answers(planted_world(Words(prose=PROSE, value=VALUE, email=EMAIL, phone=PHONE)))


def shown(answered: dict[str, Answer], tool: str, mask: Mask | None) -> dict[str, Any]:
    data = read(CATALOG[tool], answered[tool])
    masked_data: dict[str, Any] = data if mask is None else masked(data, mask)
    return masked_data


def spelt(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False)


@every_read
def test_personal_data_does_not_come_through(answered: dict[str, Answer], tool: str) -> None:
    seen = spelt(shown(answered, tool, Mask()))
    assert [canary for canary in PERSONAL if canary in seen] == []


@every_read
def test_it_is_there_to_be_masked_and_comes_through_when_granted(answered: dict[str, Answer], tool: str) -> None:
    seen = spelt(shown(answered, tool, Mask(personal_data=True)))
    assert [canary for canary in PERSONAL if canary in seen] != [] or tool in SAY_NOTHING
    assert (VALUE in seen) is (tool in SAY_A_VALUE)


@every_read
def test_a_grant_leaves_an_answer_without_secrets_as_it_is(answered: dict[str, Answer], tool: str) -> None:
    assert shown(answered, tool, Mask(personal_data=True)) == shown(answered, tool, None)


@every_read
def test_what_says_nothing_of_people_stays_as_it_is(answered: dict[str, Answer], tool: str) -> None:
    if tool in SAY_NOTHING:
        assert shown(answered, tool, Mask()) == shown(answered, tool, None)


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for inner, member in value.items():
                yield from leaves(member, inner)
        case list():
            for item in value:
                yield from leaves(item, name)
        case _:
            yield name, value


@every_read
def test_ids_cursors_times_and_states_stay_for_the_next_call(answered: dict[str, Answer], tool: str) -> None:
    before = list(leaves(shown(answered, tool, None)))
    after = list(leaves(shown(answered, tool, Mask())))
    assert len(before) == len(after)
    kept = {"state", "type", "created", "updated", "created_at", "timestamp", "platform", "unsubscribed", "active"}
    for (name, value), (_, now) in zip(before, after, strict=True):
        if (is_id(name) and value != EMAIL) or name in kept:
            assert now == value, name


def test_an_id_that_is_an_address_is_masked_and_the_cio_id_remains(answered: dict[str, Answer]) -> None:
    whole = shown(answered, "search_people", None)
    people = shown(answered, "search_people", Mask())
    place = whole["ids"].index(EMAIL)
    assert people["ids"][place] == "[masked: e-mail]"
    assert people["identifiers"][place] == {
        "id": "[masked: e-mail]",
        "email": "[masked: e-mail]",
        "cio_id": whole["identifiers"][place]["cio_id"],
    }


def test_a_masked_person_still_shows_why_no_message_came(answered: dict[str, Answer]) -> None:
    customer = shown(answered, "get_person_attributes", Mask())["customer"]
    assert (customer["id"], customer["unsubscribed"]) == ("ada-1", False)
    assert customer["attributes"]["first_name"] == f"[masked: text of {len(VALUE)}]"
    assert customer["attributes"]["email"] == "[masked: e-mail]"
    assert customer["attributes"]["created_at"].isdecimal()
    assert all(isinstance(at, int) for at in customer["timestamps"].values())
    [_, device] = customer["devices"]
    assert (device["id"], device["attributes"]["device_os"]) == ("token", "iOS 18")
    bounced = shown(answered, "list_person_messages", Mask())["messages"][0]
    assert bounced["failure_message"].startswith("550 no such user: Ask [masked: e-mail] or [masked: phone]")
    assert bounced["metrics"].keys() >= {"sent", "bounced"}


def test_an_attribute_on_the_list_is_shown_and_no_other(answered: dict[str, Answer]) -> None:
    customer = shown(answered, "get_person_attributes", Mask(attributes_shown=frozenset({"first_name"})))["customer"]
    assert customer["attributes"]["first_name"] == VALUE
    assert VALUE not in spelt({name: each for name, each in customer["attributes"].items() if name != "first_name"})
