"""Every operation once, as its reference describes it, in the order a story would call them."""

from collections.abc import Iterator

import pytest

from cio_mcp.sandbox.app import _AREAS
from tests.sandbox.sandbox_talk import Talk, talking

PERSON = "/customers/ada-1"
WEBHOOK = {"name": "hook", "endpoint": "https://example.com/hook", "events": ["email_sent"]}
TO_ADA = {"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}}

Operation = tuple[str, str, object, int, set[str]]  # method, path, body, status, keys of the answer

TRACK: list[Operation] = [
    ("GET", "/v1/accounts/region", None, 200, {"url", "region", "environment_id"}),
    ("PUT", f"/v1{PERSON}", {"plan": "pro"}, 200, set()),
    ("PUT", f"/v1{PERSON}/devices", {"device": {"id": "t:1", "platform": "android"}}, 200, set()),
    ("DELETE", f"/v1{PERSON}/devices/t%3A1", None, 200, set()),
    ("POST", f"/v1{PERSON}/events", {"name": "bought"}, 200, set()),
    ("POST", "/v1/events", {"name": "viewed", "anonymous_id": "a1"}, 200, set()),
    ("POST", "/v1/segments/2/add_customers", {"ids": ["1"]}, 200, set()),
    ("POST", "/v1/segments/2/remove_customers", {"ids": ["1"]}, 200, set()),
    ("POST", "/v1/merge_customers", {"primary": {"id": "1"}, "secondary": {"id": "2"}}, 200, set()),
    ("POST", "/v1/forms/lead/submit", {"data": {"email": "new@example.com"}}, 204, set()),
    ("POST", "/v1/metrics", {"delivery_id": "x", "metric": "opened"}, 200, set()),
    ("POST", "/v1/push/events", {"delivery_id": "x", "event": "opened"}, 200, set()),
    ("POST", "/v2/entity", {"type": "person", "action": "delete", "identifiers": {"id": "3"}}, 200, set()),
    (
        "POST",
        "/v2/batch",
        {"batch": [{"type": "person", "action": "delete", "identifiers": {"id": "4"}}]},
        200,
        set(),
    ),
    ("POST", "/v1/customers/5/suppress", None, 200, set()),
    ("POST", "/v1/customers/5/unsuppress", None, 200, set()),
    ("DELETE", "/v1/customers/6", None, 200, set()),
]
APP: list[Operation] = [
    ("POST", "/send/email", TO_ADA, 200, {"delivery_id", "queued_at"}),
    ("POST", "/send/push", TO_ADA | {"transactional_message_id": 2, "to": "all"}, 200, {"delivery_id", "queued_at"}),
    ("POST", "/send/sms", TO_ADA | {"transactional_message_id": "LOGIN_CODE"}, 200, {"delivery_id", "queued_at"}),
    ("POST", "/send/in_app", TO_ADA | {"transactional_message_id": 4}, 200, {"delivery_id", "queued_at"}),
    (
        "POST",
        "/send/inbox_message",
        TO_ADA | {"transactional_message_id": "note", "auto_create": True},
        200,
        {"delivery_id", "queued_at"},
    ),
    (
        "POST",
        "/send/whatsapp",
        TO_ADA | {"transactional_message_id": "ping", "auto_create": True},
        200,
        {"delivery_id", "queued_at"},
    ),
    ("POST", "/campaigns/10/triggers", {"data": {"k": 1}}, 200, {"id"}),
    ("GET", "/campaigns/10/triggers/1", None, 200, {"id", "broadcast_id", "created_at"}),
    ("GET", "/campaigns/10/triggers/1/errors", None, 200, {"errors"}),
    ("POST", "/newsletters/1/schedule", {"scheduled_at": 0}, 200, {"newsletter"}),
    ("POST", "/newsletters/1/send", None, 200, {"newsletter"}),
    ("GET", "/newsletters", None, 200, {"newsletters", "next"}),
    ("GET", "/newsletters/2", None, 200, {"newsletter"}),
    ("GET", "/newsletters/2/contents", None, 200, {"contents"}),
    ("POST", "/customers", {"filter": {"segment": {"id": 1}}}, 200, {"identifiers", "ids", "next"}),
    ("GET", "/customers?email=ada%40example.com", None, 200, {"results"}),
    ("GET", f"{PERSON}/attributes", None, 200, {"customer"}),
    ("GET", f"{PERSON}/messages", None, 200, {"messages", "next"}),
    ("GET", f"{PERSON}/activities", None, 200, {"activities", "next"}),
    ("GET", f"{PERSON}/relationships", None, 200, {"cio_relationships", "next"}),
    ("GET", f"{PERSON}/segments", None, 200, {"segments"}),
    ("GET", "/segments", None, 200, {"segments"}),
    ("POST", "/segments", {"segment": {"name": "VIP"}}, 200, {"segment"}),
    ("GET", "/segments/4", None, 200, {"segment"}),
    ("GET", "/segments/1/customer_count", None, 200, {"segment_id", "count"}),
    ("GET", "/segments/1/membership", None, 200, {"segment_id", "identifiers", "ids", "next"}),
    ("GET", "/segments/1/used_by", None, 200, {"used_by"}),
    ("DELETE", "/segments/4", None, 204, set()),
    ("GET", "/broadcasts", None, 200, {"broadcasts"}),
    ("GET", "/broadcasts/10", None, 200, {"broadcast"}),
    ("GET", "/broadcasts/10/triggers", None, 200, {"triggers"}),
    ("GET", "/broadcasts/10/actions", None, 200, {"actions"}),
    ("GET", "/broadcasts/10/metrics", None, 200, {"metric"}),
    ("GET", "/campaigns", None, 200, {"campaigns"}),
    ("GET", "/campaigns/1", None, 200, {"campaign"}),
    ("GET", "/campaigns/1/actions", None, 200, {"actions", "next"}),
    ("GET", "/campaigns/1/metrics?version=2&res=daily", None, 200, {"metric"}),
    ("GET", "/collections", None, 200, {"collections"}),
    ("POST", "/collections", {"name": "c", "data": [{"a": 1}]}, 200, {"collection"}),
    ("GET", "/collections/2", None, 200, {"collection"}),
    ("PUT", "/collections/2", {"data": []}, 200, {"collection"}),
    ("GET", "/collections/2/content", None, 200, set()),
    ("DELETE", "/collections/2", None, 204, set()),
    ("GET", "/reporting_webhooks", None, 200, {"reporting_webhooks"}),
    ("POST", "/reporting_webhooks", WEBHOOK, 200, {"id", "type", "disabled", *WEBHOOK}),
    ("GET", "/reporting_webhooks/2", None, 200, {"id", "type", *WEBHOOK}),
    ("PUT", "/reporting_webhooks/2", WEBHOOK, 200, {"id", "type", *WEBHOOK}),
    ("DELETE", "/reporting_webhooks/2", None, 200, set()),
    ("GET", "/messages", None, 200, {"messages", "next"}),
    ("GET", "/transactional", None, 200, {"messages"}),
    ("GET", "/transactional/1", None, 200, {"message"}),
    ("GET", "/workspaces", None, 200, {"workspaces"}),
    ("GET", "/info/ip_addresses", None, 200, {"ip_addresses"}),
]


@pytest.fixture(scope="module")
def story() -> Iterator[Talk]:
    with talking() as talk:
        yield talk


@pytest.mark.parametrize("operation", TRACK, ids=lambda operation: f"{operation[0]} {operation[1]}")
def test_track_operation_answers_as_documented(story: Talk, operation: Operation) -> None:
    method, path, body, status, keys = operation
    response = story.track(method, path, body)
    assert response.status_code == status, response.text
    assert response.content == b"" if status == 204 else keys <= response.json().keys()
    if status == 200 and not keys:
        assert response.json() == {}


@pytest.mark.parametrize("operation", APP, ids=lambda operation: f"{operation[0]} {operation[1]}")
def test_app_operation_answers_as_documented(story: Talk, operation: Operation) -> None:
    method, path, body, status, keys = operation
    response = story.app(method, path, body)
    assert response.status_code == status, response.text
    if keys:
        assert keys <= response.json().keys()
    elif method == "DELETE":
        assert response.content == b""


def test_a_delivery_can_be_read_and_reported_on_without_a_key(story: Talk) -> None:
    number = story.app("POST", "/send/email", TO_ADA).json()["delivery_id"]
    assert number.endswith("=")
    assert story.app("GET", f"/messages/{number}").json()["message"]["id"] == number
    assert story.app("GET", f"/messages/{number}/archived_message").json()["archived_message"]["id"] == number
    assert story.http.post(f"/unsubscribe/{number}", json={"unsubscribe": True}).json() == {}
    assert story.read(f"{PERSON}/attributes")["customer"]["unsubscribed"] is True


def test_every_route_is_exercised_above() -> None:
    routes = [route for area in _AREAS for route in area.ROUTES]
    beside = 3  # the test before: one message, its archive, unsubscribe
    assert len(TRACK) + len(APP) + beside == len(routes) == len({(r.method, r.path) for r in routes})
