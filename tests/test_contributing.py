"""CONTRIBUTING's recipe is followed word for word: what it declares is listed, rendered, hinted and called."""

import importlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from mcp import Client, types

from cio_mcp import render
from cio_mcp.catalog import CATALOG, Area, Catalog, Endpoint
from cio_mcp.cli.wiring import workspace
from cio_mcp.server import build_server
from cio_mcp.settings import load

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAME = "unsuppress_person"
WHO = "blocked@example.com"


def recipe() -> str:
    """Return the code of the recipe's first step."""
    block = re.search(r"<!-- recipe:begin -->\s*```python\n(.*?)```\s*<!-- recipe:end -->", PAGE, re.DOTALL)
    assert block
    return block[1]


@pytest.fixture
def extended() -> Catalog:
    """Return the catalogue after the recipe was followed in a copy of the people's area."""
    people = next(area for area in CATALOG.areas if area.name == "people")
    others = [endpoint for endpoint in people.endpoints if endpoint.name != NAME]
    area = Area(people.name, people.about, others.copy())
    names = vars(importlib.import_module("cio_mcp.catalog.people")) | {"people": area}
    exec(compile(recipe(), "CONTRIBUTING.md", "exec"), names)  # noqa: S102 - our own page
    assert len(area.endpoints) == len(others) + 1
    return Catalog(*(area if known is people else known for known in CATALOG.areas))


@pytest.fixture
def declared(extended: Catalog) -> Endpoint:
    """Return what the recipe declared."""
    return extended[NAME]


@asynccontextmanager
async def connected(catalog: Catalog, **more: str) -> AsyncIterator[Client]:
    """Open an MCP client of a server of that catalogue, against the sandbox."""
    settings = load({"CIO_MCP_SANDBOX": "true", "CIO_MCP_CONFIRM": "off", "CIO_MCP_LEDGER": "memory", **more})
    async with workspace(settings) as opened, Client(build_server(replace(opened, catalog=catalog))) as client:
        yield client


async def call(client: Client, tool: str, **arguments: object) -> dict[str, object]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.structured_content
    return result.structured_content or {}


async def test_it_is_listed_with_hints_and_a_closed_schema(extended: Catalog) -> None:
    async with connected(extended) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    tool = listed[NAME]
    assert tool.annotations == types.ToolAnnotations(
        title="Unsuppress person",
        read_only_hint=False,
        destructive_hint=False,
        idempotent_hint=True,
        open_world_hint=True,
    )
    assert tool.input_schema["required"] == ["identifier"]
    assert tool.input_schema["additionalProperties"] is False


async def test_it_does_what_it_says(extended: Catalog) -> None:
    async with connected(extended) as client:
        await call(client, "suppress_person", identifier=WHO)
        await call(client, "identify_person", identifier=WHO)
        assert (await call(client, "find_people_by_email", email=WHO))["results"] == []

        assert await call(client, NAME, identifier=WHO) == {"accepted": True}

        await call(client, "identify_person", identifier=WHO)
        found = await call(client, "find_people_by_email", email=WHO)
    assert len(found["results"] if isinstance(found["results"], list) else []) == 1


async def test_a_wrong_argument_of_it_is_refused_with_the_right_name(extended: Catalog) -> None:
    async with connected(extended) as client:
        result = await client.call_tool(NAME, {"identifer": WHO})
    assert result.is_error
    assert "did you mean identifier?" in (result.structured_content or {})["error"]["message"]


async def test_it_is_kept_from_those_who_may_only_read(extended: Catalog) -> None:
    async with connected(extended, CIO_MCP_READ_ONLY="true") as client:
        assert NAME not in {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool(NAME, {"identifier": WHO})
    assert (result.structured_content or {})["error"]["code"] == "not_permitted"


def test_it_is_rendered(extended: Catalog, declared: Endpoint) -> None:
    row = next(line for line in render.tools_section(extended).splitlines() if line.startswith(f"| `{NAME}` |"))
    assert f"[`POST /api/v1/customers/{{identifier}}/unsuppress`]({declared.docs_url})" in row
    assert "| write | track | track 1000/s |" in row
    entry = next(tool for tool in render.manifest(extended)["tools"] if tool["name"] == NAME)
    assert entry["description"] == "Free an identifier that suppress_person blocked."
