"""How many people a filter or a list of segments means, and who they are, within bounds."""

from collections.abc import Iterable, Mapping
from typing import Any

from cio_mcp.planning.answers import number
from cio_mcp.planning.inquiry import Count, Inquiry
from cio_mcp.shaping import NOTE, compact

PAGE = 1_000
"""The largest page of a search (App API reference, "Search for customers")."""
MOST_PAGES = 10
MOST_LISTED = MOST_PAGES * PAGE
"""Of a larger audience it is not read who is in it. A segment's list gives up to 30,000 at once (App API reference,
"List customers in a segment")."""
PAGES_IN_ALL = 3
"""How much is read to learn how many people there are at all, which is worth less than the audience."""
MOST_SEGMENTS = 8

_HAS_EMAIL: Mapping[str, Any] = {"attribute": {"field": "email", "operator": "exists"}}
EVERYBODY: Mapping[str, Any] = {"or": [_HAS_EMAIL, {"not": _HAS_EMAIL}]}


async def matching(inquiry: Inquiry, what: str, wanted: Mapping[str, Any], *, pages: int = MOST_PAGES) -> Count:
    """Count the people of a filter: at once if it is one segment, else page by page up to a bound."""
    if set(wanted) == {"segment"}:
        return await of_segment(inquiry, wanted["segment"]["id"])
    found: list[Any] = []
    start: dict[str, str] = {}
    for _ in range(pages):
        seen = await inquiry.ask(what, "search_people", filter=dict(wanted), limit=PAGE, **start)
        listed = (seen.data or {}).get("identifiers")
        if seen.data is None or not isinstance(listed, list) or NOTE in seen.data:
            return Count()
        found += listed
        following = seen.data.get("next")
        if not following or not isinstance(following, str):
            return Count(people=len(found), who=_identified(found) if inquiry.binds else None)
        start = {"start": following}
    return Count(more_than=len(found))


def _identified(listed: Iterable[Any]) -> frozenset[str] | None:
    """Return people as they are listed; None if one of them is listed without any identifier."""
    people = [dict(sorted(each.items())) if isinstance(each, dict) else {} for each in listed]
    return frozenset(map(compact, people)) if all(any(each.values()) for each in people) else None


async def of_segment(inquiry: Inquiry, segment_id: int) -> Count:
    """Count the people in a segment; if a confirmation will rest on it, tell who they are as well."""
    people = await in_segment(inquiry, segment_id)
    return Count(people=people, who=await members(inquiry, segment_id, people), segment=segment_id)


async def members(inquiry: Inquiry, segment_id: int, people: int | None) -> frozenset[str] | None:
    """Tell who a segment's people are, as many as were counted, if a confirmation will rest on it."""
    if not inquiry.binds or people is None:
        return None
    if not people:
        return frozenset()
    what = f"who is in segment {segment_id}"
    if people > MOST_LISTED:
        inquiry.remark(
            f"{what}: a list of more than {MOST_LISTED:,} is not read, so that only their number is compared, and "
            "whether this server changes who is in it."
        )
        return None
    seen = await inquiry.ask(what, "list_segment_people", segment_id=segment_id, limit=MOST_LISTED)
    if seen.data is None:
        return None
    listed = seen.data.get("identifiers")
    is_whole = NOTE not in seen.data and not seen.data.get("next")
    who = _identified(listed) if is_whole and isinstance(listed, list) else None
    if who is None:
        inquiry.remark(f"{what}: the list of them could not be read whole.")
    return who


async def in_segment(inquiry: Inquiry, segment_id: int) -> int | None:
    """Count the people in a segment."""
    seen = await inquiry.ask(f"people in segment {segment_id}", "count_segment_people", segment_id=segment_id)
    if seen.absent:
        inquiry.remark(f"segment {segment_id}: there is no such segment now.")
    return number((seen.data or {}).get("count"))


async def of_segments(inquiry: Inquiry, segment_ids: Iterable[int]) -> int | None:
    """Return the sum of the people of segments, which counts who is in several more than once.

    It is no bound on the audience: the API names the segments, not how they are put together.
    """
    inquiry.combined = True
    wanted = list(dict.fromkeys(segment_ids))
    found = {each: await of_segment(inquiry, each) for each in wanted[:MOST_SEGMENTS]}
    inquiry.groups |= {f"people in segment {each}": count for each, count in found.items()}
    counts = {each: count.people for each, count in found.items()}
    inquiry.facts["segments"] = [
        f"segment {each}: {'not known' if people is None else f'{people:,}'}" for each, people in counts.items()
    ]
    if len(wanted) > MOST_SEGMENTS:
        inquiry.remark(f"{len(wanted) - MOST_SEGMENTS:,} of its {len(wanted):,} segments were not counted.")
        return None
    known = [people for people in counts.values() if people is not None]
    if len(known) < len(wanted):
        return None
    inquiry.facts["counted_as"] = (
        "all people of the segments that it names, those in several counted again; the API shows neither how they are "
        "combined nor other conditions, so that it may reach others, even everybody"
    )
    return sum(known)


async def in_all(inquiry: Inquiry) -> None:
    """Note how many people there are in all, if that is cheap to learn and there is an audience to compare."""
    if inquiry.audience is None:
        return
    count = await matching(inquiry, "people in all", EVERYBODY, pages=PAGES_IN_ALL)
    inquiry.of = count.people
    if count.more_than:
        inquiry.facts["people_in_all"] = f"more than {count.more_than:,}"
    if inquiry.combined:
        everybody = "not known, so that a budget refuses it" if inquiry.of is None else f"{inquiry.of:,}, everybody"
        inquiry.facts["counts_against_a_budget"] = everybody
