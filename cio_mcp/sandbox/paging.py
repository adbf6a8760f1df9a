"""Cursors: an opaque `next`, sent back as `start`."""

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

from cio_mcp.sandbox.replies import Refusal

Entry = TypeVar("Entry")
_PREFIX = "o:"


def page(entries: Sequence[Entry], query: dict[str, str], default: int, most: int) -> tuple[list[Entry], str]:
    """Return one page and the cursor of the next one ("" on the last page).

    `default` and `most` are the documented bounds of `limit`; a limit outside 1..most is refused with 400.
    """
    limit = whole_number(query, "limit", default)
    if not 1 <= limit <= most:
        raise Refusal(400, f"limit must be between 1 and {most}")
    start = _offset(query.get("start", ""))
    end = start + limit
    return list(entries[start:end]), _cursor(end) if end < len(entries) else ""


def whole_number(query: dict[str, str], name: str, default: int) -> int:
    """Return a non-negative integer query parameter."""
    value = query.get(name, "")
    if not value:
        return default
    if not (value.isascii() and value.isdecimal() and len(value) < 19):  # noqa: PLR2004 - fits 64 bits
        raise Refusal(400, f"{name} must be an integer")
    return int(value)


def _cursor(offset: int) -> str:
    return base64.b64encode(f"{_PREFIX}{offset}".encode()).decode()


def _offset(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        kind, _, number = base64.b64decode(cursor, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise Refusal(400, "start is not a cursor of this list") from None
    if f"{kind}:" != _PREFIX or not number.isdecimal():
        raise Refusal(400, "start is not a cursor of this list")
    return int(number)
