"""Broadcast triggers, newsletters, campaigns and their metrics."""

from typing import Any

import pytest

from tests.sandbox.sandbox_talk import START, Talk

DAY = 86_400


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"recipients": {}}, "/recipients"),
        ({"recipients": {"segment": {"id": "2"}}}, "/recipients"),
        ({"recipients": {"segment": {"id": 2}}, "ids": ["1"]}, "/ids"),
        ({"emails": []}, "/emails"),
        ({"ids": "1"}, "/ids"),
        ({"ids": [1]}, "/ids"),
        ({"ids": ["1"] * 10_001}, "/ids"),
        ({"ids": ["1"], "email_ignore_missing": True}, "/email_ignore_missing"),
        ({"emails": ["person1@example.com"], "id_ignore_missing": True}, "/id_ignore_missing"),
        ({"id_ignore_missing": True}, "/id_ignore_missing"),
        ({"recipients": {"segment": {"id": 2}}, "email_add_duplicates": False}, "/email_add_duplicates"),
        ({"ids": ["1"], "id_ignore_missing": "yes"}, "/id_ignore_missing"),
        ({"per_user_data": [{"data": {}}]}, "/per_user_data/0"),
        ({"per_user_data": [{"id": "1", "email": "person1@example.com"}]}, "/per_user_data/0"),
        ({"per_user_data": [{"id": "1", "data": "x"}]}, "/per_user_data/0"),
        ({"per_user_data": [{"id": "1"}] * 10_001}, "/per_user_data"),
        ({"data_file_url": ""}, "/data_file_url"),
        ({"data": []}, "/data"),
    ],
)
def test_a_malformed_trigger_is_422_with_a_pointer_and_starts_nothing(cio: Talk, body: object, pointer: str) -> None:
    response = cio.app("POST", "/campaigns/10/triggers", body)
    assert response.status_code == 422, response.text
    (error,) = response.json()["errors"]
    assert error["source"] == {"pointer": pointer}
    assert error["status"] == "422"
    assert cio.app("GET", "/campaigns/10/triggers/1").status_code == 404


@pytest.mark.parametrize(("number", "status"), [("99", 404), ("ten", 400), ("11", 422)])
def test_only_a_running_broadcast_can_be_triggered(cio: Talk, number: str, status: int) -> None:
    assert cio.app("POST", f"/campaigns/{number}/triggers").status_code == status


def reached(cio: Talk, body: object) -> set[str]:
    response = cio.app("POST", "/campaigns/10/triggers", body)
    assert response.status_code == 200, response.text
    cio.clock.now += 10
    messages = cio.read("/messages?limit=1000")["messages"]
    return {m["customer_id"] for m in messages if m["broadcast_id"] == 10}


@pytest.mark.parametrize(
    ("body", "people"),
    [
        (None, {*(str(n) for n in range(1, 26, 3)), "ada-1", "cleo-3"}),
        ({"ids": ["1", "ada-1"]}, {"1", "ada-1"}),
        ({"ids": ["1", "nobody"], "id_ignore_missing": True}, {"1"}),
        ({"emails": ["PERSON1@example.com"]}, {"1"}),
        ({"emails": ["x@example.com", "ada@example.com"], "email_ignore_missing": True}, {"ada-1"}),
        ({"emails": ["shared@example.com"], "email_add_duplicates": True}, {"25", "dan-4"}),
        ({"per_user_data": [{"id": "1", "data": {"k": 1}}, {"email": "ada@example.com"}]}, {"1", "ada-1"}),
        ({"recipients": {"attribute": {"field": "first_name", "operator": "eq", "value": "Ada"}}}, {"ada-1"}),
        ({"data_file_url": "https://example.com/people.jsonl"}, set()),
    ],
)
def test_each_kind_of_audience_is_reached(cio: Talk, body: object, people: set[str]) -> None:
    assert reached(cio, body) == people


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({"ids": ["1", "nobody"]}, "line 2: id nobody does not exist"),
        ({"emails": ["x@example.com"]}, "line 1: email x@example.com does not exist"),
        ({"emails": ["shared@example.com"]}, "line 1: email shared@example.com belongs to 2 people"),
        ({"per_user_data": [{"id": "nobody"}]}, "line 1: id nobody does not exist"),
    ],
)
def test_one_missing_person_fails_the_whole_broadcast_and_the_errors_can_be_read(
    cio: Talk, body: object, line: str
) -> None:
    response = cio.app("POST", "/campaigns/10/triggers", body)
    assert response.status_code == 422
    assert "trigger 1 " in response.json()["errors"][0]["detail"]
    assert cio.read("/campaigns/10/triggers/1/errors")["errors"] == [line]
    cio.clock.now += 10
    assert all(m["broadcast_id"] is None for m in cio.read("/messages?limit=1000")["messages"])


def test_trigger_errors_page_by_an_integer(cio: Talk) -> None:
    cio.app("POST", "/campaigns/10/triggers", {"ids": ["a", "b", "c"]})
    first = cio.read("/campaigns/10/triggers/1/errors?limit=2")
    assert (len(first["errors"]), first["next"]) == (2, 2)
    rest = cio.read("/campaigns/10/triggers/1/errors?start=2&limit=2")
    assert rest == {"errors": ["line 3: id c does not exist"]}


