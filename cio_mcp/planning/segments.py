"""Surveys of calls that change segments: who is put in or taken out, and what else reads them."""

from typing import Any

from cio_mcp.catalog.segments import DeleteSegment, Members
from cio_mcp.planning.answers import member, number, numbers, rows, word
from cio_mcp.planning.audience import in_segment, members
from cio_mcp.planning.inquiry import Count, Inquiry

_IDS_SHOWN = 10
_NAMED = 4


async def membership(params: Members, inquiry: Inquiry) -> None:
    """Survey people being put into a segment or taken out."""
    given = len(params.ids)
    inquiry.audience = len(set(params.ids))
    inquiry.facts["people_given"] = f"{given:,}, not looked up one by one: unknown ones are ignored silently"
    if await _segment(params.segment_id, inquiry):
        await _users(params.segment_id, inquiry)


async def deletion(params: DeleteSegment, inquiry: Inquiry) -> None:
    """Survey the deletion of a segment: who is in it, and which campaigns and newsletters use it."""
    if not await _segment(params.segment_id, inquiry):
        return
    people = inquiry.audience = number(inquiry.facts.get("people_in_it_now"))
    who = await members(inquiry, params.segment_id, people)
    inquiry.groups[f"people in segment {params.segment_id}"] = Count(people=people, who=who, segment=params.segment_id)
    inquiry.target["used_by"] = await _users(params.segment_id, inquiry)


async def _segment(segment_id: int, inquiry: Inquiry) -> bool:
    """Note a segment's kind and size; return whether it may be there."""
    seen = await inquiry.ask(f"segment {segment_id}", "get_segment", segment_id=segment_id)
    inquiry.target["segment"] = None
    if seen.absent:
        inquiry.facts["segment"] = "there is no such segment now"
        inquiry.audience = 0
        return False
    segment = member(seen.data, "segment")
    kind = word(segment.get("type")) if segment else "not known"
    inquiry.target["segment"] = [segment_id, segment.get("name"), kind]
    inquiry.facts["segment"] = f"{segment_id}, {kind}"
    if kind == "dynamic":
        inquiry.facts["but"] = "people cannot be put into dynamic segments by hand, and only manual ones are deleted"
    inquiry.name(f"segment {segment_id}", segment.get("name"))
    inquiry.facts["people_in_it_now"] = await in_segment(inquiry, segment_id)
    return True


async def _users(segment_id: int, inquiry: Inquiry) -> dict[str, list[int]]:
    """Note what uses a segment, and of running campaigns and broadcasts their names."""
    seen = await inquiry.ask(f"what uses segment {segment_id}", "get_segment_used_by", segment_id=segment_id)
    used = {word(kind): numbers(ids) for kind, ids in member(seen.data, "used_by").items()}
    if not seen.known:
        return {}
    inquiry.facts["used_by"] = {kind: _listed(ids) for kind, ids in used.items()}
    if used.get("campaigns"):
        inquiry.facts["running_now"] = await _running(used["campaigns"], inquiry) or "none of them"
    inquiry.remark("broadcasts that use it, unless they stand among the campaigns: the API has no list of them.")
    return used


def _listed(ids: list[int]) -> str:
    shown = ", ".join(map(str, ids[:_IDS_SHOWN]))
    more = f" and {len(ids) - _IDS_SHOWN:,} more" if len(ids) > _IDS_SHOWN else ""
    return f"{len(ids)} ({shown}{more})" if ids else "none"


async def _running(ids: list[int], inquiry: Inquiry) -> list[str]:
    """Return which of these run.

    Broadcasts share the numbers of campaigns: they are triggered as such (App API reference, "Trigger a broadcast").
    """
    found: list[str] = []
    for kind in ("campaign", "broadcast"):
        seen = await inquiry.ask(f"{kind}s that use it", f"list_{kind}s")
        for row in rows(seen.data, f"{kind}s"):
            if row.get("id") in ids and is_running(row):
                found.append(f"{kind} {row['id']}")
                if len(found) <= _NAMED:
                    inquiry.name(f"{kind} {row['id']}", row.get("name"))
    return found


def is_running(row: dict[str, Any]) -> bool:
    """Say whether a campaign or a broadcast runs."""
    return row.get("active") is True or row.get("state") == "running"
