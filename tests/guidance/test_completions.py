"""Completions: ids, found by what they begin with or by the names of what they belong to."""

import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client, StdioServerParameters, types

from cio_mcp.cli.wiring import workspace
from cio_mcp.faces import face_of
from cio_mcp.sandbox import RunningSandbox, World
from cio_mcp.server import server_of
from cio_mcp.settings import load
from tests.cli.commands import CLEAN, running
from tests.guidance.test_resources import COLLECTION, SANDBOX, SEGMENT
from tests.insight.conftest import Open

both_eras = pytest.mark.parametrize("mode", ["legacy", "auto"])
pytestmark = pytest.mark.anyio


async def completed(client: Client, of: str, argument: str, typed: str, **others: str) -> list[str]:
    """Complete an argument of a template or a prompt."""
    ref: Any = types.ResourceTemplateReference(type="ref/resource", uri=of) if "://" in of else None
    ref = ref or types.PromptReference(type="ref/prompt", name=of)
    result = await client.complete(ref, {"name": argument, "value": typed}, others or None)
    return result.completion.values


COMPLETED = [
    (SEGMENT, "segment_id", "", ["1", "2", "3"]),
    (SEGMENT, "segment_id", "2", ["2"]),
    (SEGMENT, "segment_id", "TRIAL", ["2"]),
    (SEGMENT, "segment_id", "nothing of the kind", []),
    (COLLECTION, "collection_id", "prod", ["1"]),
    (SEGMENT, "collection_id", "", []),
    ("campaign_health", "campaign_id", "win", ["2"]),
    ("preflight_broadcast", "broadcast_id", "1", ["10", "11"]),
    ("preflight_broadcast", "audience_segment_id", "reader", ["3"]),
    ("why_no_message", "newsletter_id", "next", ["1"]),
    ("why_no_message", "person", "ada", []),
    ("weekly_report", "campaign_id", "", []),
    ("no_such_prompt", "campaign_id", "", []),
    ("customerio://nothing/{segment_id}", "segment_id", "", []),
]


@both_eras
@pytest.mark.parametrize("asked", COMPLETED, ids=lambda asked: " ".join(asked[:3]))
async def test_ids_are_found_by_their_beginning_and_by_name(
    opened: Open, asked: tuple[str, str, str, list[str]], mode: str
) -> None:
    of, argument, typed, values = asked
    async with opened(mode) as client:
        assert await completed(client, of, argument, typed) == values


async def test_a_list_is_read_once_while_somebody_types(opened: Open, sandbox: RunningSandbox) -> None:
    async with opened() as client:
        for typed in ("n", "ne", "new", "news"):
            assert await completed(client, SEGMENT, "segment_id", typed) != []
    assert len(sandbox.app.state.journal) == 1


async def test_at_most_a_hundred_values_are_given_and_the_rest_is_counted(opened: Open, world: World) -> None:
    for number in range(150):
        world.segments.add(f"Many {number}", "", int(time.time()), manual=True)
    async with opened() as client:
        ref = types.ResourceTemplateReference(type="ref/resource", uri=SEGMENT)
        found = (await client.complete(ref, {"name": "segment_id", "value": "many"})).completion
    assert (len(found.values), found.total, found.has_more) == (100, 150, True)


async def test_nothing_is_completed_for_whoever_may_not_list_it(opened: Open, sandbox: RunningSandbox) -> None:
    async with opened(CIO_MCP_AREAS="customers") as client:
        assert await completed(client, SEGMENT, "segment_id", "") == []
        assert await completed(client, "why_no_message", "campaign_id", "") == []
    assert not sandbox.app.state.journal


async def test_a_failing_list_completes_nothing_and_is_no_error(opened: Open) -> None:
    async with opened(CUSTOMERIO_APP_API_KEY="canary-wrong-key") as client:
        assert await completed(client, SEGMENT, "segment_id", "") == []


async def test_with_several_workspaces_names_are_those_of_the_one_that_was_chosen() -> None:
    async with (
        workspace(load(SANDBOX)) as first,
        workspace(load(SANDBOX)) as second,
        Client(server_of(face_of({"shop": first, "blog": second}))) as client,
    ):
        await client.call_tool("create_segment", {"workspace": "blog", "name": "Only here"})
        template = "customerio://segments/{segment_id}{?workspace}"
        assert await completed(client, template, "segment_id", "only", workspace="blog") == ["4"]
        assert await completed(client, template, "segment_id", "only") == []
        assert await completed(client, template, "workspace", "s") == ["shop"]
        text = await client.get_prompt("campaign_health", {"workspace": "blog", "campaign_id": "1"})
    assert '{"workspace": "blog", "campaign_id": 1}' in str(text.messages[0].content)


@pytest.fixture(scope="module")
def http() -> Iterator[str]:
    """Run a server over HTTP on a free port; yields its URL."""
    with running("serve", "--sandbox", "--http", "0") as server:
        yield server.wait_for("serves MCP at").split()[-1]


@both_eras
async def test_all_of_it_is_served_over_http(http: str, mode: str) -> None:
    async with Client(http, mode=mode, read_timeout_seconds=30) as client:
        await _all_of_it(client)


@both_eras
async def test_all_of_it_is_served_over_stdio(mode: str) -> None:
    launch = StdioServerParameters(command=sys.executable, args=["-m", "cio_mcp", "--sandbox"], env=dict(CLEAN))
    async with Client(launch, mode=mode, read_timeout_seconds=30) as client:
        await _all_of_it(client)


async def _all_of_it(client: Client) -> None:
    assert len((await client.list_resources()).resources) == 7
    assert len((await client.list_prompts()).prompts) == 6
    assert (await client.read_resource("customerio://segments/2")).contents
    assert (await client.get_prompt("weekly_report")).messages
    assert await completed(client, SEGMENT, "segment_id", "trial") == ["2"]
