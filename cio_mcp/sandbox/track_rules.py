"""What events, devices, objects and relationships must look like, in Track v1 and v2 and in sends."""

from collections.abc import Mapping
from typing import Any

from cio_mcp.sandbox import validation as check
from cio_mcp.sandbox.replies import JsonObject, Refusal

PLATFORMS = ("ios", "android")
EVENT_TYPES = ("event", "page", "screen")
RELATED_KINDS = ("id", "email", "cio_id")  # merges and relationships; phone is not among them


def check_event_name(body: Mapping[str, Any]) -> None:
    """Refuse an event without a name, or with one over its limit once trimmed."""
    name = check.needed_text(body, "name")
    check.limit_bytes(name.strip(), check.EVENT_NAME_BYTES, "name")


def check_device(device: Mapping[str, Any]) -> None:
    """Refuse a device without a known platform, or with attributes that are not strings."""
    check.choice(device, "platform", PLATFORMS, required=True)
    check.seconds(device, "last_used")
    for name, value in (check.mapping(device, "attributes") or {}).items():
        if not isinstance(value, str):
            raise Refusal(400, f"device.attributes.{name} must be a string", field="device")


def check_object_identifiers(value: object) -> dict[str, str]:
    """Return {object_type_id, object_id} or {cio_object_id}; the type is an integer written as a string."""
    if not isinstance(value, dict) or not all(isinstance(part, str) and part for part in value.values()):
        raise Refusal(400, "object identifiers must be non-empty strings", field="identifiers")
    if set(value) not in ({"object_type_id", "object_id"}, {"cio_object_id"}):
        detail = "identifiers must be object_type_id and object_id, or cio_object_id"
        raise Refusal(400, detail, field="identifiers")
    if "object_id" in value:
        check.limit_bytes(value["object_id"], check.ID_BYTES, "object_id")
        if not value["object_type_id"].isdecimal():
            raise Refusal(400, "object_type_id must be an integer in a string", field="identifiers")
    return value


Relationship = tuple[dict[str, str], JsonObject]


def check_v1_relationships(body: Mapping[str, Any]) -> tuple[str, list[Relationship]]:
    """Return (action, relationships) of the v1 key cio_relationships."""
    given = check.mapping(body, "cio_relationships")
    if given is None:
        return "add_relationships", []
    actions = ("add_relationships", "delete_relationships")
    action = check.choice(given, "action", actions, required=True) or ""
    found = []
    for entry in check.items(given, "relationships", required=True) or []:
        if not isinstance(entry, dict):
            raise Refusal(400, "relationships must be objects")
        identifiers = check_object_identifiers(entry.get("identifiers"))
        found.append((identifiers, check.mapping(entry, "relationship_attributes") or {}))
    return action, found
