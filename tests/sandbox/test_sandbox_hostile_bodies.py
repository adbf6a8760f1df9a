"""Whatever JSON arrives, every operation answers: refused or accepted, never broken."""

import base64
import json
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Message

from cio_mcp.sandbox import Sandbox, create_app, seeded_world
from cio_mcp.sandbox.app import _AREAS
from cio_mcp.sandbox.routing import Route
from tests.sandbox.sandbox_talk import START, UNLIMITED, ManualClock

BASIC = "Basic " + base64.b64encode(b"sandbox-site-id:sandbox-track-key").decode()
# Words the API knows, so that random bodies get past the first check.
NAMES = st.sampled_from(
    [
        *("id", "email", "cio_id", "phone", "name", "type", "action", "identifiers", "attributes", "batch", "device"),
        *("token", "platform", "last_used", "primary", "secondary", "cio_relationships", "relationships", "data"),
        *("timestamp", "_timestamp", "_update", "anonymous_id", "unsubscribed", "cio_subscription_preferences"),
        *("cio_subscription_preferences.topics.topic_1", "object_type_id", "object_id", "cio_object_id", "ids"),
        *("emails", "per_user_data", "recipients", "data_file_url", "id_ignore_missing", "filter", "and", "or", "not"),
        *("segment", "attribute", "field", "operator", "value", "to", "cc", "headers", "attachments", "send_at"),
        *("transactional_message_id", "auto_create", "custom_device", "scheduled_at", "timezone", "url", "events"),
        *("endpoint", "rate_limit_email_rate", "rate_limit_time_period", "delivery_id", "metric", "unsubscribe"),
        *("relationship_attributes", "device_token", "created_at", "message_data", "sandbox_outcome"),
    ]
)
WORDS = st.sampled_from(
    [
        *("person", "object", "delivery", "identify", "event", "merge", "add_device", "add_relationships", "delete"),
        *("identify_anonymous", "suppress", "eq", "exists", "ios", "1", "ada-1", "ada@example.com", "a300001a"),
        *("opened", "receipt", "login_code", "add_relationships", "delete_relationships", "UTC", "email_sent", ""),
        *("https://example.com", "[1]", '[{"name":"a","value":"b"}]', "\ud800", "\x00", "²", "none", "00"),
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 12),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    WORDS,
)
BODIES = st.recursive(
    LEAVES, lambda part: st.lists(part, max_size=3) | st.dictionaries(NAMES, part, max_size=6), max_leaves=25
)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(["start", "limit", "id_type", "version", "res", "tz", "start_ts", "end", "period", "steps"]),
        st.sampled_from(["", "0", "1", "2", "x", "²", "days", "hours", "cio_id", "phone", "Europe", "../x", "9" * 30]),
    ),
    max_size=3,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))
PARAMETERS = st.sampled_from(["1", "2", "10", "ada-1", "ada%40example.com", "cio_a300001a", "x", "%00", "9" * 30])
ROUTES = [route for area in _AREAS for route in area.ROUTES]


async def status_of(app: Sandbox, route: Route, path: str, query: str, body: bytes) -> int:
    """Make one request without a server, so that an exception surfaces here."""
    sent: list[Message] = []
    authorization = "Bearer sandbox-app-key" if path.startswith("/v1") else BASIC

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": route.method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"authorization", authorization.encode())],
    }
    await app(scope, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_body_breaks_an_operation(route: Route, data: st.DataObject) -> None:
    clock = ManualClock(START)
    app = create_app(seeded_world(clock), limits=UNLIMITED, clock=clock)
    words = [data.draw(PARAMETERS) if w.startswith("{") else w for w in route.path.split("/")]
    path, query = "/".join(words), data.draw(QUERIES)
    for _ in range(3):
        body = data.draw(st.dictionaries(NAMES, BODIES, max_size=6) | BODIES)
        status = anyio.run(status_of, app, route, path, query, json.dumps(body).encode())
        assert status in {200, 204, 207, 400, 403, 404, 413, 422}
        clock.now += 5
    reading = "/v1/messages"
    messages = Route(method="GET", path=reading, handler=route.handler, shape=route.shape)
    assert anyio.run(status_of, app, messages, reading, "", b"") == 200
