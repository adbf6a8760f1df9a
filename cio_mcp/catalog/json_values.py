"""JSON as it arrives in arguments: as a value or, from some clients, as text; what may be sent on, and its size."""

import json
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

JsonCheck = Callable[[Any], Any]


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Read an object of JSON, and refuse a name that stands twice, of which one would be lost."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("names a member twice")
    return members


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


# The largest integers that common readers of JSON hold have 64 bits; beyond, digits are lost or the text refused.
LARGEST_INTEGER = 2**63
_LONGEST_INTEGER = 20  # characters


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER or not -LARGEST_INTEGER <= int(digits) < LARGEST_INTEGER:
        raise ValueError("holds too large a number; send it as text")
    return int(digits)


DEPTH = 20
"""Arguments nest about five levels; deeper ones are refused before a recursive reader meets them."""


def check_depth(value: Any) -> None:
    """Raise ValueError if objects and lists nest too deeply; walks without recursion."""
    level = [value]
    for _ in range(DEPTH + 1):
        level = [inner for outer in level for inner in _members(outer)]
        if not level:
            return
    raise ValueError(f"is nested more than {DEPTH} levels deep")


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


_NOT_JSON = "must be a JSON object or list, not text"


def parsed(value: Any) -> Any:
    """Read JSON text where an object or a list is due: some clients send nested arguments as text."""
    if not isinstance(value, str):
        return value
    if value.lstrip()[:1] not in ("{", "["):  # without a try: a list may hold a hundred thousand plain texts
        raise ValueError(_NOT_JSON)
    try:
        found = json.loads(value, object_pairs_hook=distinct, parse_constant=_reject_constant, parse_int=_integer)
    except (json.JSONDecodeError, RecursionError):
        raise ValueError(_NOT_JSON) from None
    check_depth(found)
    return sendable(found)


def json_size(value: Any) -> int:
    """Return the bytes of a value as compact UTF-8 JSON; raise ValueError for what JSON cannot carry."""
    try:
        return len(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("holds half a character (a lone surrogate)") from None
    except (TypeError, ValueError):
        raise ValueError("holds a value that JSON cannot carry, such as NaN") from None


def json_at_most(limit: int) -> JsonCheck:
    """Bound a value by the bytes of its compact JSON."""

    def check(value: Any) -> Any:
        size = json_size(value)
        if size > limit:
            raise ValueError(f"has {size:,} bytes as JSON, at most {limit:,} are taken")
        return value

    return check


def sendable(value: Any) -> Any:
    """Refuse what JSON cannot carry before anything is decided about the call."""
    json_size(value)
    return value


JsonObject = Annotated[dict[str, Any], BeforeValidator(parsed), AfterValidator(sendable)]
