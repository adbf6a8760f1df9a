"""Track API v2: one entity, or a batch of them; every item is validated before any is applied."""

from collections.abc import Callable, Mapping

from cio_mcp.sandbox import identify as people_calls
from cio_mcp.sandbox import validation as check
from cio_mcp.sandbox.objects import Thing, update
from cio_mcp.sandbox.people import Person
from cio_mcp.sandbox.replies import JsonObject, Refusal, Reply, Shape, accepted, entity_errors
from cio_mcp.sandbox.routing import Call, Route
from cio_mcp.sandbox.track_reports import report
from cio_mcp.sandbox.track_v2_rules import PERSON_KINDS, Item, check_item

Apply = Callable[[Call, Item], None]


def entity(call: Call) -> Reply:
    """POST /api/v2/entity."""
    _limit(call.body, check.ENTITY_BYTES)
    item = call.json()
    check_item(call.world, item)
    _apply(call, item)
    return accepted()


def batch(call: Call) -> Reply:
    """POST /api/v2/batch: 200 when all items were accepted, 207 with the refused ones, 400 when none was."""
    _limit(call.body, check.BATCH_BYTES)
    entries = check.items(call.json(), "batch", required=True) or []
    if not entries:
        raise Refusal(400, "batch must contain at least one request", field="batch")
    errors: list[JsonObject] = []
    for index, entry in enumerate(entries):
        try:
            _check_size(entry)
            check_item(call.world, entry)
            _apply(call, entry)
        except Refusal as refusal:
            errors.append({"batch_index": index} | _error(refusal))
    if len(errors) == len(entries):
        return entity_errors([{k: v for k, v in e.items() if k != "batch_index"} for e in errors], 400)
    return entity_errors(errors, 207) if errors else accepted()


def _error(refusal: Refusal) -> JsonObject:
    reason = "required" if refusal.detail.endswith("is required") else "invalid"
    return {"reason": reason, "field": refusal.field, "message": refusal.detail}


def _limit(body: bytes, limit: int) -> None:
    if len(body) >= limit:  # "must be smaller than"
        raise Refusal(400, f"request must be smaller than {limit} bytes")


def _check_size(entry: object) -> None:
    if check.json_size(entry) > check.ENTITY_BYTES:
        raise Refusal(400, f"each request in a batch must be {check.ENTITY_BYTES} bytes or smaller")


def _apply(call: Call, item: Item) -> None:
    _ACTIONS[item["type"]][item["action"]](call, item)


def _who(item: Item, key: str = "identifiers") -> tuple[str, str]:
    return check.one_identifier(item[key], PERSON_KINDS, key)


def _identify_person(call: Call, item: Item) -> None:
    kind, value = _who(item)
    body = dict(item.get("attributes") or {})
    if item.get("timestamp") is not None:
        body["_timestamp"] = item["timestamp"]
    person = people_calls.identify(call.world, kind, value, body, call.now)
    if person is not None:
        _relate_person(call, person, item)


def _delete_person(call: Call, item: Item) -> None:
    person = call.world.people.find(*_who(item))
    if person is not None:
        call.world.delete(person)


def _event(call: Call, item: Item) -> None:
    person = people_calls.person_for_event(call.world, *_who(item), call.now)
    if person is not None:
        data = item.get("attributes") or {}
        people_calls.track(call.world, person, item, data=data, kind=item["action"], now=call.now)


def _add_relationships(call: Call, item: Item) -> None:
    person = people_calls.person_for_event(call.world, *_who(item), call.now)
    if person is not None:
        _relate_person(call, person, item)


def _delete_relationships(call: Call, item: Item) -> None:
    person = call.world.people.find(*_who(item))
    for entry in item["cio_relationships"]:
        thing = call.world.objects.find(entry["identifiers"])
        if person is not None and thing is not None:
            people_calls.unrelate(call.world, person, thing, call.now)


def _add_device(call: Call, item: Item) -> None:
    person = people_calls.person_for_event(call.world, *_who(item), call.now)
    if person is not None:
        people_calls.add_device(call.world, person, item["device"]["token"], item["device"], call.now)


def _delete_device(call: Call, item: Item) -> None:
    person = call.world.people.find(*_who(item))
    if person is not None:
        person.devices.pop(item["device"]["token"], None)


def _merge(call: Call, item: Item) -> None:
    primary = call.world.people.find(*_who(item, "primary"))
    secondary = call.world.people.find(*_who(item, "secondary"))
    if primary is not None and secondary is not None and primary is not secondary:
        call.world.merge(primary, secondary, call.now)


def _suppress(call: Call, item: Item) -> None:
    call.world.suppress(*_who(item))


def _unsuppress(call: Call, item: Item) -> None:
    call.world.people.unsuppress(*_who(item))


def _relate_person(call: Call, person: Person, item: Item) -> None:
    for entry in item.get("cio_relationships") or []:
        thing = call.world.objects.find_or_add(entry["identifiers"])
        if thing is not None:
            attributes = entry.get("relationship_attributes")
            people_calls.relate(call.world, person, thing, attributes, call.now)


def _identify_object(call: Call, item: Item) -> None:
    thing = call.world.objects.find_or_add(item["identifiers"])
    if thing is not None:
        update(thing.attributes, item.get("attributes") or {})
        if item["action"] == "identify":
            _relate_object(call, thing, item)


def _delete_object(call: Call, item: Item) -> None:
    thing = call.world.objects.find(item["identifiers"])
    if thing is not None:
        call.world.objects.remove(thing)


def _relate_object(call: Call, thing: Thing, item: Item) -> None:
    for entry in item.get("cio_relationships") or []:
        person = people_calls.person_for_event(call.world, *_who(entry), call.now)
        if person is not None:
            attributes = entry.get("relationship_attributes")
            people_calls.relate(call.world, person, thing, attributes, call.now)


def _add_people(call: Call, item: Item) -> None:
    thing = call.world.objects.find_or_add(item["identifiers"])
    if thing is not None:
        _relate_object(call, thing, item)


def _remove_people(call: Call, item: Item) -> None:
    thing = call.world.objects.find(item["identifiers"])
    for entry in item["cio_relationships"]:
        person = call.world.people.find(*_who(entry))
        if person is not None and thing is not None:
            people_calls.unrelate(call.world, person, thing, call.now)


def _delivery_event(call: Call, item: Item) -> None:
    report(call, item["identifiers"]["id"], item["name"], item.get("timestamp"))


_ACTIONS: Mapping[str, Mapping[str, Apply]] = {
    "person": {
        "identify": _identify_person,
        "delete": _delete_person,
        "event": _event,
        "page": _event,
        "screen": _event,
        "add_relationships": _add_relationships,
        "delete_relationships": _delete_relationships,
        "add_device": _add_device,
        "delete_device": _delete_device,
        "merge": _merge,
        "suppress": _suppress,
        "unsuppress": _unsuppress,
    },
    "object": {
        "identify": _identify_object,
        "identify_anonymous": _identify_object,
        "delete": _delete_object,
        "add_relationships": _add_people,
        "delete_relationships": _remove_people,
    },
    "delivery": {"event": _delivery_event},
}

ROUTES = (
    Route(method="POST", path="/api/v2/entity", handler=entity, shape=Shape.ENTITY),
    Route(method="POST", path="/api/v2/batch", handler=batch, shape=Shape.ENTITY),
)
