"""Triggering a broadcast: which audience a request names, and what makes the whole broadcast fail.

All refusals are 422 with a pointer (App API reference, "Trigger a broadcast").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cio_mcp.sandbox.deliveries import Origin
from cio_mcp.sandbox.filters import check_filter
from cio_mcp.sandbox.paging import whole_number
from cio_mcp.sandbox.people import Person
from cio_mcp.sandbox.programs import Broadcast, Trigger
from cio_mcp.sandbox.replies import JsonObject, Refusal, Reply, Shape, json_reply
from cio_mcp.sandbox.routing import Call, Route
from cio_mcp.sandbox.world import World

AUDIENCE_LIMIT = 10_000  # ids and per_user_data
DUPLICATES, MISSING_EMAIL, MISSING_ID = "email_add_duplicates", "email_ignore_missing", "id_ignore_missing"
# Which flags an audience allows; the default audience (no key) and recipients allow none.
FLAGS: Mapping[str, frozenset[str]] = {
    "recipients": frozenset(),
    "emails": frozenset({DUPLICATES, MISSING_EMAIL}),
    "ids": frozenset({MISSING_ID}),
    "per_user_data": frozenset({DUPLICATES, MISSING_EMAIL, MISSING_ID}),
    "data_file_url": frozenset({DUPLICATES, MISSING_EMAIL, MISSING_ID}),
}
ERRORS_PAGE = 50


@dataclass(slots=True, kw_only=True)
class Audience:
    """Who a trigger reaches, and the lines that name nobody or too many."""

    people: list[Person]
    errors: list[str]


def trigger(call: Call) -> Reply:
    """POST /v1/campaigns/{broadcast_id}/triggers; the sandbox never fetches a data_file_url (no rows)."""
    broadcast = _broadcast(call)
    body = call.json()
    kind = _audience_kind(body)
    _check_flags(body, kind)
    if not isinstance(body.get("data", {}), dict):
        raise _refused("data must be an object", "/data")
    if not broadcast.running:
        raise _refused("broadcast is not running", "/broadcast_id")
    audience = _audience(call.world, broadcast, kind, body)
    run = _start(call, broadcast, audience.errors)
    if audience.errors:
        detail = f"trigger {run.id} failed: {len(audience.errors)} of its audience cannot be resolved"
        raise _refused(detail, f"/{kind}")
    origin = Origin(broadcast_id=broadcast.id, trigger_id=run.id, action_id=broadcast.actions[0].id)
    for person in audience.people:
        call.world.deliver_bulk(person, broadcast.channel, broadcast.name, run.processed_at, origin)
    return json_reply({"id": run.id})


def status(call: Call) -> Reply:
    """GET /v1/campaigns/{broadcast_id}/triggers/{trigger_id}: bare, no counts."""
    return json_reply(_trigger(call).as_json(call.now))


def errors(call: Call) -> Reply:
    """GET /v1/campaigns/{broadcast_id}/triggers/{trigger_id}/errors: `next` is an integer offset here."""
    lines, query = _trigger(call).errors, call.query()
    start = whole_number(query, "start", 0)
    end = start + max(1, whole_number(query, "limit", ERRORS_PAGE))
    answer: JsonObject = {"errors": list(lines[start:end])}
    if end < len(lines):
        answer["next"] = end
    return json_reply(answer)


def _refused(detail: str, pointer: str) -> Refusal:
    return Refusal(422, detail, pointer=pointer)


def _audience_kind(body: JsonObject) -> str:
    kinds = [name for name in FLAGS if name in body]
    if len(kinds) > 1:
        raise _refused(f"only one of {', '.join(kinds)} is allowed", f"/{kinds[1]}")
    return kinds[0] if kinds else ""


def _check_flags(body: JsonObject, kind: str) -> None:
    for name in (DUPLICATES, MISSING_EMAIL, MISSING_ID):
        if name not in body:
            continue
        if not isinstance(body[name], bool):
            raise _refused(f"{name} must be a boolean", f"/{name}")
        if name not in FLAGS.get(kind, frozenset()):
            raise _refused(f"{name} does not apply to {kind or 'the default audience'}", f"/{name}")


def _audience(world: World, broadcast: Broadcast, kind: str, body: JsonObject) -> Audience:
    if kind == "recipients":
        return _filtered(world, body["recipients"])
    if kind == "data_file_url":
        if not isinstance(body[kind], str) or not body[kind]:
            raise _refused("data_file_url must be a URL", "/data_file_url")
        return Audience(people=[], errors=[])
    if kind:
        return _named(world, _lines(body[kind], kind), body)
    if broadcast.audience is None:
        raise _refused("broadcast has no audience", "/recipients")
    return Audience(people=world.audience(broadcast.audience), errors=[])


def _filtered(world: World, recipients: object) -> Audience:
    try:
        check_filter(recipients, "recipients")
    except Refusal as refusal:
        raise _refused(refusal.detail, "/recipients") from None
    return Audience(people=world.audience(recipients), errors=[]) if isinstance(recipients, dict) else _nobody()


def _nobody() -> Audience:
    return Audience(people=[], errors=[])


def _lines(entries: object, kind: str) -> list[tuple[str, str]]:
    """Return (identifier kind, value) for each entry of emails, ids or per_user_data."""
    if not isinstance(entries, list) or not entries:
        raise _refused(f"{kind} must be an array with at least one entry", f"/{kind}")
    if kind != "emails" and len(entries) > AUDIENCE_LIMIT:
        raise _refused(f"{kind} must not exceed {AUDIENCE_LIMIT} entries", f"/{kind}")
    if kind == "per_user_data":
        return [_per_user(entry, f"/{kind}/{index}") for index, entry in enumerate(entries)]
    if not all(isinstance(entry, str) and entry for entry in entries):
        raise _refused(f"{kind} must be strings", f"/{kind}")
    return [(kind.removesuffix("s"), entry) for entry in entries]


def _per_user(entry: Any, pointer: str) -> tuple[str, str]:
    if not isinstance(entry, dict) or not isinstance(entry.get("data", {}), dict):
        raise _refused("entries must be objects with id or email, and data", pointer)
    named = [(kind, entry[kind]) for kind in ("id", "email") if kind in entry]
    if len(named) != 1 or not isinstance(named[0][1], str) or not named[0][1]:
        raise _refused("entries must contain exactly one of id, email", pointer)
    return named[0]


def _named(world: World, lines: Iterable[tuple[str, str]], body: JsonObject) -> Audience:
    """Resolve each line; a missing or shared identifier is an error unless its flag says otherwise."""
    audience = _nobody()
    for number, (kind, value) in enumerate(lines, start=1):
        found = world.people.find_all(kind, value)
        if not found:
            if not body.get(MISSING_ID if kind == "id" else MISSING_EMAIL):
                audience.errors.append(f"line {number}: {kind} {value} does not exist")
        elif len(found) > 1 and not body.get(DUPLICATES):
            audience.errors.append(f"line {number}: {kind} {value} belongs to {len(found)} people")
        else:
            audience.people.extend(found)
    return audience


def _start(call: Call, broadcast: Broadcast, lines: list[str]) -> Trigger:
    number = call.world.next_number("trigger", broadcast.triggers)
    run = Trigger(
        id=number,
        broadcast_id=broadcast.id,
        created_at=call.now,
        processed_at=call.now + call.world.delays.processed,
        errors=tuple(lines),
    )
    broadcast.triggers[number] = run
    return run


def _broadcast(call: Call) -> Broadcast:
    broadcast = call.world.broadcasts.get(call.number("broadcast_id", status=400))
    if broadcast is None:
        raise Refusal(404, "broadcast not found")
    return broadcast


def _trigger(call: Call) -> Trigger:
    run = _broadcast(call).triggers.get(call.number("trigger_id", status=400))
    if run is None:
        raise Refusal(404, "trigger not found")
    return run


_TRIGGERS = "/v1/campaigns/{broadcast_id}/triggers"
ROUTES = (
    Route(method="POST", path=_TRIGGERS, handler=trigger, shape=Shape.DETAIL_STATUS),
    Route(method="GET", path=f"{_TRIGGERS}/{{trigger_id}}", handler=status, shape=Shape.DETAIL_STATUS),
    Route(method="GET", path=f"{_TRIGGERS}/{{trigger_id}}/errors", handler=errors, shape=Shape.DETAIL_STATUS),
)
