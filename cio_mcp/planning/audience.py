"""How many people a filter or a list of segments means, counted within bounds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cio_mcp.planning.answers import number
from cio_mcp.planning.inquiry import Inquiry
from cio_mcp.shaping import NOTE

PAGE = 1_000
"""The largest page of a search (App API reference, "Search for customers")."""
MOST_PAGES = 10
PAGES_IN_ALL = 3
"""How much is read to learn how many people there are at all, which is worth less than the audience."""
MOST_SEGMENTS = 8

_HAS_EMAIL: Mapping[str, Any] = {"attribute": {"field": "email", "operator": "exists"}}
EVERYBODY: Mapping[str, Any] = {"or": [_HAS_EMAIL, {"not": _HAS_EMAIL}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A number of people; None if it is not known, and then `more_than` may say how many there are at least."""

    people: int | None = None
    more_than: int | None = None


async def matching(inquiry: Inquiry, what: str, wanted: Mapping[str, Any], *, pages: int = MOST_PAGES) -> Count:
    """Count the people of a filter: at once if it is one segment, else page by page up to a bound."""
    if set(wanted) == {"segment"}:
        return Count(people=await in_segment(inquiry, wanted["segment"]["id"]))
    found = 0
    start: dict[str, str] = {}
    for _ in range(pages):
        seen = await inquiry.ask(what, "search_people", filter=dict(wanted), limit=PAGE, **start)
        listed = (seen.data or {}).get("identifiers")
        if seen.data is None or not isinstance(listed, list) or NOTE in seen.data:
            return Count()
        found += len(listed)
        following = seen.data.get("next")
        if not following or not isinstance(following, str):
            return Count(people=found)
        start = {"start": following}
    return Count(more_than=found)


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
    counts = {each: await in_segment(inquiry, each) for each in wanted[:MOST_SEGMENTS]}
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
