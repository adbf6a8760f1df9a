"""Bodies become events: all kinds that are documented, those that are not, and what is no event."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cio_mcp.catalog.webhooks import EVENTS
from cio_mcp.webhooks.events import DATA_BYTES, Event, Person, Read, Unreadable, line, read, restored
from tests.webhooks.kinds import EXAMPLES, KINDS
from tests.webhooks.receiving import body_of, event

ADA = Person(id="42", email="test@example.com", cio_id="d9c106000001")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def read_event(told: Any) -> Event:
    found = read(body_of(told), otherwise_at=7)
    assert isinstance(found, Read), found
    return found.event


def refused(body: bytes) -> str:
    found = read(body, otherwise_at=7)
    assert isinstance(found, Unreadable)
    return found.reason


def test_the_kinds_tried_here_are_all_that_have_a_schema() -> None:
    # Configurable, but without a schema in the reference.
    assert set(EVENTS) - set(KINDS) == {"email_deferred", "slack_converted", "webhook_converted", "sms_dropped"}
    # The other way round.
    assert set(KINDS) - set(EVENTS) == {"slack_undeliverable"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_documented_kind_is_read(kind: str) -> None:
    told = KINDS[kind]
    found = read_event(told)
    assert (found.event_id, found.metric, found.at) == (told["event_id"], told["metric"], told["timestamp"])
    assert found.object_type == told.get("object_type", "email")
    assert found.delivery_id == told["data"].get("delivery_id")
    assert found.person == ADA
    gone = {"identifiers", "customer_id", "email_address", "delivery_id"}
    content = {"content", "headers"} if found.metric == "sent" else set()
    assert found.data == {name: value for name, value in told["data"].items() if name not in gone | content}
    assert set(found.left_out) == content & told["data"].keys()
    assert restored(line(found)) == found


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_references_examples_are_read(name: str) -> None:
    assert read_event(EXAMPLES[name]).person == ADA


def test_message_content_is_not_kept() -> None:
    kept = line(read_event(event(data={"content": "canary-content", "headers": {"X": ["canary-header"]}})))
    assert "canary" not in kept


@pytest.mark.parametrize("name", ["email_teleported", "holo_delivered"])
def test_unknown_kinds_and_members_are_taken(name: str) -> None:
    channel, metric = name.split("_")
    found = read_event(event(object_type=channel, metric=metric, colour="blue", data={"depth": {"of": [1, None]}}))
    assert (found.object_type, found.metric, found.data) == (channel, metric, {"depth": {"of": [1, None]}})


@pytest.mark.parametrize(
    "members",
    [
        {"metric": None},
        {"metric": 5},
        {"object_type": []},
        {"timestamp": "soon"},
        {"timestamp": None},
        {"timestamp": True},
        {"timestamp": 1e300},
        {"timestamp": -1},
        {"data": None},
        {"data": ["x"]},
        {"data": {"identifiers": "ada", "delivery_id": 5}},
        {"data": {"identifiers": {"id": {"a": 1}, "email": None}}},
    ],
)
def test_a_member_that_is_not_what_it_should_be_costs_itself_and_not_the_event(members: dict[str, Any]) -> None:
    found = read_event(event() | members)
    assert found.event_id == event()["event_id"]
    assert found.at == (7 if "timestamp" in members else event()["timestamp"])


def test_identifiers_of_people_are_found_wherever_they_stand() -> None:
    assert read_event(event(data={"customer_id": "7", "email_address": "a@example.com"})).person == Person(
        id="7", email="a@example.com"
    )
    assert read_event(event(data={"identifiers": {"id": 7, "email": ""}})).person == Person(id="7")
    assert read_event(event(data={"identifiers": {"id": "x" * 255}})).person == Person()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b"{}", "no event_id"),
        (body_of({"event_id": ""}), "no event_id"),
        (body_of({"event_id": "x" * 65}), "no event_id"),
        (body_of({"event_id": "two words"}), "no event_id"),
        (body_of({"event_id": 5}), "no event_id"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"event_id":"x","n":' + b"9" * 5_000 + b"}", "no JSON"),
    ],
)
def test_what_is_no_event_is_named(body: bytes, reason: str) -> None:
    assert refused(body).startswith(reason)


def test_large_members_are_cut_or_left_out_so_that_every_event_is_small() -> None:
    data = {"failure_message": "x" * 9_000, "answers": {str(n): "y" * 900 for n in range(40)}, "code": 5}
    found = read_event(event(data=data))
    assert len(found.data["failure_message"]) == 1_000
    assert (found.data["code"], found.left_out) == (5, ("answers",))
    assert len(line(found)) < DATA_BYTES + 2_000


def test_hostile_text_is_kept_as_it_was_and_harmless_when_it_is_read() -> None:
    body = b'{"event_id":"x","metric":"m\\u202em","data":{"failure_message":"\\ud800 \\u0000 \\u202e","n":NaN}}'
    found = read(body, otherwise_at=7)
    assert isinstance(found, Read)
    assert "\\u202e" in line(found.event)
    told = restored(line(found.event))
    assert told.data == {"failure_message": "\\u{d800} \\u{0} \\u{202e}", "n": None}
    assert told.metric == "m\\u{202e}m"


def test_the_same_said_in_another_order_is_the_same() -> None:
    told = event()
    turned = json.dumps(dict(reversed(told.items())), indent=2).encode()
    one, other = read(body_of(told), otherwise_at=7), read(turned, otherwise_at=7)
    assert isinstance(one, Read)
    assert isinstance(other, Read)
    assert one.digest == other.digest


@given(st.binary(max_size=200))
def test_any_bytes_end_in_an_event_or_a_reason(body: bytes) -> None:
    assert isinstance(read(body, otherwise_at=7), Read | Unreadable)


@given(st.dictionaries(st.sampled_from(["object_type", "metric", "timestamp", "data", "x"]), JSON), JSON)
def test_any_json_with_an_id_is_an_event_that_can_be_kept_and_read_again(
    told: dict[str, Any], identifiers: Any
) -> None:
    if isinstance(told.get("data"), dict):
        told["data"]["identifiers"] = identifiers
    found = read_event(told | {"event_id": "x"})
    kept = line(found)
    assert kept.isascii()
    assert restored(kept).event_id == "x"
    assert len(kept) < DATA_BYTES + 4_000
