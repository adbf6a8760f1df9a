"""What a host is told of the documents that draw answers, and that nothing changes for whoever cannot draw."""

import json
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import pytest
from mcp import Client, MCPError, types
from mcp.client.extension import ClientExtension
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID

from cio_mcp.apps import APPS, EXTENSION, MIME_TYPE, App, document
from cio_mcp.catalog import CATALOG, Access
from cio_mcp.cli.wiring import workspace
from cio_mcp.server import build_server
from cio_mcp.settings import load

both_eras = pytest.mark.parametrize("mode", ["legacy", "auto"])
every_app = pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
pytestmark = pytest.mark.anyio
SANDBOX = {"CIO_MCP_SANDBOX": "1", "CIO_MCP_LEDGER": "memory"}


class Drawing(ClientExtension):
    """A client that says it can draw."""

    identifier = EXTENSION_ID

    def settings(self) -> dict[str, Any]:
        """Say what it can draw."""
        return {"mimeTypes": [APP_MIME_TYPE]}


def ui(tool: types.Tool | types.Resource) -> dict[str, Any]:
    found: dict[str, Any] = (tool.meta or {}).get("ui", {})
    return found


async def listed(mode: Any = "auto", *, extensions: Sequence[ClientExtension] = (), **more: str) -> list[types.Tool]:
    async with (
        workspace(load(SANDBOX | more)) as pipeline,
        Client(build_server(pipeline), mode=mode, extensions=list(extensions)) as client,
    ):
        return (await client.list_tools()).tools


@both_eras
async def test_each_tool_names_the_document_that_draws_its_answers(mode: str) -> None:
    drawn: dict[str, set[str]] = {app.uri: set() for app in APPS}
    for tool in await listed(mode):
        if uri := ui(tool).get("resourceUri"):
            drawn[uri].add(tool.name)
    asked = {name for name, endpoint in CATALOG.items() if endpoint.gate in ("asked", "items")}
    assert drawn == {
        "ui://cio-mcp/metrics.html": {"get_broadcast_metrics", "get_campaign_metrics"},
        "ui://cio-mcp/timeline.html": {"get_delivery_timeline", "wait_for_delivery"},
        "ui://cio-mcp/plan.html": asked,
    }


async def test_no_document_may_call_what_changes_something() -> None:
    tools = {tool.name: ui(tool) for tool in await listed()}
    drawn = {name: told for name, told in tools.items() if told}
    callable_ = {name for name, told in drawn.items() if "app" in told.get("visibility", ["model", "app"])}
    writes = {name for name, endpoint in CATALOG.items() if endpoint.access is not Access.READ}
    assert callable_
    assert not callable_ & writes


async def test_whoever_cannot_draw_is_told_the_same_and_answered_the_same() -> None:
    plain, drawing = await listed(), await listed(extensions=[Drawing()])
    assert plain == drawing
    async with workspace(load(SANDBOX)) as pipeline:
        answers = []
        for extensions in ([], [Drawing()]):
            async with Client(build_server(pipeline), extensions=extensions) as client:
                result = await client.call_tool("get_campaign_metrics", {"campaign_id": 1})
            [block] = result.content
            assert isinstance(block, types.TextContent)
            assert json.dumps(result.structured_content, separators=(",", ":")) in block.text
            answers.append(result.structured_content)
    assert answers[0] == answers[1]


@both_eras
async def test_a_host_finds_and_reads_every_document_in_both_eras(mode: Any) -> None:
    async with workspace(load(SANDBOX)) as pipeline, Client(build_server(pipeline), mode=mode) as client:
        # Capabilities of the handshake era have no place for extensions: there a host goes by the tools alone.
        assert client.server_capabilities.extensions == ({EXTENSION_ID: {}} if mode == "auto" else None)
        resources = [each for each in (await client.list_resources()).resources if each.uri.startswith("ui://")]
        assert [each.uri for each in resources] == [app.uri for app in APPS]
        for resource in resources:
            [content] = (await client.read_resource(resource.uri)).contents
            assert isinstance(content, types.TextResourceContents)
            assert (content.uri, content.mime_type, resource.mime_type) == (resource.uri, MIME_TYPE, MIME_TYPE)
            assert content.meta == resource.meta
            assert content.text.startswith("<!doctype html>")
            assert not any(ui(resource)["csp"].values()), "it needs nothing from anywhere"
    assert (EXTENSION, MIME_TYPE) == (EXTENSION_ID, APP_MIME_TYPE)


async def test_a_document_that_is_not_there_is_an_error_like_any_other() -> None:
    async with workspace(load(SANDBOX)) as pipeline, Client(build_server(pipeline)) as client:
        for uri in ("ui://cio-mcp/other.html", "ui://cio-mcp/../metrics.html", "ui://elsewhere/metrics.html"):
            with pytest.raises(MCPError, match="no such resource"):
                await client.read_resource(uri)


async def test_only_documents_of_tools_that_are_served_are_listed() -> None:
    few = SANDBOX | {"CIO_MCP_AREAS": "broadcasts", "CIO_MCP_READ_ONLY": "1"}
    async with workspace(load(few)) as pipeline, Client(build_server(pipeline)) as client:
        resources = (await client.list_resources()).resources
        tools = (await client.list_tools()).tools
    shown = {each.uri for each in resources if each.uri.startswith("ui://")}
    assert shown == {told["resourceUri"] for tool in tools if (told := ui(tool))}
    assert "ui://cio-mcp/plan.html" not in shown


@every_app
def test_a_document_loads_nothing_and_makes_no_markup_of_text(app: App) -> None:
    page = document(app)
    assert set(re.findall(r"https?://[^\"'\s]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "{{" not in page
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(", "Function("):
        assert word not in page
    for word in (" src=", " href=", "@import", "url(", " onclick", "style=", "fetch(", "XMLHttp", "WebSocket"):
        assert word not in page
    assert len(page.encode()) < 64_000


def test_every_part_belongs_to_a_document() -> None:
    parts = {part.name for part in (files("cio_mcp.apps") / "page").iterdir()}
    shared = {"frame.html", "frame.css", "drawing.js", "host.js"}
    own = {f"{app.name}{kind}" for app in APPS for kind in (".css", ".js")}
    assert parts == shared | own | {f"{part}.js" for app in APPS for part in app.also}
