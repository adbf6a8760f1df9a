"""Relationships join a person and an object, seen from either side (Track API reference)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator

from cio_mcp.catalog.fields import JsonList, attribute_names
from cio_mcp.catalog.identifiers import check_one_of, identifier_texts
from cio_mcp.catalog.json_values import JsonObject
from cio_mcp.catalog.params import wrong

Related = Literal["object", "person", "anonymous person"]
Members = dict[str, Any]
V1Action = Literal["add_relationships", "delete_relationships"]


def check_object(members: Mapping[str, Any]) -> None:
    """Check the identifiers of an object: its type and id, or its cio_object_id."""
    if set(members) == {"cio_object_id"}:
        return
    if set(members) != {"object_type_id", "object_id"}:
        raise ValueError("must hold object_type_id and object_id, or cio_object_id alone")
    kind = members["object_type_id"]
    if not (kind.isascii() and kind.isdigit()):
        raise wrong("object_type_id", "must be a number, such as 1")


def check_related(members: Mapping[str, Any], related: Related | None) -> None:
    """Check whom a relationship names."""
    match related:
        case "object":
            check_object(members)
        case "person":
            check_one_of(members, "id", "email", "cio_id")
        case _:
            check_one_of(members, "anonymous_id")


def relationship(members: Members) -> Members:
    """Check one relationship: whom it joins, and its own attributes."""
    unknown = sorted(set(members) - {"identifiers", "relationship_attributes"})
    if unknown:
        raise ValueError(f"does not take {unknown[0][:40]!r}: give identifiers, relationship_attributes")
    if not isinstance(members.get("identifiers"), dict):
        raise wrong("identifiers", "must be an object")
    if not isinstance(members.get("relationship_attributes", {}), dict):
        raise wrong("relationship_attributes", "must be an object")
    attribute_names(members.get("relationship_attributes", {}))
    return {**members, "identifiers": identifier_texts(members["identifiers"])}


def v1_relationships(members: Members) -> Members:
    """Check relationships as version 1 takes them for a person: one action on a list of objects."""
    if set(members) != {"action", "relationships"}:
        raise ValueError("must hold action and relationships")
    if members["action"] not in get_args(V1Action):
        raise wrong("action", f"must be {' | '.join(get_args(V1Action))}")
    if not isinstance(members["relationships"], list):
        raise wrong("relationships", "must be a list")
    return {**members, "relationships": [_to_object(each, i) for i, each in enumerate(members["relationships"])]}


def _to_object(members: Any, place: int) -> Members:
    if not isinstance(members, dict):
        raise wrong(("relationships", place), "must be an object")
    try:
        checked = relationship(members)
        check_object(checked["identifiers"])
    except ValueError as error:
        raise wrong(("relationships", place), error) from None
    return checked


Relationship = Annotated[JsonObject, AfterValidator(relationship)]
Relationships = Annotated[list[Relationship], JsonList]
V1Relationships = Annotated[JsonObject, AfterValidator(v1_relationships)]
