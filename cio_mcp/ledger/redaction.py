"""Pure: what of a call's arguments may be recorded.

Numbers, switches and choices stand in clear. Who or what is meant stands as a keyed digest, so that a record can be
found by the identifier and not the other way round. Of all else the size: a new argument is hidden before anybody
thinks of it.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from email.utils import getaddresses
from typing import Any, Final, get_args

from cio_mcp.catalog.identifiers import without_prefix
from cio_mcp.catalog.params import Params
from cio_mcp.catalog.variants import ACTIONS, Type

Digest = Callable[..., str]
MARK_DIGITS: Final = 16
SHOWN: Final = 50
"""Items of a list that are recorded one by one; a broadcast may name 10,000 people."""
# What newer Pythons hold for malformed they tell nothing of: a display name with brackets, for one.
_BARE = re.compile(r"[^\s<>()\[\],;:\"]+@[^\s<>()\[\],;:\"]+")
_DEPTH = 8
"""Levels, as many as a filter has down to what it compares with."""

# Arguments, and members of objects, that say who or what is meant.
ADDRESSES = frozenset({"to", "cc", "bcc", "reply_to", "from", "recipient", "from_address", "email", "emails"})
IDENTIFIERS = ADDRESSES | {
    "identifier", "customer_id", "id", "ids", "phone", "cio_id", "anonymous_id", "device_id", "token", "object_id",
    "object_type_id", "cio_object_id", "delivery_id", "operation",
}  # fmt: skip
# Lists and objects that hold such members further down.
_HOLDERS = frozenset({
    "identifiers", "primary", "secondary", "batch", "cio_relationships", "relationships", "per_user_data", "device",
    "custom_device", "filter", "recipients", "and", "or", "not", "attribute",
})  # fmt: skip
# The members of an item of a batch that are choices, and the argument of apply_entity that is one.
_WORDS: Mapping[str, frozenset[str]] = {
    "type": frozenset(get_args(Type)),
    "action": frozenset({*ACTIONS, "add_relationships", "delete_relationships"}),
}


def redacted(params: Params, digest: Digest) -> dict[str, Any]:
    """Return the arguments of a call as they may be recorded; `digest` is the ledger's."""
    given = params.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {name: _argument(name, value, digest, plain=name in params.choices) for name, value in given.items()}


def marked(identifier: str, digest: Digest) -> str:
    """Return what stands in a record for an identifier, however it was written."""
    return _marked_as_written(unicodedata.normalize("NFC", identifier), digest)


def marks(identifier: str, digest: Digest) -> tuple[str, ...]:
    """Return all that may stand in records for an identifier: older ones hold it in the normal form it came in."""
    forms = (unicodedata.normalize("NFC", identifier), identifier, unicodedata.normalize("NFD", identifier))
    return tuple(dict.fromkeys(_marked_as_written(form, digest) for form in forms))


def _marked_as_written(identifier: str, digest: Digest) -> str:
    bare = without_prefix(identifier.strip()).casefold()
    return f"hmac:{digest('identifier', bare)[:MARK_DIGITS]}"


def _argument(name: str, value: Any, digest: Digest, *, plain: bool) -> Any:
    if plain and isinstance(value, str):
        return value
    return _value(name, value, digest, _DEPTH)


def _value(name: str, value: Any, digest: Digest, depth: int) -> Any:
    match value:
        case bool():
            return value
        case int() | float():
            return _number(name, value, digest, is_argument=depth == _DEPTH)
        case str():
            return _text(name, value, digest)
        case dict() if depth:
            return _object(value, digest, depth - 1)
        case list() if depth and (name in IDENTIFIERS or name in _HOLDERS):
            return _list(name, value, digest, depth - 1)
        case _:
            return _size(value)


def _number(name: str, number: float, digest: Digest, *, is_argument: bool) -> Any:
    """Return a number that is a whole argument; inside of something it may be anything, such as a telephone's."""
    if name in IDENTIFIERS:
        return marked(str(number), digest)
    shown = is_argument and (isinstance(number, int) or math.isfinite(number))
    return number if shown else _size(number)


def _is_word(name: str, value: Any) -> bool:
    return isinstance(value, str) and value in _WORDS.get(name, ())


def _text(name: str, text: str, digest: Digest) -> Any:
    if _is_word(name, text):
        return text
    if name not in IDENTIFIERS:
        return _size(text)
    if name not in ADDRESSES:
        return marked(text, digest)
    found = [address for _, address in getaddresses([text]) if address] or _BARE.findall(text) or [text]
    marks = _capped([marked(address, digest) for address in found[:SHOWN]], len(found))
    return marks[0] if len(marks) == 1 else marks


def _list(name: str, items: Sequence[Any], digest: Digest, depth: int) -> list[Any]:
    return _capped([_value(name, item, digest, depth) for item in items[:SHOWN]], len(items))


def _object(members: Mapping[str, Any], digest: Digest, depth: int) -> Any:
    """Return the members that say who is meant, and how many others there are."""
    told = {
        name: _value(name, value, digest, depth)
        for name, value in members.items()
        if name in IDENTIFIERS or name in _HOLDERS or _is_word(name, value)
    }
    field = members.get("field")  # of a filter, which compares a person's own identifiers with values as well
    if isinstance(field, str) and field in IDENTIFIERS and "value" in members:
        told["value"] = _value(field, members["value"], digest, depth)
    others = len(members) - len(told)
    if not told:
        return _size(members)
    return told | ({"others": _count(others, "member")} if others else {})


def _capped(shown: list[Any], count: int) -> list[Any]:
    return shown if count <= SHOWN else [*shown, f"<{count - SHOWN} more>"]


def _size(value: Any) -> str:
    match value:
        case str():
            return _count(len(value), "character")
        case list():
            return _count(len(value), "item")
        case dict():
            return _count(len(value), "member")
        case _:
            return f"<{type(value).__name__}>"


def _count(count: int, thing: str) -> str:
    return f"<{count} {thing}{'' if count == 1 else 's'}>"
