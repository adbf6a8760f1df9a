"""The call of every tool that its page shows, and what has to be there before it; the sandbox's people are in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
RECEIPT: Json = {"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}}
LOST: Json = {"kind": "reset", "match": "POST /v1/send/email", "when": "after"}
"""The message is accepted, and the connection breaks before the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One call: `$name` in its arguments stands for that member of what an earlier call answered, or of its error."""

    arguments: Json = field(default_factory=dict)
    before: Sequence[tuple[str, Json]] = ()
    faults: Sequence[Json] = ()
    """What goes wrong at Customer.io, told to the sandbox beforehand."""
    reports: bool = False
    """Whether Customer.io reports events to this server."""
    triggered: bool = False
    """Whether broadcast 10 was triggered once before."""
    goes_on: bool = False
    """Whether it begins where the call before it ended, and not from the sandbox as it is built."""


def _receipt(order: str) -> Json:
    return RECEIPT | {"message_data": {"order": order}}


CALLS: Mapping[str, Shown] = {
    # what tells of the server itself, while nothing has happened yet
    "get_rate_budget": Shown(before=[("count_segment_people", {"segment_id": 1})]),
    "get_webhook_setup": Shown(),
    # people
    "identify_person": Shown(
        arguments={
            "identifier": "eve-5",
            "email": "eve@example.com",
            "created_at": "2026-11-01T09:00:00Z",
            "attributes": {"first_name": "Eve", "plan": "trial"},
        }
    ),
    "delete_person": Shown(arguments={"identifier": "dan-4"}),
    "upsert_device": Shown(
        arguments={"identifier": "ada-1", "id": "ada-android-token", "platform": "android", "attributes": {"os": "16"}}
    ),
    "delete_device": Shown(arguments={"identifier": "ada-1", "device_id": "ada-ios-token"}),
    "suppress_person": Shown(arguments={"identifier": "bob-2"}),
    "track_event": Shown(
        arguments={"identifier": "ada-1", "name": "order_placed", "data": {"order": "A-1001", "total": 42}}
    ),
    "track_anonymous_event": Shown(
        arguments={"name": "pricing_viewed", "anonymous_id": "visitor-7", "data": {"plan": "pro"}}
    ),
    "merge_people": Shown(arguments={"primary": {"id": "ada-1"}, "secondary": {"id": "dan-4"}}),
    "submit_form": Shown(
        arguments={"form_id": "newsletter", "data": {"email": "visitor@example.com", "topic": "news"}}
    ),
    # entities
    "apply_entity": Shown(
        arguments={
            "type": "object",
            "action": "identify",
            "identifiers": {"object_type_id": "1", "object_id": "acme"},
            "attributes": {"seats": 6},
            "cio_relationships": [{"identifiers": {"id": "bob-2"}}],
        }
    ),
    "apply_batch": Shown(
        arguments={
            "batch": [
                {"type": "person", "action": "identify", "identifiers": {"id": "ada-1"}, "attributes": {"plan": "pro"}},
                {"type": "person", "action": "event", "identifiers": {"id": "ada-1"}, "name": "plan_changed"},
            ]
        }
    ),
    # messaging
    "send_email": Shown(arguments=_receipt("A-1001")),
    "send_push": Shown(
        arguments={"transactional_message_id": 2, "identifiers": {"id": "ada-1"}, "message_data": {"order": "A-1001"}}
    ),
    "send_sms": Shown(
        arguments={"transactional_message_id": 3, "identifiers": {"id": "ada-1"}, "message_data": {"code": "000000"}}
    ),
    "send_in_app": Shown(arguments={"transactional_message_id": 4, "identifiers": {"id": "ada-1"}}),
    "trigger_broadcast": Shown(arguments={"broadcast_id": 10, "ids": ["ada-1", "cleo-3"], "data": {"price": "12.00"}}),
    "send_newsletter": Shown(arguments={"newsletter_id": 1}),
    "schedule_newsletter": Shown(
        arguments={"newsletter_id": 1, "scheduled_at": "2031-12-01T09:00:00Z", "timezone": "Europe/Berlin"}
    ),
    # customers
    "search_people": Shown(
        arguments={"filter": {"attribute": {"field": "plan", "operator": "eq", "value": "trial"}}, "limit": 3}
    ),
    "find_people_by_email": Shown(arguments={"email": "ada@example.com"}),
    "get_person_attributes": Shown(arguments={"customer_id": "ada@example.com", "id_type": "email"}),
    "list_person_messages": Shown(arguments={"customer_id": "ada-1", "limit": 1}),
    "list_person_activities": Shown(arguments={"customer_id": "ada-1", "limit": 2}),
    "list_person_relationships": Shown(arguments={"customer_id": "ada-1"}),
    "list_person_segments": Shown(arguments={"customer_id": "ada-1"}),
    # segments
    "add_people_to_segment": Shown(arguments={"segment_id": 2, "ids": ["bob-2"]}),
    "remove_people_from_segment": Shown(arguments={"segment_id": 2, "ids": ["ada-1"]}),
    "list_segments": Shown(),
    "create_segment": Shown(arguments={"name": "Beta testers", "description": "Who may see what is not ready"}),
    "get_segment": Shown(arguments={"segment_id": 2}),
    "delete_segment": Shown(
        arguments={"segment_id": 4}, before=[("create_segment", {"name": "Old beta", "description": "Not used"})]
    ),
    "count_segment_people": Shown(arguments={"segment_id": 2}),
    "get_segment_used_by": Shown(arguments={"segment_id": 2}),
    "list_segment_people": Shown(arguments={"segment_id": 2, "limit": 2}),
    # broadcasts
    "list_broadcasts": Shown(),
    "get_broadcast": Shown(arguments={"broadcast_id": 10}),
    "list_broadcast_actions": Shown(arguments={"broadcast_id": 10}),
    "list_broadcast_triggers": Shown(arguments={"broadcast_id": 10}, triggered=True),
    "get_broadcast_trigger": Shown(arguments={"broadcast_id": 10, "trigger_id": 1}, triggered=True),
    "list_broadcast_trigger_errors": Shown(arguments={"broadcast_id": 10, "trigger_id": 1}, triggered=True),
    "get_broadcast_metrics": Shown(arguments={"broadcast_id": 10, "period": "weeks", "steps": 2, "type": "email"}),
    "list_campaigns": Shown(),
    "get_campaign": Shown(arguments={"campaign_id": 1}),
    "list_campaign_actions": Shown(arguments={"campaign_id": 1}),
    "get_campaign_metrics": Shown(arguments={"campaign_id": 1, "res": "weeks", "type": "email"}),
    "list_newsletters": Shown(arguments={"limit": 1}),
    "get_newsletter": Shown(arguments={"newsletter_id": 1}),
    # collections
    "list_collections": Shown(),
    "create_collection": Shown(
        arguments={"name": "shops", "data": [{"city": "Berlin", "open": True}, {"city": "Lyon", "open": False}]}
    ),
    "get_collection": Shown(arguments={"collection_id": 1}),
    "update_collection": Shown(arguments={"collection_id": 1, "data": [{"sku": "A-1", "name": "Lamp", "price": 12}]}),
    "delete_collection": Shown(
        arguments={"collection_id": 2},
        before=[("create_collection", {"name": "old_shops", "data": [{"city": "Oslo"}]})],
    ),
    "get_collection_content": Shown(arguments={"collection_id": 1}),
    # webhooks
    "list_reporting_webhooks": Shown(),
    "create_reporting_webhook": Shown(
        arguments={
            "name": "Deliveries",
            "endpoint": "https://hooks.example.com/deliveries",
            "events": ["email_delivered", "email_bounced"],
        }
    ),
    "get_reporting_webhook": Shown(arguments={"webhook_id": 1}),
    "update_reporting_webhook": Shown(
        arguments={
            "webhook_id": 1,
            "name": "Warehouse",
            "endpoint": "https://hooks.example.com/customerio",
            "events": ["email_sent", "email_bounced"],
        }
    ),
    "delete_reporting_webhook": Shown(arguments={"webhook_id": 1}),
    # this server
    "get_operation": Shown(arguments={"operation": "$operation"}, before=[("send_email", _receipt("A-1002"))]),
    "list_unknown_operations": Shown(
        arguments={"limit": 1}, before=[("send_email", _receipt("A-1003"))], faults=[LOST]
    ),
    "reconcile_operation": Shown(
        arguments={"operation": "$operation"},
        before=[("send_email", RECEIPT | {"to": "cleo@example.com", "identifiers": {"id": "cleo-3"}})],
        faults=[LOST],
        goes_on=True,
    ),
    "wait_for_delivery": Shown(
        arguments={"delivery_id": "$delivery_id", "until": "delivered", "timeout": 20},
        before=[("send_email", _receipt("A-1005"))],
        reports=True,
    ),
    "get_delivery_timeline": Shown(
        arguments={"delivery_id": "$delivery_id"},
        before=[("send_email", _receipt("A-1006")), ("wait_for_delivery", {"delivery_id": "$delivery_id"})],
        goes_on=True,
    ),
    "list_delivery_events": Shown(arguments={"delivery_id": "$delivery_id", "limit": 1}, goes_on=True),
    # insight
    "why_no_message": Shown(arguments={"customer_id": "bob-2", "campaign_id": 1}),
    "preflight_broadcast": Shown(arguments={"broadcast_id": 10, "recipients": {"segment": {"id": 2}}}),
    "person_overview": Shown(arguments={"customer_id": "ada-1"}),
}
"""By tool, in the order in which they are called."""
