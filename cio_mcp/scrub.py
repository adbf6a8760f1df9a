"""Pure: make upstream text harmless to carry. What it says stays untrusted; what it can break goes.

One lone surrogate ends a stdio server when its answer is written, and NaN is no JSON at all. Tag characters and
chains of variation selectors carry text that a model reads and no person sees.
"""

import json
import math
import re
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
DEPTH = 100
"""Deeper JSON is an attack: Customer.io's own answers nest less than ten levels."""

# The only emoji written with tag characters: the flags of England, Scotland and Wales (Unicode TS #51, ED-14a).
_FLAG = (
    "\U0001f3f4\U000e0067\U000e0062"
    "(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)\U000e007f"
)
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]"
_TAG = "[\U000e0000-\U000e007f]"
_SELECTOR = "[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
_UNSAFE = re.compile(f"({_FLAG})|{_CONTROL}|{_TAG}|(?<={_SELECTOR}){_SELECTOR}")
_LINE_BREAKS = re.compile(r"\s+")
_LONGEST_NUMBER = 300


def text(value: str) -> str:
    """Replace lone surrogates, control characters and hidden text; tabs and line breaks stay."""
    return _UNSAFE.sub(lambda found: found[1] or REPLACEMENT, value)


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
