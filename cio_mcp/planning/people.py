"""Surveys of calls that touch people by name: deletions, suppressions, merges, devices, batches of entities."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cio_mcp.catalog.endpoint import Access
from cio_mcp.catalog.entities import ApplyBatch, ApplyEntity, items_of
from cio_mcp.catalog.identifiers import lookup_of
from cio_mcp.catalog.people import DeleteDevice, DeletePerson, MergePeople, SuppressPerson
from cio_mcp.catalog.variants import access_of
from cio_mcp.planning.answers import member, moment, rows, word
from cio_mcp.planning.inquiry import Inquiry
from cio_mcp.policy.items import touch_of

MOST_ITEMS = 3
"""Items of a batch whose people are looked up."""
_MEANT = ("type", "action", "identifiers", "primary", "secondary", "device")
"""Members of an item that say what would be done to whom."""
_SEGMENTS_NAMED = 3
_NOBODY = "there is no such person now"


def by_kind(identifiers: Mapping[str, Any]) -> dict[str, Any]:
    """Name a person as the App API wants, from an object with one identifier."""
    [(kind, value)] = identifiers.items()
    return {"customer_id": value, "id_type": kind}


async def person(params: DeletePerson | SuppressPerson, inquiry: Inquiry) -> None:
    """Survey the deletion or suppression of a person."""
    inquiry.audience = await profile(inquiry, "person", lookup_of(params.identifier))
    if inquiry.audience == 0 and isinstance(params, SuppressPerson):
        inquiry.facts["even_so"] = "the identifier would be blocked from ever being added"


async def merge(params: MergePeople, inquiry: Inquiry) -> None:
    """Survey a merge: both people, and whether anything would happen."""
    found = await _merged(inquiry, "", params.primary, params.secondary)
    inquiry.audience = None if None in found else sum(each or 0 for each in found)
    if 0 in found:
        inquiry.audience = 0
        inquiry.facts["effect"] = "none: one of the two does not exist, although the call would be accepted"


async def _merged(
    inquiry: Inquiry, prefix: str, primary: Mapping[str, Any], secondary: Mapping[str, Any]
) -> list[int | None]:
    labels = {f"{prefix}primary, who stays": primary, f"{prefix}secondary, who is deleted": secondary}
    found = [await profile(inquiry, label, by_kind(who)) for label, who in labels.items()]
    first, second = (inquiry.target.get(label) for label in labels)
    if first and first == second and found == [1, 1]:
        inquiry.facts[f"{prefix}same"] = "both identifiers are of the same person"
    return found


async def device(params: DeleteDevice, inquiry: Inquiry) -> None:
    """Survey the removal of a device: whose it is, and whether it is theirs at all."""
    inquiry.audience = await profile(inquiry, "person", lookup_of(params.identifier), device=params.device_id)


async def entity(params: ApplyEntity | ApplyBatch, inquiry: Inquiry) -> None:
    """Survey items: how many of what, and for the first destructive ones the people they would touch."""
    items = items_of(params)
    harmful = [(place, item) for place, item in enumerate(items) if access_of(item) is Access.DESTRUCTIVE]
    inquiry.audience = _audience(items)
    inquiry.facts["items"] = len(items)
    inquiry.facts["by_action"] = dict(Counter(f"{item['type']} {item['action']}" for item in items))
    inquiry.facts["items_that_cannot_be_undone"] = len(harmful)
    inquiry.target["items"] = [[item.get(name) for name in _MEANT] for _, item in harmful]
    people = [(place, item) for place, item in harmful if item["type"] == "person"]
    for place, item in people[:MOST_ITEMS]:
        prefix = f"item {place}, " if isinstance(params, ApplyBatch) else ""
        if item["action"] == "merge":
            await _merged(inquiry, prefix, item["primary"], item["secondary"])
        else:
            token = item["device"]["token"] if item["action"] == "delete_device" else None
            await profile(inquiry, f"{prefix}person", by_kind(item["identifiers"]), device=token)
    if len(people) > MOST_ITEMS:
        inquiry.remark(
            f"people of the other {len(people) - MOST_ITEMS:,} such items: only the first {MOST_ITEMS} are looked up, "
            "and that others changed goes unseen."
        )


def _audience(items: Iterable[Mapping[str, Any]]) -> int | None:
    """Count the people whom items change and the addresses that events write out; None if one cannot be counted."""
    written = [touch.count for item in items if (touch := touch_of(item)) and touch.written]
    beside = [None if count is None else count - 1 for count in written]
    return None if None in beside else len(set(_touched(items))) + sum(filter(None, beside))


def _touched(items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a key for every person whom items change: themselves, or whom they relate an object to."""
    for item in items:
        named = [item.get("identifiers"), item.get("primary"), item.get("secondary")]
        if item["type"] != "person":
            named = [each["identifiers"] for each in item.get("cio_relationships", ())]
        yield from (json.dumps(who, sort_keys=True) for who in named if who)


async def profile(inquiry: Inquiry, label: str, asked: Mapping[str, Any], *, device: str | None = None) -> int | None:
    """Look a person up and note what a reader should know; return how many there are: 0, 1, or None if unknown."""
    seen = await inquiry.ask(label, "get_person_attributes", **asked)
    customer = member(seen.data, "customer")
    if seen.absent:
        inquiry.facts[label] = _NOBODY
        inquiry.target[label] = None
        return 0
    if not customer:
        inquiry.target[label] = "not known"
        return None
    identifiers = member(customer, "identifiers")
    attributes = member(customer, "attributes")
    inquiry.target[label] = {kind: identifiers.get(kind) for kind in ("cio_id", "id", "email")}
    facts = {
        "known_by": [kind for kind in ("id", "email", "phone") if identifiers.get(kind) or attributes.get(kind)],
        "unsubscribed": customer.get("unsubscribed") is True,
        "created": moment(attributes.get("created_at")),
        "attributes": len(attributes),
        "devices": len(rows(customer, "devices")),
    }
    inquiry.facts[label] = facts
    for kind in ("id", "email"):
        inquiry.name(f"{label}, {kind}", identifiers.get(kind))
    if device is None:
        await _history(inquiry, label, asked, facts)
    else:
        facts["this_device"] = _device(rows(customer, "devices"), device)
    return 1


async def _history(inquiry: Inquiry, label: str, asked: Mapping[str, Any], facts: dict[str, Any]) -> None:
    seen = await inquiry.ask(f"segments of the {label}", "list_person_segments", **asked)
    if seen.known:
        found = rows(seen.data, "segments")
        facts["segments"] = len(found)
        for segment in found[:_SEGMENTS_NAMED]:
            inquiry.name("segment they are in", segment.get("name"))
    seen = await inquiry.ask(f"messages of the {label}", "list_person_messages", **asked)
    if seen.known:
        found = rows(seen.data, "messages")
        more = bool((seen.data or {}).get("next"))
        facts["messages_in_6_months"] = f"{len(found)} or more" if more else len(found)
        times = [row["created"] for row in found if isinstance(row.get("created"), int)]
        facts["last_message"] = moment(max(times)) if times else "none"


def _device(devices: Iterable[Mapping[str, Any]], token: str) -> str:
    for each in devices:
        if each.get("id") == token:
            return f"{word(each.get('platform'))}, last used {moment(each.get('last_used')) or 'at a time not known'}"
    return "the person has no such device now"
