"""Every kind of event of Customer.io's reporting webhooks reference, with the members that it shows for each."""

from typing import Any

_IDENTIFIERS = {"id": "42", "email": "test@example.com", "cio_id": "d9c106000001"}
_COMMON: dict[str, Any] = {
    "customer_id": "42",
    "delivery_id": "ZAIAAVTJVG0QcCok0-0ZKj6yiQ==",
    "identifiers": _IDENTIFIERS,
}
ORIGINS: dict[str, dict[str, Any]] = {
    "broadcast": {
        "trigger_id": 1, "action_id": 96, "broadcast_id": 2, "journey_id": "01GW20GXAAXBKZD8J96M8FNV3R",
        "parent_action_id": 1,
    },
    "campaign": {"campaign_id": 7, "action_id": 96, "journey_id": "01GW20GXAAXBKZD8J96M8FNV3R", "trigger_event_id": ""},
    "newsletter": {"newsletter_id": 3, "content_id": 4},
    "transactional": {"transactional_message_id": 5},
}  # fmt: skip
_MAIL = {"recipient": "test@example.com", "subject": "text"}
_TO = {"recipient": "test@example.com"}
_WHY = {"failure_message": "Something went wrong!"}
_LINK = {"href": "https://docs.customer.io", "link_id": 1}
_DEVICES = {"recipients": [{"device_id": "text", "device_platform": "ios"}]}
_FAILED_DEVICES = {"recipients": [{"device_id": "text", "device_platform": "ios", "failure_message": "text"}]}
_SENT = {"content": "text", **_TO}
_REPLY = {"inbound_event_id": "text", "to": "+15550100", **_TO}

_CALLS: dict[str, dict[str, Any]] = {
    "drafted": {}, "attempted": _WHY, "sent": _SENT, "clicked": _TO | _LINK, "failed": _WHY, "undeliverable": _WHY,
}  # fmt: skip
_TEXTS = _CALLS | {"delivered": _TO, "converted": _TO, "bounced": _TO | _WHY, "replied": _REPLY}
_OF_CHANNEL: dict[str, dict[str, dict[str, Any]]] = {
    "email": {
        "drafted": _MAIL, "attempted": _WHY,
        "sent": _MAIL | {"content": "text", "headers": {"Customheader1": ["customvalue1"]}},
        "delivered": _MAIL, "opened": _MAIL | {"proxied": True, "prefetched": True, "synthetic": True},
        "clicked": _MAIL | _LINK | {"machine": True}, "converted": _MAIL, "unsubscribed": _MAIL,
        "bounced": _MAIL | _WHY, "dropped": _MAIL | _WHY, "spammed": _MAIL, "failed": {"subject": "text"} | _WHY,
        "undeliverable": _MAIL | _WHY,
    },
    "push": {
        "drafted": {}, "attempted": _WHY, "sent": _FAILED_DEVICES | {"content": "text"}, "delivered": _DEVICES,
        "opened": _DEVICES, "clicked": _DEVICES | _LINK, "converted": _DEVICES, "bounced": _FAILED_DEVICES,
        "dropped": _FAILED_DEVICES, "failed": _WHY, "undeliverable": _WHY,
    },
    "sms": _TEXTS,
    "whatsapp": _TEXTS | {"opened": _TO, "dropped": _TO | _WHY},
    "slack": _CALLS,
    "webhook": _CALLS,
    "in_app": _CALLS | {
        "opened": {}, "clicked": _TO | _LINK | {"tracked_response": "text"}, "converted": _TO,
    },
}  # fmt: skip
_PERSON = {"customer_id": "42", "email_address": "test@example.com", "identifiers": _IDENTIFIERS}


def _event(number: int, object_type: str, metric: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "event_id": f"01E4C4CT6YDC7Y5M7FE1{number:06d}",
        "object_type": object_type,
        "metric": metric,
        "timestamp": 1_613_063_089 + number,
        "data": data,
    }


def _kinds() -> dict[str, dict[str, Any]]:
    origins = list(ORIGINS.values())
    told = {
        f"{channel}_{metric}": (channel, metric, _COMMON | origins[place % len(origins)] | more)
        for channel, metrics in _OF_CHANNEL.items()
        for place, (metric, more) in enumerate(metrics.items())
    }
    told["customer_subscribed"] = ("customer", "subscribed", _PERSON)
    told["customer_unsubscribed"] = ("email", "unsubscribed", _PERSON | _COMMON | ORIGINS["campaign"])
    found = {name: _event(number, *parts) for number, (name, parts) in enumerate(told.items())}
    # Its metric is named differently than the event is configured, and the reference misspells a member.
    changed = _event(
        999, "", "cio_subscription_preferences_changed", _PERSON | {"content": '{"topics":{"topic_1":true}}'}
    )
    del changed["object_type"]
    found["customer_subscription_preferences_changed"] = changed | {"object_type_type": "email"}
    return found


KINDS = _kinds()

_DELIVERY = {"action_id": 42, "broadcast_id": 9, "delivery_id": "RPILAgUBcRhIBqSfeiIwdIYJKxTY"}
# The reference's own examples; only their ids differ here.
EXAMPLES = {
    name: {
        "metric": metric,
        "event_id": f"01E4C4CT6YDC7Y5M7FE1GWWPQ{letter}",
        "object_type": object_type,
        "timestamp": 1_613_063_089,
        "data": {"customer_id": "0200000001", "identifiers": _IDENTIFIERS} | more,
    }
    for name, metric, object_type, letter, more in (
        ("customer_subscribed", "subscribed", "customer", "J", {"email_address": "test@example.com"}),
        ("email_sent", "sent", "email", "K", _DELIVERY | {"recipient": "test@example.com"}),
        ("sms_sent", "sent", "sms", "M", _DELIVERY | {"recipient": "+15551234567"}),
    )
}
