"""What ids there are, and under which names, so that an argument can be completed."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from cio_mcp.planning.answers import number, rows

KEPT_SECONDS = 60.0
"""A client asks at every key; the list is read once meanwhile."""
MOST_KEPT = 500
MOST_VALUES = 100
"""MCP specification, "Completion": at most 100 values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The read tool that lists what an argument may name, and its member that holds the list."""

    tool: str
    member: str
    arguments: tuple[tuple[str, Any], ...] = ()


LISTINGS = {
    "segment_id": Listing(tool="list_segments", member="segments"),
    "audience_segment_id": Listing(tool="list_segments", member="segments"),
    "collection_id": Listing(tool="list_collections", member="collections"),
    "campaign_id": Listing(tool="list_campaigns", member="campaigns"),
    "broadcast_id": Listing(tool="list_broadcasts", member="broadcasts"),
    "newsletter_id": Listing(tool="list_newsletters", member="newsletters", arguments=(("limit", 100),)),
}
Pair = tuple[str, str]
"""An id, and the name it goes by."""


class Names:
    """Lists that were read lately, by who read them and what; kept for everybody who is served."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, tuple[float, list[Pair]]] = OrderedDict()

    async def of(self, key: Any, now: float, read: Callable[[], Awaitable[list[Pair]]]) -> list[Pair]:
        """Return a list, read anew when it is old."""
        at, found = self._kept.get(key, (0.0, None))
        if found is None or not 0 <= now - at < KEPT_SECONDS:
            found = await read()
            self._kept[key] = (now, found)
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return found


def pairs(data: dict[str, Any], member: str) -> list[Pair]:
    """Return the ids and names of a list, in its order."""
    listed = ((number(row.get("id")), row.get("name")) for row in rows(data, member))
    return [(str(each), name if isinstance(name, str) else "") for each, name in listed if each is not None]


def matching(found: list[Pair], typed: str) -> list[str]:
    """Return the ids that begin as typed, then those whose name holds it."""
    wanted = typed.strip().casefold()
    begin = [each for each, _ in found if each.startswith(wanted)]
    return list(dict.fromkeys(begin + [each for each, name in found if wanted and wanted in name.casefold()]))
