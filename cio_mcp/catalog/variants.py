"""What one item of the Track v2 API can be: its types, actions and their fields, as data (Track API reference)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator

from cio_mcp.catalog.endpoint import Access, Repeat
from cio_mcp.catalog.fields import (
    DEVICE_TOKEN_BYTES,
    Platform,
    all_text,
    at_most,
    attribute_names,
    attributes,
    unix_seconds,
)
from cio_mcp.catalog.identifiers import check_one_of, identifier_texts
from cio_mcp.catalog.json_values import JsonObject
from cio_mcp.catalog.params import wrong
from cio_mcp.catalog.paths import check_segment
from cio_mcp.catalog.relationships import Related, check_object, check_related

Item = Mapping[str, Any]
Members = dict[str, Any]
Type = Literal["person", "object", "delivery"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One action on one type: the fields it needs and takes beside `type` and `action`, and what a repeat does."""

    repeat: Repeat
    access: Access = Access.WRITE
    needs: tuple[str, ...] = ("identifiers",)
    takes: tuple[str, ...] = ()
    related: Related | None = None
    """Whom `cio_relationships` name: an object, people, or people known by `anonymous_id` only."""


_SAFE = Repeat.SAFE
_GONE = Variant(repeat=Repeat.SAFE_UNLESS_RECREATED, access=Access.DESTRUCTIVE)
# The reference documents `id` for v2 events, not whether items of a batch honour it too: taken as so.
_EVENT = Variant(repeat=Repeat.DEDUPLICATED, needs=("identifiers", "name"), takes=("id", "timestamp", "attributes"))
_RELATED = ("identifiers", "cio_relationships")

VARIANTS: Mapping[tuple[str, str], Variant] = {
    ("person", "identify"): Variant(
        repeat=_SAFE, takes=("attributes", "cio_relationships", "timestamp"), related="object"
    ),
    ("person", "event"): _EVENT,
    ("person", "page"): _EVENT,
    ("person", "screen"): _EVENT,
    ("person", "add_relationships"): Variant(repeat=_SAFE, needs=_RELATED, related="object"),
    ("person", "delete_relationships"): Variant(repeat=_SAFE, needs=_RELATED, related="object"),
    ("person", "add_device"): Variant(repeat=_SAFE, needs=("identifiers", "device")),
    ("person", "delete_device"): Variant(repeat=_SAFE, access=Access.DESTRUCTIVE, needs=("identifiers", "device")),
    ("person", "merge"): Variant(
        repeat=Repeat.SAFE_UNLESS_RECREATED, access=Access.DESTRUCTIVE, needs=("primary", "secondary")
    ),
    ("person", "delete"): _GONE,
    ("person", "suppress"): _GONE,
    ("person", "unsuppress"): Variant(repeat=_SAFE),
    ("object", "identify"): Variant(repeat=_SAFE, takes=("attributes", "cio_relationships"), related="person"),
    ("object", "identify_anonymous"): Variant(
        repeat=_SAFE, takes=("attributes", "cio_relationships"), related="anonymous person"
    ),
    ("object", "delete"): _GONE,
    ("object", "add_relationships"): Variant(repeat=_SAFE, needs=_RELATED, related="person"),
    ("object", "delete_relationships"): Variant(repeat=_SAFE, needs=_RELATED, related="person"),
    ("delivery", "event"): Variant(repeat=Repeat.NEVER, needs=("identifiers", "name", "attributes")),
}
ACTIONS = tuple(dict.fromkeys(action for _, action in VARIANTS))
DELIVERY_METRICS = ("opened", "converted", "delivered")
# From what may be repeated most freely to what must not be.
_STRICTER = (Repeat.SAFE, Repeat.DEDUPLICATED, Repeat.SAFE_UNLESS_RECREATED, Repeat.NEVER)


def variant_of(item: Item) -> Variant:
    """Return what an item is; raise an error naming `action` and the nearest one if its type has none such."""
    kind, action = item["type"], item["action"]
    found = VARIANTS.get((kind, action))
    if found is None:
        actions = [name for of, name in VARIANTS if of == kind]
        near = get_close_matches(str(action), actions, n=1)
        hint = f"did you mean {near[0]}?" if near else ", ".join(actions)
        raise wrong("action", f"must be one of {kind}: {hint}")
    return found


def repeat_of(item: Item) -> Repeat:
    """Return what a second, identical item would do."""
    return variant_of(item).repeat


def strictest(repeats: Iterable[Repeat]) -> Repeat:
    """Return the one of several that permits the least; SAFE for none."""
    return max(repeats, key=_STRICTER.index, default=Repeat.SAFE)


def access_of(item: Item) -> Access:
    """Return what an item can do to what is already there."""
    return variant_of(item).access


