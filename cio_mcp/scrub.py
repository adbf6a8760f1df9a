"""Pure: make upstream text harmless to carry. What it says stays untrusted; what it can break goes.

One lone surrogate ends a stdio server when its answer is written, and NaN is no JSON at all.
"""

import json
import math
import re
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
DEPTH = 100
"""Deeper JSON is an attack: Customer.io's own answers nest less than ten levels."""

_UNSAFE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_BREAKS = re.compile(r"\s+")
_LONGEST_NUMBER = 300


def text(value: str) -> str:
    """Replace lone surrogates and control characters; tabs and line breaks stay."""
    return _UNSAFE.sub(REPLACEMENT, value)


def one_line(value: str, characters: int) -> str:
    """Return scrubbed text on one line, cut to a length."""
    line = _LINE_BREAKS.sub(" ", text(value)).strip()
    return line if len(line) <= characters else line[: characters - 1] + "…"


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else digits


def _fraction(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _constant(_name: str) -> None:
    """Read NaN and the infinities, which Python would take for numbers, as null."""


def read_json(body: bytes) -> Any:
    """Parse an upstream body and scrub every text in it, names of members too; raises ValueError."""
    try:
        data = json.loads(
            body.decode("utf-8-sig", errors="replace"),
            parse_int=_integer,
            parse_float=_fraction,
            parse_constant=_constant,
        )
        return _scrubbed(data, DEPTH)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _scrubbed(value: Any, depth: int) -> Any:
    if depth < 0:
        raise ValueError("nested too deeply")
    match value:
        case str():
            return text(value) if _UNSAFE.search(value) else value
        case list():
            return [_scrubbed(item, depth - 1) for item in value]
        case dict():
            return {_scrubbed(name, 0): _scrubbed(member, depth - 1) for name, member in value.items()}
        case _:
            return value
