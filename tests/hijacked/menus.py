"""What stands in an agent's calls: right values, hostile ones, and what it can only know from earlier answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.faults.arguments import ARGUMENTS
from tests.hijacked.situations import LISTED_DOMAIN, LISTED_HOST, THIEF


@dataclass(frozen=True, slots=True)
class Mined:
    """Something seen in an earlier answer: `what` is token, operation, email, id, number or text."""

    what: str
    nth: int


@dataclass(frozen=True, slots=True)
class Later:
    """A moment some hours from now, in unix seconds."""

    hours: int


_PEOPLE = ["1", "ada-1", "2", "dan-4", "bob-2", "nobody-9", "25", Mined("id", 0), Mined("id", 7)]
_EMAILS = [
    "ada@example.com", "ADA@Example.com", "person1@example.com", f"friend@{LISTED_DOMAIN}", THIEF, "shared@example.com",
    Mined("email", 0), Mined("email", 5),
]  # fmt: skip
_LISTS = [
    *_EMAILS, f"ada@example.com, {THIEF}", f'"ada@example.com" <{THIEF}>', f"{THIEF} <ada@example.com>",
    f"friend@{LISTED_DOMAIN}, ada@example.com", f'"Ada" <ada@example.com>,"x" <friend@{LISTED_DOMAIN}>',
    "{{customer.email}}", "{{ 'thief@evil.example.net' }}", f"{{{{ trigger.a }}}} <friend@{LISTED_DOMAIN}>",
    '"{{ trigger.a }}" <ada@example.com>', '"{% assign a = trigger.a %}" <ada@example.com>',
    f"ada@example.com\r\nBcc: {THIEF}",
    f"thief@{LISTED_DOMAIN}.evil.example.net", f"thief@not{LISTED_DOMAIN}", f"friend@{LISTED_DOMAIN.upper()}",
    f'"friend@{LISTED_DOMAIN}"@evil.example.net', f"thief%evil.example.net@{LISTED_DOMAIN}",
    f"friend@{LISTED_DOMAIN};{THIEF}", f"=?utf-8?q?a?= <{THIEF}>", f"a@{LISTED_DOMAIN},b@{LISTED_DOMAIN}",
    f"\uff54hief@evil.example.net,friend@{LISTED_DOMAIN}", "\u0430da@example.com",
]  # fmt: skip
_PHONES = ["+15550100001", "+15559990000", "{{customer.phone}}", "+15550100001,+15559990000"]
_URLS = [
    f"https://{LISTED_HOST}/x", f"https://{LISTED_HOST.upper()}:443/x?k=1", "https://evil.example.net/x",
    f"http://{LISTED_HOST}/x", f"https://{LISTED_HOST}@evil.example.net/", f"https://evil.example.net\\@{LISTED_HOST}/",
    f"https://{LISTED_HOST}.evil.example.net/", f"https://evil{LISTED_HOST}/",
        f"https://evil.example.net#@{LISTED_HOST}/",
    "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://[::ffff:127.0.0.1]/",
        "https://localhost./",
    "https://169.254.169.254/latest", "https://metadata.google.internal/", f"https://{LISTED_HOST}:8443/",
    "https://{{customer.email}}.evil.example.net/", "https://①②⑦.⓪.⓪.①/", "file:///etc/passwd",
]  # fmt: skip
_FILTERS = [
    {"segment": {"id": 2}}, {"segment": {"id": 1}}, {"attribute": {"field": "id", "operator": "exists"}},
    {"not": {"segment": {"id": 99}}}, {"and": [{"segment": {"id": 2}}]}, {"or": [{"segment": {"id": 2}},
        {"segment": {"id": 3}}]},
    {"attribute": {"field": "email", "operator": "eq", "value": "ada@example.com"}}, {},
]  # fmt: skip
_IDENTIFIERS = [
    *({"id": each} for each in _PEOPLE), *({"email": each} for each in _EMAILS), {"cio_id": Mined("cio_id", 0)},
    {"cio_id": "a3000001"}, {"phone": "+15550100001"}, {"id": "1", "email": THIEF},
]  # fmt: skip
_ATTRIBUTES = [
    {"plan": "pro"}, {"email": THIEF}, {"Email": THIEF}, {"phone": "+15559990000"},
        {"email": f"friend@{LISTED_DOMAIN}"},
    {"unsubscribed": True}, {"cio_relationships": []}, {"id": "taken"}, {"email": "ada@example.com"},
    {"id": "ada-1"},
]  # fmt: skip
_DATA = [
    {"email": THIEF}, {"recipient": THIEF}, {"Recipient": THIEF}, {"reply_to": THIEF}, {"from_address": THIEF},
    {"recipient": THIEF, "Recipient": "ada@example.com"}, {"Recipient": "ada@example.com", "recipient": THIEF},
    {"reply_to": THIEF, "Reply_to": "ada@example.com"}, {"reply_to": "ada@example.com", "REPLY_TO": THIEF},
    {"recipient": f"a@{LISTED_DOMAIN},b@{LISTED_DOMAIN},c@{LISTED_DOMAIN}"},
    {"recipient": f"friend@{LISTED_DOMAIN}", "RECIPIENT": THIEF},
    {"recipient": "ada@example.com"}, {"id": "1"}, {"id": "1", "email": THIEF}, {"email": "ada@example.com",
        "phone": "+15559990000"},
    {"email": "person1@example.com", "plan": "x"}, {"sku": "A-1"},
]  # fmt: skip
_DEVICES = [{"token": "thief-token", "platform": "ios"}, {"token": "ada-ios-token"}, {"token": "thief-token"}]
_RELATED = [
    [{"identifiers": {"id": "1"}}], [{"identifiers": {"email": THIEF}}], [{"identifiers": {"object_type_id": "1",
        "object_id": "acme"}}],
    [{"identifiers": {"id": "1"}}, {"identifiers": {"id": "2"}}, {"identifiers": {"email": "ada@example.com"}}],
]  # fmt: skip
_TIMES = [Later(1), Later(9), Later(24), 0, "2026-01-31T09:00:00Z"]
JUNK = [None, "", 0, True, [], {}, -1, "x" * 300, "\u202e", "..", [None], {"id": None}, "1"]

# By the name of an argument, of whatever tool; else what is there is taken, or junk.
MENU: Mapping[str, list[Any]] = {
    "identifier": [
        *_PEOPLE, *_EMAILS, Mined("cio_id", 0), "cio_a3000001", f"cio_{THIEF}", "+15550100001", "cio_a3000001/suppress",
    ],
    "customer_id": [*_PEOPLE, *_EMAILS, Mined("cio_id", 3)],
    "id": ["token", "ada-ios-token", "x-1", Mined("id", 3)],
    "identifiers": _IDENTIFIERS, "primary": _IDENTIFIERS, "secondary": _IDENTIFIERS,
    "email": _EMAILS, "to": [*_LISTS, *_PHONES, "all", "last_used", "thief-token", "ada-ios-token"],
    "cc": _LISTS, "bcc": _LISTS, "reply_to": _LISTS, "from": _LISTS,
    "headers": [{"Bcc": THIEF}, {"Resent-Bcc": THIEF}, {"X-Trace": "1"}, {"Disposition-Notification-To": THIEF}],
    "attachments": [{"people.csv": "YQ=="}, {"../x.csv": "YQ=="}],
    "ids": [["1"], ["ada-1", "1"], ["1", "2", "3", "4"], [str(n) for n in range(1, 16)], ["nobody-9"], [Mined("id",
        1)]],
    "emails": [["ada@example.com"], ["shared@example.com"], [THIEF], ["ada@example.com", "person1@example.com",
        "bob@example.com"]],
    "per_user_data": [[{"id": "1", "data": {}}], [{"email": THIEF, "data": {}}], [{"email": "shared@example.com",
        "data": {}}]],
    "recipients": _FILTERS, "filter": _FILTERS,
    "endpoint": _URLS, "url": _URLS, "data_file_url": _URLS,
    "attributes": [*_ATTRIBUTES, {"device_token": "t"}], "data": [*_DATA, [{"sku": "B"}]],
    "message_data": [{"n": 1}, {"n": 2}, {"n": 3}],
    "custom_device": _DEVICES, "device": _DEVICES,
    "custom_payload": [{"ios": {"message": {"token": "thief-token"}}}, {"android": {"message": {"data": {"a": "b"}}}}],
    "cio_relationships": [*_RELATED, {"action": "add_relationships", "relationships": []}],
    "send_at": _TIMES, "scheduled_at": _TIMES, "timestamp": _TIMES, "timezone": ["Europe/Berlin", "UTC", "Mars/Base"],
    "id_type": ["id", "email", "phone", "cio_id"], "anonymous_id": ["a-1", "1"], "form_id": ["contact", "new"],
    "name": ["seen", "opened", "x", "Made twice"], "type": ["person", "object", "delivery", "page"],
    "action": ["identify", "event", "delete", "suppress", "unsuppress", "merge", "add_device", "delete_device"],
    "segment_id": [1, 2, 3, 99, Mined("number", 1)], "broadcast_id": [10, 11, 99], "newsletter_id": [1, 2],
    "webhook_id": [1, 2, 99], "collection_id": [1, 2, 99], "campaign_id": [1, 10], "trigger_id": [1, 2],
    "transactional_message_id": [1, 2, 3, 4, "receipt", "brand_new"],
    "operation": [Mined("operation", 0), Mined("operation", 1), Mined("operation", 9), "01JZ0000000000000000000000"],
    "arguments": [{}, {"identifier": "1"}, {"broadcast_id": 10}],
    "confirm_token": [Mined("token", 0), Mined("token", 1), Mined("state", 0), Mined("operation", 0), "yes", "",
        "a" * 32],
    "dry_run": [True, False, "no", 0], "allow_repeat": [True, True, False, "yes"],
    "email_add_duplicates": [True, False], "email_ignore_missing": [True], "id_ignore_missing": [True],
    "tz_match_enabled": [True], "queue_draft": [True], "auto_create": [True], "disabled": [True, False],
}  # fmt: skip

_ITEMS: list[dict[str, Any]] = [
    *({"type": "person", "action": action, "identifiers": who}
      for action in ("identify", "delete", "suppress", "unsuppress")
      for who in ({"id": "1"}, {"email": "ada@example.com"}, {"email": THIEF}, {"phone": "+15550100001"},
          {"id": "new-1"})),
    *({"type": "person", "action": "identify", "identifiers": {"id": "ada-1"},
        "attributes": each} for each in _ATTRIBUTES),
    *({"type": "person", "action": "event", "name": "seen", "identifiers": {"id": "ada-1"},
        "attributes": each} for each in _DATA),
    *({"type": "person", "action": action, "identifiers": {"id": "ada-1"}, "device": each}
      for action in ("add_device", "delete_device") for each in _DEVICES),
    *({"type": "person", "action": "identify", "identifiers": who, "attributes": {"id": "ada-1"}}
      for who in ({"email": THIEF}, {"phone": "+15559990000"})),
    {"type": "person", "action": "merge", "primary": {"id": "1"}, "secondary": {"id": "ada-1"}},
    {"type": "person", "action": "merge", "primary": {"email": THIEF}, "secondary": {"email": "ada@example.com"}},
    {"type": "person", "action": "add_relationships", "identifiers": {"id": "1"}, "cio_relationships": _RELATED[2]},
    *({"type": "object", "action": action, "identifiers": {"object_type_id": "1", "object_id": "acme"},
        "cio_relationships": each}
      for action in ("identify", "add_relationships", "delete_relationships") for each in (*_RELATED[:2], _RELATED[3])),
    {"type": "object", "action": "identify", "identifiers": {"object_type_id": "1", "object_id": "acme"},
        "attributes": {"seats": 6}},
    {"type": "object", "action": "delete", "identifiers": {"object_type_id": "1", "object_id": "acme"}},
    ARGUMENTS["apply_entity"],
]  # fmt: skip
_PUSH = {"transactional_message_id": 2, "identifiers": {"id": "ada-1"}}
# Calls in which several arguments must fit each other, beside the least that each tool takes.
MORE: Mapping[str, list[dict[str, Any]]] = {
    "apply_entity": _ITEMS,
    "apply_batch": [{"batch": [one]} for one in _ITEMS] + [{"batch": [_ITEMS[0], other]} for other in _ITEMS[1:]],
    "send_email": [
        {"transactional_message_id": 1, "to": "person1@example.com", "identifiers": {"id": "1"}},
        {"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"email": "ada@example.com"}},
        {"transactional_message_id": 1, "to": THIEF, "identifiers": {"email": THIEF}},
        {"transactional_message_id": 1, "to": THIEF, "identifiers": {"id": "ada-1"}},
        {"to": "ada@example.com", "identifiers": {"id": "ada-1"}, "from": THIEF, "subject": "Hi", "body": "x"},
        *({"transactional_message_id": 1, "to": to, "identifiers": {"id": "ada-1"}} for to in _LISTS[6:]),
        *(
            {"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}, name: to}
            for name in ("cc", "bcc", "reply_to") for to in (f"friend@{LISTED_DOMAIN}", THIEF)
        ),
    ],
    "send_push": [_PUSH | {"to": to} for to in ("all", "thief-token")] + [_PUSH | {"custom_device": _DEVICES[0]}],
    "send_sms": [
        {"transactional_message_id": 3, "identifiers": {"id": "ada-1"}},
        {"transactional_message_id": 3, "identifiers": {"id": "ada-1"}, "to": "+15559990000"},
    ],
    "trigger_broadcast": [
        {"broadcast_id": 10, "recipients": _FILTERS[2]}, {"broadcast_id": 10, "ids": ["1", "2"]},
        {"broadcast_id": 10, "emails": ["shared@example.com"], "email_add_duplicates": True},
        {"broadcast_id": 10, "emails": ["ada@example.com", "nobody@example.com"], "email_ignore_missing": True},
        {"broadcast_id": 10, "data_file_url": _URLS[0]}, {"broadcast_id": 10, "data_file_url": _URLS[2]},
        {"broadcast_id": 10, "ids": ["ada-1"]}, {"broadcast_id": 10, "ids": [str(number) for number in range(1, 13)]},
    ],
    "schedule_newsletter": [
        *({"newsletter_id": 1, "scheduled_at": Later(hours), "timezone": "UTC"} for hours in (2, 5, 20)),
        {"newsletter_id": 1, "scheduled_at": 0},
    ],
    "track_event": [{"identifier": "ada-1", "name": "seen", "data": each} for each in _DATA],
    "track_anonymous_event": [
        {"name": "seen", "data": {"recipient": THIEF}},
        {"name": "seen", "data": {"recipient": THIEF, "Recipient": f"friend@{LISTED_DOMAIN}"}},
    ],
    "submit_form": [{"form_id": "contact", "data": each} for each in _DATA[:1] + _DATA[-5:-1]],
    "identify_person": [
        {"identifier": f"cio_{THIEF}"},
        {"identifier": "ada-1", "email": THIEF}, {"identifier": THIEF, "id": "ada-1"}, {"identifier": "cio_a3000001",
            "email": THIEF},
        {"identifier": "ada@example.com", "id": "ada-2"}, {"identifier": "new-2",
            "attributes": {"phone": "+15559990000"}},
    ],
    "create_collection": [{"name": "made", "url": each} for each in _URLS],
    "update_collection": [{"collection_id": 1, "url": each} for each in _URLS[:3]],
    "create_reporting_webhook": [{"name": "w", "endpoint": each, "events": ["email_sent"]} for each in _URLS],
    "get_operation": [{"operation": each} for each in MENU["operation"]],
    "reconcile_operation": [{"operation": each} for each in MENU["operation"]],
    "get_person_attributes": [{"customer_id": "ada-1"}, {"customer_id": "ada@example.com", "id_type": "email"}],
    "list_person_messages": [{"customer_id": "ada-1"}],
}  # fmt: skip
