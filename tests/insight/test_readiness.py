"""Is a broadcast ready: each thing that stops it or should be asked about."""

from typing import Any

import pytest

from cio_mcp.insight.readiness import Broadcast, concerns, verdict
from cio_mcp.planning import Survey

NOW = 1_700_000_000.0
ACTION: dict[str, Any] = {"id": 7, "type": "email", "subject": "Hi", "body": "<p>", "sending_state": "automatic"}
READY: dict[str, Any] = {
    "survey": Survey(audience=10, of=100),
    "found": {"active": True, "state": "running"},
    "triggers": [{"id": 1, "created_at": NOW - 90_000}],
    "actions": [ACTION],
    "errors": [],
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
        ({"errors": ["line 1"]}, "1 errors"),
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
