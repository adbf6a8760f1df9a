"""`cio-mcp tools`: what a client would be shown."""

import argparse
import json
import sys
from dataclasses import replace
from itertools import groupby

import anyio
from mcp import types

from cio_mcp.catalog import CATALOG
from cio_mcp.cli.checked import log_to_stderr, settings_of
from cio_mcp.cli.team import team
from cio_mcp.insight.tools import NEEDS as INSIGHT
from cio_mcp.settings import MEMORY, Settings, flags_given

WIDTH = 78


def run(arguments: argparse.Namespace) -> int:
    """Print the tools: a table for people, or the whole list as JSON."""
    settings = replace(settings_of(flags_given(arguments)), ledger=MEMORY)  # to look at a list leaves no record
    log_to_stderr("error")
    listed = anyio.run(_listed, settings)
    if arguments.json:
        tools = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed]
        sys.stdout.write(json.dumps({"tools": tools}, indent=1, ensure_ascii=False) + "\n")
        return 0
    sys.stdout.write(_table(listed))
    return 0


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
