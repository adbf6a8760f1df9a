"""The sandbox's own paths under /_sandbox/: no key, no limit, not in the journal, not part of Customer.io."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from starlette.datastructures import State

from cio_mcp.sandbox.faults import Fault
from cio_mcp.sandbox.replies import Refusal, Reply, Shape, json_reply, no_content, render
from cio_mcp.sandbox.routing import parse_json
from cio_mcp.sandbox.wire import Request

PREFIX = "/_sandbox/"
JOURNAL_SHOWN = 100


def handle(state: State, request: Request) -> Reply:
    """Answer a control request; an unknown one is 404."""
    action = _ACTIONS.get((request.method, request.raw_path.removeprefix(PREFIX)))
    try:
        return action(state, request.body) if action is not None else _unknown()
    except Refusal as refusal:
        return render(refusal, Shape.DETAIL_STATUS)


def reset(state: State) -> None:
    """Start over: the world as it was built, no faults, empty windows and journal."""
    state.world = state.world.rebuild()
    state.faults.clear()
    state.windows.clear()
    state.journal.clear()


def _add_faults(state: State, body: bytes) -> Reply:
    """Arm one fault or a list of them; a field a fault does not have is refused by name."""
    given = parse_json(body)
    known = {field.name for field in fields(Fault)}
    made = []
    for entry in given if isinstance(given, list) else [given]:
        if not isinstance(entry, dict) or not known >= entry.keys():
            raise Refusal(400, f"a fault is an object with some of {', '.join(sorted(known))}")
        try:
            made.append(Fault(**entry))
        except (TypeError, ValueError) as error:
            raise Refusal(400, str(error)) from None
    for fault in made:
        state.faults.add(fault)
    return json_reply({"pending": len(state.faults)}, 201)


def _clear_faults(state: State, _body: bytes) -> Reply:
    state.faults.clear()
    return no_content()


def _journal(state: State, _body: bytes) -> Reply:
    return json_reply({"requests": [_shown(entry) for entry in list(state.journal)[-JOURNAL_SHOWN:]]})


def _reset(state: State, _body: bytes) -> Reply:
    reset(state)
    return no_content()


def _unknown() -> Reply:
    return render(Refusal(404, "not found"), Shape.DETAIL_STATUS)


def _summary(state: State, _body: bytes) -> Reply:
    world = state.world
    summary = {
        "people": len(world.people),
        "events": len(world.events),
        "objects": len(world.objects),
        "deliveries": len(world.deliveries),
        "segments": len(world.segments.by_id),
        "broadcasts": len(world.broadcasts),
        "campaigns": len(world.campaigns),
        "newsletters": len(world.newsletters),
        "collections": len(world.collections),
        "reporting_webhooks": len(world.webhooks),
        "suppressed": len(world.people.suppressed),
        "faults": len(state.faults),
        "requests": len(state.journal),
    }
    return json_reply(summary)


def _shown(entry: Any) -> dict[str, Any]:
    """Return a journal entry without its credential."""
    headers = {name: value for name, value in entry.headers.items() if name != "authorization"}
    body = entry.body.decode("utf-8", "backslashreplace")
    shown = {name: getattr(entry, name) for name in ("method", "raw_path", "query", "status", "at")}
    return shown | {"headers": headers, "body": body}


_ACTIONS: Mapping[tuple[str, str], Callable[[State, bytes], Reply]] = {
    ("POST", "faults"): _add_faults,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "state"): _summary,
    ("GET", "journal"): _journal,
    ("POST", "reset"): _reset,
}
