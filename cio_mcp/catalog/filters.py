"""The audience filter: how conditions on segments and attributes are put together (App API reference, "Filters").

```text
filter    = {and: [filter...]} | {or: [filter...]} | {not: filter} | {segment: {id}} | {attribute: attribute}
attribute = {field, operator: eq | exists, value}
```

Every object holds exactly one of these keys. Groups (`and`, `or`) nest at most two deep, and `not` holds one
object that is no `not`, in the inner of two groups a condition. The only operators are `eq` and `exists`: everything
else is a segment's business.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from cio_mcp.catalog.fields import whole_number_from
from cio_mcp.catalog.json_values import JsonObject
from cio_mcp.catalog.params import Place, wrong

GROUPS = ("and", "or")
CONDITIONS = ("segment", "attribute")
KEYS = (*GROUPS, "not", *CONDITIONS)
OPERATORS = ("eq", "exists")
# The reference's schemas stop there: a group inside a group holds only conditions. Its example of a broadcast's
# recipients ("Custom recipients") negates one of these.
GROUPS_DEEP = 2


def audience(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filter with ids as numbers; raise ValueError naming the place and the remedy."""
    return _node(node, (), depth=0, keys=KEYS)


def _node(node: Any, place: Place, *, depth: int, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(node, Mapping):
        raise wrong(place, "must be an object")
    if len(node) != 1 or next(iter(node)) not in keys:
        raise wrong(place, f"must hold exactly one of {' | '.join(keys)}")
    [(key, inner)] = node.items()
    here = (*place, key)
    match key:
        case "segment":
            return {key: _segment(inner, here)}
        case "attribute":
            return {key: _attribute(inner, here)}
        case "not":
            inside = (*GROUPS, *CONDITIONS) if depth < GROUPS_DEEP else CONDITIONS
            return {key: _node(inner, here, depth=depth, keys=inside)}
        case _:
            return {key: _group(inner, here, depth=depth + 1)}


def _group(members: Any, place: Place, *, depth: int) -> list[dict[str, Any]]:
    if not isinstance(members, list) or not members:
        raise wrong(place, "must be a list of one or more filters")
    keys = KEYS if depth < GROUPS_DEEP else ("not", *CONDITIONS)
    return [_node(member, (*place, i), depth=depth, keys=keys) for i, member in enumerate(members)]


def _segment(members: Any, place: Place) -> dict[str, Any]:
    if not isinstance(members, Mapping) or set(members) != {"id"}:
        raise wrong(place, "must be {id: <number>}; list_segments shows the ids")
    try:
        return {"id": whole_number_from(1)(members["id"])}
    except ValueError as error:
        raise wrong((*place, "id"), error) from None


def _attribute(members: Any, place: Place) -> dict[str, Any]:
    if not isinstance(members, Mapping) or not {"field", "operator"} <= set(members):
        raise wrong(place, "must be {field, operator, value}")
    unknown = sorted(set(members) - {"field", "operator", "value"})
    if unknown:
        raise wrong(place, f"does not take {unknown[0][:40]!r}: give field, operator, value")
    if not isinstance(members["field"], str) or not members["field"]:
        raise wrong((*place, "field"), "must name an attribute")
    if members["operator"] not in OPERATORS:
        raise wrong(
            (*place, "operator"),
            "must be eq | exists; for other comparisons use a segment that a person makes in Customer.io",
        )
    has_value = members.get("value") is not None
    if members["operator"] == "eq" and not has_value:
        raise wrong((*place, "value"), "is needed with eq; to ask whether it is set, use exists")
    if has_value and not isinstance(members["value"], str | int | float):
        raise wrong((*place, "value"), "must be a text, a number or true | false")
    return dict(members)


def attributes_in(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the conditions on attributes of a filter that was checked."""
    [(key, inner)] = node.items()
    match key:
        case "attribute":
            yield inner
        case "not":
            yield from attributes_in(inner)
        case "and" | "or":
            for member in inner:
                yield from attributes_in(member)
        case _:
            return


AudienceFilter = Annotated[JsonObject, AfterValidator(audience)]
