"""Pure: what one item of a Track v2 call needs and reaches: the same as the tool that does the same alone."""

from collections.abc import Mapping
from typing import Any

from cio_mcp.catalog import CATALOG, Access, Effect, Endpoint
from cio_mcp.catalog.entities import ApplyBatch, ApplyEntity, items_of
from cio_mcp.catalog.params import Params
from cio_mcp.catalog.variants import VARIANTS, access_of
from cio_mcp.policy.touches import Person, Touch, addresses_given, made_by, of_event, of_merge, person_in

Item = Mapping[str, Any]

TWINS: Mapping[str, str] = {
    "identify": "identify_person",
    "event": "track_event",
    "page": "track_event",
    "screen": "track_event",
    "add_relationships": "identify_person",
    "delete_relationships": "identify_person",
    "add_device": "upsert_device",
    "delete_device": "delete_device",
    "merge": "merge_people",
    "delete": "delete_person",
    "suppress": "suppress_person",
    "unsuppress": "suppress_person",  # lifted by nobody who may not impose it
}
"""What is done to a person, and the tool that does the same, or undoes it."""
_WITHOUT_EFFECT = frozenset({("object", "delete"), ("person", "unsuppress")})


def items_in(params: Params) -> tuple[Item, ...]:
    """Return the items of a call; empty for every other tool."""
    return tuple(items_of(params)) if isinstance(params, ApplyEntity | ApplyBatch) else ()


def possible_items(endpoint: Endpoint) -> tuple[Item, ...]:
    """Return one item of every kind that a tool takes; empty for tools without items."""
    if not issubclass(endpoint.params, ApplyEntity | ApplyBatch):
        return ()
    return tuple({"type": kind, "action": action} for kind, action in VARIANTS)


def twin_of(item: Item) -> Endpoint | None:
    """Return the tool that does to a person what an item does."""
    return CATALOG[TWINS[item["action"]]] if item["type"] == "person" and item["action"] in TWINS else None


def may_cause(item: Item) -> bool:
    """Say whether campaigns may react to an item."""
    if (item["type"], item["action"]) in _WITHOUT_EFFECT:
        return False
    twin = twin_of(item)
    return twin is None or twin.effect is Effect.MAY_TRIGGER


def word_for(item: Item) -> str:
    """Return the permission that an item needs; to lift a suppression undoes what somebody decided for a person."""
    destroys = access_of(item) is Access.DESTRUCTIVE or item["action"] == "unsuppress"
    return "destructive" if destroys else "write"


def touch_of(item: Item) -> Touch | None:
    """Return what an item reaches; None if nothing can come of it."""
    if not may_cause(item):
        return None
    match item["type"]:
        case "person":
            return _of_person(item)
        case "object":
            return _of_object(item)
        case _:
            return Touch(others=True)  # a report about a message, whose person it does not name


def _of_person(item: Item) -> Touch:
    person = person_in(item.get("identifiers", {}))
    match item["action"]:
        case "event" | "page" | "screen":
            return of_event(person, item.get("attributes"))
        case "merge":
            return of_merge(item["primary"], item["secondary"])
        case action:
            return Touch(
                owner=person,
                people=(person,) if person else (),
                creates=made_by(person),
                gives=addresses_given(item.get("attributes")),
                fields=("address",) if action == "add_device" else (),
            )


def _of_object(item: Item) -> Touch:
    """Return the people whom an object is related to; a change of the object itself may reach all it already has."""
    related = [person_in(each["identifiers"]) for each in item.get("cio_relationships", ())]
    people: tuple[Person, ...] = tuple(each for each in related if each)
    only_these = item["action"] in ("add_relationships", "delete_relationships")
    return Touch(
        count=len(related) if only_these else None,
        people=people,
        others=not only_these,
        creates=tuple(made for person in people for made in made_by(person)),
    )
