"""Why a person got no message: every cause that the API shows, by itself."""

import itertools
from typing import Any

import pytest

from cio_mcp.insight import messages, programs
from cio_mcp.insight.absence import UNSEEN, Case, findings
from cio_mcp.insight.triggers import Errors

TOPIC_OFF = '{"topics":{"topic_1":false}}'
NOW = 1_700_000_000
PERSON: dict[str, Any] = {
    "identifiers": {"id": "1", "email": "a@example.com"},
    "attributes": {"email": "a@example.com"},
    "unsubscribed": False,
    "devices": [],
}
RUNNING: dict[str, Any] = {"state": "running", "active": True, "actions": [{"id": 1, "type": "email"}]}


def message(*metrics: str, reason: str | None = None) -> dict[str, Any]:
    return {"id": "d", "type": "email", "metrics": dict.fromkeys(metrics, NOW), "failure_message": reason}


def causes(**members: Any) -> list[str]:
    return [each.cause for each in findings(Case(**members))]


def test_nobody_of_that_identifier_is_the_only_cause_that_is_told() -> None:
    assert causes(is_nobody=True, program=programs.campaign(1, {"active": False})) == ["no_such_person"]


@pytest.mark.parametrize(
    ("metrics", "cause"),
    [
        (("sent", "bounced"), "bounced"),
        (("sent", "dropped"), "dropped"),
        (("suppressed",), "suppressed"),
        (("failed",), "failed"),
        (("undeliverable",), "undeliverable"),
        (("drafted",), "drafted"),
        (("created",), "created"),
        (("created", "attempted", "deferred"), "deferred"),
        (("sent",), "sent"),
        (("sent", "deferred"), "deferred"),
        (("sent", "deferred", "delivered"), "it_arrived"),
        (("sent", "deferred", "bounced"), "bounced"),
        (("sent", "delivered", "bounced"), "bounced"),
        (("sent", "bounced", "converted"), "bounced"),
        (("sent", "converted"), "converted"),
        (("sent", "unsubscribed"), "it_arrived"),
        (("sent", "delivered"), "it_arrived"),
        (("sent", "delivered", "opened", "clicked"), "it_arrived"),
    ],
)
def test_what_became_of_the_newest_message_comes_first(metrics: tuple[str, ...], cause: str) -> None:
    assert causes(about=[message(*metrics), message("sent", "bounced")], person=PERSON) == [cause]


def test_a_failure_is_told_with_its_reason_and_its_time() -> None:
    [found] = findings(Case(about=[message("sent", "bounced", reason="550 no such\nuser")]))
    assert '"550 no such user"' in found.evidence
    assert "2023-11-14 22:13 UTC" in found.evidence


def test_a_message_that_was_made_shows_that_the_person_came_in() -> None:
    program = programs.campaign(1, RUNNING | {"filter_segment_ids": [7], "event_name": "x"})
    assert causes(about=[message("failed")], segments=frozenset(), program=program, event_seen=False) == ["failed"]


def test_unsubscribed_stops_what_is_no_transactional_message() -> None:
    assert causes(person=PERSON | {"unsubscribed": True}) == ["unsubscribed"]


@pytest.mark.parametrize(
    ("channel", "person", "cause"),
    [
        ("email", {"attributes": {}, "identifiers": {"id": "1"}}, "no_address"),
        ("twilio", {}, "no_address"),
        ("push", {}, "no_device"),
        ("push", {"devices": [{"id": "t", "platform": "ios"}]}, "not_visible"),
        ("email", {}, "not_visible"),
        ("webhook", {"attributes": {}, "identifiers": {}}, "not_visible"),
    ],
)
def test_each_channel_needs_its_own_address(channel: str, person: dict[str, Any], cause: str) -> None:
    program = programs.campaign(1, RUNNING | {"actions": [{"id": 1, "type": channel}]})
    assert causes(person=PERSON | person, program=program) == [cause]


