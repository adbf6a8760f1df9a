"""What a request did at Customer.io, read from the request and from the sandbox's world alone."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cio_mcp.sandbox.people import by_shape
from cio_mcp.sandbox.routing import Call
from cio_mcp.sandbox.world import World

Json = dict[str, Any]

MESSAGES = frozenset({"email", "push", "sms", "in app"})
AUDIENCES = frozenset({"broadcast", "newsletter"})
SENDS = MESSAGES | AUDIENCES
# What campaigns may react to with messages.
CAUSES = frozenset({
    "identify", "event", "anonymous event", "form", "device", "relate", "object", "members", "report",
})  # fmt: skip
PERSON_GONE = frozenset({"delete person", "suppress", "merge", "delete device"})
DESTROYS = PERSON_GONE | {
    "unsuppress", "delete object", "delete segment", "replace collection", "delete collection", "delete webhook",
}  # fmt: skip
SETTINGS = frozenset({"create segment", "create collection", "webhook"})
EVERYTHING = SENDS | CAUSES | DESTROYS | SETTINGS
# What no call may do unless a person agreed to just that call.
GATED = (DESTROYS - {"unsuppress"}) | AUDIENCES | {"webhook"}

# Kind -> the tool that does it; what items of `apply_entity` do has the same kind.
DOORS: Mapping[str, tuple[str, ...]] = {
    "email": ("send_email",), "push": ("send_push",), "sms": ("send_sms",), "in app": ("send_in_app",),
    "broadcast": ("trigger_broadcast",), "newsletter": ("send_newsletter", "schedule_newsletter"),
    "identify": ("identify_person",), "event": ("track_event",), "anonymous event": ("track_anonymous_event",),
    "form": ("submit_form",), "device": ("upsert_device",),
    "members": ("add_people_to_segment", "remove_people_from_segment"), "merge": ("merge_people",),
    "delete person": ("delete_person",), "suppress": ("suppress_person",), "delete device": ("delete_device",),
    "delete segment": ("delete_segment",), "replace collection": ("update_collection",),
    "delete collection": ("delete_collection",), "delete webhook": ("delete_reporting_webhook",),
    "create segment": ("create_segment",), "create collection": ("create_collection",),
    "webhook": ("create_reporting_webhook", "update_reporting_webhook"),
}  # fmt: skip
BY_ITEMS = ("apply_entity", "apply_batch")

_ROUTES: Mapping[tuple[str, str], str] = {
    ("POST", "/v1/send/email"): "email",
    ("POST", "/v1/send/push"): "push",
    ("POST", "/v1/send/sms"): "sms",
    ("POST", "/v1/send/in_app"): "in app",
    ("POST", "/v1/campaigns/{broadcast_id}/triggers"): "broadcast",
    ("POST", "/v1/newsletters/{newsletter_id}/send"): "newsletter",
    ("POST", "/v1/newsletters/{newsletter_id}/schedule"): "newsletter",
    ("PUT", "/api/v1/customers/{identifier}"): "identify",
    ("DELETE", "/api/v1/customers/{identifier}"): "delete person",
    ("PUT", "/api/v1/customers/{identifier}/devices"): "device",
    ("DELETE", "/api/v1/customers/{identifier}/devices/{device_id}"): "delete device",
    ("POST", "/api/v1/customers/{identifier}/suppress"): "suppress",
    ("POST", "/api/v1/customers/{identifier}/unsuppress"): "unsuppress",
    ("POST", "/api/v1/customers/{identifier}/events"): "event",
    ("POST", "/api/v1/events"): "anonymous event",
    ("POST", "/api/v1/merge_customers"): "merge",
    ("POST", "/api/v1/forms/{form_id}/submit"): "form",
    ("POST", "/api/v1/segments/{segment_id}/add_customers"): "members",
    ("POST", "/api/v1/segments/{segment_id}/remove_customers"): "members",
    ("POST", "/v1/segments"): "create segment",
    ("DELETE", "/v1/segments/{segment_id}"): "delete segment",
    ("POST", "/v1/collections"): "create collection",
    ("PUT", "/v1/collections/{collection_id}"): "replace collection",
    ("DELETE", "/v1/collections/{collection_id}"): "delete collection",
    ("POST", "/v1/reporting_webhooks"): "webhook",
    ("PUT", "/v1/reporting_webhooks/{webhook_id}"): "webhook",
    ("DELETE", "/v1/reporting_webhooks/{webhook_id}"): "delete webhook",
}
_ITEMS: Mapping[tuple[str, str], str] = {
    ("person", "identify"): "identify",
    ("person", "event"): "event",
    ("person", "page"): "event",
    ("person", "screen"): "event",
    ("person", "add_relationships"): "relate",
    ("person", "delete_relationships"): "relate",
    ("person", "add_device"): "device",
    ("person", "delete_device"): "delete device",
    ("person", "merge"): "merge",
    ("person", "delete"): "delete person",
    ("person", "suppress"): "suppress",
    ("person", "unsuppress"): "unsuppress",
    ("object", "identify"): "object",
    ("object", "identify_anonymous"): "object",
    ("object", "delete"): "delete object",
    ("object", "add_relationships"): "object",
    ("object", "delete_relationships"): "object",
    ("delivery", "event"): "report",
}
_ENTITY, _BATCH = "/api/v2/entity", "/api/v2/batch"
URLS = ("endpoint", "url", "data_file_url")
_PUSH_TARGETS = frozenset({"token", "tokens", "topic", "condition", "registration_ids", "to"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Somebody whom a request names, as Customer.io knew them before it took effect; None if it did not."""

    kind: str
    value: str
    cio_id: str | None
    email: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One thing that a request does; `written` are addresses it spells out, as (member, text)."""

    kind: str
    people: tuple[Named, ...] = ()
    written: tuple[tuple[str, str], ...] = ()
    own_grants: frozenset[str] = frozenset()
    """Which members it uses that are grants of their own."""
    urls: tuple[str, ...] = ()
    planned: tuple[int, str | None] | None = None
    """When it is to leave, and the zone of everybody's own clock if it goes by that."""
    unnamed: bool = False
    """Whether it reaches people whom it does not name."""
    calls_off: bool = False
    """Whether it only cancels what was planned."""