def test_a_trigger_is_processed_after_a_second_and_its_messages_appear_then(cio: Talk) -> None:
    cio.app("POST", "/campaigns/10/triggers", {"ids": ["ada-1", "bob-2"]} | {"id_ignore_missing": True})
    assert "processed_at" not in cio.read("/campaigns/10/triggers/1")
    assert cio.read("/messages")["messages"][0]["broadcast_id"] is None
    cio.clock.now += 1
    assert cio.read("/campaigns/10/triggers/1")["processed_at"] == START + 1
    cio.clock.now += 3
    newest = {m["customer_id"]: m for m in cio.read("/messages")["messages"][:2]}
    assert newest["ada-1"]["metrics"].keys() >= {"sent", "delivered", "opened"}
    assert newest["bob-2"]["failure_message"] == "person is unsubscribed"
    series = cio.read("/broadcasts/10/metrics?period=hours&steps=2")["metric"]["series"]
    assert (series["sent"], series["undeliverable"]) == ([0, 1], [0, 1])


def test_every_trigger_is_a_new_one(cio: Talk) -> None:
    numbers = [cio.app("POST", "/campaigns/10/triggers").json()["id"] for _ in range(2)]
    assert numbers == [1, 2]


@pytest.mark.parametrize(
    ("query", "length"),
    [
        ("version=2&res=daily", 30),
        ("version=2&res=hours&start=1799913600&end=1800000000&tz=Europe/Vienna", 24),
        ("period=weeks&steps=4", 4),
        ("", 45),
        ("version=1&steps=1", 2),
    ],
)
def test_campaign_metrics_are_series_of_one_length(cio: Talk, query: str, length: int) -> None:
    series = cio.read(f"/campaigns/1/metrics?{query}")["metric"]["series"]
    assert {len(values) for values in series.values()} == {length}
    assert ("human_opened" in series) == ("version=2" in query)
    assert all(s >= d >= o for s, d, o in zip(series["sent"], series["delivered"], series["opened"], strict=True))
    assert sum(series["sent"]) > 0


@pytest.mark.parametrize(
    "query",
    [
        "version=2",
        "version=2&res=yearly",
        "version=2&res=days&tz=Mars/Base",
        "version=2&res=days&start=9&end=5",
        "period=years",
        "steps=46",
        "type=sms",
    ],
)
def test_campaign_metrics_refuse_what_they_do_not_know(cio: Talk, query: str) -> None:
    assert cio.app("GET", f"/campaigns/1/metrics?{query}").status_code == 400


def test_a_draft_campaign_has_sent_nothing(cio: Talk) -> None:
    series = cio.read("/campaigns/2/metrics?version=2&res=days")["metric"]["series"]
    assert not any(map(any, series.values()))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/broadcasts/99", 404),
        ("/broadcasts/99/metrics", 404),
        ("/broadcasts/99/triggers", 404),
        ("/broadcasts/x/triggers", 404),
        ("/broadcasts/99/actions", 404),
        ("/broadcasts/x/actions", 400),
        ("/campaigns/99", 404),
        ("/campaigns/x", 400),
        ("/campaigns/99/actions", 404),
        ("/campaigns/x/actions", 400),
        ("/campaigns/1/actions?start=x", 400),
        ("/campaigns/10/triggers/9", 404),
        ("/campaigns/10/triggers/x", 400),
        ("/newsletters/99", 404),
        ("/newsletters/99/contents", 404),
    ],
)
def test_unknown_numbers_are_refused(cio: Talk, path: str, status: int) -> None:
    assert cio.app("GET", path).status_code == status


def test_a_newsletter_is_sent_once(cio: Talk) -> None:
    sent = cio.app("POST", "/newsletters/1/send").json()["newsletter"]
    assert sent["sent_at"] == START
    again = cio.app("POST", "/newsletters/1/send")
    assert again.status_code == 400
    assert again.json() == {"errors": [{"detail": "newsletter has already been sent"}]}
    assert cio.app("POST", "/newsletters/2/schedule", {"scheduled_at": 0}).status_code == 400
    readers = cio.read("/segments/3/membership")["ids"]
    assert {m["customer_id"] for m in cio.read("/messages?newsletter_id=1")["messages"]} == set(readers)


def test_a_planned_newsletter_goes_out_at_its_time_unless_cancelled(cio: Talk) -> None:
    planned: dict[str, Any] = {"scheduled_at": int(START) + 60, "timezone": "Europe/Vienna"}
    assert cio.app("POST", "/newsletters/1/schedule", planned).status_code == 200
    assert cio.app("POST", "/newsletters/1/schedule", {"scheduled_at": 0}).status_code == 200
    cio.clock.now += 120
    assert cio.read("/newsletters/1")["newsletter"]["sent_at"] is None
    planned["scheduled_at"] += 120
    cio.app("POST", "/newsletters/1/schedule", planned)
    cio.clock.now += 120
    assert cio.read("/newsletters/1")["newsletter"]["sent_at"] == planned["scheduled_at"]


PLANNED: dict[str, Any] = {"scheduled_at": int(START) + DAY, "timezone": "UTC"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"scheduled_at": "soon"}, 400),
        ({"scheduled_at": int(START)}, 422),
        ({"scheduled_at": int(START) + 60}, 422),
        (PLANNED | {"timezone": "Mars/Base"}, 422),
        (PLANNED | {"rate_limit_email_rate": 5}, 422),
        (PLANNED | {"rate_limit_email_rate": 5, "rate_limit_time_period": 61}, 422),
        (PLANNED | {"rate_limit_email_rate": 0, "rate_limit_time_period": 60}, 422),
        (PLANNED | {"tz_match_enabled": True, "rate_limit_email_rate": 5, "rate_limit_time_period": 86_400}, 422),
    ],
)
def test_a_schedule_the_reference_forbids_is_refused(cio: Talk, body: object, status: int) -> None:
    response = cio.app("POST", "/newsletters/1/schedule", body)
    assert response.status_code == status, response.text
    assert response.json()["errors"][0].keys() == {"detail"}
