"""Surveys of calls that change where Customer.io sends events: from where to where, which, and how much of them."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cio_mcp.catalog.webhooks import EVENTS, METRICS, DeleteReportingWebhook, UpdateReportingWebhook, Webhook
from cio_mcp.planning.answers import member
from cio_mcp.planning.inquiry import Inquiry

# What can stand in a host name as it goes over the wire (RFC 1123, section 2.1), and in an address.
_HOST = re.compile(r"[A-Za-z0-9.:-]{1,253}")


def host_of(url: Any) -> str:
    """Return the host of a URL, if it can be shown as it is."""
    try:
        host = urlsplit(url).hostname if isinstance(url, str) else None
    except ValueError:
        host = None
    return host if host and _HOST.fullmatch(host) else "a host that cannot be shown"


async def creation(params: Webhook, inquiry: Inquiry) -> None:
    """Survey a new webhook, of which nothing is there to be read yet."""
    inquiry.facts["would_send"] = _described(params.model_dump(mode="json"))
    inquiry.target["webhook"] = None


async def update(params: UpdateReportingWebhook, inquiry: Inquiry) -> None:
    """Survey a change: what the webhook sends now and would send."""
    now = await _now(params.webhook_id, inquiry)
    inquiry.facts["would_send"] = _described(params.model_dump(mode="json"))
    if now:
        inquiry.facts["changes"] = _changes(now, params) or ["nothing"]


async def deletion(params: DeleteReportingWebhook, inquiry: Inquiry) -> None:
    """Survey a deletion: what would no longer be sent, and where to."""
    await _now(params.webhook_id, inquiry)


async def _now(webhook_id: int, inquiry: Inquiry) -> dict[str, Any]:
    seen = await inquiry.ask("webhook", "get_reporting_webhook", webhook_id=webhook_id)
    inquiry.target["webhook"] = None
    if seen.absent:
        inquiry.facts["webhook"] = "there is no such webhook now"
        return {}
    # The reference shows the bare object; the list's members are named the same.
    found = member(seen.data, "reporting_webhook") or seen.data or {}
    inquiry.target["webhook"] = found or "not known"
    if found:
        inquiry.facts["sends_now"] = _described(found)
        inquiry.name("webhook", found.get("name"))
    return found


def _described(settings: Mapping[str, Any]) -> dict[str, Any]:
    events = _events(settings)
    about = [channel for channel in METRICS if any(event.startswith(f"{channel}_") for event in events)]
    return {
        "to_host": host_of(settings.get("endpoint")),
        "events": len(events),
        "about": about,
        "message_bodies_too": settings.get("with_content") is True,
        "disabled": settings.get("disabled") is True,
    }


def _events(settings: Mapping[str, Any]) -> list[str]:
    given = settings.get("events")
    return [event for event in EVENTS if event in given] if isinstance(given, list) else []


def _changes(now: Mapping[str, Any], params: Webhook) -> list[str]:
    then = params.model_dump(mode="json")
    before, after = set(_events(now)), set(_events(then))
    found = []
    if now.get("endpoint") != params.endpoint:
        moved = host_of(now.get("endpoint")) != host_of(params.endpoint)
        found.append("the host" if moved else "the address, on the same host")
    found += [f"no longer {event}" for event in sorted(before - after)]
    found += [f"newly {event}" for event in sorted(after - before)]
    # What is not given on an update is taken for off.
    switches = ("disabled", "full_resolution", "with_content")
    found += [f"{name} {'on' if then[name] else 'off'}" for name in switches if bool(now.get(name)) != bool(then[name])]
    return found