@pytest.mark.parametrize(
    ("program", "cause"),
    [
        (programs.Program(kind="campaign", number=9, absent=True), "no_such_program"),
        (programs.campaign(1, {"state": "draft", "active": False}), "not_running"),
        (programs.broadcast(1, RUNNING, {"triggers": []}), "never_triggered"),
        (programs.broadcast(1, RUNNING, None), "not_visible"),
        (programs.broadcast(1, RUNNING, {"triggers": [{"created_at": NOW}]}), "not_visible"),
        (programs.newsletter(1, {"sent_at": None}), "not_sent_yet"),
        (programs.newsletter(1, {"sent_at": NOW}), "not_visible"),
    ],
)
def test_a_program_that_does_not_send_is_a_cause(program: programs.Program, cause: str) -> None:
    assert causes(person=PERSON, program=program, about=[]) == [cause]


def test_a_segment_that_the_person_is_not_in_is_a_cause_if_the_segments_are_known() -> None:
    program = programs.campaign(1, RUNNING | {"filter_segment_ids": [2], "trigger_segment_ids": [3]})
    assert causes(program=program, segments=frozenset({7})) == ["not_in_segment"]
    assert causes(program=program, segments=frozenset({3})) == ["not_in_every_segment"]
    assert causes(program=program, segments=frozenset({2, 3})) == ["not_visible"]
    assert causes(program=program, segments=None) == ["not_visible"]


@pytest.mark.parametrize(("channel", "cause"), [("sms", ["no_address"]), ("in_app", ["not_visible"])])
def test_sms_has_two_names_and_in_app_messages_need_no_device(channel: str, cause: list[str]) -> None:
    nobody: dict[str, Any] = {"attributes": {}, "devices": []}
    program = programs.campaign(1, RUNNING | {"actions": [{"type": channel}]})
    assert causes(person=nobody, program=program) == cause


@pytest.mark.parametrize(
    ("shown", "said", "step"),
    [
        ({}, "the API does not tell", "Look in Customer.io"),
        ({"scheduled_at": 4_000_000_000}, "planned for 2096", "Wait for it"),
        ({"scheduled_at": 0}, "neither sent nor planned", "send_newsletter"),
    ],
)
def test_a_newsletter_that_may_be_planned_is_not_advised_to_be_sent_now(
    shown: dict[str, Any], said: str, step: str
) -> None:
    [found] = findings(Case(program=programs.newsletter(1, {"type": "email", **shown})))
    assert said in found.evidence
    assert found.next_step.startswith(step)


def test_an_event_that_never_came_is_a_cause_only_if_somebody_looked() -> None:
    program = programs.campaign(1, RUNNING | {"event_name": "signed_up"})
    assert [causes(program=program, event_seen=seen) for seen in (False, True, None)] == [
        ["event_never_came"], ["not_visible"], ["not_visible"],
    ]  # fmt: skip


def test_one_message_that_is_not_there_is_said_to_be_missing() -> None:
    assert causes(about=[], asks_for_one=True) == ["no_such_message"]


def test_without_a_cause_it_says_what_the_api_cannot_show() -> None:
    assert findings(Case()) == [UNSEEN]


def test_several_causes_are_all_told() -> None:
    program = programs.campaign(1, {"state": "draft", "active": False, "filter_segment_ids": [2]})
    told = causes(person=PERSON | {"unsubscribed": True}, program=program, segments=frozenset())
    assert told == ["unsubscribed", "not_running", "not_in_segment"]


def test_every_fate_has_its_words() -> None:
    known = {messages.fate(message(name)) for name in messages._FATES} | {"created"}
    for name in known:
        [found] = findings(Case(about=[message(name)]))
        assert found.evidence
        assert found.next_step


def test_an_answer_of_any_shape_is_survived() -> None:
    odd: list[Any] = [None, 3, "text", [], {}, [None], {"id": []}]
    for one, other in itertools.product(odd, odd):
        found = {"actions": one, "state": other, "filter_segment_ids": one, "event_name": other, "active": one}
        program = programs.campaign(1, found)
        case = Case(person={"attributes": one, "devices": other}, program=program, segments=frozenset())
        assert findings(case)
        assert messages.brief({"metrics": one, "type": other, "failure_message": one, "created": other})


def addressed(recipient: str, kind: str = "email", *metrics: str) -> dict[str, Any]:
    return message(*(metrics or ("sent", "delivered"))) | {"recipient": recipient, "type": kind}


