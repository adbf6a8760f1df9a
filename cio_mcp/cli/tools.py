"""`cio-mcp tools`: what a client would be shown."""

import argparse
import json
import sys
from dataclasses import replace

import anyio
from mcp import Client, types

from cio_mcp.catalog import CATALOG
from cio_mcp.cli.wiring import log_to_stderr, settings_of, workspace
from cio_mcp.server import build_server
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
    async with workspace(settings) as pipeline, Client(build_server(pipeline)) as client:
        return (await client.list_tools()).tools


def _table(listed: list[types.Tool]) -> str:
    lines: list[str] = []
    area = None
    for tool in listed:
        endpoint = CATALOG.get(tool.name)
        if endpoint is None:
            lines += ["", "this server", f"  {tool.name:30} {'read':12} {_short(tool.description or '')}"]
            continue
        if endpoint.area != area:
            area = endpoint.area
            lines += ["", area]
        lines.append(f"  {endpoint.name:30} {endpoint.permission:12} {_short(endpoint.summary)}")
    return "\n".join(lines).lstrip("\n") + f"\n\n{len(listed)} tools\n"


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
