"""Track API v1: manual segments, and what is reported about deliveries."""

from cio_mcp.sandbox import identify as people_calls
from cio_mcp.sandbox import validation as check
from cio_mcp.sandbox.people import CIO_PREFIX, Person
from cio_mcp.sandbox.replies import Refusal, Reply, Shape, accepted
from cio_mcp.sandbox.routing import Call, Handler, Route
from cio_mcp.sandbox.segments import Segment
from cio_mcp.sandbox.track_rules import RELATED_KINDS

METRICS = (
    *("bounced", "clicked", "converted", "deferred"),
    *("delivered", "dropped", "opened", "spammed"),
)
DEVICE_METRICS = ("opened", "converted", "delivered")


def add_to_segment(call: Call) -> Reply:
    """POST /api/v1/segments/{segment_id}/add_customers."""
    segment, people = _membership(call)
    segment.members.update(dict.fromkeys(person.cio_id for person in people))
    segment.updated_at = int(call.now)
    return accepted()


def remove_from_segment(call: Call) -> Reply:
    """POST /api/v1/segments/{segment_id}/remove_customers."""
    segment, people = _membership(call)
    for person in people:
        segment.members.pop(person.cio_id, None)
    segment.updated_at = int(call.now)
    return accepted()


def report_metric(call: Call) -> Reply:
    """POST /api/v1/metrics; needs no key."""
    body = call.json()
    number = check.needed_text(body, "delivery_id")
    metric = check.choice(body, "metric", METRICS, required=True) or ""
    report(call, number, metric, check.seconds(body, "timestamp"), check.text(body, "reason"))
    return accepted()


def report_push(call: Call) -> Reply:
    """POST /api/v1/push/events; needs no key."""
    body = call.json()
    metric = check.choice(body, "event", DEVICE_METRICS)
    number = check.text(body, "delivery_id")
    if metric and number:
        report(call, number, metric, check.seconds(body, "timestamp"))
    return accepted()


def unsubscribe(call: Call) -> Reply:
    """POST /unsubscribe/{delivery_id}; needs no key, sets the global attribute only."""
    delivery = call.world.deliveries.find(call.params["delivery_id"])
    if delivery is None:
        raise Refusal(400, "delivery_id is not valid")
    if check.flag(call.json(), "unsubscribe"):
        person = call.world.people.find("cio_id", delivery.person or "")
        delivery.reported.setdefault("unsubscribed", int(call.now))
        if person is not None:
            channel = "sms" if delivery.channel == "twilio" else delivery.channel
            people_calls.set_unsubscribed(call.world, person, value=True, now=call.now, channel=channel)
    return accepted()


def report(call: Call, number: str, metric: str, timestamp: int | None, reason: str | None = None) -> None:
    """Record a metric on a delivery once; an unknown delivery is ignored."""
    delivery = call.world.deliveries.find(number)
    if delivery is None or metric in delivery.metrics(call.now):
        return
    delivery.reported[metric] = int(call.now) if timestamp is None else timestamp
    if reason:
        delivery.failure = reason
    channel = "sms" if delivery.channel == "twilio" else delivery.channel
    call.world.notify(f"{channel}_{metric}", metric, call.now, object_type=channel, delivery=delivery)


def _membership(call: Call) -> tuple[Segment, list[Person]]:
    """Return the manual segment and the known people; entries of another kind are ignored silently."""
    kind = call.query().get("id_type", "id")
    if kind not in RELATED_KINDS:
        raise Refusal(400, "id_type must be one of id, email, cio_id")
    segment = call.world.segments.by_id.get(call.number("segment_id"))
    if segment is None:
        raise Refusal(404, "segment not found")
    if not segment.manual:
        raise Refusal(400, "people can be added to or removed from manual segments only")
    ids = check.items(call.json(), "ids", required=True) or []
    if not 1 <= len(ids) <= check.SEGMENT_IDS:
        raise Refusal(400, f"ids must contain 1 to {check.SEGMENT_IDS} entries")
    if not all(isinstance(entry, str) for entry in ids):
        raise Refusal(400, "ids must be strings")
    values = (entry.removeprefix(CIO_PREFIX) if kind == "cio_id" else entry for entry in ids)
    found = (call.world.people.find(kind, value) for value in values)
    return segment, [person for person in found if person is not None]


def _public(path: str, handler: Handler) -> Route:
    return Route(method="POST", path=path, handler=handler, shape=Shape.META_ERRORS, public=True)


def _keyed(path: str, handler: Handler) -> Route:
    return Route(method="POST", path=path, handler=handler, shape=Shape.META_ERRORS)


ROUTES = (
    _keyed("/api/v1/segments/{segment_id}/add_customers", add_to_segment),
    _keyed("/api/v1/segments/{segment_id}/remove_customers", remove_from_segment),
    _public("/api/v1/metrics", report_metric),
    _public("/api/v1/push/events", report_push),
    _public("/unsubscribe/{delivery_id}", unsubscribe),
)
