"""Answers as hosts pass them on: of every shape that is drawn, and of some that nobody should be able to draw with."""

import math
from typing import Any

Json = dict[str, Any]
OPERATION = "01M8J7K3A062G4YVHSA701DWE5"
"""Made on 28 November 2026."""
HOSTILE = "<img src=x onerror=\"parent.postMessage('canary','*')\"><script>window.canary = 1</script>"
TURNED = "pay\u202egnp.exe\u200b"
LONG = "a-name-without-a-single-space-" * 20
DAY = 86_400


def answer(data: Any, *, is_error: bool = False) -> Json:
    """Return the result of a call."""
    meta = {"cio-mcp/call": {"operation": OPERATION, "attempts": 1, "waited_seconds": 0}}
    return {"content": [{"type": "text", "text": "…"}], "structuredContent": data, "isError": is_error, "_meta": meta}


def metrics(periods: int = 30) -> Json:
    """Return the metrics of something that sends more on weekdays, with one bad day."""
    sent = [round(820 + 240 * math.sin(at / 3.1) + (at % 7 not in (5, 6)) * 260) for at in range(periods)]
    bounced = [round(each * (0.18 if at == periods - 9 else 0.021)) for at, each in enumerate(sent)]
    delivered = [each - lost for each, lost in zip(sent, bounced, strict=True)]
    opened = [round(each * (0.36 + 0.05 * math.cos(at / 4))) for at, each in enumerate(delivered)]
    clicked = [round(each * 0.21) for each in opened]
    series: dict[str, list[int]] = {
        "attempted": [0] * periods,
        "bounced": bounced,
        "clicked": clicked,
        "converted": [round(each * 0.3) for each in clicked],
        "created": sent,
        "delivered": delivered,
        "failed": [0] * periods,
        "opened": opened,
        "sent": sent,
        "spammed": [int(at % 11 == 0) for at in range(periods)],
        "unsubscribed": [each // 200 for each in delivered],
    }
    return {"metric": {"series": series}}


def timeline(*, bad: bool = False) -> Json:
    """Return what became of a message."""
    begun = [
        {"metric": "drafted", "at": "2026-11-27 08:59:12 UTC"},
        {"metric": "attempted", "at": "2026-11-27 09:00:00 UTC"},
        {"metric": "sent", "at": "2026-11-27 09:00:02 UTC"},
    ]
    ended = [
        {"metric": "delivered", "at": "2026-11-27 09:00:09 UTC"},
        {"metric": "opened", "at": "2026-11-27 11:42:40 UTC"},
        {"metric": "clicked", "at": "2026-11-27 11:43:15 UTC", "url": "https://shop.example/autumn?<redacted>"},
        {"metric": "converted", "at": "2026-11-28 07:10:00 UTC"},
    ]
    failed = [
        {"metric": "deferred", "at": "2026-11-27 09:00:04 UTC", "failure_message": "421 4.7.0 Try again later"},
        {"metric": "bounced", "at": "2026-11-27 13:20:31 UTC", "failure_message": "550 5.1.1 No such user here"},
    ]
    return {
        "delivery_id": "dgOq6QUEAAGM7Wqk1hVmZkYz",
        "object_type": "email",
        "identifiers": {"id": "ada-1", "email": "ada@example.com"},
        "recipient": "ada@example.com",
        "subject": "Your autumn offer",
        "campaign_id": 12,
        "timeline": begun + (failed if bad else ended),
    }


def plan(**changed: Any) -> Json:
    """Return a plan as a call that must be confirmed answers with it."""
    told: Json = {
        "tool": "trigger_broadcast",
        "permission": "send",
        "does": "Send a broadcast to its audience, now.",
        "asked_because": ["it sends to an audience"],
        "workspace": "shop",
        "key": "app",
        "audience": 12_840,
        "of": 52_310,
        "undo": "No. What has been sent cannot be called back.",
        "usually_meant_instead": [
            "For one person: send_email.",
            "To try first: ids or emails of people who know of the test.",
        ],
        "found_now": {
            "broadcast": "10, running, 1 message(s)",
            "triggered_before": 3,
            "last_triggered": "2026-11-20 10:00 UTC",
            "subscribed": True,
        },
        "not_known": ["Who of them has unsubscribed: the API counts them with the others."],
        "request": {
            "method": "POST",
            "host": "https://api.customer.io",
            "path": "/v1/campaigns/10/triggers",
            "headers": {"Authorization": "Bearer ***", "Content-Type": "application/json"},
            "body": {"recipients": {"segment": {"id": 7}}, "data": {"headline": "Autumn sale", "discount": 20}},
            "bytes": 96,
        },
        "written_by_others": [
            {"what": "broadcast", "text": '"Price change"'},
            {"what": "segment 7", "text": '"Newsletter readers"'},
        ],
    }
    return told | changed


def asked(**changed: Any) -> Json:
    """Return the answer to a call that waits for its confirmation."""
    return answer(
        {
            "error": {
                "code": "confirmation_needed",
                "message": "trigger_broadcast must be confirmed, because it sends to an audience. Nothing was sent.",
                "next_step": "Show the plan to the user.",
                "confirm_token": "canary-confirm-token",
                "plan": plan(**changed),
            }
        },
        is_error=True,
    )
