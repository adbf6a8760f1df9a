"""Transactional sends: what is refused, and how a delivery goes on."""

import base64
from typing import Any

import pytest

from tests.sandbox.sandbox_talk import START, Talk

EMAIL: dict[str, Any] = {
    "transactional_message_id": 1,
    "to": "ada@example.com",
    "identifiers": {"id": "ada-1"},
}
PLAIN = {"to": "ada@example.com", "identifiers": {"id": "ada-1"}, "body": "b", "subject": "s", "from": "f@example.com"}
DAY = 86_400


def without(name: str, body: dict[str, Any] = EMAIL) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def base64_of(size: int) -> str:
    return base64.b64encode(b"x" * size).decode()


@pytest.mark.parametrize(
    ("channel", "body", "status"),
    [
        ("email", without("to"), 400),
        ("email", without("identifiers"), 400),
        ("email", EMAIL | {"identifiers": {"id": "1", "email": "a@example.com"}}, 400),
        ("email", EMAIL | {"identifiers": {"phone": "+1555"}}, 400),
        ("email", EMAIL | {"identifiers": {}}, 400),
        ("email", EMAIL | {"to": "nobody"}, 400),
        ("email", EMAIL | {"to": ["ada@example.com"]}, 400),
        ("email", EMAIL | {"to": ",".join(["a@example.com"] * 10), "cc": ",".join(["b@example.com"] * 6)}, 400),
        ("email", without("subject", PLAIN), 400),
        ("email", without("from", PLAIN), 400),
        ("email", EMAIL | {"transactional_message_id": 99}, 400),
        ("email", EMAIL | {"transactional_message_id": 2}, 400),
        ("email", EMAIL | {"transactional_message_id": True}, 400),
        ("email", EMAIL | {"transactional_message_id": "login_code", "auto_create": True}, 400),
        ("email", EMAIL | {"transactional_message_id": 99, "auto_create": True}, 400),
        ("email", EMAIL | {"message_data": "x"}, 400),
        ("email", EMAIL | {"queue_draft": "yes"}, 400),
        ("email", EMAIL | {"send_to_unsubscribed": 0}, 400),
        ("email", EMAIL | {"send_at": int(START) + 90 * DAY + 1}, 400),
        ("email", EMAIL | {"send_at": int(START) * 1000}, 400),
        ("email", EMAIL | {"headers": {"X Y": "z"}}, 400),
        ("email", EMAIL | {"headers": {"X-Y": "é"}}, 400),
        ("email", EMAIL | {"headers": {"X-Y": 1}}, 400),
        ("email", EMAIL | {"headers": {"X-Y": "a\r\nBcc: b@example.com"}}, 400),
        ("email", EMAIL | {"headers": {"From": "a@example.com"}}, 400),
        ("email", EMAIL | {"headers": 7}, 400),
        ("email", EMAIL | {"attachments": {"a.txt": "not base64!"}}, 400),
        ("email", EMAIL | {"attachments": {"a": base64_of(1)}}, 400),
        ("email", EMAIL | {"attachments": {"a.exe": base64_of(1)}}, 403),
        ("email", EMAIL | {"attachments": {"a.txt": base64_of(1_000_000), "b.txt": base64_of(1_000_000)}}, 413),
        ("push", {"identifiers": {"id": "ada-1"}}, 400),
        ("push", {"identifiers": {"id": "1"}, "transactional_message_id": 2, "sound": "loud"}, 400),
        ("push", {"identifiers": {"id": "1"}, "transactional_message_id": 2, "custom_device": {"token": "t"}}, 400),
        ("sms", {"identifiers": {"id": "ada-1"}, "transactional_message_id": 1}, 400),
        ("in_app", {"transactional_message_id": 4}, 400),
    ],
)
def test_a_send_the_reference_forbids_is_refused(cio: Talk, channel: str, body: object, status: int) -> None:
    before = len(cio.sandbox.app.state.world.deliveries)
    response = cio.app("POST", f"/send/{channel}", body)
    assert response.status_code == status, response.text
    assert isinstance(response.json()["meta"]["error"], str)
    assert len(cio.sandbox.app.state.world.deliveries) == before


@pytest.mark.parametrize(
    "body",
    [
        PLAIN,
        EMAIL | {"transactional_message_id": "RECEIPT"},
        EMAIL | {"transactional_message_id": "fresh", "auto_create": True},
        EMAIL | {"to": ",".join(["a@example.com"] * 15)},
        EMAIL | {"to": "Ada <ada@example.com>", "headers": {"X-Tag": "spring"}},
        EMAIL | {"to": '"Lovelace, Ada" <ada@example.com>, bob@example.com'},
        EMAIL | {"headers": '[{"name":"X-Tag","value":"spring"}]'},
        EMAIL | {"attachments": {"a.txt": base64_of(1_999_999)}},
        EMAIL | {"identifiers": {"id": 25}},
        EMAIL | {"identifiers": {"cio_id": "a300001a"}},
        EMAIL | {"send_at": int(START) - DAY},
    ],
)
def test_what_the_reference_allows_is_accepted(cio: Talk, body: object) -> None:
    response = cio.app("POST", "/send/email", body)
    assert response.status_code == 200, response.text
    assert response.json().keys() == {"delivery_id", "queued_at"}
    assert response.json()["queued_at"] == START