def effects_of(world: World, route: tuple[str, str], call: Call, body: Any) -> list[Effect]:
    """Return what a write is about to do; a route that is not known is a KeyError."""
    members = body if isinstance(body, dict) else {}
    if route[1] == _ENTITY:
        return [_of_item(world, members)]
    if route[1] == _BATCH:
        return [_of_item(world, item) for item in members.get("batch", ())]
    return [_of_route(world, _ROUTES[route], call, members)]


def _of_route(world: World, kind: str, call: Call, body: Json) -> Effect:
    match kind:
        case "email" | "push" | "sms" | "in app":
            return _of_message(world, kind, body)
        case "broadcast" | "newsletter":
            return _of_audience(world, kind, body)
        case "merge":
            return Effect(kind=kind, people=_both(world, body))
        case "members":
            id_type = call.query().get("id_type", "id")
            return Effect(kind=kind, people=tuple(named(world, id_type, str(each)) for each in body["ids"]))
        case _ if "identifier" in call.params:
            return _of_person(kind, named(world, *by_shape(call.params["identifier"])), body)
        case _:
            return _of_another(world, kind, body)


def _of_another(world: World, kind: str, body: Json) -> Effect:
    if kind == "form":
        data: Json = body["data"]
        who = "email" if "email" in data else "id"
        return Effect(kind=kind, people=(named(world, who, str(data[who])),), written=_given(data, besides=who))
    if kind == "anonymous event":
        written, fields = _overrides(body.get("data") or {})
        return Effect(kind=kind, written=written, own_grants=fields, unnamed="anonymous_id" in body)
    return Effect(kind=kind, urls=_urls(body))


def _urls(body: Json) -> tuple[str, ...]:
    return tuple(body[name] for name in URLS if isinstance(body.get(name), str))


