"""Pure: what a call deletes, suppresses or merges, one short line each, as its caller named it and none left out."""

from collections.abc import Iterator, Mapping
from typing import Any

from cio_mcp.catalog.endpoint import Access
from cio_mcp.catalog.entities import ApplyBatch, ApplyEntity, items_of
from cio_mcp.catalog.fields import PATH_VALUE_BYTES
from cio_mcp.catalog.params import Params
from cio_mcp.catalog.people import DeleteDevice, DeletePerson, MergePeople, SuppressPerson
from cio_mcp.catalog.variants import access_of
from cio_mcp.scrub import visible

Item = Mapping[str, Any]


def removals(params: Params) -> tuple[str, ...]:
    """Return what a call removes; empty for tools that remove nobody and nothing by an identifier of the caller's."""
    match params:
        case DeletePerson() | SuppressPerson():
            does = "delete" if isinstance(params, DeletePerson) else "suppress"
            return (f"{does} person {_whole(params.identifier)}",)
        case DeleteDevice():
            return (f"delete_device {visible(params.device_id)} of person {_whole(params.identifier)}",)
        case MergePeople():
            return (f"merge person {_merged(params.primary, params.secondary)}",)
        case ApplyEntity():
            return tuple(line for _, line in _of_items([params.item()]))
        case ApplyBatch():
            return tuple(f"item {place}: {line}" for place, line in _of_items(items_of(params)))
        case _:
            return ()


def _of_items(items: list[dict[str, Any]]) -> Iterator[tuple[int, str]]:
    yield from ((place, _line(item)) for place, item in enumerate(items) if access_of(item) is Access.DESTRUCTIVE)


def _line(item: Item) -> str:
    does = f"{item['action']} {item['type']}"
    match item["action"]:
        case "merge":
            return f"{does} {_merged(item['primary'], item['secondary'])}"
        case "delete_device":
            return f"delete_device {visible(item['device']['token'])} of person {_named(item['identifiers'])}"
        case _:
            return f"{does} {_named(item['identifiers'])}"


def _merged(primary: Item, secondary: Item) -> str:
    return f"{_named(secondary)}, who is deleted, into {_named(primary)}"


def _named(identifiers: Item) -> str:
    return ", ".join(f"{kind} {_whole(value)}" for kind, value in identifiers.items())


def _whole(identifier: str) -> str:
    """Return an identifier as long as Customer.io takes any, for two may differ at their ends."""
    return visible(identifier, PATH_VALUE_BYTES)
