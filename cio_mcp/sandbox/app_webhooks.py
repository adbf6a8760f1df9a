"""App API: the configuration of reporting webhooks."""

from collections.abc import Callable
from urllib.parse import urlsplit

from cio_mcp.sandbox import validation as check
from cio_mcp.sandbox.replies import JsonObject, Refusal, Reply, Shape, json_reply
from cio_mcp.sandbox.routing import Call, Route

# App API reference, "Create a reporting webhook", events.
_METRICS = {
    "email": (
        *("drafted", "attempted", "sent", "delivered", "opened", "clicked", "converted", "bounced", "dropped"),
        *("deferred", "spammed", "failed", "unsubscribed", "undeliverable"),
    ),
    "in_app": (
        *("drafted", "attempted", "sent", "opened"),
        *("clicked", "converted", "failed", "undeliverable"),
    ),
    "push": (
        *("drafted", "attempted", "sent", "delivered", "opened", "clicked"),
        *("converted", "bounced", "dropped", "failed", "undeliverable"),
    ),
    "slack": ("drafted", "attempted", "sent", "clicked", "converted", "failed"),
    "sms": (
        *("drafted", "attempted", "sent", "delivered", "clicked", "converted"),
        *("bounced", "dropped", "failed", "undeliverable", "replied"),
    ),
    "whatsapp": (
        *("drafted", "attempted", "sent", "delivered", "opened", "clicked", "converted"),
        *("bounced", "dropped", "failed", "undeliverable", "replied"),
    ),
    "webhook": ("drafted", "attempted", "sent", "clicked", "converted", "failed", "undeliverable"),
}
EVENTS = frozenset(
    {"customer_subscribed", "customer_unsubscribed", "customer_subscription_preferences_changed"}
    | {f"{channel}_{metric}" for channel, metrics in _METRICS.items() for metric in metrics}
)


def list_webhooks(call: Call) -> Reply:
    """GET /v1/reporting_webhooks: wrapped, unlike the single ones."""
    return json_reply({"reporting_webhooks": list(call.world.webhooks.values())})


def create(call: Call) -> Reply:
    """POST /v1/reporting_webhooks: answers with the bare object, never with a signing key."""
    settings = _settings(call.json())
    number = call.world.next_number("webhook", call.world.webhooks)
    call.world.webhooks[number] = {"id": number} | settings
    return json_reply(call.world.webhooks[number])


def get(call: Call) -> Reply:
    """GET /v1/reporting_webhooks/{webhook_id}."""
    return json_reply(call.world.webhooks[_number(call)])


def update(call: Call) -> Reply:
    """PUT /v1/reporting_webhooks/{webhook_id}: name, endpoint and events are required here as well."""
    number = _number(call)
    call.world.webhooks[number] = {"id": number} | _settings(call.json())
    return json_reply(call.world.webhooks[number])


def delete(call: Call) -> Reply:
    """DELETE /v1/reporting_webhooks/{webhook_id}: 200 without a body."""
    del call.world.webhooks[_number(call)]
    return Reply(status=200)


def _settings(body: JsonObject) -> JsonObject:
    name, endpoint = check.needed_text(body, "name"), check.needed_text(body, "endpoint")
    if not _is_web_url(endpoint):
        raise Refusal(400, "endpoint must be an http or https URL")
    events = check.items(body, "events", required=True) or []
    if not events:
        raise Refusal(400, "events must contain at least one event")
    for event in events:
        if not isinstance(event, str) or event not in EVENTS:
            raise Refusal(400, f"events contains an unknown event {event!s:.60}")
    return {
        "name": name,
        "type": "webhook",
        "endpoint": endpoint,
        "disabled": check.flag(body, "disabled"),
        "full_resolution": check.flag(body, "full_resolution"),
        "with_content": check.flag(body, "with_content"),
        "events": events,
    }


def _is_web_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an unclosed bracket, a port that is no number
        return False


def _number(call: Call) -> int:
    number = call.number("webhook_id")
    if number not in call.world.webhooks:
        raise Refusal(404, "reporting webhook not found")
    return number


def _route(method: str, path: str, handler: Callable[[Call], Reply]) -> Route:
    return Route(method=method, path=path, handler=handler, shape=Shape.DETAIL_STATUS)


_WEBHOOK = "/v1/reporting_webhooks/{webhook_id}"
ROUTES = (
    _route("GET", "/v1/reporting_webhooks", list_webhooks),
    _route("POST", "/v1/reporting_webhooks", create),
    _route("GET", _WEBHOOK, get),
    _route("PUT", _WEBHOOK, update),
    _route("DELETE", _WEBHOOK, delete),
)
