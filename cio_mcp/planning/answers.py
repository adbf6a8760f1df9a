"""Pure: what can be relied on in an answer of Customer.io, whose shape may be any."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# What Customer.io itself calls states, types and platforms; anything else may be somebody's text.
_WORD = re.compile(r"[a-z][a-z0-9_]{0,30}")


def member(data: Mapping[str, Any] | None, name: str) -> dict[str, Any]:
    """Return an object that is a member of `data`, empty if there is none."""
    found = (data or {}).get(name)
    return found if isinstance(found, dict) else {}


def rows(data: Mapping[str, Any] | None, name: str) -> list[dict[str, Any]]:
    """Return the objects of a list that is a member of `data`, empty if there is none."""
    found = (data or {}).get(name)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def number(value: Any) -> int | None:
    """Return a number that counts or identifies something, if it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def numbers(value: Any) -> list[int]:
    """Return the numbers of a list, in their order."""
    found = map(number, value if isinstance(value, list) else [])
    return [each for each in found if each is not None]


def word(value: Any) -> str:
    """Return one of Customer.io's own words, such as a state; `other` for everything else."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else "other"


def on_clock(seconds: int, zone: str | None) -> str | None:
    """Return a time as the clocks of a time zone show it; None if this machine does not know the zone."""
    try:
        return f"{datetime.fromtimestamp(seconds, tz=ZoneInfo(zone or 'UTC')):%Y-%m-%d %H:%M}"
    except (ZoneInfoNotFoundError, ValueError, OverflowError, OSError):
        return None


def moment(value: Any) -> str | None:
    """Return seconds since 1970, a number or its digits, as a time in UTC; None if they are no such time."""
    seconds = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value) else number(value)
    if not seconds:
        return None
    try:
        return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return None