def _of_message(world: World, kind: str, body: Json) -> Effect:
    [(who, value)] = body["identifiers"].items()
    fields = {name for name in ("cc", "bcc", "reply_to", "from", "headers", "attachments") if body.get(name)}
    aims = body.get("custom_device") or body.get("to") not in (None, "all", "last_used")
    if kind == "push" and (aims or any(name in _PUSH_TARGETS for name in _names(body.get("custom_payload")))):
        fields.add("address")
    spelt = ("to", "cc", "bcc", "reply_to") if kind == "email" else ("to",) if kind == "sms" else ()
    return Effect(
        kind=kind,
        people=(named(world, who, value),),
        written=tuple((name, body[name]) for name in spelt if body.get(name)),
        own_grants=frozenset(fields),
        planned=(body["send_at"], None) if body.get("send_at") else None,
    )


def _of_audience(world: World, kind: str, body: Json) -> Effect:
    rows = body.get("per_user_data") or ()
    people = [
        *(named(world, "id", each) for each in body.get("ids") or ()),
        *(named(world, "email", each) for each in body.get("emails") or ()),
        *(named(world, who, row[who]) for row in rows for who in ("id", "email") if who in row),
    ]
    planned = body.get("scheduled_at")
    zone = body.get("timezone") if body.get("tz_match_enabled") else None
    return Effect(
        kind=kind,
        people=tuple(people),
        urls=_urls(body),
        planned=(planned, zone) if planned else None,
        unnamed=not people,
        calls_off=planned == 0,
    )


def _of_person(kind: str, who: Named, body: Json) -> Effect:
    if kind == "event":
        written, fields = _overrides(body.get("data") or {})
        return Effect(kind=kind, people=(who,), written=written, own_grants=fields)
    if kind == "device":
        return Effect(kind=kind, people=(who,), own_grants=frozenset({"address"}))
    return Effect(kind=kind, people=(who,), written=_given(body) if kind == "identify" else ())


def _of_item(world: World, item: Json) -> Effect:
    kind = _ITEMS[item["type"], item["action"]]
    if kind == "merge":
        return Effect(kind=kind, people=_both(world, item))
    if item["type"] == "person":
        [(who, value)] = item["identifiers"].items()
        body = {"data": item.get("attributes") or {}} if kind == "event" else item.get("attributes") or {}
        return _of_person(kind, named(world, who, value), body)
    related = [each["identifiers"] for each in item.get("cio_relationships", ())]
    people = [named(world, who, value) for each in related for who, value in each.items() if who != "anonymous_id"]
    only_these = item["action"] in ("add_relationships", "delete_relationships")
    return Effect(kind=kind, people=tuple(people), unnamed=not only_these)


def named(world: World, kind: str, value: str) -> Named:
    """Return somebody as Customer.io knows them now."""
    found = world.people.find(kind, value)
    return Named(kind=kind, value=value, cio_id=found.cio_id if found else None, email=found.email if found else None)


def _both(world: World, body: Json) -> tuple[Named, ...]:
    return tuple(named(world, *next(iter(body[role].items()))) for role in ("primary", "secondary"))


def _given(members: Json, besides: str = "") -> tuple[tuple[str, str], ...]:
    """Return the addresses that attributes give a person."""
    return tuple(
        (name, str(value))
        for name, value in members.items()
        if name.lower() in ("email", "phone") and value and name != besides
    )


def _overrides(data: Json) -> tuple[tuple[tuple[str, str], ...], frozenset[str]]:
    """Return where an event has its messages go (Track API reference, "Track a customer event")."""
    found = [(name.lower(), str(value)) for name, value in data.items() if value]
    written = tuple((name, value) for name, value in found if name in ("recipient", "reply_to"))
    own_grants = {"from_address": "from", "reply_to": "reply_to"}
    return written, frozenset(own_grants[name] for name, _ in found if name in own_grants)


def _names(value: Any) -> Iterator[str]:
    match value:
        case dict():
            yield from value
            for member in value.values():
                yield from _names(member)
        case list():
            for item in value:
                yield from _names(item)


def distinct(people: Iterable[Named]) -> int:
    """Return how many people there are for certain among those named."""
    return len({each.cio_id or f"{each.kind} {each.value}" for each in people})
