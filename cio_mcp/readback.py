"""Pure: how to look whether a deletion happened, when its answer never came."""

from collections.abc import Mapping
from typing import Any

from cio_mcp.catalog.endpoint import Endpoint
from cio_mcp.catalog.identifiers import lookup_of
from cio_mcp.catalog.params import Params


def question(params: Params, look: Endpoint) -> dict[str, Any] | None:
    """Return the arguments with which the tool `look` finds what a call was to remove, if it can."""
    shared = [name for name in look.in_path if name in type(params).model_fields]
    if len(shared) == len(look.in_path):
        return {name: getattr(params, name) for name in shared}
    if look.in_path != ("customer_id",):
        return None
    if (identifier := getattr(params, "identifier", None)) is not None:
        return lookup_of(identifier)
    # Of a merge the secondary goes; an object's identifiers have none of a person's names.
    gone = getattr(params, "secondary", None) or getattr(params, "identifiers", None)
    return _by_member(gone) if isinstance(gone, Mapping) else None


def _by_member(identifiers: Mapping[str, Any]) -> dict[str, Any] | None:
    for kind in ("id", "email", "cio_id"):
        if kind in identifiers:
            return {"customer_id": identifiers[kind], "id_type": kind}
    return None
