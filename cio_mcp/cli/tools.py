"""`cio-mcp tools`: what a client would be shown."""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from itertools import groupby
from textwrap import TextWrapper
from typing import Any

import anyio
from mcp import types

from cio_mcp.catalog import CATALOG
from cio_mcp.cli.checked import log_to_stderr, settings_of
from cio_mcp.cli.team import team
from cio_mcp.insight.tools import NEEDS as INSIGHT
from cio_mcp.scrub import one_line
from cio_mcp.settings import MEMORY, Settings, SettingsError, flags_given

WIDTH, WIDEST = 78, 110
_PLACEHOLDERS: Mapping[str, Any] = {"object": {"...": "..."}, "array": ["..."], "integer": 1, "boolean": True}


def run(arguments: argparse.Namespace) -> int:
    """Print the tools: a table for people, or the whole list as JSON."""
    settings = replace(settings_of(flags_given(arguments)), ledger=MEMORY)  # to look at a list leaves no record
    log_to_stderr("error")
    listed = anyio.run(_listed, settings)
    if arguments.tool:
        listed = [_named(listed, arguments.tool)]
    if arguments.json:
        tools = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed]
        sys.stdout.write(json.dumps({"tools": tools}, indent=1, ensure_ascii=False) + "\n")
        return 0
    sys.stdout.write(_page(listed[0]) if arguments.tool else _table(listed))
    return 0


def _named(listed: list[types.Tool], name: str) -> types.Tool:
    for tool in listed:
        if tool.name == name:
            return tool
    near = get_close_matches(name, [tool.name for tool in listed], n=1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    raise SettingsError(f"no tool {one_line(name, 60)} is served{meant}; `cio-mcp tools` lists those that are")


def _page(tool: types.Tool) -> str:
    """Return what a tool does and takes: `*` marks what it needs."""
    width = min(shutil.get_terminal_size().columns, WIDEST)
    wrapped = TextWrapper(width=width, initial_indent="  ", subsequent_indent="  ")
    needed = tool.input_schema.get("required", [])
    lines = [f"{tool.name} ({_access(tool)}): {tool.title}", *wrapped.wrap(tool.description or ""), ""]
    for name, schema in tool.input_schema.get("properties", {}).items():
        told = ". ".join(filter(None, (_kind(schema), schema.get("description", ""))))
        text = f"{name + ('*' if name in needed else ''):26} {told}"
        lines += TextWrapper(width=width, initial_indent="  ", subsequent_indent=" " * 29).wrap(text)
    example = {name: _PLACEHOLDERS.get(tool.input_schema["properties"][name].get("type", ""), "...") for name in needed}
    lines += ["", f"  cio-mcp call {tool.name} '{json.dumps(example)}'", ""]
    return "\n".join(lines)


def _kind(schema: dict[str, Any]) -> str:
    """Return the type of an argument in a word or two."""
    if choices := schema.get("enum"):
        return "one of " + ", ".join(map(str, choices))
    kind = str(schema.get("format") or schema.get("type", "anything"))
    return f"list of {_kind(schema['items'])}" if kind == "array" and "items" in schema else kind


async def _listed(settings: Settings) -> list[types.Tool]:
    async with team(settings) as served:
        return served.face.listed.tools


def _table(listed: list[types.Tool]) -> str:
    parts = []
    for area, tools in groupby(listed, key=_area):
        lines = [f"  {tool.name:30} {_access(tool):12} {_short(_summary(tool))}" for tool in tools]
        parts.append("\n".join([area, *lines]))
    return "\n\n".join([*parts, f"{len(listed)} tools\n"])


def _area(tool: types.Tool) -> str:
    if endpoint := CATALOG.get(tool.name):
        return endpoint.area
    return "insight" if tool.name in INSIGHT else "this server"


def _access(tool: types.Tool) -> str:
    endpoint = CATALOG.get(tool.name)
    return endpoint.permission if endpoint else "read"


def _summary(tool: types.Tool) -> str:
    endpoint = CATALOG.get(tool.name)
    return endpoint.summary if endpoint else tool.description or ""


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
