"""What each tool refuses: changes to arguments that are fine, the place that is named, and the remedy in the reason.

A change to None takes the argument away.
"""

import base64
from typing import Any

from tests.catalog.refusals import EMAIL, SEGMENT, TEMPLATED

HELLO = base64.b64encode(b"hello").decode()


def addresses(count: int) -> str:
    """Return a comma separated list of so many addresses."""
    return ", ".join(f"person{i}@example.com" for i in range(count))


NO_TEMPLATE = {"transactional_message_id": None, "from": "a@example.com", "subject": "Hi", "body": "Hi"}

FINE: dict[str, dict[str, Any]] = {
    "identify_person": {"identifier": "1"},
    "track_anonymous_event": {"name": "x", "anonymous_id": "1"},
    "merge_people": {"primary": {"id": "1"}, "secondary": {"id": "2"}},
    "submit_form": {"form_id": "1", "data": {"id": "1"}},
    "upsert_device": {"identifier": "1", "id": "t", "platform": "ios"},
    "send_push": TEMPLATED,
    "send_email": EMAIL,
    "send_sms": TEMPLATED,
    "send_in_app": TEMPLATED,
    "trigger_broadcast": {"broadcast_id": 1},
    "send_newsletter": {"newsletter_id": 1},
    "schedule_newsletter": {"newsletter_id": 1, "scheduled_at": 1_800_000_000, "timezone": "UTC"},
    "search_people": {"filter": SEGMENT},
    "find_people_by_email": {"email": "a@example.com"},
    "list_person_messages": {"customer_id": "1"},
    "list_person_activities": {"customer_id": "1"},
    "list_person_relationships": {"customer_id": "1"},
    "add_people_to_segment": {"segment_id": 1, "ids": ["42"]},
    "remove_people_from_segment": {"segment_id": 1, "ids": ["42"]},
    "create_segment": {"name": "x"},
    "get_segment": {"segment_id": 1},
    "list_segment_people": {"segment_id": 1},
    "get_broadcast_metrics": {"broadcast_id": 1},
    "get_campaign_metrics": {"campaign_id": 1},
    "list_campaign_actions": {"campaign_id": 1},
    "list_newsletters": {},
    "list_broadcast_trigger_errors": {"broadcast_id": 1, "trigger_id": 1},
    "create_collection": {"name": "x", "data": [{"a": 1}]},
    "update_collection": {"collection_id": 1, "name": "x"},
    "create_reporting_webhook": {"name": "x", "endpoint": "https://example.com", "events": ["email_sent"]},
    "update_reporting_webhook": {
        "webhook_id": 1,
        "name": "x",
        "endpoint": "https://example.com",
        "events": ["email_sent"],
    },
}

