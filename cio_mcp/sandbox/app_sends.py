"""App API: transactional sends, one handler for six channels."""

from collections.abc import Callable, Mapping
from functools import partial

from cio_mcp.sandbox import identify as people_calls
from cio_mcp.sandbox import send_rules as rules
from cio_mcp.sandbox import validation as check
from cio_mcp.sandbox.deliveries import Delivery, Origin, Outcome
from cio_mcp.sandbox.people import Person
from cio_mcp.sandbox.programs import Template
from cio_mcp.sandbox.replies import JsonObject, Refusal, Reply, Shape, json_reply
from cio_mcp.sandbox.routing import Call, Route

DEFAULT_TEMPLATE = 1  # App API reference, "Send a transactional email": without a template, message 1 counts it


def send(channel: str, call: Call) -> Reply:
    """POST /v1/send/{channel}: answers with the delivery; never fails for an unsubscribed person."""
    body = call.json()
    recipient = rules.check_body(channel, body, call.now)
    kind, value = check.one_identifier(body.get("identifiers"), rules.IDENTIFIER_KINDS)
    template = _template(call, channel, body)
    person = call.world.people.find(kind, value)
    if channel == "push" and person is not None:
        _upsert_device(call, person, body)
    recipient = recipient or _address(channel, person)
    delivery = _deliver(call, channel, body, person=person, template=template, recipient=recipient)
    if person is None:
        delivery.identifiers = {"email": None, "id": None, "cio_id": None} | {kind: value}
    answer: JsonObject = {"delivery_id": delivery.id, "queued_at": int(call.now)}
    planned = check.integer(body, "send_at")
    if planned is not None and planned > call.now:
        answer["send_at"] = planned
    return json_reply(answer)


def _deliver(
    call: Call,
    channel: str,
    body: JsonObject,
    *,
    person: Person | None,
    template: Template | None,
    recipient: str,
) -> Delivery:
    outcome, failure = _ending(channel, body, person, recipient)
    planned = check.integer(body, "send_at") or 0
    return call.world.deliver(
        person,
        channel=rules.MESSAGE_TYPES[channel],
        recipient=recipient,
        now=call.now,
        start=max(call.now, planned),
        origin=Origin(transactional_id=template.id if template else DEFAULT_TEMPLATE),
        subject=body.get("subject") or (template.subject if template else None),
        content=body,
        outcome=outcome,
        failure=failure,
        forgotten=check.flag(body, "disable_message_retention"),
    )


def _ending(channel: str, body: JsonObject, person: Person | None, recipient: str) -> tuple[Outcome | None, str | None]:
    """Return how the delivery ends when something settles it; None leaves it to the person's outcome."""
    if check.flag(body, "queue_draft"):
        return Outcome.DRAFTED, None
    if person is not None and person.unsubscribed and not check.flag(body, "send_to_unsubscribed", default=True):
        return Outcome.UNDELIVERABLE, None
    if channel == "push" and (person is None or not person.devices):
        return Outcome.UNDELIVERABLE, "person has no devices"
    if channel in {"sms", "whatsapp"} and not recipient:
        return Outcome.UNDELIVERABLE, "person has no phone number"
    return None, None


def _template(call: Call, channel: str, body: Mapping[str, object]) -> Template | None:
    """Return the template of the request; 400 when it is unknown, or belongs to another channel."""
    wanted = body.get("transactional_message_id")
    if wanted is None:
        return None
    by_name = isinstance(wanted, str) and not wanted.isdecimal()
    for template in call.world.templates.values():
        if template.trigger_name.casefold() == str(wanted).casefold() if by_name else template.id == int(str(wanted)):
            if template.channel != channel:
                raise Refusal(400, f"transactional message {wanted} belongs to another channel")
            return template
    if by_name and check.flag(body, "auto_create"):
        return _create_template(call, channel, str(wanted))
    raise Refusal(400, f"transactional message {wanted} not found")


def _create_template(call: Call, channel: str, name: str) -> Template:
    templates = call.world.templates
    number = call.world.next_number("template", templates)
    templates[number] = Template(id=number, trigger_name=name, channel=channel, created_at=int(call.now))
    return templates[number]


def _address(channel: str, person: Person | None) -> str:
    if person is None:
        return ""
    if channel in {"sms", "whatsapp"}:
        return person.value("phone") or ""
    if channel == "push":
        return ",".join(person.devices)
    return person.email or person.id or ""


def _upsert_device(call: Call, person: Person, body: JsonObject) -> None:
    device = check.mapping(body, "custom_device")
    if device is not None:
        people_calls.add_device(call.world, person, device["token"], device, call.now)


def _route(channel: str) -> Route:
    handler: Callable[[Call], Reply] = partial(send, channel)
    return Route(method="POST", path=f"/v1/send/{channel}", handler=handler, shape=Shape.META_ERROR)


ROUTES = tuple(_route(channel) for channel in rules.MESSAGE_TYPES)
