"""Resources: the pages of this server, and single things of Customer.io, for whoever asks."""

import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError

from cio_mcp.catalog import CATALOG, Access
from cio_mcp.cli.wiring import workspace
from cio_mcp.faces import face_of
from cio_mcp.framing import unframed
from cio_mcp.sandbox import World
from cio_mcp.server import build_server, server_of
from cio_mcp.settings import load
from tests.insight.conftest import Open

both_eras = pytest.mark.parametrize("mode", ["legacy", "auto"])
pytestmark = pytest.mark.anyio
SANDBOX = {"CIO_MCP_SANDBOX": "1", "CIO_MCP_LEDGER": "memory"}
SEGMENT, COLLECTION = "customerio://segments/{segment_id}", "customerio://collections/{collection_id}"


async def text(client: Client, uri: str) -> str:
    """Read a resource, which must be one text under its own URI."""
    [content] = (await client.read_resource(uri)).contents
    assert content.uri == uri
    found: str = getattr(content, "text", "")
    return found


async def data(client: Client, uri: str) -> Any:
    """Read a resource that holds what others wrote, which must stand in a frame."""
    return json.loads(unframed(await text(client, uri)))


@both_eras
async def test_every_page_that_is_listed_can_be_read_in_both_eras(opened: Open, mode: str) -> None:
    async with opened(mode) as client:
        listed = (await client.list_resources()).resources
        for resource in listed:
            assert resource.description
            assert await text(client, resource.uri)
        templates = (await client.list_resource_templates()).resource_templates
        assert (await data(client, "customerio://segments/2"))["count"] == 11
        assert len((await data(client, "customerio://collections/1"))["rows"]) == 3
    assert [each.name for each in listed] == ["tools", "api-rules", "grants", "audit", "metrics", "timeline", "plan"]
    assert [each.uri_template for each in templates] == [SEGMENT, COLLECTION]


async def test_the_tool_map_names_just_the_tools_that_are_served(opened: Open) -> None:
    async with opened(CIO_MCP_AREAS="segments,customers", CIO_MCP_READ_ONLY="1") as client:
        page = await text(client, "customerio://guide/tools")
        tools = {tool.name for tool in (await client.list_tools()).tools}
    shown = {line[2:].partition(" ")[0].rstrip(":") for line in page.splitlines() if line.startswith("- ")}
    assert shown == tools
    missing = [each for each in CATALOG.values() if each.area == "segments" and each.access is not Access.READ]
    assert f"{len(missing)} of its {len(missing) + 5} tools are not served to you." in page


async def test_the_grants_say_what_is_in_force_and_name_no_recipient(opened: Open, tmp_path: Path) -> None:
    file = tmp_path / "grants.toml"
    rules = 'allow = ["segments:*", "customers:read"]\ndeny = ["segments:delete_segment"]\n'
    file.write_text(rules + '[recipients]\naddresses = ["canary@example.com"]\n', encoding="utf-8")
    file.chmod(0o600)
    async with opened(CIO_MCP_GRANTS=str(file)) as client:
        page = await text(client, "customerio://guide/grants")
    told = json.loads(page)
    assert (told["allow"], told["deny"]) == (["customers:read", "segments:*"], ["segments:delete_segment"])
    assert told["served"]["messaging"] == []
    assert "canary" not in page


@pytest.mark.parametrize(
    "uri",
    [
        *("customerio://segments/999", "customerio://segments/x", "customerio://segments", "customerio://segments/"),
        *("customerio://people/1", "customerio://[", "file:///etc/passwd", "customerio://guide/other", "x" * 9_000),
        "customerio://segments/../collections/1",
    ],
)
@both_eras
async def test_what_is_not_there_is_an_error_of_the_callers_making(opened: Open, uri: str, mode: str) -> None:
    async with opened(mode) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
    assert caught.value.error.code == -32602
    assert len(caught.value.error.message) < 400


async def test_a_thing_is_read_only_by_whoever_may_use_the_tool_that_reads_it(opened: Open) -> None:
    async with opened(CIO_MCP_AREAS="collections") as client:
        templates = (await client.list_resource_templates()).resource_templates
        with pytest.raises(MCPError, match="no such resource"):
            await client.read_resource("customerio://segments/2")
    assert [each.uri_template for each in templates] == [COLLECTION]


async def test_personal_data_in_a_thing_is_masked_as_by_the_tool(opened: Open, world: World, tmp_path: Path) -> None:
    segment = world.segments.add("Friends of canary@example.com", "Call +15550109999", 1, manual=True)
    file = tmp_path / "grants.toml"
    file.write_text('allow = ["segments:read"]\n', encoding="utf-8")
    file.chmod(0o600)
    async with opened(CIO_MCP_GRANTS=str(file)) as client:
        page = await text(client, f"customerio://segments/{segment.id}")
    assert "canary@example.com" not in page
    assert "masked" in page


async def test_reading_a_thing_is_recorded_and_the_last_lines_show_it(opened: Open) -> None:
    async with opened() as client:
        await client.call_tool("find_people_by_email", {"email": "canary@example.com"})
        await client.read_resource("customerio://segments/2")
        records = json.loads(await text(client, "customerio://audit"))["records"]
    assert [each["tool"] for each in records] == ["count_segment_people", "get_segment", "find_people_by_email"]
    assert records[1]["arguments"] == {"segment_id": 2}
    assert "canary" not in json.dumps(records)


async def test_an_agent_is_shown_its_own_records_and_nobody_elses() -> None:
    async with workspace(load(SANDBOX)) as pipeline:
        ada, bob = (pipeline.serving(pipeline.policy, name) for name in ("ada", "bob"))
        async with Client(build_server(ada)) as first, Client(build_server(bob)) as second:
            await first.call_tool("list_segments", {})
            await second.call_tool("list_collections", {})
            records = json.loads(await text(second, "customerio://audit"))["records"]
    assert [each["tool"] for each in records] == ["list_collections"]


async def test_with_several_workspaces_a_thing_is_named_with_its_workspace() -> None:
    async with workspace(load(SANDBOX)) as first, workspace(load(SANDBOX)) as second:
        made = {"name": "Only here"}
        async with Client(server_of(face_of({"shop": first, "blog": second}))) as client:
            created = await client.call_tool("create_segment", {"workspace": "blog"} | made)
            assert not created.is_error
            [segments, _] = (await client.list_resource_templates()).resource_templates
            found = await data(client, "customerio://segments/4?workspace=blog")
            for elsewhere in ("?workspace=shop", "?workspace=none", ""):
                with pytest.raises(MCPError):
                    await client.read_resource(f"customerio://segments/4{elsewhere}")
    assert segments.uri_template == "customerio://segments/{segment_id}{?workspace}"
    assert found["segment"]["name"] == "Only here"
