"""Surveys of calls that send to an audience: broadcasts and newsletters."""

from typing import Any

from cio_mcp.catalog.messaging import RateLimited, ScheduleNewsletter, TriggerBroadcast
from cio_mcp.planning import audience
from cio_mcp.planning.answers import member, moment, numbers, on_clock, rows, word
from cio_mcp.planning.inquiry import Inquiry
from cio_mcp.planning.webhooks import host_of
from cio_mcp.shaping import compact


async def broadcast(params: TriggerBroadcast, inquiry: Inquiry) -> None:
    """Survey the triggering of a broadcast: its state, its earlier triggers, whom it would reach."""
    seen = await inquiry.ask("broadcast", "get_broadcast", broadcast_id=params.broadcast_id)
    found = member(seen.data, "broadcast")
    inquiry.target["broadcast"] = {
        name: found.get(name) for name in ("id", "name", "state", "active", "msg_template_ids", "actions", "updated")
    }
    if seen.absent:
        inquiry.facts["broadcast"] = "there is no such broadcast now"
        inquiry.audience = 0
        return
    if found:
        inquiry.facts["broadcast"] = _state(found)
        inquiry.name("broadcast", found.get("name"))
    await _triggers(params.broadcast_id, inquiry)
    await _reach(params, found, inquiry)
    await audience.in_all(inquiry)


def _state(found: dict[str, Any]) -> str:
    state = f"{found.get('id')}, {word(found.get('state'))}, {len(rows(found, 'actions'))} message(s)"
    return state if found.get("active") is not False else f"{state}; inactive, so Customer.io would refuse"


async def _triggers(broadcast_id: int, inquiry: Inquiry) -> None:
    seen = await inquiry.ask("earlier triggers", "list_broadcast_triggers", broadcast_id=broadcast_id)
    if not seen.known:
        return
    found = rows(seen.data, "triggers")
    times = [row["created_at"] for row in found if isinstance(row.get("created_at"), int)]
    inquiry.facts["triggered_before"] = len(found)
    if times:
        inquiry.facts["last_triggered"] = moment(max(times)) or "at a time not known"


async def _reach(params: TriggerBroadcast, found: dict[str, Any], inquiry: Inquiry) -> None:
    listed = params.ids or params.emails or params.per_user_data
    if params.recipients is not None:
        await _filtered(params.recipients, inquiry)
    elif listed:
        _listed(params, listed, inquiry)
    elif params.data_file_url is not None:
        inquiry.facts["goes_to"] = f"whoever a file names that Customer.io fetches from {host_of(params.data_file_url)}"
        inquiry.remark("whom it reaches: only Customer.io reads the file.")
    elif segments := numbers(found.get("recipient_segment_ids")):
        inquiry.facts["goes_to"] = "the audience set in Customer.io"
        inquiry.target["segments"] = segments
        inquiry.audience = await audience.of_segments(inquiry, segments)
    else:
        inquiry.facts["goes_to"] = "the audience set in Customer.io, however large it is"
        inquiry.remark("whom it reaches: the audience set in Customer.io cannot be read through the API.")


async def _filtered(recipients: dict[str, Any], inquiry: Inquiry) -> None:
    inquiry.facts["goes_to"] = "the people of a filter"
    count = await audience.matching(inquiry, "people of the filter", recipients)
    inquiry.audience = count.people
    inquiry.groups["people of the filter"] = count
    if count.more_than:
        inquiry.facts["people_of_the_filter"] = f"more than {count.more_than:,}"
        inquiry.target["more_than"] = count.more_than


def _listed(params: TriggerBroadcast, listed: list[Any], inquiry: Inquiry) -> None:
    kind = "id" if params.ids else "e-mail" if params.emails else "person"
    keys = {compact({k: v for k, v in e.items() if k != "data"}) if isinstance(e, dict) else e for e in listed}
    inquiry.audience = len({key.lower() for key in keys} if params.emails else keys)
    inquiry.facts["goes_to"] = f"a list of {len(listed):,}, one {kind} each; they are not looked up one by one"
    if inquiry.audience < len(listed):
        inquiry.facts["in_the_list_twice"] = len(listed) - inquiry.audience
    if params.email_add_duplicates:
        inquiry.audience = None  # how many share an address, only Customer.io knows
        inquiry.facts["at_least"] = "everybody who shares an e-mail address gets it too"
    if not (params.id_ignore_missing and params.email_ignore_missing):
        inquiry.facts["one_unknown"] = "fails the whole broadcast, unless the flags of the call say otherwise"


async def newsletter(params: RateLimited, inquiry: Inquiry) -> None:
    """Survey the sending, planning or cancelling of a newsletter: its state, and how many people it means."""
    seen = await inquiry.ask("newsletter", "get_newsletter", newsletter_id=params.newsletter_id)
    found = member(seen.data, "newsletter")
    segments = numbers(found.get("recipient_segment_ids"))
    inquiry.target["newsletter"] = {
        name: found.get(name)
        for name in ("id", "name", "type", "content_ids", "updated", "sent_at", "subscription_topic_id")
    } | {"segments": segments}
    if seen.absent:
        inquiry.facts["newsletter"] = "there is no such newsletter now"
        inquiry.audience = 0
        return
    if found:
        inquiry.facts["newsletter"] = f"{found.get('id')}, {word(found.get('type'))}, {_sent(found)}"
        inquiry.name("newsletter", found.get("name"))
    if isinstance(params, ScheduleNewsletter):
        inquiry.facts["when"] = _when(params)
        if params.scheduled_at == 0:
            inquiry.audience = 0
            return
    if segments:
        inquiry.audience = await audience.of_segments(inquiry, segments)
        await audience.in_all(inquiry)
    elif found:
        inquiry.remark("whom it reaches: it names no segment, and other audiences cannot be read through the API.")


def _sent(found: dict[str, Any]) -> str:
    if when := moment(found.get("sent_at")):
        return f"sent already on {when}, so Customer.io would refuse"
    if "scheduled_at" not in found:
        return "not sent yet; whether it is planned, the API does not tell"
    planned = moment(found.get("scheduled_at"))
    return f"planned for {planned}" if planned else "not sent yet"


def _when(params: ScheduleNewsletter) -> str:
    """Return when it goes, by the clock of the zone that was given: with `tz_match_enabled` nothing else counts."""
    if params.scheduled_at == 0:
        return "never: its plan would be cancelled, and nobody gets it"
    in_utc = moment(params.scheduled_at) or "a time that is none"
    local = on_clock(params.scheduled_at, params.timezone)
    if params.tz_match_enabled:
        clock = local or f"what {params.timezone} shows at {in_utc}"
        return f"{clock}, on each person's own clock"
    return f"{local} in {params.timezone} ({in_utc})" if local else in_utc
