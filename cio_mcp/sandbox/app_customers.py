"""App API: looking people up."""

from collections.abc import Callable

from cio_mcp.sandbox import validation as check
from cio_mcp.sandbox.app_messages import listed, within_window
from cio_mcp.sandbox.deliveries import Delivery
from cio_mcp.sandbox.filters import check_filter
from cio_mcp.sandbox.paging import page
from cio_mcp.sandbox.people import CIO_PREFIX, Activity, Person, as_string
from cio_mcp.sandbox.replies import JsonObject, Refusal, Reply, Shape, json_reply
from cio_mcp.sandbox.routing import Call, Route

ID_TYPES = ("id", "email", "phone", "cio_id")
_MONTHS = 6  # App API reference, "Get messages sent to a customer": at most 6 months
# limit: default and maximum of each list (App API reference; where none is written, those of its siblings).
SEARCH_PAGE = (50, 1_000)
MESSAGE_PAGE = (50, 1_000)
ACTIVITY_PAGE = (10, 100)
RELATIONSHIP_PAGE = (50, 1_000)
_DELIVERY_ACTIVITIES = (
    *("drafted", "sent", "delivered", "opened", "clicked", "converted"),
    *("bounced", "dropped", "failed", "undeliverable"),
)


def search(call: Call) -> Reply:
    """POST /v1/customers: start and limit in the query, filter in the body; identifiers only."""
    recipients = check.mapping(call.json(), "filter")
    if recipients is None:
        raise Refusal(400, "filter is required")
    check_filter(recipients)
    found, following = page(call.world.audience(recipients), call.query(), *SEARCH_PAGE)
    return json_reply(
        {
            "identifiers": [person.summary() for person in found],
            "ids": [person.id or "" for person in found],
            "next": following,
        }
    )


def by_email(call: Call) -> Reply:
    """GET /v1/customers?email=: several profiles may share an address."""
    email = call.query().get("email", "")
    if not email:
        raise Refusal(400, "email is required")
    found = call.world.people.find_all("email", email)
    return json_reply({"results": [person.summary() for person in found]})


def attributes(call: Call) -> Reply:
    """GET /v1/customers/{customer_id}/attributes: every value is a string."""
    person = _person(call)
    values = {name: as_string(value) for name, value in person.attributes.items()}
    devices = [
        {
            "id": device.token,
            "platform": device.platform,
            "last_used": device.last_used,
            "attributes": device.attributes,
        }
        for device in person.devices.values()
    ]
    shown = {
        "id": call.params["customer_id"],
        "identifiers": person.summary(),
        "attributes": values | person.identifiers | {"cio_id": person.cio_id},
        "timestamps": person.timestamps,
        "unsubscribed": person.unsubscribed,
        "devices": devices,
    }
    return json_reply({"customer": shown})


def messages(call: Call) -> Reply:
    """GET /v1/customers/{customer_id}/messages, newest first."""
    person, query = _person(call), call.query()
    deliveries = call.world.deliveries.of_person(person.cio_id)
    shown = within_window(deliveries, query, call.now, months=_MONTHS)
    return listed(shown, call, *MESSAGE_PAGE)


def activities(call: Call) -> Reply:
    """GET /v1/customers/{customer_id}/activities, newest first."""
    person, query = _person(call), call.query()
    lines = [_activity_json(line, person) for line in person.activities]
    for delivery in call.world.deliveries.of_person(person.cio_id):
        lines.extend(_delivery_activities(delivery, person, call.now))
    wanted, name = query.get("type"), query.get("name")
    kept = [line for line in lines if wanted in {None, line["type"]} and name in {None, line["name"]}]
    kept.sort(key=lambda line: (line["timestamp"], line["id"]), reverse=True)
    found, following = page(kept, query, *ACTIVITY_PAGE)
    return json_reply({"activities": found, "next": following})


def relationships(call: Call) -> Reply:
    """GET /v1/customers/{customer_id}/relationships."""
    person = _person(call)
    things, following = page(call.world.objects.of_person(person.cio_id), call.query(), *RELATIONSHIP_PAGE)
    shown = [
        {
            "object_type_id": int(thing.type_id),
            "identifiers": {"object_id": thing.id, "cio_object_id": thing.cio_object_id},
            "attributes": thing.people[person.cio_id],
            "timestamps": {},
        }
        for thing in things
    ]
    return json_reply({"cio_relationships": shown, "next": following})


def segments(call: Call) -> Reply:
    """GET /v1/customers/{customer_id}/segments."""
    found = call.world.segments.of_person(_person(call))
    shown = [{"id": s.id, "name": s.name, "description": s.description} for s in found]
    return json_reply({"segments": shown})


def _person(call: Call) -> Person:
    """Return the person in the path; an id_type the workspace lacks is 400, a value of another kind 404."""
    kind = call.query().get("id_type", "id")
    if kind not in ID_TYPES:
        raise Refusal(400, "id_type must be one of id, email, phone, cio_id")
    if kind not in call.world.identifier_kinds | {"cio_id"}:
        raise Refusal(400, f"{kind} is not an identifier in this workspace")
    value = call.params["customer_id"]
    if kind == "cio_id":
        value = value.removeprefix(CIO_PREFIX) if value.startswith(CIO_PREFIX) else ""
    person = call.world.people.find(kind, value)
    if person is None:
        raise Refusal(404, "customer not found")
    return person


def _activity_json(line: Activity, person: Person) -> JsonObject:
    return {
        "id": line.id,
        "type": line.type,
        "timestamp": line.timestamp,
        "customer_id": person.id,
        "customer_identifiers": person.summary(),
        "data": line.data,
        "delivery_id": None,
        "delivery_type": None,
        "name": line.name,
        "url": line.url,
    }


def _delivery_activities(delivery: Delivery, person: Person, now: float) -> list[JsonObject]:
    metrics = delivery.metrics(now)
    return [
        {
            "id": f"{delivery.id}:{metric}",
            "type": f"{metric}_{delivery.channel}",
            "timestamp": metrics[metric],
            "customer_id": person.id,
            "customer_identifiers": person.summary(),
            "data": {
                "delivery_id": delivery.id,
                "delivered": metrics.get("delivered"),
                "opened": "opened" in metrics or None,
            },
            "delivery_id": delivery.id,
            "delivery_type": "email" if delivery.channel == "email" else None,
            "name": None,
            "url": None,
        }
        for metric in _DELIVERY_ACTIVITIES
        if metric in metrics and delivery.created <= now
    ]


def _route(method: str, path: str, handler: Callable[[Call], Reply]) -> Route:
    return Route(method=method, path=path, handler=handler, shape=Shape.DETAIL_STATUS)


_CUSTOMER = "/v1/customers/{customer_id}"
ROUTES = (
    _route("POST", "/v1/customers", search),
    _route("GET", "/v1/customers", by_email),
    _route("GET", f"{_CUSTOMER}/attributes", attributes),
    _route("GET", f"{_CUSTOMER}/messages", messages),
    _route("GET", f"{_CUSTOMER}/activities", activities),
    _route("GET", f"{_CUSTOMER}/relationships", relationships),
    _route("GET", f"{_CUSTOMER}/segments", segments),
)
