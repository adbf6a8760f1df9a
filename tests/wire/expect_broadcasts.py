"""App API, broadcasts, newsletters and campaigns: https://docs.customer.io/api/app/.

A broadcast is read under /v1/broadcasts, but triggered and followed up under /v1/campaigns.
"""

from functools import partial
from typing import Final

from tests.wire.case import NO_MEMBERS, Case

_trigger = partial(Case, tool="trigger_broadcast", method="POST", path="/v1/campaigns/4/triggers", auth="bearer")
_send = partial(Case, tool="send_newsletter", method="POST", path="/v1/newsletters/9/send", auth="bearer")
_schedule = partial(Case, tool="schedule_newsletter", method="POST", path="/v1/newsletters/9/schedule", auth="bearer")
_read = partial(Case, method="GET", auth="bearer")

RECIPIENTS: Final = {
    "and": [
        {"segment": {"id": 7}},
        {"or": [{"attribute": {"field": "interest", "operator": "eq", "value": "roadrunners"}}]},
        {"not": {"attribute": {"field": "state", "operator": "exists"}}},
    ]
}

TRIGGER: Final = (
    _trigger(id="audience set in the UI", arguments={"broadcast_id": 4}, body=NO_MEMBERS),
    _trigger(
        id="audience set in the UI, with data",
        arguments={"broadcast_id": "4", "data": {"headline": "Hello", "date": 1511315635}},
        body={"data": {"headline": "Hello", "date": 1511315635}},
    ),
    _trigger(
        id="recipients by filter",
        arguments={"broadcast_id": 4, "data": {"headline": "Hello"}, "recipients": RECIPIENTS},
        body={"data": {"headline": "Hello"}, "recipients": RECIPIENTS},
    ),
    _trigger(
        id="emails with every flag they take",
        arguments={
            "broadcast_id": 4,
            "emails": ["a+b@example.com", "josé@example.com"],
            "data": {"headline": "Hello"},
            "email_ignore_missing": True,
            "email_add_duplicates": False,
        },
        body={
            "emails": ["a+b@example.com", "josé@example.com"],
            "data": {"headline": "Hello"},
            "email_ignore_missing": True,
            "email_add_duplicates": False,
        },
    ),
    _trigger(
        id="ids with the flag they take, numbers for ids",
        arguments={"broadcast_id": 4, "ids": [1, "wiley"], "id_ignore_missing": True},
        body={"ids": ["1", "wiley"], "id_ignore_missing": True},
    ),
    _trigger(
        id="data per person with every flag",
        arguments=(
            full := {
                "broadcast_id": 4,
                "per_user_data": [
                    {"id": "wiley", "data": {"voucher_code": "FESwYm"}},
                    {"email": "road@example.com", "data": {"voucher_code": "cYm6XJ", "left": None}},
                ],
                "data": {"headline": "Hello"},
                "email_ignore_missing": True,
                "email_add_duplicates": True,
                "id_ignore_missing": True,
            }
        ),
        body={name: value for name, value in full.items() if name != "broadcast_id"},
    ),
    _trigger(
        id="data from a file",
        arguments={
            "broadcast_id": 4,
            "data_file_url": "https://example.com/people.jsonl?a=1&b=%20",
            "id_ignore_missing": False,
        },
        body={
            "data_file_url": "https://example.com/people.jsonl?a=1&b=%20",
            "id_ignore_missing": False,
        },
    ),
    _trigger(
        id="objects as JSON text",
        arguments={
            "broadcast_id": 4,
            "data": '{"headline": "Hello"}',
            "recipients": '{"segment": {"id": 3}}',
        },
        body={"data": {"headline": "Hello"}, "recipients": {"segment": {"id": 3}}},
    ),
)

NEWSLETTERS: Final = (
    _send(id="at once", arguments={"newsletter_id": "9"}, body=NO_MEMBERS),
    _send(
        id="every documented member",
        arguments={
            "newsletter_id": 9,
            "rate_limit_email_rate": 500,
            "rate_limit_time_period": 3600,
            "rate_limit_spread": True,
        },
        body={"rate_limit_email_rate": 500, "rate_limit_time_period": 3600, "rate_limit_spread": True},
    ),
    _schedule(id="descheduled", arguments={"newsletter_id": 9, "scheduled_at": 0}, body={"scheduled_at": 0}),
    _schedule(
        id="every documented member",
        arguments={
            "newsletter_id": 9,
            "scheduled_at": 4102444800,
            "timezone": "America/New_York",
            "tz_match_enabled": True,
            "rate_limit_email_rate": 500,
            "rate_limit_time_period": 60,
            "rate_limit_spread": False,
        },
        body={
            "scheduled_at": 4102444800,
            "timezone": "America/New_York",
            "tz_match_enabled": True,
            "rate_limit_email_rate": 500,
            "rate_limit_time_period": 60,
            "rate_limit_spread": False,
        },
    ),
    _schedule(
        id="time as ISO 8601",
        arguments={
            "newsletter_id": 9,
            "scheduled_at": "2099-12-31T19:00:00-05:00",
            "timezone": "America/New_York",
        },
        body={"scheduled_at": 4102444800, "timezone": "America/New_York"},
    ),
)

