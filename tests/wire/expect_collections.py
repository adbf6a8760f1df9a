"""App API, collections and reporting webhooks: https://docs.customer.io/api/app/.

Neither kind of body is wrapped in a member of its own.
"""

from functools import partial
from typing import Final, Literal

from tests.wire.case import Case

_create = partial(Case, tool="create_collection", method="POST", path="/v1/collections", auth="bearer")
_update = partial(Case, tool="update_collection", method="PUT", path="/v1/collections/3", auth="bearer")
_create_hook = partial(
    Case, tool="create_reporting_webhook", method="POST", path="/v1/reporting_webhooks", auth="bearer"
)
_update_hook = partial(
    Case, tool="update_reporting_webhook", method="PUT", path="/v1/reporting_webhooks/8", auth="bearer"
)

ROWS: Final = [
    {"eventName": "Fête", "eventDate": "2026-03-01T00:00:00Z", "seats": 12, "price": 9.5, "full": False},
    {"eventName": "Fair", "eventDate": None, "tags": ["a", "b"], "place": {"lat": 1.5}},
]

REQUIRED: Final = {
    "name": "my cool webhook",
    "endpoint": "https://example.com/webhook",
    "events": ["email_sent"],
}

FULL: Final = {
    "name": "my cool webhook",
    "endpoint": "https://example.com/webhook?k=a%20b&l=1",
    "events": [
        "customer_subscribed",
        "customer_unsubscribed",
        "customer_subscription_preferences_changed",
        "email_delivered",
        "in_app_opened",
        "push_converted",
        "slack_failed",
        "sms_replied",
        "webhook_undeliverable",
        "whatsapp_opened",
    ],
    "disabled": False,
    "full_resolution": True,
    "with_content": False,
}


def _by_number(tool: str, method: Literal["GET", "DELETE"], argument: str, path: str) -> tuple[Case, ...]:
    case = partial(Case, tool=tool, method=method, path=path, auth="bearer")
    number = 3 if argument == "collection_id" else 8
    return (
        case(id="by number", arguments={argument: number}),
        case(id="number as text", arguments={argument: str(number)}),
    )


COLLECTIONS: Final = (
    Case(tool="list_collections", id="all", arguments={}, method="GET", path="/v1/collections", auth="bearer"),
    _create(id="from rows", arguments={"name": "Events", "data": ROWS}, body={"name": "Events", "data": ROWS}),
    _create(
        id="from a file",
        arguments={"name": "Événements", "url": "https://example.com/events.csv?a=1&b=2"},
        body={"name": "Événements", "url": "https://example.com/events.csv?a=1&b=2"},
    ),
    _update(id="renamed", arguments={"collection_id": 3, "name": "Fairs"}, body={"name": "Fairs"}),
    _update(
        id="name and rows, number as text",
        arguments={"collection_id": "3", "name": "Fairs", "data": ROWS},
        body={"name": "Fairs", "data": ROWS},
    ),
    _update(
        id="content from a file",
        arguments={"collection_id": 3, "url": "https://example.com/events.json"},
        body={"url": "https://example.com/events.json"},
    ),
    *_by_number("get_collection", "GET", "collection_id", "/v1/collections/3"),
    *_by_number("delete_collection", "DELETE", "collection_id", "/v1/collections/3"),
    *_by_number("get_collection_content", "GET", "collection_id", "/v1/collections/3/content"),
)

WEBHOOKS: Final = (
    Case(
        tool="list_reporting_webhooks",
        id="all",
        arguments={},
        method="GET",
        path="/v1/reporting_webhooks",
        auth="bearer",
    ),
    _create_hook(id="required members", arguments=REQUIRED, body=REQUIRED),
    _create_hook(id="every documented member", arguments=FULL, body=FULL),
    _update_hook(id="required members", arguments={"webhook_id": 8, **REQUIRED}, body=REQUIRED),
    _update_hook(id="every documented member", arguments={"webhook_id": "8", **FULL}, body=FULL),
    *_by_number("get_reporting_webhook", "GET", "webhook_id", "/v1/reporting_webhooks/8"),
    *_by_number("delete_reporting_webhook", "DELETE", "webhook_id", "/v1/reporting_webhooks/8"),
)

CASES: Final[tuple[Case, ...]] = COLLECTIONS + WEBHOOKS
