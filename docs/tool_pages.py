"""Pure: a page for every tool, from its declaration and from a call of it that was made."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mcp import types

from cio_mcp.catalog import CATALOG, Endpoint
from cio_mcp.catalog.terms import Gate
from cio_mcp.explaining import EXPLAINED
from cio_mcp.faces.face import native_tool, tool_of
from cio_mcp.insight.tools import NEEDS
from cio_mcp.insight.tools import TOOLS as INSIGHT
from cio_mcp.native import NativeTool
from cio_mcp.render import NATIVE, pace
from cio_mcp.settings import load
from docs.cutting import Unplaced
from docs.layout import Entry
from docs.markdown import fenced, relative, table
from docs.pretty import pretty

EXAMPLES = Path(__file__).parent / "examples" / "tools.json"
FOLDER = "tools"
TOOLS: Mapping[str, Endpoint | NativeTool] = {**CATALOG, **{tool.name: tool for tool in NATIVE}}
HINTS = {
    "read_only_hint": ("reads only", "changes something"),
    "destructive_hint": ("removes or replaces what cannot be had back", "destroys nothing"),
    "idempotent_hint": ("a second, identical call does nothing more", "a second, identical call does it again"),
    "open_world_hint": ("asks Customer.io", "is answered by this server alone"),
}
ANYWHERE = ("invalid_arguments", "not_permitted", "rate_limited", "unavailable")
FROM_CUSTOMERIO = (
    "missing_credential", "quota_exhausted", "unreadable_reply", "bad_credential", "forbidden", "not_found", "rejected",
)  # fmt: skip
ASKED = ("confirmation_needed", "approval_needed", "not_confirmed", "cannot_ask")
SHARED = frozenset({"dry_run", "allow_repeat", "confirm_token"})
"""Arguments that this server adds to Customer.io's."""


def pages() -> dict[str, str]:
    """Return the page of every tool by its path."""
    examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    if missing := [name for name in TOOLS if name not in examples]:
        raise Unplaced(f"{missing} have no call to show: add it to docs/calls.py, and run `python -m docs.recording`")
    return {path_of(name): _page(tool, examples[name]) for name, tool in TOOLS.items()}


def path_of(name: str) -> str:
    """Return the path of a tool's page."""
    return f"{FOLDER}/{name}.md"


def entries() -> list[Entry]:
    """Return the navigation of the tools: by area, and those of the server itself."""
    insight = [tool.name for tool in INSIGHT]
    groups = [(area.name, [endpoint.name for endpoint in area.endpoints]) for area in CATALOG.areas]
    groups += [("insight", insight), ("this server", [tool.name for tool in NATIVE if tool.name not in insight])]
    return [(name, [path_of(tool) for tool in tools]) for name, tools in groups]


def linked(path: str, text: str) -> str:
    """Return a page whose tables lead to the tools that their first column names."""
    return re.sub(r"^\| `(\w+)` \|", partial(_linked, path), text, flags=re.MULTILINE)


def _linked(path: str, row: re.Match[str]) -> str:
    return f"| [`{row[1]}`]({relative(path, path_of(row[1]))}) |" if row[1] in TOOLS else row[0]


def _page(tool: Endpoint | NativeTool, example: Mapping[str, Any]) -> str:
    listed = tool_of(tool) if isinstance(tool, Endpoint) else native_tool(tool)
    about = _endpoint(tool) if isinstance(tool, Endpoint) else _native(tool)
    parts = [
        f"# {tool.name}",
        _described_by(tool.name, listed.description or ""),
        table(("", ""), [*about, ("Hints", _hints(listed))]),
        "## Arguments",
        _arguments(listed),
        "## A call",
        *_example(example),
        "## How it may end otherwise",
        _ends(tool),
    ]
    return "\n\n".join(parts) + "\n"


def _described_by(own: str, text: str) -> str:
    """Return a description that leads to the other tools that it names."""
    names = "|".join(name for name in TOOLS if name != own)
    return re.sub(rf"\b({names})\b", r"[`\1`](\1.md)", text.replace("<", "&lt;"))


def _endpoint(endpoint: Endpoint) -> list[Sequence[str]]:
    rates = {str(bucket): rate for bucket, rate in load({}).rates.items()}
    limits = ", ".join(f"{bucket}, {pace(rates[bucket])}" for bucket in endpoint.buckets)
    rows: list[Sequence[str]] = [
        ("Access", f"`{endpoint.area}:{endpoint.permission}`"),
        ("Call", f"`{endpoint.method} {endpoint.path}` ([Customer.io's page]({endpoint.docs_url}))"),
        ("Key", str(endpoint.key)),
        ("Limit", limits + (f"; at most {endpoint.max_body:,} bytes" if endpoint.max_body else "")),
        ("Confirmed", _confirmed(endpoint)),
    ]
    return [*rows, ("Leads to", f"the event `{endpoint.emits}`")] if endpoint.emits else rows


