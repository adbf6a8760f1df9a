"""What holds for every tool that a client sees, the next one too."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import types

from cio_mcp.catalog import CATALOG, Access, Effect, Endpoint, Repeat
from tests.catalog import listed
from tests.conftest import OWN_TOOLS

ROOT = Path(__file__).parents[2]
TOOLS = listed.tools()
ENDPOINTS = tuple(CATALOG.values())
# Several model vendors refuse a whole tool list for one of these.
UNWANTED = {"anyOf", "oneOf", "allOf", "not", "const", "$ref", "$defs", "title", "patternProperties"}
# Some clients prefix a server's name and cut at 64 characters.
LONGEST_NAME = 60
SHOUTING = re.compile(r"\b(IMPORTANT|MUST|CRITICAL|ALWAYS|NEVER|WARNING|NOTE)\b")

every_tool = pytest.mark.parametrize("tool", TOOLS, ids=[tool.name for tool in TOOLS])
every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=[endpoint.name for endpoint in ENDPOINTS])


def schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield a schema and all schemas in it."""
    yield schema
    for inner in (schema.get("properties") or {}).values():
        yield from schemas(inner)
    if isinstance(schema.get("items"), dict):
        yield from schemas(schema["items"])


def hints(tool: types.Tool) -> types.ToolAnnotations:
    assert tool.annotations is not None
    return tool.annotations


@every_tool
def test_the_description_opens_with_a_short_sentence(tool: types.Tool) -> None:
    first = re.split(r"(?<=[.;])\s", tool.description or "", maxsplit=1)[0]
    assert 0 < len(first) <= 100
    assert first[0].isupper()
    assert (tool.description or "").endswith(".")


@every_tool
def test_nothing_in_a_description_shouts(tool: types.Tool) -> None:
    texts = [tool.description or "", *(schema.get("description", "") for schema in schemas(tool.input_schema))]
    assert not [text for text in texts if SHOUTING.search(text) or "!" in text]


@every_tool
def test_every_argument_is_described(tool: types.Tool) -> None:
    properties = tool.input_schema["properties"]
    assert not [name for name, schema in properties.items() if not schema.get("description")]


@every_tool
def test_the_schema_is_flat_enough_for_every_vendor(tool: types.Tool) -> None:
    for schema in schemas(tool.input_schema):
        assert not UNWANTED & set(schema)
        assert isinstance(schema["type"], str), "a list of types is a union"
        assert schema["type"] != "null"
        assert None not in schema.get("enum", ())
        assert schema.get("default", ...) is not None


@every_tool
def test_the_schema_speaks_json_schema_only(tool: types.Tool) -> None:
    spoken = {"type", "description", "enum", "format", "default", "items", "properties", "required"}
    spoken |= {"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "additionalProperties"}
    for name, rendered in tool.input_schema["properties"].items():
        assert set(rendered) <= spoken, name


@every_tool
def test_the_schema_is_closed(tool: types.Tool) -> None:
    assert tool.input_schema["type"] == "object"
    assert tool.input_schema["additionalProperties"] is False


@every_tool
def test_every_argument_has_a_name_that_every_client_can_hold(tool: types.Tool) -> None:
    assert [name for name in tool.input_schema["properties"] if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []


@every_tool
def test_all_required_arguments_exist(tool: types.Tool) -> None:
    assert set(tool.input_schema.get("required", ())) <= set(tool.input_schema["properties"])


@every_tool
def test_all_four_hints_and_both_titles_are_written_down(tool: types.Tool) -> None:
    written = hints(tool).model_dump(by_alias=True, exclude_unset=True)
    assert set(written) == {"title", "readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
    assert None not in written.values()
    assert tool.title == hints(tool).title
    assert tool.title


@every_tool
def test_what_only_reads_destroys_nothing(tool: types.Tool) -> None:
    assert not (hints(tool).read_only_hint and hints(tool).destructive_hint)


@every_tool
def test_the_name_fits_every_client(tool: types.Tool) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", tool.name)
    assert len(tool.name) <= LONGEST_NAME


@every_endpoint
def test_the_hints_say_what_the_declaration_says(endpoint: Endpoint) -> None:
    told = hints(next(tool for tool in TOOLS if tool.name == endpoint.name))
    assert told.read_only_hint is (endpoint.access is Access.READ)
    assert told.destructive_hint is (endpoint.access is Access.DESTRUCTIVE)
    assert told.idempotent_hint is (endpoint.repeat in {Repeat.SAFE, Repeat.SAFE_UNLESS_RECREATED})
    assert told.open_world_hint is True


@every_endpoint
def test_a_get_reads_and_a_delete_destroys(endpoint: Endpoint) -> None:
    if endpoint.method == "GET":
        assert endpoint.access is Access.READ
    if endpoint.method == "DELETE":
        assert endpoint.access is Access.DESTRUCTIVE


@every_endpoint
def test_what_sends_is_never_repeated_blindly(endpoint: Endpoint) -> None:
    if endpoint.effect is Effect.MESSAGE:
        assert endpoint.repeat is Repeat.NEVER


@every_endpoint
def test_what_only_reads_may_be_repeated(endpoint: Endpoint) -> None:
    if endpoint.access is Access.READ:
        assert endpoint.repeat is Repeat.SAFE


@every_endpoint
def test_the_tool_to_check_with_only_reads(endpoint: Endpoint) -> None:
    if endpoint.check_with is not None:
        assert CATALOG[endpoint.check_with].access is Access.READ


def test_names_and_calls_are_unique() -> None:
    names = Counter(tool.name for tool in TOOLS)
    calls = Counter((endpoint.method, endpoint.path) for endpoint in ENDPOINTS)
    assert [name for name, count in names.items() if count > 1] == []
    assert [call for call, count in calls.items() if count > 1] == []


def test_the_list_is_the_catalogue_in_its_order_and_then_the_servers_own() -> None:
    names = [tool.name for tool in TOOLS]
    assert names[: len(CATALOG)] == list(CATALOG)
    assert tuple(names[len(CATALOG) :]) == OWN_TOOLS


def test_the_list_does_not_depend_on_the_process() -> None:
    first, second = (
        subprocess.run(
            [sys.executable, "-m", "cio_mcp", "tools", "--json"],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    )
    assert first == second


def test_the_instructions_are_short_and_calm() -> None:
    assert 0 < len(listed.instructions()) < 2000
    assert not SHOUTING.search(listed.instructions())


def test_every_tool_that_the_instructions_name_exists() -> None:
    words = set(re.findall(r"\b(?:get|list|find|send|count)_[a-z_]+\b", listed.instructions()))
    assert words
    assert words <= {tool.name for tool in TOOLS}