@pytest.mark.parametrize(
    ("sent", "person", "cause"),
    [
        (addressed("A@Example.COM"), PERSON, "it_arrived"),
        (addressed("Ann <a@example.com>, b@example.com"), PERSON, "it_arrived"),
        (addressed(""), PERSON, "it_arrived"),
        (addressed("b@example.com"), None, "it_arrived"),
        (addressed("b@example.com"), PERSON, "sent_elsewhere"),
        (addressed("b@example.com", "email", "drafted"), PERSON, "sent_elsewhere"),
        (addressed("b@example.com", "email", "failed"), PERSON, "failed"),
        (addressed("b@example.com", "in_app"), PERSON, "it_arrived"),
        (addressed("+1 555 010 0001", "twilio"), {"attributes": {"phone": "+15550100001"}}, "it_arrived"),
        (addressed("+15550100002", "twilio"), {"attributes": {"phone": "+15550100001"}}, "sent_elsewhere"),
        (addressed("[masked: e-mail]"), PERSON, "it_arrived"),
        (addressed("[masked: e-mail]"), {"attributes": {"email": "[masked: e-mail]"}}, "it_arrived"),
        (addressed("[masked: e-mail]"), {"attributes": {}}, "sent_elsewhere"),
    ],
)
def test_a_message_counts_for_where_the_person_is_now(sent: dict[str, Any], person: Any, cause: str) -> None:
    first = findings(Case(about=[sent], person=person, asks_for_one=True))[0]
    assert first.cause == cause
    assert ("was not compared" in first.next_step) == ("masked" in sent["recipient"] and cause == "it_arrived")
    assert "example.com" not in first.evidence


@pytest.mark.parametrize(
    ("held", "left"),
    [
        (None, "topics that are off until"),
        ('{"topics":{"topic_1":true}}', "topics that are off until"),
        ('{"topics":{"topic_5":true}}', ""),
        ("[masked: text of 20]", "subscription topics"),
        ("[1]", "subscription topics"),
    ],
)
def test_topics_that_the_person_has_chosen_are_not_said_to_be_hidden(held: str | None, left: str) -> None:
    person = PERSON | {"attributes": {"email": "a@example.com", "cio_subscription_preferences": held}}
    program = programs.newsletter(1, {"type": "email", "sent_at": NOW, "subscription_topic_id": 5})
    [found] = findings(Case(person=person, program=program))
    assert found.cause == "not_visible"
    assert left in found.next_step
    assert left or "topics" not in found.next_step


def test_a_topic_that_may_not_be_the_one_is_no_cause_for_what_was_sent() -> None:
    person = PERSON | {"attributes": {"email": "a@example.com", "cio_subscription_preferences": TOPIC_OFF}}
    program = programs.campaign(1, RUNNING)
    assert causes(person=person, program=program, about=[message("sent")]) == ["sent"]
    held_back = causes(person=person, program=program, about=[message("undeliverable")])
    assert held_back == ["undeliverable", "topic_unsubscribed"]
    assert causes(person=person, program=program, about=[]) == ["topic_unsubscribed"]


@pytest.mark.parametrize(
    ("person", "cause"),
    [
        ({"timestamps": {"cio_id": NOW + 60}}, "created_later"),
        ({"timestamps": {"cio_id": NOW - 60}, "attributes": {"created_at": str(NOW + 60)}}, "not_visible"),
        ({"attributes": {"created_at": str(NOW + 60)}}, "created_later"),
        ({"attributes": {"created_at": "yesterday"}}, "not_visible"),
    ],
)
def test_who_was_not_there_yet_when_it_was_sent_is_told_so(person: dict[str, Any], cause: str) -> None:
    program = programs.newsletter(1, {"type": "webhook", "sent_at": NOW})
    assert causes(person=person, program=program, about=[]) == [cause]


def test_a_trigger_that_failed_after_an_earlier_message_is_told_beside_it() -> None:
    failed = Errors(lines=("line 2: id x does not exist",))
    program = programs.broadcast(1, RUNNING, {"triggers": [{"created_at": NOW}]}, failed)
    earlier, since = (message("delivered") | {"created": at} for at in (NOW - 60, NOW))
    assert causes(program=program, about=[earlier]) == ["it_arrived", "trigger_failed"]
    assert causes(program=program, about=[since]) == ["it_arrived"]
