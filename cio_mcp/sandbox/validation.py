"""Checks on JSON values, shared by the areas: each returns the value or refuses it with 400."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from cio_mcp.sandbox.replies import JsonObject, Refusal

# "kB" and "MB" are read as powers of ten: the stricter reading of the published limits.
ID_BYTES = 150  # Track API reference, "Limits"
ATTRIBUTE_NAME_BYTES = 150
ATTRIBUTE_VALUE_BYTES = 1_000
ATTRIBUTES_PER_PERSON = 300
EVENT_NAME_BYTES = 100
EVENT_DATA_BYTES = 100_000
OBJECT_BYTES = 100_000
ENTITY_BYTES = 32_000  # Track API reference, "Make a single request"
BATCH_BYTES = 500_000  # Track API reference, "Send multiple requests"
SEGMENT_IDS = 1_000  # Track API reference, "Add people to a manual segment"

ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE)
_EARLIEST, _LATEST = 0, 100_000_000_000  # unix seconds; the official Ruby client's guard against milliseconds


def json_size(value: object) -> int:
    """Return the bytes of `value` as compact JSON."""
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"))


def byte_size(text: str) -> int:
    """Return the UTF-8 length of `text`."""
    return len(text.encode("utf-8", "surrogatepass"))


def text(body: Mapping[str, Any], name: str, *, required: bool = False) -> str | None:
    """Return a string field; absent and null are the same."""
    value = body.get(name)
    if value is None:
        _need(name, required=required)
        return None
    if not isinstance(value, str):
        raise Refusal(400, f"{name} must be a string", field=name)
    if required and not value.strip():
        raise Refusal(400, f"{name} cannot be blank", field=name)
    return value


def needed_text(body: Mapping[str, Any], name: str) -> str:
    """Return a string field that must be there and not be blank."""
    return text(body, name, required=True) or ""


def flag(body: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    """Return a boolean field; 0, 1 and strings are refused."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise Refusal(400, f"{name} must be a boolean", field=name)
    return value


def integer(body: Mapping[str, Any], name: str, *, required: bool = False) -> int | None:
    """Return an integer field; true and 1.5 are refused."""
    value = body.get(name)
    if value is None:
        _need(name, required=required)
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal(400, f"{name} must be an integer", field=name)
    return value


def seconds(body: Mapping[str, Any], name: str) -> int | None:
    """Return a unix timestamp in seconds; milliseconds are refused."""
    value = integer(body, name)
    if value is not None and not _EARLIEST <= value < _LATEST:
        raise Refusal(400, f"{name} must be a unix timestamp in seconds", field=name)
    return value


def mapping(body: Mapping[str, Any], name: str, *, required: bool = False) -> JsonObject | None:
    """Return an object field."""
    value = body.get(name)
    if value is None:
        _need(name, required=required)
        return None
    if not isinstance(value, dict):
        raise Refusal(400, f"{name} must be an object", field=name)
    return value


def needed_mapping(body: Mapping[str, Any], name: str) -> JsonObject:
    """Return an object field that must be there."""
    return mapping(body, name, required=True) or {}


def items(body: Mapping[str, Any], name: str, *, required: bool = False) -> list[Any] | None:
    """Return an array field."""
    value = body.get(name)
    if value is None:
        _need(name, required=required)
        return None
    if not isinstance(value, list):
        raise Refusal(400, f"{name} must be an array", field=name)
    return value


def choice(body: Mapping[str, Any], name: str, allowed: Collection[str], *, required: bool = False) -> str | None:
    """Return a string field that must be one of `allowed`."""
    value = text(body, name, required=required)
    if value is not None and value not in allowed:
        raise Refusal(400, f"{name} must be one of {', '.join(sorted(allowed))}", field=name)
    return value


def one_identifier(value: object, kinds: Collection[str], field: str = "identifiers") -> tuple[str, str]:
    """Return (kind, value) of an object that names exactly one of `kinds`; numbers count as strings."""
    if not isinstance(value, dict):
        raise Refusal(400, f"{field} must be an object", field=field)
    if len(value) != 1 or next(iter(value)) not in kinds:
        raise Refusal(400, f"{field} must contain exactly one of {', '.join(kinds)}", field=field)
    kind, given = next(iter(value.items()))
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if not isinstance(given, str) or not given.strip():
        raise Refusal(400, f"{field}.{kind} cannot be blank", field=field)
    limit_bytes(given, ID_BYTES, field)
    return kind, given


def limit_bytes(value: str, limit: int, name: str) -> None:
    """Refuse a string over its limit in bytes."""
    if byte_size(value) > limit:
        raise Refusal(400, f"{name} must be {limit} bytes or smaller", field=name)


def check_attributes(attributes: Mapping[str, Any], field: str = "attributes") -> None:
    """Refuse attributes over the published limits (Track API reference, "Limits")."""
    if len(attributes) > ATTRIBUTES_PER_PERSON:
        raise Refusal(400, f"{field} must not exceed {ATTRIBUTES_PER_PERSON} attributes", field=field)
    for name, value in attributes.items():
        limit_bytes(name, ATTRIBUTE_NAME_BYTES, "attribute name")
        size = byte_size(value) if isinstance(value, str) else json_size(value)
        if size > ATTRIBUTE_VALUE_BYTES:
            detail = f"value of attribute {name[:40]} must be {ATTRIBUTE_VALUE_BYTES} bytes or smaller"
            raise Refusal(400, detail, field=field)


def _need(name: str, *, required: bool) -> None:
    if required:
        raise Refusal(400, f"{name} is required", field=name)
