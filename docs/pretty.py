"""Pure: JSON for people: a member a line, and on one line what fits there."""

import json
from typing import Any

WIDTH = 100


def pretty(value: Any, indent: int = 0, taken: int = 0) -> str:
    """Return JSON text; `taken` is what already stands on its line."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or indent + taken + len(flat) <= WIDTH:
        return flat
    inner = indent + 2
    if isinstance(value, dict):
        heads = [f"{json.dumps(name, ensure_ascii=False)}: " for name in value]
        rows = [head + pretty(each, inner, len(head)) for head, each in zip(heads, value.values(), strict=True)]
    else:
        rows = [pretty(each, inner) for each in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    space = " " * inner
    return f"{opening}\n{space}" + f",\n{space}".join(rows) + f"\n{' ' * indent}{closing}"
