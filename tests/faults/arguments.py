"""The least that each tool takes, as it succeeds against the seeded sandbox."""

import time
from typing import Any, Final

from cio_mcp.sandbox import seeded_world

EVENT: Final = {"type": "person", "identifiers": {"id": "1"}, "action": "event", "name": "seen"}
IDENTIFY: Final = {
    "type": "person",
    "identifiers": {"id": "1"},
    "action": "identify",
    "attributes": {"plan": "pro"},
}
DELETE: Final = {"type": "person", "identifiers": {"id": "1"}, "action": "delete"}
REPORT: Final = {
    "type": "delivery",
    "identifiers": {"id": next(iter(seeded_world(time.time).deliveries)).id},
    "action": "event",
    "name": "converted",
    "attributes": {"device_token": "token"},
}
_NEWSLETTER: Final = {"newsletter_id": 1}
_PERSON: Final = {"customer_id": "1"}
_SEGMENT: Final = {"segment_id": 2}
_BROADCAST: Final = {"broadcast_id": 10}
_CAMPAIGN: Final = {"campaign_id": 1}
_COLLECTION: Final = {"collection_id": 1}
_WEBHOOK: Final = {"webhook_id": 1}
_TEMPLATED: Final = {"identifiers": {"id": "ada-1"}}

ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "identify_person": {"identifier": "1", "attributes": {"plan": "pro"}},
    "delete_person": {"identifier": "1"},
    "upsert_device": {"identifier": "1", "id": "token", "platform": "ios"},
    "delete_device": {"identifier": "ada-1", "device_id": "ada-ios-token"},
    "suppress_person": {"identifier": "1"},
    "track_event": {"identifier": "1", "name": "seen"},
    "track_anonymous_event": {"anonymous_id": "a-1", "name": "seen"},
    "merge_people": {"primary": {"id": "2"}, "secondary": {"id": "1"}},
    "submit_form": {"form_id": "contact", "data": {"email": "person1@example.com"}},
    "apply_entity": IDENTIFY,
    "apply_batch": {"batch": [IDENTIFY]},
    "send_email": {"transactional_message_id": 1, "to": "ada@example.com", **_TEMPLATED},
    "send_push": {"transactional_message_id": 2, **_TEMPLATED},
    "send_sms": {"transactional_message_id": 3, "to": "+15550100001", **_TEMPLATED},
    "send_in_app": {"transactional_message_id": 4, **_TEMPLATED},
    "trigger_broadcast": _BROADCAST,
    "send_newsletter": _NEWSLETTER,
    "schedule_newsletter": {**_NEWSLETTER, "scheduled_at": 4000000000, "timezone": "Europe/Berlin"},
    "search_people": {"filter": {"segment": {"id": 2}}},
    "find_people_by_email": {"email": "ada@example.com"},
    "get_person_attributes": _PERSON,
    "list_person_messages": _PERSON,
    "list_person_activities": _PERSON,
    "list_person_relationships": _PERSON,
    "list_person_segments": _PERSON,
    "add_people_to_segment": {**_SEGMENT, "ids": ["1"]},
    "remove_people_from_segment": {**_SEGMENT, "ids": ["1"]},
    "list_segments": {},
    "create_segment": {"name": "Made once"},
    "get_segment": _SEGMENT,
    "delete_segment": _SEGMENT,
    "count_segment_people": _SEGMENT,
    "list_segment_people": _SEGMENT,
    "get_segment_used_by": _SEGMENT,
    "list_broadcasts": {},
    "get_broadcast": _BROADCAST,
    "list_broadcast_actions": _BROADCAST,
    "list_broadcast_triggers": _BROADCAST,
    "get_broadcast_trigger": {**_BROADCAST, "trigger_id": 1},
    "list_broadcast_trigger_errors": {**_BROADCAST, "trigger_id": 1},
    "get_broadcast_metrics": _BROADCAST,
    "list_campaigns": {},
    "get_campaign": _CAMPAIGN,
    "list_campaign_actions": _CAMPAIGN,
    "list_newsletters": {},
    "get_newsletter": _NEWSLETTER,
    "get_campaign_metrics": {**_CAMPAIGN, "start": 1767225600, "end": 1767312000, "res": "days"},
    "list_collections": {},
    "create_collection": {"name": "Made once", "data": [{"sku": "A-1"}]},
    "get_collection": _COLLECTION,
    "update_collection": {**_COLLECTION, "data": [{"sku": "A-2"}]},
    "delete_collection": _COLLECTION,
    "get_collection_content": _COLLECTION,
    "list_reporting_webhooks": {},
    "create_reporting_webhook": {
        "name": "Made once",
        "endpoint": "https://hooks.example.com/new",
        "events": ["email_sent"],
    },
    "get_reporting_webhook": _WEBHOOK,
    "update_reporting_webhook": {
        **_WEBHOOK,
        "name": "Renamed",
        "endpoint": "https://hooks.example.com/new",
        "events": ["email_sent"],
    },
    "delete_reporting_webhook": _WEBHOOK,
}