def _confirmed(endpoint: Endpoint) -> str:
    how = f"[{'{}'}](../safety/confirmation.md)"
    match endpoint.gate:
        case None:
            return "never: it only reads"
        case Gate.ASKED:
            return how.format("always")
        case Gate.ITEMS:
            return how.format("where an item deletes, suppresses or merges")
        case _ if endpoint.params.most_people > 1:
            return how.format("above `--confirm-above` people")
        case _:
            return "no"


def _native(tool: NativeTool) -> list[Sequence[str]]:
    if needs := NEEDS.get(tool.name):
        return [("Reads with", ", ".join(f"[`{name}`]({name}.md)" for name in needs))]
    return [("Key", "none of its own: it tells what this server knows, and looks where that is not enough")]


def _hints(tool: types.Tool) -> str:
    given = tool.annotations.model_dump() if tool.annotations else {}
    return "; ".join(words[0] if given[name] else words[1] for name, words in HINTS.items())


def _arguments(tool: types.Tool) -> str:
    properties: Mapping[str, Any] = tool.input_schema["properties"]
    if not properties:
        return "None."
    required = tool.input_schema.get("required", [])
    rows = [
        (f"`{name}`", "yes" if name in required else "", _type(schema), _described(name, schema))
        for name, schema in sorted(properties.items(), key=lambda item: (item[0] in SHARED, item[0] not in required))
    ]
    return table(("Argument", "Needed", "Type", "What it is"), rows)


def _described(name: str, schema: Mapping[str, Any]) -> str:
    text = str(schema.get("description", "")).replace("<", "&lt;").replace("{", "&#123;")
    if (most := schema.get("maximum", schema.get("maxItems"))) is not None and f"{most:,}" not in text:
        text += f"; at most {most:,}"
    return f"{text} *(of this server)*" if name in SHARED else text


def _type(schema: Mapping[str, Any]) -> str:
    if choices := schema.get("enum"):
        return ", ".join(f"`{choice}`" for choice in choices)
    kind = str(schema["type"])
    if members := schema.get("properties"):
        return f"{kind} with {', '.join(f'`{member}`' for member in members)}"
    if kind == "array":
        return f"list of {schema.get('items', {}).get('type', 'value')}s"
    return {"date-time": "time"}.get(schema.get("format", ""), kind)


def _example(example: Mapping[str, Any]) -> Iterator[str]:
    yield "Really made, against [the sandbox](../start/sandbox.md); times and numbers of operations are of that run."
    for call in example.get("before", ()):
        yield f"Before it, [`{call['tool']}`]({call['tool']}.md):"
        yield from _made(call)
    first, *more = example["calls"]
    if example.get("before"):
        yield "Then the call itself:"
    yield from _made(first)
    for call in more:
        yield "The plan was shown, and somebody agreed; the same call with its token:"
        yield from _made(call)


def _made(call: Mapping[str, Any]) -> Iterator[str]:
    yield fenced("json", pretty(call["arguments"]))
    code = call["result"].get("error", {}).get("code")
    yield f"is answered with [`{code}`](../errors/{code}.md):" if code else "is answered with:"
    yield fenced("json", pretty(call["result"]))


def _ends(tool: Endpoint | NativeTool) -> str:
    codes = sorted(codes_of(tool), key=EXPLAINED.index)
    return ", ".join(f"[`{code}`](../errors/{code}.md)" for code in codes) + "."


def codes_of(tool: Endpoint | NativeTool) -> set[str]:
    """Return the errors in which a tool's call may end, as far as its declaration tells."""
    if isinstance(tool, NativeTool):
        own = {"no_such_operation"} if "operation" in tool.params.model_fields else set[str]()
        asks = FROM_CUSTOMERIO if tool.open_world else ()
        return {*ANYWHERE, *own, *asks} if tool.open_world else {"invalid_arguments", *own}
    codes = {*ANYWHERE, *FROM_CUSTOMERIO}
    if tool.gate is not None:
        codes |= {"writes_stopped", "outcome_unknown", "not_recorded", "over_budget"}
    if "allow_repeat" in tool.controls:
        codes.add("held_back")
    if "confirm_token" in tool.controls:
        codes |= set(ASKED)
    if tool.max_body or tool.gate is not None:
        codes.add("too_large")
    if tool.name == "apply_batch":
        codes.add("partly_rejected")
    return codes
