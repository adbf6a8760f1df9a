"""Reporting webhooks: posted to loopback, signed over the raw body, one event per request."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import pytest

from cio_mcp.sandbox import Delays, World, running_sandbox, seeded_world, sign
from tests.sandbox.sandbox_talk import UNLIMITED, ManualClock, Talk

Post = tuple[dict[str, str], bytes]
EVENTS = ["email_sent", "email_delivered", "email_opened", "email_bounced", "customer_unsubscribed", "push_sent"]


@contextmanager
def receiving(statuses: list[int]) -> Iterator[tuple[str, "Queue[Post]"]]:
    """Serve a webhook endpoint that answers with `statuses` in turn, then 200."""
    posts: Queue[Post] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            posts.put(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(statuses.pop(0) if statuses else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", posts
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def cio() -> Iterator[Talk]:
    import time  # noqa: PLC0415 - the only test module on real time

    world = seeded_world(time.time)
    world.delays = Delays(sent=0, delivered=0, opened=0, processed=0)
    with running_sandbox(world=world, limits=UNLIMITED) as sandbox:
        talk = Talk(sandbox, ManualClock(0))
        with talk.http:
            yield talk


def subscribe(cio: Talk, endpoint: str, **more: Any) -> None:
    body = {"name": "h", "endpoint": endpoint, "events": EVENTS} | more
    assert cio.app("POST", "/reporting_webhooks", body).status_code == 200


def send(cio: Talk, person: str = "ada-1") -> str:
    body = {"transactional_message_id": 1, "to": "x@example.com", "identifiers": {"id": person}, "body": "<p>b</p>"}
    number: str = cio.app("POST", "/send/email", body).json()["delivery_id"]
    return number


def event(posts: "Queue[Post]") -> Any:
    return json.loads(posts.get(timeout=5)[1])


def test_the_signature_is_hmac_sha256_over_version_timestamp_and_raw_body() -> None:
    expected = hmac.new(b"key", b'v0:1613063089:{"a":1}', hashlib.sha256).hexdigest()
    assert sign("key", "1613063089", b'{"a":1}') == expected


def test_a_delivery_is_told_stage_by_stage_and_signed(cio: Talk) -> None:
    with receiving([]) as (endpoint, posts):
        subscribe(cio, endpoint)
        number = send(cio)
        seen = []
        for _ in range(3):
            headers, body = posts.get(timeout=5)
            message = b"v0:" + headers["x-cio-timestamp"].encode() + b":" + body
            expected = hmac.new(b"sandbox-signing-key", message, hashlib.sha256).hexdigest()
            assert headers["x-cio-signature"] == expected
            seen.append(json.loads(body))
    assert [post["metric"] for post in seen] == ["sent", "delivered", "opened"]
    assert len({post["event_id"] for post in seen}) == 3
    first = seen[0]
    assert (first["object_type"], first["data"]["delivery_id"]) == ("email", number)
    assert first["data"]["transactional_message_id"] == 1
    assert first["data"]["identifiers"] == {"id": "ada-1", "email": "ada@example.com", "cio_id": "a300001a"}
    assert (first["data"]["recipient"], first["data"]["subject"]) == ("x@example.com", "Your receipt")
    assert "content" not in first["data"]


def test_content_is_told_when_the_webhook_asks_for_it(cio: Talk) -> None:
    with receiving([]) as (endpoint, posts):
        subscribe(cio, endpoint, with_content=True)
        send(cio)
        assert event(posts)["data"]["content"] == "<p>b</p>"


def test_a_bounce_carries_its_reason_and_a_push_its_devices(cio: Talk) -> None:
    with receiving([]) as (endpoint, posts):
        subscribe(cio, endpoint, events=["email_bounced", "push_sent"])
        send(cio, "cleo-3")
        assert "550" in event(posts)["data"]["failure_message"]
        cio.app("POST", "/send/push", {"transactional_message_id": 2, "identifiers": {"id": "ada-1"}})
        expected = [{"device_id": "ada-ios-token", "device_platform": "ios"}]
        assert event(posts)["data"]["recipients"] == expected


@pytest.mark.parametrize("by_delivery", [False, True])
def test_an_unsubscribe_names_the_channel_that_caused_it(cio: Talk, by_delivery: bool) -> None:  # noqa: FBT001 - data
    with receiving([]) as (endpoint, posts):
        subscribe(cio, endpoint, events=["customer_unsubscribed"])
        if by_delivery:
            cio.http.post(f"/unsubscribe/{send(cio)}", json={"unsubscribe": True})
        else:
            cio.track("PUT", "/v1/customers/ada-1", {"unsubscribed": True})
        told = event(posts)
    assert (told["object_type"], told["metric"]) == ("email" if by_delivery else "customer", "unsubscribed")
    assert (told["data"]["customer_id"], told["data"]["email_address"]) == ("ada-1", "ada@example.com")


def test_a_failed_call_is_tried_again_with_the_same_event(cio: Talk) -> None:
    with receiving([500, 503]) as (endpoint, posts):
        subscribe(cio, endpoint, events=["email_sent"])
        send(cio)
        tries = [event(posts) for _ in range(3)]
    assert tries[0] == tries[1] == tries[2]


def test_the_sandbox_calls_nobody_but_this_machine(cio: Talk) -> None:
    with receiving([]) as (endpoint, posts):
        subscribe(cio, "https://hooks.example.com/x", events=["email_sent"])
        subscribe(cio, endpoint, events=["email_sent"])  # told after the other: when this arrives, that was settled
        send(cio)
        told = event(posts)
    (undelivered,) = cio.sandbox.app.state.undelivered
    assert undelivered.endpoint == "https://hooks.example.com/x"
    assert undelivered.reason == "not a loopback address"
    assert undelivered.event["data"] == told["data"]


def test_a_disabled_webhook_and_history_are_silent(cio: Talk) -> None:
    with receiving([]) as (endpoint, posts):
        subscribe(cio, endpoint, disabled=True, events=["email_sent"])
        subscribe(cio, endpoint, events=["email_delivered"])
        number = send(cio)
        assert event(posts)["data"]["delivery_id"] == number
        assert posts.empty()


def test_a_world_without_webhooks_keeps_no_notices() -> None:
    world = World()
    with running_sandbox(world=world, limits=UNLIMITED) as sandbox:
        talk = Talk(sandbox, ManualClock(0))
        with talk.http:
            talk.track("PUT", "/v1/customers/1", {"unsubscribed": True})
            for _ in range(500):
                if not world.notices:
                    break
                talk.http.get("/_sandbox/state")
    assert not world.notices