def people_of(item: Item) -> int:
    """Return how many people an item changes: itself if it is one, else those it relates an object to."""
    return 1 if item["type"] == "person" else len(item.get("cio_relationships", ()))


def wants_event_id(item: Item) -> bool:
    """Say whether an item is an event that Customer.io could not tell from its repeat."""
    return variant_of(item).repeat is Repeat.DEDUPLICATED and not item.get("id")


def with_event_id(item: Item, mint: Callable[[], str]) -> Members:
    """Return the item, with a new ULID if it is a person's event without one."""
    return {**item, "id": mint()} if wants_event_id(item) else dict(item)


def check_item(item: Item) -> None:
    """Check an item against its variant; raise an error that names the field and the remedy."""
    variant = variant_of(item)
    named = f"{item['type']} {item['action']}"
    fields = (*variant.needs, *variant.takes)
    for field in item:
        if field not in ("type", "action", *fields):
            raise wrong(field, f"does not belong to {named}, which takes {', '.join(fields)}")
    for field in variant.needs:
        if field not in item:
            raise wrong(field, f"is needed for {named}")
    for field, check in _CHECKS.items():
        if field in item:
            try:
                check(item, variant)
            except ValueError as error:
                raise wrong(field, error) from None


def _check_identifiers(item: Item, _: Variant) -> None:
    match item["type"]:
        case "person":
            check_one_of(item["identifiers"], "id", "email", "phone", "cio_id")
        case "object":
            check_object(item["identifiers"])
        case _:
            check_one_of(item["identifiers"], "id")


def _check_relationships(item: Item, variant: Variant) -> None:
    if "cio_relationships" in variant.needs and not item["cio_relationships"]:
        raise ValueError("must name at least one")
    for place, each in enumerate(item["cio_relationships"]):
        try:
            check_related(each["identifiers"], variant.related)
        except ValueError as error:
            raise wrong((place, "identifiers"), error) from None


def _check_name(item: Item, _: Variant) -> None:
    if item["type"] == "delivery" and item["name"] not in DELIVERY_METRICS:
        raise ValueError(f"must be {' | '.join(DELIVERY_METRICS)} for a delivery")


def _check_attributes(item: Item, _: Variant) -> None:
    match item["type"], item["action"]:
        case "delivery", _:
            token = item["attributes"].get("device_token")
            if not isinstance(token, str) or not token:
                raise ValueError("must hold device_token")
        case "person", "identify":
            attributes(item["attributes"])
        case "object", _:
            attribute_names(item["attributes"])


def _check_device(item: Item, _: Variant) -> None:
    if item["action"] == "add_device" and "platform" not in item["device"]:
        raise wrong("platform", f"is needed: {' | '.join(get_args(Platform))}")
    if item["action"] == "delete_device" and set(item["device"]) != {"token"}:
        raise ValueError("must hold token alone")


def _check_secondary(item: Item, _: Variant) -> None:
    if item["primary"] == item["secondary"]:
        raise ValueError("must be another person than primary")


_CHECKS: Mapping[str, Callable[[Item, Variant], None]] = {
    "identifiers": _check_identifiers,
    "name": _check_name,
    "attributes": _check_attributes,
    "cio_relationships": _check_relationships,
    "device": _check_device,
    "secondary": _check_secondary,
}


def device(members: Members) -> Members:
    """Check a device as v2 and the sends take it: `token`, `platform`, `last_used`, `attributes`."""
    for field in members:
        if field not in _DEVICE_CHECKS:
            raise ValueError(f"does not take {field[:40]!r}: give {', '.join(_DEVICE_CHECKS)}")
    if members.get("token") is None:
        raise wrong("token", "is needed")
    checked: Members = {}
    for field, value in members.items():
        try:
            checked[field] = _DEVICE_CHECKS[field](value)
        except ValueError as error:
            raise wrong(field, error) from None
    return checked


def _token(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - pydantic reports ValueError only
    return at_most(DEVICE_TOKEN_BYTES)(check_segment(value))


def _platform(value: Any) -> Any:
    if value not in get_args(Platform):
        raise ValueError(f"must be {' | '.join(get_args(Platform))}")
    return value


def _device_attributes(value: Any) -> Members:
    if not isinstance(value, dict):
        raise ValueError("must be an object")  # noqa: TRY004 - pydantic reports ValueError only
    return all_text(value)


_DEVICE_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "token": _token,
    "platform": _platform,
    "last_used": unix_seconds,
    "attributes": _device_attributes,
}

Identifiers = Annotated[JsonObject, AfterValidator(identifier_texts)]
Device = Annotated[JsonObject, AfterValidator(device)]
