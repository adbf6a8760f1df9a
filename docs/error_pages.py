"""Pure: a page for every error code, from what `cio-mcp explain` says and from an error that was produced."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cio_mcp.explaining import EXPLAINED, Explanation, explanations
from docs.cutting import Unplaced
from docs.layout import Entry
from docs.markdown import fenced, relative
from docs.tool_pages import TOOLS, codes_of

EXAMPLES = Path(__file__).parent / "examples" / "errors.json"
FOLDER = "errors"
MANY = 20
"""A code in which more tools may end than these is no matter of single tools."""


def pages() -> dict[str, str]:
    """Return the page of every code by its path."""
    examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    if missing := [code for code in EXPLAINED if code not in examples]:
        raise Unplaced(f"{missing} were not produced: add how to docs/failures.py, and run `python -m docs.failures`")
    return {path_of(code): _page(one, examples[code]) for code, one in explanations().items()}


def path_of(code: str) -> str:
    """Return the path of a code's page."""
    return f"{FOLDER}/{code}.md"


def entries() -> list[Entry]:
    """Return the navigation of the codes."""
    return [path_of(code) for code in explanations()]


def linked(path: str, text: str) -> str:
    """Return a page whose tables lead to the codes that their first column names."""
    return re.sub(r"^\| `(\w+)` \|", partial(_linked, path), text, flags=re.MULTILINE)


def _linked(path: str, row: re.Match[str]) -> str:
    return f"| [`{row[1]}`]({relative(path, path_of(row[1]))}) |" if row[1] in EXPLAINED else row[0]


def _page(one: Explanation, example: Mapping[str, Any]) -> str:
    parts = [
        f"# {one.code}",
        one.happened,
        f"**Was anything sent?** {_text(one.sent)}",
        f"**What to do.** {_text(one.remedy)}",
        "## What an agent does next",
        _text(one.agent),
        "## What a person does next",
        _text(one.person),
        "## How it looks",
        *_example(example),
        "## Where it comes from",
        _where(one.code),
        f"`cio-mcp explain {one.code}` prints the upper part of this page.",
    ]
    return "\n\n".join(parts) + "\n"


def _text(text: str) -> str:
    """Return prose whose flags are set as code where they are not yet, and whose tools lead to their pages."""
    tools = re.sub(rf"(?<!`)\b({'|'.join(TOOLS)})\b(?!`)", r"[`\1`](../tools/\1.md)", text)
    return re.sub(r"(?<![`\w-])(--[a-z-]+)(?![`\w-])", r"`\1`", tools)


def _example(example: Mapping[str, Any]) -> Iterator[str]:
    for name, text in example.get("files", {}).items():
        yield f"`{name}`, which only its owner may write:"
        yield fenced("toml", text)
    if because := example.get("because"):
        yield because
    yield fenced("sh", "\n".join(example["typed"]))
    yield f"prints on standard error, and ends with exit code {example['exit_code']}:"
    yield fenced("text", example["printed"])


def _where(code: str) -> str:
    tools = [name for name, tool in TOOLS.items() if code in codes_of(tool)]
    if len(tools) > MANY:
        return f"{len(tools)} of the {len(TOOLS)} [tools](../tools/index.md) may end like this."
    return "May be the end of " + ", ".join(f"[`{name}`](../tools/{name}.md)" for name in tools) + "."
