"""What an entity payload must look like: type, action, identifiers, and what each action needs."""

from collections.abc import Callable, Mapping
from typing import Any

from cio_mcp.sandbox import track_rules as rules
from cio_mcp.sandbox import validation as check
from cio_mcp.sandbox.replies import Refusal
from cio_mcp.sandbox.track_reports import DEVICE_METRICS
from cio_mcp.sandbox.world import World

PERSON_KINDS = ("id", "email", "phone", "cio_id")
OBJECT_ATTRIBUTES = 300  # Track API reference, "Limits"
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "person": (
        *("identify", "delete", "event", "page", "screen", "add_relationships", "delete_relationships"),
        *("add_device", "delete_device", "merge", "suppress", "unsuppress"),
    ),
    "object": ("identify", "identify_anonymous", "delete", "add_relationships", "delete_relationships"),
    "delivery": ("event",),
}

Item = Mapping[str, Any]


def check_item(world: World, item: object) -> None:
    """Refuse with 400 an entity payload that is none of the documented variants."""
    if not isinstance(item, dict):
        raise Refusal(400, "each request must be an object")
    kind = check.choice(item, "type", ACTIONS, required=True) or ""
    action = check.choice(item, "action", ACTIONS[kind], required=True) or ""
    _check_identifiers(world, item, kind, action)
    check.seconds(item, "timestamp")
    attributes = check.mapping(item, "attributes") or {}
    if kind == "person":
        _check_person(item, action, attributes)
    elif kind == "object":
        _check_object(item, action, attributes)
    else:
        _check_delivery(item, attributes)


def _check_identifiers(world: World, item: Item, kind: str, action: str) -> None:
    if action == "merge":
        for role in ("primary", "secondary"):
            if role not in item:
                raise Refusal(400, f"{role} is required", field=role)
            check.one_identifier(item[role], rules.RELATED_KINDS, role)
        if "identifiers" in item:
            raise Refusal(400, "identifiers is not accepted with merge", field="identifiers")
        return
    if item.get("identifiers") is None:
        raise Refusal(400, "identifiers is required", field="identifiers")
    if kind == "object":
        rules.check_object_identifiers(item["identifiers"])
    else:
        found, _ = check.one_identifier(item["identifiers"], PERSON_KINDS if kind == "person" else ("id",))
        if found not in world.identifier_kinds | {"cio_id"}:
            raise Refusal(400, f"{found} is not an identifier in this workspace", field="identifiers")


def _check_person(item: Item, action: str, attributes: Item) -> None:
    if action == "identify":
        check.check_attributes(attributes)
        check.flag(attributes, "_update")
        _check_relationships(item, _object_of, required=False)
    elif action in rules.EVENT_TYPES:
        rules.check_event_name(item)
        check.text(item, "id")
    elif action.endswith("relationships"):
        _check_relationships(item, _object_of, required=True)
    elif action.endswith("device"):
        device = check.needed_mapping(item, "device")
        check.needed_text(device, "token")
        if action == "add_device":
            rules.check_device(device)


def _check_object(item: Item, action: str, attributes: Item) -> None:
    if len(attributes) > OBJECT_ATTRIBUTES:
        raise Refusal(400, f"attributes must not exceed {OBJECT_ATTRIBUTES} attributes", field="attributes")
    if check.json_size(attributes) > check.OBJECT_BYTES:
        raise Refusal(400, f"attributes must be {check.OBJECT_BYTES} bytes or smaller", field="attributes")
    if action != "delete":
        reader = _anonymous_of if action == "identify_anonymous" else _person_of
        _check_relationships(item, reader, required=action.endswith("relationships"))


def _check_delivery(item: Item, attributes: Item) -> None:
    check.choice(item, "name", DEVICE_METRICS, required=True)
    if "attributes" not in item:
        raise Refusal(400, "attributes is required", field="attributes")
    check.needed_text(attributes, "device_token")


def _check_relationships(item: Item, reader: Callable[[object], object], *, required: bool) -> None:
    field = "cio_relationships"
    for entry in check.items(item, field, required=required) or []:
        if not isinstance(entry, dict):
            raise Refusal(400, f"{field} must contain objects", field=field)
        reader(entry.get("identifiers"))
        check.mapping(entry, "relationship_attributes")


def _object_of(value: object) -> dict[str, str]:
    return rules.check_object_identifiers(value)


def _person_of(value: object) -> tuple[str, str]:
    return check.one_identifier(value, rules.RELATED_KINDS)


def _anonymous_of(value: object) -> tuple[str, str]:
    return check.one_identifier(value, ("anonymous_id",))
