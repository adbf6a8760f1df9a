"""Whatever JSON arrives, every operation answers: refused or accepted, never broken."""

import base64
import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import Message

from cio_mcp.sandbox import Sandbox, create_app, seeded_world
from tests.sandbox.sandbox_talk import START, UNLIMITED, ManualClock
from tests.sandbox.test_sandbox_operations import APP, TRACK
from tests.sandbox.test_sandbox_track_v2 import VARIANTS

BASIC = "Basic " + base64.b64encode(b"sandbox-site-id:sandbox-track-key").decode()
RICH_PROFILE = {
    "email": "q@example.com",
    "phone": "+15550100",
    "anonymous_id": "a",
    "created_at": 1,
    "_timestamp": 2,
    "unsubscribed": True,
    "cio_subscription_preferences": {"topics": {"topic_1": True}},
    "cio_subscription_preferences.topics.topic_2": False,
    "cio_relationships": {
        "action": "add_relationships",
        "relationships": [{"identifiers": {"object_type_id": "1", "object_id": "acme"}}],
    },
}
RICH_EMAIL = {
    "to": "a@example.com",
    "cc": "b@example.com",
    "identifiers": {"email": "ada@example.com"},
    "transactional_message_id": "receipt",
    "headers": {"X-Tag": "a"},
    "attachments": {"a.txt": "YQ=="},
    "message_data": {"k": [1]},
    "send_at": int(START) + 60,
    "queue_draft": False,
}
RICH_FILTER = {
    "filter": {
        "and": [
            {"or": [{"segment": {"id": 1}}]},
            {"not": {"attribute": {"field": "plan", "operator": "eq", "value": "x"}}},
        ]
    }
}
PLAN = {
    "scheduled_at": int(START) + 60,
    "timezone": "UTC",
    "tz_match_enabled": True,
    "rate_limit_email_rate": 5,
    "rate_limit_time_period": 60,
}
DOCUMENTED: list[tuple[str, str, object]] = [
    *((method, f"/api{path}", body) for method, path, body, _, _ in TRACK if body),
    *((method, f"/v1{path}", body) for method, path, body, _, _ in APP if body),
    *(("POST", "/api/v2/batch", {"batch": [variant, variant]}) for variant in VARIANTS),
    ("PUT", "/api/v1/customers/ada-1", RICH_PROFILE),
    ("POST", "/v1/send/email", RICH_EMAIL),
    ("POST", "/v1/customers", RICH_FILTER),
    ("POST", "/v1/campaigns/10/triggers", {"recipients": RICH_FILTER["filter"]}),
    ("POST", "/v1/campaigns/10/triggers", {"per_user_data": [{"id": "1", "data": {}}], "id_ignore_missing": True}),
    ("POST", "/v1/campaigns/10/triggers", {"emails": ["ada@example.com"], "email_add_duplicates": True}),
    ("POST", "/v1/newsletters/1/schedule", PLAN),
]
STRANGE: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**70, 1.5, 1e300, "", "x", "1", "²", "\ud800", "\x00", "9" * 30, 9**30),
    *([], {}, [1], ["1"], {"id": "1"}, {"email": "ada@example.com"}, [None], [[]], [{}], {"a": {"b": []}}),
]
KEYS = ["and", "or", "not", "ids", "emails", "email", "identifiers", "attributes", "url", "recipients"]
READS = [
    "/v1/messages",
    "/v1/customers/ada-1/attributes",
    "/v1/customers/ada-1/activities",
    "/v1/customers/ada-1/relationships",
    "/v1/segments/1/membership",
    "/v1/newsletters",
    "/v1/collections",
]


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from places(part, (*path, index))


def mutated(value: object, dice: random.Random) -> object:
    """Return a copy with one place replaced, removed or joined by a strange neighbour."""
    place = dice.choice(list(places(value)))
    if not place:
        return dice.choice(STRANGE)
    changed: Any = copy.deepcopy(value)
    parent = changed
    for step in place[:-1]:
        parent = parent[step]
    action = dice.random()
    if action < 0.2 and isinstance(parent, dict):
        del parent[place[-1]]
    elif action < 0.3 and isinstance(parent, dict):
        parent[dice.choice(KEYS)] = dice.choice(STRANGE)
    else:
        parent[place[-1]] = dice.choice(STRANGE)
    return changed


async def status_of(app: Sandbox, method: str, path: str, body: bytes = b"") -> int:
    """Make one request without a server, so that an exception surfaces here."""
    sent: list[Message] = []
    authorization = "Bearer sandbox-app-key" if path.startswith("/v1") else BASIC

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"authorization", authorization.encode())],
    }
    await app(scope, receive, send)
    return int(sent[0]["status"])


@pytest.mark.anyio
@pytest.mark.parametrize("index", range(len(DOCUMENTED)), ids=lambda index: "{} {}".format(*DOCUMENTED[index][:2]))
async def test_no_body_breaks_an_operation_or_what_reads_after_it(index: int, anyio_backend: str) -> None:
    assert anyio_backend == "asyncio"
    method, path, documented = DOCUMENTED[index]
    dice, clock = random.Random(index), ManualClock(START)  # noqa: S311 - the same mutations every time
    app = create_app(seeded_world(clock), limits=UNLIMITED, clock=clock)
    for _ in range(80):
        body = documented
        for _ in range(dice.choice([1, 1, 2])):
            body = mutated(body, dice)
        status = await status_of(app, method, path, json.dumps(body).encode())
        assert status in {200, 204, 207, 400, 403, 404, 413, 422}
        clock.now += 1
    for reading in READS:
        assert await status_of(app, "GET", reading) in {200, 404}