def test_a_delivery_is_sent_delivered_and_opened_as_time_goes_by(cio: Talk) -> None:
    number = cio.app("POST", "/send/email", EMAIL).json()["delivery_id"]
    seen = []
    for elapsed in (0, 0.4, 1.2, 3.0):
        cio.clock.now = START + elapsed
        seen.append(list(cio.read(f"/messages/{number}")["message"]["metrics"]))
    stages = ["created", "sent", "delivered", "opened"]
    assert seen == [stages[:1], stages[:2], stages[:3], stages]


def metrics_later(cio: Talk, channel: str, body: dict[str, Any], seconds: float = 10) -> tuple[set[str], str | None]:
    number = cio.app("POST", f"/send/{channel}", body).json()["delivery_id"]
    cio.clock.now += seconds
    message = cio.read(f"/messages/{number}")["message"]
    return set(message["metrics"]) - {"created"}, message["failure_message"]


def test_a_draft_stays_a_draft(cio: Talk) -> None:
    assert metrics_later(cio, "email", EMAIL | {"queue_draft": True}, DAY) == ({"drafted"}, None)


def test_a_planned_send_waits_for_its_time(cio: Talk) -> None:
    planned = int(START) + DAY
    response = cio.app("POST", "/send/email", EMAIL | {"send_at": planned}).json()
    assert response["send_at"] == planned
    cio.clock.now = planned
    assert cio.read(f"/messages/{response['delivery_id']}")["message"]["metrics"].keys() == {"created"}
    cio.clock.now = planned + 1
    assert "sent" in cio.read(f"/messages/{response['delivery_id']}")["message"]["metrics"]


def test_unsubscribed_people_are_reached_unless_the_send_says_otherwise(cio: Talk) -> None:
    to_bob = EMAIL | {"to": "bob@example.com", "identifiers": {"id": "bob-2"}}
    assert metrics_later(cio, "email", to_bob)[0] == {"sent", "delivered", "opened"}
    refused = metrics_later(cio, "email", to_bob | {"send_to_unsubscribed": False})
    assert refused == ({"undeliverable"}, "person is unsubscribed")


def test_a_bounce_says_why_once_it_has_happened(cio: Talk) -> None:
    to_cleo = EMAIL | {"to": "cleo@example.com", "identifiers": {"id": "cleo-3"}}
    number = cio.app("POST", "/send/email", to_cleo).json()["delivery_id"]
    cio.clock.now += 1
    assert cio.read(f"/messages/{number}")["message"]["failure_message"] is None
    cio.clock.now += 1
    assert "550" in cio.read(f"/messages/{number}")["message"]["failure_message"]


def test_channels_without_an_address_are_undeliverable(cio: Talk) -> None:
    person_1 = {"identifiers": {"id": "1"}}
    push = metrics_later(cio, "push", person_1 | {"transactional_message_id": 2})
    assert push == ({"undeliverable"}, "person has no devices")
    sms = metrics_later(cio, "sms", person_1 | {"transactional_message_id": 3})
    assert sms == ({"undeliverable"}, "person has no phone number")
    device = {"token": "t", "platform": "android"}
    sent = metrics_later(cio, "push", person_1 | {"transactional_message_id": 2, "custom_device": device})
    assert "delivered" in sent[0]


def test_an_unknown_person_is_sent_to_and_not_created(cio: Talk) -> None:
    before = cio.read("/segments/1/customer_count")
    body = EMAIL | {"identifiers": {"email": "stranger@example.com"}}
    number = cio.app("POST", "/send/email", body).json()["delivery_id"]
    message = cio.read(f"/messages/{number}")["message"]
    assert message["customer_identifiers"] == {"email": "stranger@example.com", "id": None, "cio_id": None}
    assert cio.read("/segments/1/customer_count") == before


def test_content_is_archived_unless_retention_is_off(cio: Talk) -> None:
    for forgotten, body in ((False, "b"), (True, "")):
        given = PLAIN | {"disable_message_retention": forgotten}
        number = cio.app("POST", "/send/email", given).json()["delivery_id"]
        archived = cio.read(f"/messages/{number}/archived_message")["archived_message"]
        assert (archived["body"], archived["forgotten"]) == (body, forgotten)


def test_messages_are_listed_by_type_and_metric(cio: Talk) -> None:
    cio.app("POST", "/send/sms", {"transactional_message_id": 3, "identifiers": {"id": "ada-1"}})
    assert [m["type"] for m in cio.read("/messages?type=twilio")["messages"]] == ["twilio"]
    bounced = cio.read("/messages?metric=bounced")["messages"]
    assert {m["customer_id"] for m in bounced} == {"cleo-3"}
    assert {m["newsletter_id"] for m in cio.read("/messages?newsletter_id=2&limit=1000")["messages"]} == {2}
    assert [m["customer_id"] for m in cio.read("/messages?drafts=true")["messages"]] == ["bob-2"]