REFUSED: dict[str, list[tuple[dict[str, Any], str, str]]] = {
    "identify_person": [
        ({"attributes": {"email": "a@example.com"}}, "attributes", "an argument of its own"),
        ({"attributes": {"_update": True}}, "attributes", "must not hold '_update'"),
        ({"update": True, "_update": True}, "_update", "not permitted"),
        ({"email": "person"}, "email", "an e-mail address"),
        ({"unsubscribed": "yes"}, "unsubscribed", "boolean"),
        ({"cio_relationships": []}, "cio_relationships", "dictionary"),
        ({"cio_relationships": {"action": "add_relationships"}}, "cio_relationships", "action and relationships"),
        (
            {"cio_relationships": {"action": "add", "relationships": []}},
            "cio_relationships.action",
            "add_relationships | delete_relationships",
        ),
        (
            {"cio_relationships": {"action": "add_relationships", "relationships": {}}},
            "cio_relationships.relationships",
            "a list",
        ),
        (
            {"cio_relationships": {"action": "add_relationships", "relationships": [5]}},
            "cio_relationships.relationships[0]",
            "an object",
        ),
        (
            {"cio_relationships": {"action": "add_relationships", "relationships": [{"identifiers": {"id": "1"}}]}},
            "cio_relationships.relationships[0]",
            "object_type_id and object_id",
        ),
    ],
    "track_anonymous_event": [
        ({"anonymous_id": None}, "anonymous_id", "or data.recipient"),
    ],
    "merge_people": [
        ({"secondary": {"id": 1}}, "secondary", "another person than primary"),
    ],
    "submit_form": [
        ({"data": {}}, "data", "exactly one of email | id"),
        ({"data": {"id": "1", "email": "a@example.com"}}, "data", "exactly one of email | id"),
        ({"data": {"id": "1", "age": 5}}, "data", "takes only text values; 'age'"),
    ],
    "upsert_device": [
        ({"platform": "web"}, "platform", "'ios' or 'android'"),
        ({"attributes": {"push_enabled": True}}, "attributes", "'push_enabled' is none"),
    ],
    "send_push": [
        ({"transactional_message_id": None}, "transactional_message_id", "required"),
        ({"sound": "loud"}, "sound", "'default' or 'none'"),
        ({"to": "x" * 1001}, "to", "at most 1,000"),
        ({"custom_payload": {}}, "custom_payload", "ios, android or both"),
        ({"custom_payload": {"web": {}}}, "custom_payload", "ios, android or both"),
        ({"custom_payload": {"ios": "x"}}, "custom_payload", "an object for each platform"),
        ({"custom_device": {"token": "t"}}, "custom_device.platform", "ios | android"),
        ({"custom_device": {"platform": "ios"}}, "custom_device.token", "is needed"),
    ],
    "send_email": [
        ({"transactional_message_id": True}, "transactional_message_id", "whole number"),
        ({"transactional_message_id": 4.5}, "transactional_message_id", "whole number"),
        ({"transactional_message_id": "0"}, "transactional_message_id", "whole number"),
        ({"transactional_message_id": ""}, "transactional_message_id", "blank"),
        ({"transactional_message_id": "a\nb"}, "transactional_message_id", "one line"),
        ({"identifiers": {"id": "1", "email": "a@example.com"}}, "identifiers", "exactly one of id | email | cio_id"),
        ({"auto_create": True}, "auto_create", "needs a trigger name"),
        ({"transactional_message_id": "44", "auto_create": True}, "auto_create", "not a number"),
        ({"queue_draft": "true"}, "queue_draft", "boolean"),
        ({"send_at": 1_700_000_000_000}, "send_at", "milliseconds"),
        (
            {**NO_TEMPLATE, "from": None},
            "from",
            "is needed: give transactional_message_id, or else from, subject and body",
        ),
        (
            {**NO_TEMPLATE, "subject": None},
            "subject",
            "is needed: give transactional_message_id, or else from, subject and body",
        ),
        (
            {**NO_TEMPLATE, "body": None},
            "body",
            "is needed: give transactional_message_id, or else from, subject and body",
        ),
        ({"to": addresses(16)}, "to", "has 16 recipients, at most 15"),
        (
            {"to": addresses(6), "cc": addresses(5), "bcc": addresses(5)},
            "to",
            "names 16 recipients together with cc and bcc",
        ),
        ({"to": addresses(9).replace(",", ";") + ", a@example.com"}, "to", "separate addresses with commas"),
        ({"to": "a@example.com b@example.com"}, "to", "separate addresses with commas"),
        ({"to": "me@home <a@example.com>"}, "to", "quote names"),
        ({"to": "person"}, "to", "is no e-mail address"),
        ({"to": "a@example.com,,b@example.com, "}, "to", "is no e-mail address"),
        ({"to": ""}, "to", "blank"),
        ({"to": ","}, "to", "at least one address"),
        ({"to": '"Doe, Jane <a@example.com>'}, "to", "quotation mark without its pair"),
        ({"to": "a@example.com\r\nBcc: b@example.com"}, "to", "one line"),
        ({"from": "a@example.com, b@example.com"}, "from", "one address"),
        ({"from": "a@example.com\r\nBcc: b@example.com"}, "from", "one line"),
        ({"subject": "a\r\nBcc: b@example.com"}, "subject", "one line"),
        ({"body": "  "}, "body", "blank"),
        ({"headers": {"X Tag": "a"}}, "headers", "holds spaces"),
        ({"headers": {"X-Tag:": "a"}}, "headers", "a colon"),
        ({"headers": {"": "a"}}, "headers", "empty"),
        ({"headers": {"X-Täg": "a"}}, "headers", "non-ASCII"),
        ({"headers": {"X-Tag": "ä"}}, "headers", "one line of ASCII text for X-Tag"),
        ({"headers": {"X-Tag": "a\r\nBcc: b@example.com"}}, "headers", "one line of ASCII text"),
        ({"headers": {"X-Tag": 5}}, "headers", "one line of ASCII text"),
        ({"headers": {"bCC": "b@example.com"}}, "headers", "must not hold bCC, which is reserved: use bcc"),
        ({"headers": {"Reply-To": "b@example.com"}}, "headers", "use reply_to"),
        ({"headers": {"Content-Type": "text/plain"}}, "headers", "leave it out"),
        ({"headers": [{"name": "X-Tag", "value": "a"}]}, "headers", "dictionary"),
        ({"attachments": {"report": HELLO}}, "attachments", "a file name without an extension"),
        ({"attachments": {".pdf": HELLO}}, "attachments", "without an extension"),
        ({"attachments": {"../report.pdf": HELLO}}, "attachments", "with a path"),
        ({"attachments": {"a\\report.pdf": HELLO}}, "attachments", "with a path"),
        ({"attachments": {"report\n.pdf": HELLO}}, "attachments", "one line"),
        ({"attachments": {"report.pdf": "not base64"}}, "attachments", "must hold base64 for 'report.pdf'"),
        ({"attachments": {"report.pdf": HELLO[:-1]}}, "attachments", "must hold base64"),
        ({"attachments": {"report.pdf": f"data:text/plain;base64,{HELLO}"}}, "attachments", "a data: prefix"),
        ({"attachments": {"report.pdf": 5}}, "attachments", "must hold base64"),
    ],
    "send_sms": [
        ({"to": "0155512345"}, "to", "E.164 form, such as +15551234567, or Liquid"),
    ],
    "send_in_app": [
        ({"send_to_unsubscribed": False}, "send_to_unsubscribed", "not permitted"),
    ],
    "trigger_broadcast": [
        ({"recipients": {}}, "recipients", "omit it to use the audience set in Customer.io"),
        ({"recipients": {"and": []}}, "recipients.and", "one or more"),
        ({"ids": []}, "ids", "at least 1"),
        ({"ids": ["x"] * 10_001}, "ids", "at most 10000"),
        ({"ids": [1.5]}, "ids[0]", "string"),
        ({"emails": ["a@example.com"] * 10_001}, "emails", "at most 10000"),
        ({"emails": ["a@example.com", "person"]}, "emails[1]", "an e-mail address"),
        ({"per_user_data": [{"id": "1", "data": {}}] * 10_001}, "per_user_data", "at most 10000"),
        ({"per_user_data": [{"id": "1", "data": []}]}, "per_user_data[0].data", "must be an object"),
        ({"per_user_data": [{"data": {}}]}, "per_user_data[0]", "exactly one of id | email"),
        (
            {"per_user_data": [{"id": "1", "email": "a@example.com", "data": {}}]},
            "per_user_data[0]",
            "exactly one of id | email",
        ),
        ({"per_user_data": [{"id": "1", "data": {}, "vip": True}]}, "per_user_data[0]", "does not take 'vip'"),
        ({"data_file_url": "http://example.com/people"}, "data_file_url", "must begin with https://"),
        ({"data": [1]}, "data", "dictionary"),
        ({"id_ignore_missing": "true", "ids": ["1"]}, "id_ignore_missing", "boolean"),
    ],
    "send_newsletter": [
        ({"rate_limit_email_rate": 5}, "rate_limit_time_period", "is needed with rate_limit_email_rate"),
        ({"rate_limit_time_period": 60}, "rate_limit_email_rate", "is needed with rate_limit_time_period"),
        ({"rate_limit_time_period": 61, "rate_limit_email_rate": 5}, "rate_limit_time_period", "60, 3600 or 86400"),
        ({"rate_limit_time_period": 60, "rate_limit_email_rate": 0}, "rate_limit_email_rate", "1 or more"),
    ],
    "schedule_newsletter": [
        ({"timezone": None}, "timezone", "is needed with scheduled_at"),
        ({"timezone": "+01:00"}, "timezone", "IANA"),
        ({"scheduled_at": None}, "scheduled_at", "required"),
        (
            {"tz_match_enabled": True, "rate_limit_email_rate": 5, "rate_limit_time_period": 86_400},
            "rate_limit_time_period",
            "must be 60 or 3600 with tz_match_enabled",
        ),
    ],
    "search_people": [
        ({"filter": None}, "filter", "required"),
        ({"limit": 1001}, "limit", "less than or equal to 1000"),
        ({"limit": 0}, "limit", "1 or more"),
        ({"start": ""}, "start", "blank"),
    ],
    "find_people_by_email": [
        ({"email": "person"}, "email", "an e-mail address"),
        ({"offset": -1}, "offset", "0 or more"),
    ],
    "list_person_messages": [
        ({"limit": 1001}, "limit", "1000"),
        ({"start_ts": 1_700_000_000, "end_ts": 1_700_000_000}, "end_ts", "must lie after start_ts"),
        ({"start_ts": "2025-01-01", "end_ts": "2025-07-10"}, "end_ts", "at most 6 months after start_ts"),
    ],
    "list_person_activities": [
        ({"limit": 101}, "limit", "100"),
    ],
    "list_person_relationships": [
        ({"limit": 0}, "limit", "1 or more"),
    ],
    "add_people_to_segment": [
        ({"ids": []}, "ids", "at least 1"),
        ({"ids": ["x"] * 1001}, "ids", "at most 1000"),
        ({"ids": ["x", "a@example.com"]}, "ids[1]", "set id_type to email"),
        ({"ids": ["42"], "id_type": "email"}, "ids[0]", "is no e-mail address"),
        ({"ids": ["42"], "id_type": "phone"}, "id_type", "'id', 'email' or 'cio_id'"),
    ],
    "remove_people_from_segment": [
        ({"ids": [True]}, "ids[0]", "string"),
    ],
    "create_segment": [
        ({"name": " "}, "name", "blank"),
    ],
    "get_segment": [
        ({"segment_id": "1.5"}, "segment_id", "whole number"),
    ],
    "list_segment_people": [
        ({"limit": 30_001}, "limit", "30000"),
    ],
    "get_broadcast_metrics": [
        ({"steps": 46}, "steps", "at most 45 for days"),
        ({"steps": 25, "period": "hours"}, "steps", "at most 24 for hours"),
        ({"steps": 13, "period": "weeks"}, "steps", "at most 12 for weeks"),
        ({"steps": 122, "period": "months"}, "steps", "at most 121 for months"),
        ({"steps": 0}, "steps", "1 or more"),
        ({"type": "sms"}, "type", "'twilio'"),
    ],
    "get_campaign_metrics": [
        ({"period": "days"}, "period", "belongs to version 1; version 2 takes res, tz, start, end"),
        ({"steps": 0}, "steps", "belongs to version 1"),
        ({"version": 1, "res": "days"}, "res", "belongs to version 2; version 1 takes period, steps"),
        ({"version": 1, "tz": "UTC"}, "tz", "belongs to version 2"),
        ({"version": 3}, "version", "1 or 2"),
        ({"version": True}, "version", "whole number"),
        ({"res": "years"}, "res", "'months'"),
        ({"start": "2026-01-02", "end": "2026-01-01"}, "end", "must lie after start"),
        ({"start": "2026-01-01", "end": "2026-01-01"}, "end", "must lie after start"),
    ],
    "list_campaign_actions": [
        ({"start": "a\nb"}, "start", "one line"),
        ({"offset": -1}, "offset", "0 or more"),
    ],
    "list_newsletters": [
        ({"limit": 101}, "limit", "100"),
        ({"sort": "newest"}, "sort", "'asc' or 'desc'"),
    ],
    "list_broadcast_trigger_errors": [
        ({"start": "x"}, "start", "0 or more"),
    ],
    "create_collection": [
        ({"data": None}, "data", "is needed, or url, and not both"),
        ({"url": "https://example.com/x.csv"}, "data", "not both"),
        ({"data": None, "url": "http://example.com/x.csv"}, "url", "https://"),
        ({"data": ["row"]}, "data[0]", "must be a JSON object"),
        ({"data": [{"a": "b"}, {"a": "x" * 10_000}]}, "data[1]", "at most 10,000"),
        ({"data": [{"a": "x" * 9_900}] * 1_010}, "data", "at most 10,000,000"),
    ],
    "update_collection": [
        ({"name": None}, "name", "or data or url"),
        ({"data": [], "url": "https://example.com/x.csv"}, "url", "give one of them"),
    ],
    "create_reporting_webhook": [
        ({"events": []}, "events", "at least 1"),
        ({"events": ["email_sent", "email_bounce"]}, "events[1]", "did you mean email_bounced?"),
        ({"events": ["in_app_bounced"]}, "events[0]", "is no event: did you mean"),
        ({"events": ["!"]}, "events[0]", "<channel>_<metric>"),
        ({"endpoint": "https://a:b@example.com"}, "endpoint", "user name or password"),
    ],
    "update_reporting_webhook": [
        ({"name": None}, "name", "required"),
        ({"endpoint": None}, "endpoint", "required"),
        ({"events": None}, "events", "required"),
    ],
}
