"""Is a broadcast ready: each thing that stops it or should be asked about."""

from typing import Any

import pytest

from cio_mcp.catalog.filters import audience
from cio_mcp.insight.readiness import Broadcast, among, concerns, verdict
from cio_mcp.insight.triggers import Errors, errors
from cio_mcp.planning import Survey
from cio_mcp.planning.inquiry import Count

NOW = 1_700_000_000.0
ACTION: dict[str, Any] = {"id": 7, "type": "email", "subject": "Hi", "body": "<p>", "sending_state": "automatic"}
READY: dict[str, Any] = {
    "survey": Survey(audience=10, of=100),
    "found": {"active": True, "state": "running"},
    "triggers": [{"id": 1, "created_at": NOW - 90_000}],
    "actions": [ACTION],
    "errors": Errors(),
}


def test_a_running_broadcast_with_a_message_and_an_audience_is_ready() -> None:
    assert concerns(Broadcast(**READY), NOW) == []
    assert verdict([]) == "ready"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"is_absent": True}, "no broadcast of this id"),
        ({"found": {"active": False, "state": "draft"}}, "not running (state: draft)"),
        ({"survey": Survey(audience=0, of=100)}, "empty"),
        ({"actions": []}, "no message"),
        ({"unsubscribed": Count(people=10)}, "All 10 of its audience are unsubscribed"),
        ({"actions": [ACTION | {"sending_state": "off"}]}, "All of its messages are off"),
    ],
)
def test_what_would_be_refused_or_reach_nobody_stops_it(change: dict[str, Any], word: str) -> None:
    found = concerns(Broadcast(**READY | change), NOW)
    assert verdict(found) == "not_ready"
    assert word in found[0].what


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"survey": Survey()}, "not known"),
        ({"survey": Survey(audience=51, of=100)}, "51 of all 100"),
        ({"survey": Survey(audience=0, of=100, combined=True)}, "the segments that it names hold 0"),
        ({"actions": [ACTION | {"sending_state": "draft"}]}, "Message 7 is not sent automatically (draft)"),
        ({"actions": [ACTION | {"subject": ""}]}, "Message 7 has no subject"),
        ({"actions": [ACTION | {"body": ""}]}, "Message 7 has no content"),
        ({"triggers": [{"id": 2, "created_at": int(NOW) - 100}]}, "last 24 hours"),
        ({"errors": Errors(lines=("line 1: x",))}, 'had 1 error: "line 1: x"'),
        ({"errors": Errors(lines=("x",) * 10, more=True)}, "had 10 errors or more"),
        ({"unsubscribed": Count(people=3)}, "3 of the 10 are unsubscribed"),
        ({"unsubscribed": Count(more_than=1_000)}, "More than 1,000 of the 10"),
        ({"unsubscribed": Count()}, "How many of them are unsubscribed is not known"),
    ],
)
def test_what_should_be_asked_about_warns(change: dict[str, Any], word: str) -> None:
    found = concerns(Broadcast(**READY | change), NOW)
    assert verdict(found) == "ready_with_warnings"
    assert word in found[0].what


def test_what_could_not_be_read_is_warned_of_once() -> None:
    unread = concerns(Broadcast(**READY | {"found": None, "triggers": None, "actions": None, "errors": None}), NOW)
    assert verdict(unread) == "ready_with_warnings"
    assert [concern.what for concern in unread] == ["Not known: its state, its messages, its triggers."]


def test_people_who_are_unsubscribed_are_told_where_the_audience_is_not_counted_whole() -> None:
    found = concerns(Broadcast(**READY | {"survey": Survey(), "unsubscribed": Count(people=7)}), NOW)
    assert [concern.what for concern in found][1] == "7 of them are unsubscribed and do not get it."


def test_an_empty_audience_and_one_without_unsubscribed_people_say_nothing_of_them() -> None:
    assert concerns(Broadcast(**READY | {"unsubscribed": Count(people=0)}), NOW) == []
    [found] = concerns(Broadcast(**READY | {"survey": Survey(audience=0), "unsubscribed": Count()}), NOW)
    assert "empty" in found.what


def test_the_filter_of_unsubscribed_people_nests_no_deeper_than_it_must() -> None:
    one: dict[str, Any] = {"segment": {"id": 1}}
    some: dict[str, Any] = {"or": [one, one]}
    assert len(among({"and": [one, some]})["and"]) == 3
    assert among(some)["and"][0] == some
    for recipients in (one, some, {"and": [some, one]}, {"not": one}):
        assert audience(among(recipients))


def test_a_recent_trigger_with_errors_is_one_concern() -> None:
    recent = {"triggers": [{"id": 2, "created_at": int(NOW) - 100}], "errors": Errors(lines=("line 2: x",))}
    [found] = concerns(Broadcast(**READY | recent), NOW)
    assert "in the last 24 hours" in found.what
    assert "twice" not in found.next_step


def test_more_errors_are_said_to_be_possible_only_of_a_full_page() -> None:
    told = {count: errors({"errors": ["x"] * count}) for count in (0, 1, 2, 10)}
    assert [each.told().partition(":")[0] for each in told.values() if each] == [
        "", "1 error", "2 errors", "10 errors or more",
    ]  # fmt: skip
    assert errors({"errors": None}) is None