BROADCASTS: Final = (
    _read(tool="list_broadcasts", id="all", arguments={}, path="/v1/broadcasts"),
    _read(tool="get_broadcast", id="by number", arguments={"broadcast_id": 4}, path="/v1/broadcasts/4"),
    _read(tool="get_broadcast", id="as text", arguments={"broadcast_id": "4"}, path="/v1/broadcasts/4"),
    _read(
        tool="get_broadcast_trigger",
        id="by number",
        arguments={"broadcast_id": 4, "trigger_id": 3},
        path="/v1/campaigns/4/triggers/3",
    ),
    _read(
        tool="get_broadcast_trigger",
        id="numbers as text",
        arguments={"broadcast_id": "4", "trigger_id": "3"},
        path="/v1/campaigns/4/triggers/3",
    ),
    _read(
        tool="list_broadcast_trigger_errors",
        id="first page",
        arguments={"broadcast_id": 4, "trigger_id": 3},
        path="/v1/campaigns/4/triggers/3/errors",
    ),
    _read(
        tool="list_broadcast_trigger_errors",
        id="every documented member",
        arguments={"broadcast_id": "4", "trigger_id": 3, "start": "50", "limit": 20},
        path="/v1/campaigns/4/triggers/3/errors",
        query={"start": "50", "limit": "20"},
    ),
    _read(
        tool="list_broadcast_trigger_errors",
        id="the next page as the answer names it, a number",
        arguments={"broadcast_id": 4, "trigger_id": 3, "start": 50},
        path="/v1/campaigns/4/triggers/3/errors",
        query={"start": "50"},
    ),
    _read(
        tool="get_broadcast_metrics",
        id="defaults are left to Customer.io",
        arguments={"broadcast_id": 4},
        path="/v1/broadcasts/4/metrics",
    ),
    _read(
        tool="get_broadcast_metrics",
        id="every documented member",
        arguments={"broadcast_id": "4", "period": "weeks", "steps": 12, "type": "twilio"},
        path="/v1/broadcasts/4/metrics",
        query={"period": "weeks", "steps": "12", "type": "twilio"},
    ),
)

_listed = partial(_read, tool="list_broadcast_triggers", path="/v1/broadcasts/4/triggers")
_acting = partial(_read, tool="list_broadcast_actions", path="/v1/broadcasts/4/actions")

FOLLOW_UP: Final = (
    _listed(id="by number", arguments={"broadcast_id": 4}),
    _listed(id="as text", arguments={"broadcast_id": "4"}),
    _acting(id="by number", arguments={"broadcast_id": 4}),
    _acting(id="as text", arguments={"broadcast_id": "4"}),
    _acting(
        id="skipping is done here: the reference knows no paging",
        arguments={"broadcast_id": 4, "offset": 10},
    ),
)

READ_NEWSLETTERS: Final = (
    _read(tool="list_newsletters", id="first page", arguments={}, path="/v1/newsletters"),
    _read(
        tool="list_newsletters",
        id="every documented member",
        arguments={"start": "MDE+/w==", "limit": 100, "sort": "desc"},
        path="/v1/newsletters",
        query={"start": "MDE+/w==", "limit": "100", "sort": "desc"},
    ),
    _read(
        tool="list_newsletters",
        id="numbers as text",
        arguments={"limit": "20", "sort": "asc"},
        path="/v1/newsletters",
        query={"limit": "20", "sort": "asc"},
    ),
    _read(tool="get_newsletter", id="by number", arguments={"newsletter_id": 9}, path="/v1/newsletters/9"),
    _read(tool="get_newsletter", id="as text", arguments={"newsletter_id": "9"}, path="/v1/newsletters/9"),
)

CAMPAIGNS: Final = (
    _read(
        tool="list_campaign_actions",
        id="first page",
        arguments={"campaign_id": 5},
        path="/v1/campaigns/5/actions",
    ),
    _read(
        tool="list_campaign_actions",
        id="every documented member, and one that stays here",
        arguments={"campaign_id": "5", "start": "MDE+/w==", "offset": 3},
        path="/v1/campaigns/5/actions",
        query={"start": "MDE+/w=="},
    ),
    _read(tool="list_campaigns", id="all", arguments={}, path="/v1/campaigns"),
    _read(tool="get_campaign", id="by number", arguments={"campaign_id": 5}, path="/v1/campaigns/5"),
    _read(tool="get_campaign", id="as text", arguments={"campaign_id": "5"}, path="/v1/campaigns/5"),
    _read(
        tool="get_campaign_metrics",
        id="version 2 by the day unless told otherwise",
        arguments={"campaign_id": 5},
        path="/v1/campaigns/5/metrics",
        query={"version": "2", "res": "days"},
        note="without version=2 the deprecated form is answered; there, res is required",
    ),
    _read(
        tool="get_campaign_metrics",
        id="every documented member of version 2",
        arguments={
            "campaign_id": "5",
            "res": "weekly",
            "tz": "America/New_York",
            "start": 1769904000,
            "end": "2026-02-25T09:59:58Z",
            "type": "email",
        },
        path="/v1/campaigns/5/metrics",
        query={
            "version": "2",
            "res": "weekly",
            "tz": "America/New_York",
            "start": "1769904000",
            "end": "1772013598",
            "type": "email",
        },
    ),
)

CASES: Final[tuple[Case, ...]] = (
    *TRIGGER,
    *NEWSLETTERS,
    *BROADCASTS,
    *FOLLOW_UP,
    *CAMPAIGNS,
    *READ_NEWSLETTERS,
)
