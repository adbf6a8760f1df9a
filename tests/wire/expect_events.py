"""Track API v1, events: https://docs.customer.io/api/track/."""

from functools import partial
from typing import Final

from tests.wire.case import MINTED, ULID, Case

_track = partial(Case, tool="track_event", method="POST", auth="basic")
_anonymous = partial(Case, tool="track_anonymous_event", method="POST", path="/api/v1/events", auth="basic")

TRACK: Final = (
    _track(
        id="name alone",
        arguments={"identifier": "42", "name": "purchase"},
        path="/api/v1/customers/42/events",
        body={"name": "purchase", "id": MINTED},
    ),
    _track(
        id="every documented member of an event",
        arguments={
            "identifier": "a+b@example.com",
            "name": "purchase",
            "type": "event",
            "id": ULID,
            "timestamp": 1772013598,
            "data": {
                "recipient": "other@example.com",
                "from_address": "shop@example.com",
                "reply_to": "replyto@example.com",
                "price": 23.45,
                "lines": [{"sku": "socks", "qty": 2, "gift": None}],
            },
        },
        path="/api/v1/customers/a%2Bb%40example.com/events",
        body={
            "name": "purchase",
            "type": "event",
            "id": ULID,
            "timestamp": 1772013598,
            "data": {
                "recipient": "other@example.com",
                "from_address": "shop@example.com",
                "reply_to": "replyto@example.com",
                "price": 23.45,
                "lines": [{"sku": "socks", "qty": 2, "gift": None}],
            },
        },
    ),
    _track(
        id="page view, time as ISO 8601",
        arguments={
            "identifier": "a/b c",
            "name": "https://example.com/page?x=1",
            "type": "page",
            "timestamp": "2026-02-25T10:59:58+01:00",
        },
        path="/api/v1/customers/a%2Fb%20c/events",
        body={
            "name": "https://example.com/page?x=1",
            "type": "page",
            "timestamp": 1772013598,
            "id": MINTED,
        },
    ),
    _track(
        id="screen view with its anonymous_id",
        arguments={
            "identifier": "josé",
            "name": "homepage",
            "type": "screen",
            "anonymous_id": "anon-1",
            "data": {"from": "push-notification"},
        },
        path="/api/v1/customers/jos%C3%A9/events",
        body={
            "name": "homepage",
            "type": "screen",
            "anonymous_id": "anon-1",
            "data": {"from": "push-notification"},
            "id": MINTED,
        },
    ),
    _track(
        id="data as JSON text, number for a person",
        arguments={"identifier": 7, "name": "purchase", "id": ULID, "data": '{"price": 23.45, "n": 1}'},
        path="/api/v1/customers/7/events",
        body={"name": "purchase", "id": ULID, "data": {"price": 23.45, "n": 1}},
    ),
    _track(
        id="numbers and text in data arrive as they were given",
        arguments=(
            as_given := {
                "identifier": "42",
                "name": "measured",
                "id": ULID,
                "data": {"whole": 1.0, "big": 9007199254740993, "flag": True, "text": "\u2028 \U0001f600"},
            }
        ),
        path="/api/v1/customers/42/events",
        body={name: value for name, value in as_given.items() if name != "identifier"},
    ),
    _track(
        id="data that looks like a time stays text",
        arguments={
            "identifier": "cio_03000001",
            "name": "booked",
            "id": ULID,
            "data": {"timestamp": "2026-03-01T00:00:00Z", "id": 5},
        },
        path="/api/v1/customers/cio_03000001/events",
        body={"name": "booked", "id": ULID, "data": {"timestamp": "2026-03-01T00:00:00Z", "id": 5}},
    ),
)

ANONYMOUS: Final = (
    _anonymous(
        id="name and anonymous_id",
        arguments={"name": "watched_video", "anonymous_id": "abc123"},
        body={"name": "watched_video", "anonymous_id": "abc123", "id": MINTED},
    ),
    _anonymous(
        id="every documented member",
        arguments={
            "name": "watched_video",
            "type": "event",
            "id": ULID,
            "timestamp": "2026-02-25T09:59:58Z",
            "anonymous_id": "abc123",
            "data": {"video": "intro-to-platform", "reply_to": "replyto@example.com"},
        },
        body={
            "name": "watched_video",
            "type": "event",
            "id": ULID,
            "timestamp": 1772013598,
            "anonymous_id": "abc123",
            "data": {"video": "intro-to-platform", "reply_to": "replyto@example.com"},
        },
    ),
    _anonymous(
        id="screen view, number for an anonymous_id",
        arguments={"name": "homepage", "type": "screen", "anonymous_id": 123},
        body={"name": "homepage", "type": "screen", "anonymous_id": "123", "id": MINTED},
    ),
    _anonymous(
        id="invite event",
        arguments={"name": "invited", "data": {"recipient": "friend@example.com"}},
        body={"name": "invited", "data": {"recipient": "friend@example.com"}, "id": MINTED},
        note="without an anonymous_id, data.recipient makes it an invite event",
    ),
)

CASES: Final[tuple[Case, ...]] = TRACK + ANONYMOUS
