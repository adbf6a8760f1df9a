"""What the tool list costs a model's context, beside a generated server; and how many bytes a token of a result has.

    python benchmarks/tokens.py                      # needs toktok, which carries the o200k_base vocabulary in itself

Tokens are those of o200k_base. Of each tool, as listed over stdio, the name, the description and the input schema
as compact JSON are counted, each alone: what a vendor wraps around them is the same for every server. The second
table names our most expensive tools. The third says how many bytes of compact JSON make a token in the answers of
the sandbox to every tool that reads, fewest first: `shaping.BYTES_PER_TOKEN` is meant to lie below all of them.

The generated server is given our own words and schemas, so the first table shows what the server adds or loses, not
what an API's own document would cost.
"""

import argparse
import importlib
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from lineup import WITHOUT_FASTMCP, lined_up
from report import machine, table
from stdio_client import Era, StdioServer

from cio_mcp.catalog import Access
from cio_mcp.catalog.endpoint import Endpoint
from cio_mcp.cli.wiring import workspace
from cio_mcp.delivery import Caller
from cio_mcp.pipeline import Pipeline
from cio_mcp.settings import load
from cio_mcp.shaping import BYTES_PER_TOKEN, compact

MISSING = 'toktok is not installed: pip install ".[bench]" (or: pip install toktok-rs)'
USAGE_ERROR = 2
# What the sandbox is seeded with, by the name of a required argument.
EXAMPLES: Mapping[str, Any] = {
    "customer_id": "ada-1",
    "email": "ada@example.com",
    "filter": {"segment": {"id": 1}},
    "segment_id": 1,
    "broadcast_id": 10,
    "campaign_id": 1,
    "newsletter_id": 1,
    "collection_id": 1,
    "webhook_id": 1,
}

Count = Callable[[str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The tokens of one tool."""

    name: str
    description: int
    schema: int
    total: int


def o200k_base() -> Count | None:
    """Return what counts the tokens of a text, None without the package."""
    try:
        toktok = importlib.import_module("toktok")
    except ModuleNotFoundError:
        return None
    return lambda text: int(toktok.batch_count([text], "o200k_base", threads=1)[0])


def costs(tools: Sequence[Mapping[str, Any]], count: Count) -> list[Cost]:
    """Count the tokens of every tool of a list."""
    counted: list[Cost] = []
    for tool in tools:
        description, schema = count(tool.get("description", "")), count(compact(tool["inputSchema"]))
        total = count(tool["name"]) + description + schema
        counted.append(Cost(name=tool["name"], description=description, schema=schema, total=total))
    return counted


def listed(command: Sequence[str]) -> list[dict[str, Any]]:
    """Return the tools that a server lists."""
    with StdioServer(command, Era.LEGACY) as server:
        server.greet()
        tools: list[dict[str, Any]] = server.request("tools/list", {})["tools"]
        return tools


async def results() -> dict[str, str]:
    """Return what every tool that reads answers from the sandbox, as the text of its result."""
    settings = load({}, {"sandbox": "true", "confirm": "off", "limit_app": "1000/1", "log_level": "error"})
    async with workspace(settings) as pipeline:
        trigger = await _answer(pipeline, "trigger_broadcast", {"broadcast_id": EXAMPLES["broadcast_id"]})
        known = {**EXAMPLES, "trigger_id": trigger["id"]}
        readers = [endpoint for endpoint in pipeline.catalog.values() if endpoint.access is Access.READ]
        return {
            endpoint.name: compact(await _answer(pipeline, endpoint.name, _arguments(endpoint, known)))
            for endpoint in readers
        }


def _arguments(endpoint: Endpoint, known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: known[name] for name in endpoint.input_schema().get("required", ())}


async def _answer(pipeline: Pipeline, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    finished = await pipeline.call(pipeline.catalog[tool], arguments, caller=Caller(name="benchmark"))
    if finished.error:
        raise RuntimeError(f"{tool}: {json.dumps(finished.error.as_json())}")
    return finished.data


def _compared(lists: Mapping[str, list[Cost]]) -> str:
    ours = sum(cost.total for cost in lists["cio-mcp"])
    rows = []
    for name, counted in lists.items():
        totals = [cost.total for cost in counted]
        rows.append(
            [
                name,
                str(len(counted)),
                f"{sum(totals):,}",
                f"{sum(totals) / ours:.2f}",
                f"{statistics.fmean(totals):.0f}",
                f"{statistics.median(totals):.0f}",
                f"{max(totals)}",
            ]
        )
    return table(["server", "tools", "tokens", "x ours", "mean", "median", "largest"], rows)


def _most_expensive(counted: Sequence[Cost], top: int) -> str:
    dearest = sorted(counted, key=lambda cost: cost.total, reverse=True)[:top]
    rows = [[cost.name, str(cost.total), str(cost.description), str(cost.schema)] for cost in dearest]
    return table(["tool", "tokens", "description", "schema"], rows)


def _density(answers: Mapping[str, str], count: Count, top: int) -> str:
    sizes = {name: len(text.encode()) for name, text in answers.items()}
    dense = {name: sizes[name] / count(text) for name, text in answers.items()}
    ranked = sorted(dense, key=dense.__getitem__)
    rows = [[name, str(sizes[name]), f"{dense[name]:.2f}"] for name in ranked[:top]]
    middle = statistics.median(dense.values())
    rows.append([f"median of {len(dense)}", f"{statistics.median(sizes.values()):.0f}", f"{middle:.2f}"])
    return table(["result of", "bytes", "bytes a token"], rows)


def main() -> int:
    """Read the command line, count, print three tables; 2 if the tokenizer is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--top", type=int, default=10, help="rows of the second and third table (default: 10)")
    options = parser.parse_args()
    count = o200k_base()
    if count is None:
        print(MISSING, file=sys.stderr)
        return USAGE_ERROR
    with lined_up() as lineup:
        lists = {"cio-mcp": costs(listed(lineup.ours()), count)}
        if lineup.has_fastmcp:
            lists["fastmcp from OpenAPI"] = costs(listed(lineup.fastmcp()), count)
    print(f"{machine('cio-mcp', 'mcp', 'fastmcp', 'toktok-rs')}; tokens of o200k_base")
    if len(lists) == 1:
        print(WITHOUT_FASTMCP)
    print(f"\n{_compared(lists)}\n")
    print(_most_expensive(lists["cio-mcp"], options.top))
    print(f"\nBYTES_PER_TOKEN is {BYTES_PER_TOKEN}; the answers of tools that read:\n")
    print(_density(anyio.run(results), count, options.top))
    return 0


if __name__ == "__main__":
    sys.exit(main())
