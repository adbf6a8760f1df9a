"""Which calls are asked about, by which way, and when a confirmation no longer fits."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cio_mcp import gate
from cio_mcp.catalog import CATALOG, Access, Endpoint, Gate
from cio_mcp.consent import Way
from cio_mcp.gate import Level, Mode
from cio_mcp.ledger.terms import Confirmation, Group, State
from tests.faults.arguments import ARGUMENTS

KEPT = Confirmation(
    handle="h", operation="o", tool="delete_person", principal="local", workspace="w",
    binding="b", target="t", audience=100, expires_at=1000.0,
)  # fmt: skip
ASKED = {
    *(name for name, endpoint in CATALOG.items() if endpoint.access is Access.DESTRUCTIVE),
    *("trigger_broadcast", "send_newsletter", "schedule_newsletter"),
    *("create_reporting_webhook", "update_reporting_webhook"),
} - {"apply_entity", "apply_batch"}
PERSON = {"type": "person", "identifiers": {"id": "bob-2"}}


def why(tool: str, arguments: dict[str, Any], crowd: int = 100) -> tuple[str, ...]:
    endpoint = CATALOG[tool]
    return gate.reasons(endpoint, endpoint.params.model_validate(arguments), crowd=crowd)


WRITES = [each for each in CATALOG.values() if each.access is not Access.READ and each.gate is not Gate.ITEMS]


@pytest.mark.parametrize("endpoint", WRITES, ids=lambda each: each.name)
def test_what_is_irreversible_or_reaches_many_is_asked_about_and_nothing_else(endpoint: Endpoint) -> None:
    assert bool(why(endpoint.name, ARGUMENTS[endpoint.name])) is (endpoint.name in ASKED)


@pytest.mark.parametrize(
    ("item", "asked"),
    [
        ({"action": "delete"}, True),
        ({"action": "suppress"}, True),
        ({"action": "unsuppress"}, False),
        ({"action": "identify"}, False),
        ({"action": "event", "name": "x"}, False),
        ({"action": "delete_device", "device": {"token": "t"}}, True),
    ],
)
def test_items_are_asked_about_for_what_they_do(item: dict[str, Any], *, asked: bool) -> None:
    assert bool(why("apply_entity", PERSON | item)) is asked
    harmless = PERSON | {"action": "identify"}
    assert bool(why("apply_batch", {"batch": [harmless, PERSON | item]})) is asked


def test_more_people_than_the_crowd_are_asked_about() -> None:
    members = {"segment_id": 2, "ids": [f"p{n}" for n in range(101)]}
    assert why("add_people_to_segment", members) == ("it names 101 people at once, more than 100",)
    assert not why("add_people_to_segment", members, crowd=101)
    batch = [{"type": "person", "action": "identify", "identifiers": {"id": f"p{n}"}} for n in range(4)]
    assert why("apply_batch", {"batch": batch}, crowd=3)


MANY = ", ".join(f"p{number}@example.com" for number in range(150))
SEEN = {"name": "seen", "data": {"recipient": MANY}}


@pytest.mark.parametrize(
    ("tool", "call"),
    [
        ("track_event", {"identifier": "1"} | SEEN),
        ("track_event", {"identifier": "1", "name": "seen", "data": {"Recipient": MANY}}),
        ("track_anonymous_event", SEEN),
        ("apply_entity", PERSON | {"action": "event", "name": "seen", "attributes": SEEN["data"]}),
        ("apply_batch", {"batch": [PERSON | {"action": "event", "name": "seen", "attributes": SEEN["data"]}]}),
    ],
)
def test_an_event_counts_for_everybody_whose_address_it_writes_down(tool: str, call: dict[str, Any]) -> None:
    assert why(tool, call) == ("it names 150 people at once, more than 100",)
    assert not why(tool, call, crowd=150)


@pytest.mark.parametrize("recipient", ["nobody", 'an "unclosed <a@example.com>', ["a@example.com"]])
def test_recipients_that_cannot_be_counted_are_many(recipient: object) -> None:
    call = {"identifier": "1", "name": "seen", "data": {"recipient": recipient}}
    assert why("track_event", call, crowd=10_000) == ("it writes out addresses that cannot be counted",)


def test_whom_an_object_is_related_to_already_names_nobody() -> None:
    company = {"type": "object", "action": "identify", "identifiers": {"object_type_id": "1", "object_id": "acme"}}
    assert not why("apply_entity", company)


@pytest.mark.parametrize(
    ("mode", "way", "has_token", "level"),
    [
        (Mode.AUTO, Way.ROUND_TRIP, False, Level.ROUND_TRIP),
        (Mode.AUTO, Way.INLINE, False, Level.INLINE),
        (Mode.AUTO, Way.NONE, False, Level.TOKEN),
        (Mode.AUTO, Way.ROUND_TRIP, True, Level.TOKEN),
        (Mode.ASK, Way.ROUND_TRIP, True, Level.ROUND_TRIP),
        (Mode.ASK, Way.INLINE, True, Level.INLINE),
        (Mode.ASK, Way.NONE, True, None),
        (Mode.TOKEN, Way.ROUND_TRIP, False, Level.TOKEN),
        (Mode.OPERATOR, Way.ROUND_TRIP, True, Level.OPERATOR),
        (Mode.OPERATOR, Way.NONE, False, Level.OPERATOR),
    ],
)
def test_the_mode_and_the_client_decide_how_it_is_asked(
    mode: Mode, way: Way, level: Level | None, *, has_token: bool
) -> None:
    assert gate.level_of(mode, way, has_token=has_token) is level


@pytest.mark.parametrize(
    ("kept", "why_not"),
    [
        (None, "is not one of ours"),
        (replace(KEPT, binding="other"), "belongs to another call"),
        (replace(KEPT, state=State.SPENT), "was used already"),
        (replace(KEPT, state=State.REJECTED), "was rejected"),
        (replace(KEPT, expires_at=500.0), "has expired"),
        (replace(KEPT, expires_at=500.1), ""),
        (replace(KEPT, state=State.APPROVED), ""),
    ],
)
def test_a_confirmation_says_why_it_cannot_be_used(kept: Confirmation | None, why_not: str) -> None:
    assert gate.unusable(kept, "b", 500.0) == why_not


@pytest.mark.parametrize(
    ("seen", "found", "changed"),
    [(100, 100, False), (100, 105, False), (100, 95, False), (100, 106, True), (100, 94, True), (0, 1, True),
     (None, None, False), (None, 5, True), (5, None, True)],
)  # fmt: skip
def test_an_audience_may_drift_by_a_twentieth(seen: int | None, found: int | None, *, changed: bool) -> None:
    assert bool(gate.drifted(replace(KEPT, audience=seen), audience=found, target="t", groups={})) is changed


def group(people: int | None, who: Iterable[str] | None) -> Group:
    return Group(people=people, who=None if who is None else Group.marked(f"{each:>08}" for each in who))


HUNDRED = group(100, map(str, range(100)))


@pytest.mark.parametrize(
    ("found", "changed"),
    [
        (HUNDRED, ""),
        (group(100, map(str, range(2, 102))), ""),
        (group(105, map(str, range(105))), ""),
        (group(100, map(str, range(3, 103))), "of the 100 it 3 are not among them now, and 3 others are"),
        (group(97, map(str, range(3, 100))), ""),
        (group(90, map(str, range(90))), "the number of it was 100 and is now 90"),
        (group(100, None), "who the it are is not known now"),
        (group(None, None), "the number of it was 100 and is now not known"),
        (None, "what it would touch is not what it was"),
    ],
)
def test_each_part_of_an_audience_may_lose_and_gain_a_twentieth(found: Group | None, changed: str) -> None:
    kept = replace(KEPT, groups={"it": HUNDRED})
    assert gate.drifted(kept, audience=100, target="t", groups={"it": found} if found else {}) == changed


def test_what_an_older_version_kept_is_compared_by_its_size() -> None:
    assert KEPT.groups is None
    assert not gate.drifted(KEPT, audience=100, target="t", groups={"it": HUNDRED})


def test_another_target_is_another_question() -> None:
    assert gate.drifted(KEPT, audience=100, target="another", groups={})


@given(st.dictionaries(st.sampled_from(["id", "email"]), st.text(min_size=1, max_size=5), min_size=1))
def test_the_order_of_arguments_makes_no_other_call(members: dict[str, str]) -> None:
    endpoint = CATALOG["track_event"]
    call = {"identifier": "bob", "name": "x", "data": members}
    turned = {"data": dict(reversed(list(members.items()))), "name": "x", "identifier": "bob"}
    texts = {gate.canonical(endpoint, endpoint.params.model_validate(each)) for each in (call, turned)}
    assert len(texts) == 1
