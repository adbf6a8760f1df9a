"""Reading a list to its end by nothing but what results say loses nothing and repeats nothing."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from mcp import Client

from cio_mcp.sandbox import Keys, Limits, World, running_sandbox, seeded_world
from cio_mcp.sandbox.tables import Collection
from cio_mcp.shaping import BYTES_PER_TOKEN, NOTE, size
from tests.conftest import KEYS, Connect

LEAST = 1000  # tokens, the smallest that may be set
BUDGET = int(LEAST * BYTES_PER_TOKEN)
SHARED = "shared-by-many@example.com"
PEOPLE, SEGMENTS, ROWS, SHARERS, ACTIVITIES = 260, 90, 150, 120, 130


@pytest.fixture(scope="module")
def crowded() -> Iterator[str]:
    """Yield the URL of an account with more of everything than a result may hold."""
    world = seeded_world(time.time)
    for number in range(PEOPLE - len(list(world.people))):
        email = SHARED if number < SHARERS else f"crowd{number}@example.com"
        world.people.add({"id": f"crowd-{number}", "email": email}, 1_700_000_000)
    for number in range(SEGMENTS):
        world.segments.add(f"Segment {number}", "One of many", 1_700_000_000)
    rows = [
        {"sku": f"A-{number}", "name": "x" * (4000 if number in (0, 77, ROWS - 1) else 20)} for number in range(ROWS)
    ]
    world.collections[9] = Collection(id=9, name="long", created_at=1, updated_at=1, rows=rows)
    _active(world)
    keys = Keys(
        site_id=KEYS["CUSTOMERIO_SITE_ID"],
        track_api_key=KEYS["CUSTOMERIO_TRACK_API_KEY"],
        app_api_key=KEYS["CUSTOMERIO_APP_API_KEY"],
    )
    with running_sandbox(world=world, keys=keys, limits=Limits(app=None)) as sandbox:
        yield sandbox.url


def _active(world: World) -> None:
    person = world.people.find("id", "1")
    assert person is not None
    for number in range(ACTIVITIES):
        world.record(person, "event", 1_700_000_000 + number, name=f"event {number}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A call that lists, the name of its list, what tells its items apart, and how many there are."""

    tool: str
    arguments: dict[str, Any]
    name: str
    key: str
    count: int


CONTENT = Listing(tool="get_collection_content", arguments={"collection_id": 9}, name="rows", key="sku", count=ROWS)
LISTS = [
    CONTENT,
    Listing(tool="list_segment_people", arguments={"segment_id": 1}, name="identifiers", key="id", count=PEOPLE),
    Listing(
        tool="list_segment_people",
        arguments={"segment_id": 1, "limit": 100},
        name="identifiers",
        key="cio_id",
        count=PEOPLE,
    ),
    Listing(
        tool="search_people",
        arguments={"filter": {"segment": {"id": 1}}, "limit": 200},
        name="identifiers",
        key="id",
        count=PEOPLE,
    ),
    Listing(
        tool="list_person_activities",
        arguments={"customer_id": "1", "limit": 100},
        name="activities",
        key="id",
        count=ACTIVITIES + 8,
    ),
    Listing(tool="list_segments", arguments={}, name="segments", key="id", count=SEGMENTS + 3),
    Listing(tool="find_people_by_email", arguments={"email": SHARED}, name="results", key="cio_id", count=SHARERS),
]


async def everything(client: Client, listing: Listing) -> tuple[list[Any], int]:
    """Read a list to its end as a model would, by nothing but what results say; returns it and how often it was cut."""
    items: list[Any] = []
    cuts, arguments = 0, listing.arguments
    for _ in range(400):
        result = await client.call_tool(listing.tool, arguments)
        assert not result.is_error, result.structured_content
        data = result.structured_content or {}
        assert size(data) <= BUDGET
        advice = data.get(NOTE, {}).get("rest", "")
        cuts += bool(advice)
        if smaller := re.search(r"limit (\d+) and the same start, then follow next", advice):
            assert "next" not in data
            arguments = arguments | {"limit": int(smaller[1])}
            continue
        items += data[listing.name]
        if further := re.search(r"offset (\d+)", advice):
            arguments = arguments | {"offset": int(further[1])}
        elif data.get("next"):
            arguments = arguments | {"start": data["next"]}
        else:
            return items, cuts
    raise AssertionError("the list has no end")


@pytest.mark.anyio
@pytest.mark.parametrize("listing", LISTS, ids=lambda listing: listing.tool)
async def test_following_what_results_say_yields_every_item_once(
    connected: Connect, crowded: str, listing: Listing
) -> None:
    async with connected(CUSTOMERIO_APP_URL=crowded) as client:
        whole = await client.call_tool(listing.tool, listing.arguments)
        first = [item[listing.key] for item in (whole.structured_content or {})[listing.name]]
    async with connected(CUSTOMERIO_APP_URL=crowded, CIO_MCP_RESULT_TOKENS=str(LEAST)) as client:
        items, cuts = await everything(client, listing)
    seen = [item[listing.key] for item in items]
    assert cuts
    assert (len(seen), len(set(seen))) == (listing.count, listing.count)
    assert seen[: len(first)] == first


@pytest.mark.anyio
async def test_a_row_too_large_for_any_result_is_shown_once_and_shortened(connected: Connect, crowded: str) -> None:
    async with connected(CUSTOMERIO_APP_URL=crowded, CIO_MCP_RESULT_TOKENS=str(LEAST)) as client:
        rows, _ = await everything(client, CONTENT)
    assert [number for number, row in enumerate(rows) if "characters cut" in row["name"]] == [0, 77, ROWS - 1]
