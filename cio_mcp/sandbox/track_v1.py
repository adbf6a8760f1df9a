"""Track API v1: people, events, devices, forms."""

from cio_mcp.sandbox import identify as people_calls
from cio_mcp.sandbox import track_rules as rules
from cio_mcp.sandbox import validation as check
from cio_mcp.sandbox.people import Person, by_shape
from cio_mcp.sandbox.replies import JsonObject, Refusal, Reply, Shape, accepted, json_reply, no_content
from cio_mcp.sandbox.routing import Call, Handler, Route

HOSTS = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}
# Ignored as attributes (Track API reference, "Submit a form").
FORM_KEYS = frozenset({"form_id", "form_name", "form_type", "form_url", "form_url_param"})


def region(call: Call) -> Reply:
    """GET /api/v1/accounts/region."""
    found = {"url": HOSTS[call.region], "region": call.region, "environment_id": call.workspace_id}
    return json_reply(found)


def identify(call: Call) -> Reply:
    """PUT /api/v1/customers/{identifier}."""
    kind, value = _identifier(call)
    body = call.json()
    for name in ("id", "email", "phone"):
        if name in body and body[name] is not None and not isinstance(body[name], str | int):
            raise Refusal(400, f"{name} must be a string")
    check.check_attributes({name: given for name, given in body.items() if name != "cio_relationships"})
    check.seconds(body, "_timestamp")
    check.seconds(body, "created_at")
    relationships = rules.check_v1_relationships(body)
    person = people_calls.identify(call.world, kind, value, body, call.now)
    if person is not None:
        _relate(call, person, relationships)
    return accepted()


def delete(call: Call) -> Reply:
    """DELETE /api/v1/customers/{identifier}; an unknown person is accepted too."""
    person = call.world.people.find(*_identifier(call))
    if person is not None:
        call.world.delete(person)
    return accepted()


def suppress(call: Call) -> Reply:
    """POST /api/v1/customers/{identifier}/suppress."""
    call.world.suppress(*_identifier(call))
    return accepted()


def unsuppress(call: Call) -> Reply:
    """POST /api/v1/customers/{identifier}/unsuppress."""
    call.world.people.unsuppress(*_identifier(call))
    return accepted()


def upsert_device(call: Call) -> Reply:
    """PUT /api/v1/customers/{identifier}/devices."""
    kind, value = _identifier(call)
    device = check.needed_mapping(call.json(), "device")
    token = check.needed_text(device, "id")
    rules.check_device(device)
    person = people_calls.person_for_event(call.world, kind, value, call.now)
    if person is not None:
        people_calls.add_device(call.world, person, token, device, call.now)
    return accepted()


def delete_device(call: Call) -> Reply:
    """DELETE /api/v1/customers/{identifier}/devices/{device_id}."""
    person = call.world.people.find(*_identifier(call))
    if person is not None:
        person.devices.pop(call.params["device_id"], None)
    return accepted()


def track_event(call: Call) -> Reply:
    """POST /api/v1/customers/{identifier}/events."""
    kind, value = _identifier(call)
    body, data, event_type = _event(call)
    person = people_calls.person_for_event(call.world, kind, value, call.now)
    if person is not None:
        named = {name: given for name, given in body.items() if name != "anonymous_id"}
        people_calls.track(call.world, person, named, data=data, kind=event_type, now=call.now)
    return accepted()


def track_anonymous(call: Call) -> Reply:
    """POST /api/v1/events; without anonymous_id it is an invite event, which older clients still send."""
    body, data, event_type = _event(call)
    check.text(body, "anonymous_id")
    people_calls.track(call.world, None, body, data=data, kind=event_type, now=call.now)
    return accepted()


def merge(call: Call) -> Reply:
    """POST /api/v1/merge_customers; an unknown primary makes the call do nothing."""
    body = call.json()
    found = [
        call.world.people.find(*check.one_identifier(body.get(role), rules.RELATED_KINDS, role))
        for role in ("primary", "secondary")
    ]
    primary, secondary = found
    if primary is not None and secondary is not None and primary is not secondary:
        call.world.merge(primary, secondary, call.now)
    return accepted()


def submit_form(call: Call) -> Reply:
    """POST /api/v1/forms/{form_id}/submit; a refused submission still registers the form."""
    form = call.params["form_id"]
    call.world.forms.setdefault(form, 0)
    data = check.needed_mapping(call.json(), "data")
    kinds = [name for name in ("email", "id") if name in data]
    if len(kinds) != 1:
        raise Refusal(400, "data must contain exactly one of email, id")
    for name, value in data.items():
        if not isinstance(value, str):
            raise Refusal(400, f"data.{name} must be a string")
    kind, value = check.one_identifier({kinds[0]: data[kinds[0]]}, ("email", "id"), "data")
    attributes = {name: given for name, given in data.items() if name not in FORM_KEYS and name != kind}
    call.world.forms[form] += 1
    people_calls.identify(call.world, kind, value, attributes, call.now)
    return no_content()


def _relate(call: Call, person: Person, relationships: tuple[str, list[rules.Relationship]]) -> None:
    action, entries = relationships
    for identifiers, attributes in entries:
        if action == "add_relationships":
            thing = call.world.objects.find_or_add(identifiers)
            if thing is not None:
                people_calls.relate(call.world, person, thing, attributes, call.now)
        else:
            thing = call.world.objects.find(identifiers)
            if thing is not None:
                people_calls.unrelate(call.world, person, thing, call.now)


def _identifier(call: Call) -> tuple[str, str]:
    identifier = call.params["identifier"]
    check.limit_bytes(identifier, check.ID_BYTES, "identifier")
    if not identifier.strip():
        raise Refusal(400, "identifier cannot be blank")
    return by_shape(identifier)


def _event(call: Call) -> tuple[JsonObject, JsonObject, str]:
    body = call.json()
    rules.check_event_name(body)
    event_type = check.choice(body, "type", rules.EVENT_TYPES) or "event"
    check.text(body, "id")
    check.seconds(body, "timestamp")
    data = check.mapping(body, "data") or {}
    if check.json_size(data) > check.EVENT_DATA_BYTES:
        raise Refusal(400, f"data must be {check.EVENT_DATA_BYTES} bytes or smaller")
    return body, data, event_type


def _route(method: str, path: str, handler: Handler, shape: Shape = Shape.META_ERRORS) -> Route:
    return Route(method=method, path=path, handler=handler, shape=shape)


_CUSTOMER = "/api/v1/customers/{identifier}"
ROUTES = (
    _route("GET", "/api/v1/accounts/region", region),
    _route("PUT", _CUSTOMER, identify),
    _route("DELETE", _CUSTOMER, delete),
    _route("PUT", f"{_CUSTOMER}/devices", upsert_device),
    _route("DELETE", f"{_CUSTOMER}/devices/{{device_id}}", delete_device),
    _route("POST", f"{_CUSTOMER}/suppress", suppress),
    _route("POST", f"{_CUSTOMER}/unsuppress", unsuppress),
    _route("POST", f"{_CUSTOMER}/events", track_event),
    _route("POST", "/api/v1/events", track_anonymous),
    _route("POST", "/api/v1/merge_customers", merge, Shape.META_ERROR),
    _route("POST", "/api/v1/forms/{form_id}/submit", submit_form),
)
