"""What identify, delete, devices and relationships do, shared by Track v1 and v2.

Track is asynchronous and silent: a call that cannot be applied is still accepted (Track API reference, "Add or update
a customer"). The functions below therefore do what can be done and return nothing.
"""

from collections.abc import Mapping
from typing import Any

from cio_mcp.sandbox.objects import Thing, update
from cio_mcp.sandbox.people import IDENTIFIER_NAMES, Device, Person, as_string, is_true
from cio_mcp.sandbox.replies import JsonObject
from cio_mcp.sandbox.world import Event, World

_PREFERENCES = "cio_subscription_preferences"
_TOPIC_PREFIX = f"{_PREFERENCES}.topics."
_CONTROL_KEYS = frozenset({"_timestamp", "_update", "cio_relationships", "anonymous_id"})


def identify(world: World, kind: str, value: str, body: Mapping[str, Any], now: float) -> Person | None:
    """Add or update a person; return None when the call is dropped."""
    if world.people.is_suppressed(kind, value):
        return None
    person = world.people.find(kind, value) or _owner_of_body(world, kind, value, body, now)
    if person is None:
        if kind == "cio_id" or is_true(body.get("_update")):
            return None
        person = world.people.add({kind: value}, int(now))
        world.record(person, "profile_create", now)
    _change_identifiers(world, person, kind, body, now)
    _set_attributes(world, person, body, now)
    anonymous = body.get("anonymous_id")
    if isinstance(anonymous, str) and anonymous:
        world.adopt_anonymous(person, anonymous, now)
    return person


def person_for_event(world: World, kind: str, value: str, now: float) -> Person | None:
    """Return the person an event is about, created when unknown; None when the event is dropped."""
    if world.people.is_suppressed(kind, value):
        return None
    person = world.people.find(kind, value)
    if person is None and kind != "cio_id":
        person = world.people.add({kind: value}, int(now))
        world.record(person, "profile_create", now)
    return person


def track(
    world: World, person: Person | None, body: Mapping[str, Any], *, data: JsonObject, kind: str, now: float
) -> None:
    """Store an event of a person, or an anonymous one."""
    timestamp = body.get("timestamp")
    event = Event(
        name=body["name"].strip(),
        type=kind,
        person=person.cio_id if person else None,
        anonymous_id=body.get("anonymous_id"),
        timestamp=int(now) if timestamp is None else timestamp,
        data=data,
        id=body.get("id"),
    )
    world.add_event(event, person, now)


def add_device(world: World, person: Person, token: str, device: Mapping[str, Any], now: float) -> None:
    """Add or update a push token."""
    last_used = device.get("last_used")
    person.devices[token] = Device(
        token=token,
        platform=device["platform"],
        last_used=int(now) if last_used is None else last_used,
        attributes=dict(device.get("attributes") or {}),
    )
    world.record(person, "device_change", now, data={"device_id": token})


def relate(world: World, person: Person, thing: Thing, attributes: Mapping[str, Any] | None, now: float) -> None:
    """Add a relationship, or change its attributes."""
    if person.cio_id not in thing.people:
        world.record(person, "add_relationship", now, data=_named(thing))
    update(thing.people.setdefault(person.cio_id, {}), attributes or {})


def unrelate(world: World, person: Person, thing: Thing, now: float) -> None:
    """Remove a relationship."""
    if thing.people.pop(person.cio_id, None) is not None:
        world.record(person, "delete_relationship", now, data=_named(thing))


def set_unsubscribed(world: World, person: Person, *, value: object, now: float, channel: str = "customer") -> None:
    """Set the global `unsubscribed` attribute and tell the webhooks when its meaning changed."""
    before = person.unsubscribed
    person.attributes["unsubscribed"] = value
    person.timestamps["unsubscribed"] = int(now)
    if person.unsubscribed != before:
        metric = "unsubscribed" if person.unsubscribed else "subscribed"
        world.notify(f"customer_{metric}", metric, now, object_type=channel, person=person)


def _owner_of_body(world: World, kind: str, value: str, body: Mapping[str, Any], now: float) -> Person | None:
    """Return the person the body names; the path's identifier becomes theirs."""
    if kind == "cio_id":
        return None
    for name in IDENTIFIER_NAMES:
        given = body.get(name)
        owner = world.people.find(name, as_string(given)) if given is not None and name != kind else None
        if owner is not None:
            world.people.assign(owner, kind, value, int(now))
            return owner
    return None


def _change_identifiers(world: World, person: Person, kind: str, body: Mapping[str, Any], now: float) -> None:
    for name in IDENTIFIER_NAMES:
        given = body.get(name)
        if given is None or given == "" or as_string(given) == person.identifiers.get(name):
            continue
        value = as_string(given)
        other = world.people.find(name, value)
        free = other in {None, person} and not world.people.is_suppressed(name, value)
        if free and _may_change(world, person, name, kind):
            change = {name: {"from": person.identifiers.get(name, ""), "to": value}}
            world.people.assign(person, name, value, int(now))
            world.record(person, "attribute_change", now, name=name, data=change)
        else:
            world.record(person, "failed_attribute_change", now, name=name, data={name: {"to": value}})


def _may_change(world: World, person: Person, name: str, path_kind: str) -> bool:
    """Tell whether an identifier may be set: once set, only through cio_id, or an email by id if allowed."""
    if name not in person.identifiers or path_kind == "cio_id" or name == "phone":
        return True
    same_address = name == "email" and path_kind == "email"
    return same_address or (name == "email" and path_kind == "id" and world.email_by_id)


def _set_attributes(world: World, person: Person, body: Mapping[str, Any], now: float) -> None:
    stamp = body.get("_timestamp")
    at = int(now) if stamp is None else stamp
    for name, value in body.items():
        if name in _CONTROL_KEYS or name in IDENTIFIER_NAMES:
            continue
        if person.timestamps.get(name, 0) > at:
            continue
        _set_attribute(world, person, name, value, at)


def _set_attribute(world: World, person: Person, name: str, value: Any, at: int) -> None:
    before = person.attributes.get(name)
    if name == "unsubscribed" and value is not None:
        set_unsubscribed(world, person, value=value, now=at)
    elif name.startswith(_TOPIC_PREFIX):
        _set_topic(world, person, name.removeprefix(_TOPIC_PREFIX), value, at)
    else:
        update(person.attributes, {name: value})
        person.timestamps[name] = at
    if name == _PREFERENCES and before != value:
        _preferences_changed(world, person, at)
    if before != value:
        change = {name: {"from": as_string(before), "to": as_string(value)}}
        world.record(person, "attribute_change", at, name=name, data=change)


def _set_topic(world: World, person: Person, topic: str, value: Any, at: int) -> None:
    preferences = person.attributes.get(_PREFERENCES)
    before = preferences.get("topics") if isinstance(preferences, dict) else None
    topics = before if isinstance(before, dict) else {}
    person.attributes[_PREFERENCES] = {"topics": topics | {topic: value}}
    person.timestamps[_PREFERENCES] = at
    _preferences_changed(world, person, at)


def _preferences_changed(world: World, person: Person, at: float) -> None:
    metric = "cio_subscription_preferences_changed"  # the metric's name differs from the event's
    world.notify("customer_subscription_preferences_changed", metric, at, object_type="customer", person=person)


def _named(thing: Thing) -> JsonObject:
    return {"object_type_id": thing.type_id, "object_id": thing.id}
