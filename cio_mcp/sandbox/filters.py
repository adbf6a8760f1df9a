"""The audience filter: its grammar, checked strictly, and its meaning for one person.

One top-level key: and[] | or[] | not{} | segment{id} | attribute{field, operator eq|exists, value}; groups nest once
more, and `not` takes a single object (App API reference, "Audience Filter").
"""

from collections.abc import Callable, Mapping
from typing import Any

from cio_mcp.sandbox.people import Person, as_string
from cio_mcp.sandbox.replies import Refusal

Belongs = Callable[[int, Person], bool]

_GROUPS = ("and", "or")
_LEAVES = ("segment", "attribute")
_OPERATORS = ("eq", "exists")
_DEEPEST = 2  # groups inside a group: "nest groups for complex filters", the schema stops at the second


def check_filter(value: object, where: str = "filter") -> None:
    """Refuse with 400 whatever the grammar does not produce."""
    _check(value, where, _DEEPEST)


def matches(value: Mapping[str, Any], person: Person, belongs: Belongs) -> bool:
    """Tell whether `person` is in the audience of a filter that `check_filter` let pass."""
    kind, body = next(iter(value.items()))
    if kind == "and":
        return all(matches(part, person, belongs) for part in body)
    if kind == "or":
        return any(matches(part, person, belongs) for part in body)
    if kind == "not":
        return not matches(body, person, belongs)
    if kind == "segment":
        return belongs(body["id"], person)
    actual = person.value(body["field"])
    if body["operator"] == "exists":
        return actual is not None
    return actual is not None and actual == as_string(body["value"])


def segment_ids(value: Mapping[str, Any]) -> list[int]:
    """Return the segments a filter names, in order."""
    kind, body = next(iter(value.items()))
    if kind == "segment":
        return [body["id"]]
    if kind == "not":
        return segment_ids(body)
    return [found for part in body for found in segment_ids(part)] if kind in _GROUPS else []


def _check(value: object, where: str, depth: int) -> None:
    if not isinstance(value, dict) or len(value) != 1:
        raise Refusal(400, f"{where} must be an object with exactly one of and, or, not, segment, attribute")
    kind, body = next(iter(value.items()))
    if kind in _GROUPS and depth > 0:
        _check_group(body, f"{where}.{kind}", depth)
    elif kind == "not":  # also in the innermost group: the reference's example of "Custom recipients" does so
        _check_not(body, f"{where}.not", depth)
    elif kind == "segment":
        _check_segment(body, f"{where}.segment")
    elif kind == "attribute":
        _check_attribute(body, f"{where}.attribute")
    else:
        raise Refusal(400, f"{where} does not accept {kind!s} here")


def _check_group(body: object, where: str, depth: int) -> None:
    if not isinstance(body, list) or not body:
        raise Refusal(400, f"{where} must be an array with at least one condition")
    for index, part in enumerate(body):
        _check(part, f"{where}[{index}]", depth - 1)


def _check_not(body: object, where: str, depth: int) -> None:
    if not isinstance(body, dict):
        raise Refusal(400, f"{where} takes a single filter object")
    if "not" in body:
        raise Refusal(400, f"{where} does not accept not here")
    _check(body, where, depth)


def _check_segment(body: object, where: str) -> None:
    number = body.get("id") if isinstance(body, dict) else None
    if isinstance(number, bool) or not isinstance(number, int):
        raise Refusal(400, f"{where}.id must be an integer")


def _check_attribute(body: object, where: str) -> None:
    if not isinstance(body, dict):
        raise Refusal(400, f"{where} must be an object")
    if not isinstance(body.get("field"), str) or not body["field"]:
        raise Refusal(400, f"{where}.field is required")
    if body.get("operator") not in _OPERATORS:
        raise Refusal(400, f"{where}.operator must be eq or exists")
    if body["operator"] == "eq" and not isinstance(body.get("value"), str | int | float | bool):
        raise Refusal(400, f"{where}.value is required with eq")
