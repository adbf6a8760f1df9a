"""A sandbox that remembers what reached it, what took effect, and how far the record of calls was by then."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cio_mcp.sandbox import Faults, Keys, Limits, Sandbox, World, seeded_world
from cio_mcp.sandbox.app import _Admitted
from cio_mcp.sandbox.deliveries import Delivery
from cio_mcp.sandbox.replies import Reply
from cio_mcp.sandbox.routing import Call
from cio_mcp.sandbox.wire import Request
from tests.hijacked.effects import Effect, effects_of

Owned = frozenset[tuple[str, str]]
"""Who has which address: pairs of cio_id and address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A request that may change something: how far the record was when it came."""

    request: str
    recorded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """A request that took effect, at `at` seconds since 1970; `deliveries` are the messages that it made at once."""

    request: str
    body: Any
    effects: tuple[Effect, ...]
    deliveries: tuple[Delivery, ...]
    audience: int
    """Of a newsletter that was planned: how many people it means now."""
    at: float


class Witness(Sandbox):
    """Customer.io, and what it saw since it was last asked."""

    def __init__(self, clock: Callable[[], float], head: Callable[[], int]) -> None:
        super().__init__(
            world=canary_world(clock),
            keys=Keys(),
            faults=Faults(),
            limits=Limits(None, None, None, None, None),
            clock=clock,
            monotonic=clock,
            region="us",
        )
        self.head = head
        self.reads = 0
        self.arrived: list[Arrived] = []
        self.took: list[Took] = []

    @property
    def world(self) -> World:
        """The world as it is."""
        world: World = self.state.world
        return world

    def forget(self) -> None:
        """Let what comes next be the first."""
        self.reads = 0
        self.arrived.clear()
        self.took.clear()

    def _record(self, request: Request, reply: Reply, at: float) -> Reply:
        if request.method == "GET" or request.raw_path == "/v1/customers":
            self.reads += 1
        else:
            self.arrived.append(Arrived(request=f"{request.method} {request.raw_path}", recorded=self.head()))
        return super()._record(request, reply, at)

    def _apply(self, admitted: _Admitted) -> Reply:
        call, route = admitted.call, (admitted.route.method, admitted.route.path)
        if route[0] == "GET" or route == ("POST", "/v1/customers"):
            return super()._apply(admitted)
        call.world.settle(call.now)  # what was planned earlier is not this request's doing
        body = json.loads(call.body) if call.body else {}
        effects, misread = _read(call, route, body)
        before = len(call.world.deliveries)
        reply = super()._apply(admitted)
        if reply.status < 400:
            assert misread is None, f"{route} took effect and could not be read: {misread!r}"
            self.took.append(
                Took(
                    request=f"{route[0]} {route[1]}",
                    body=body,
                    effects=effects,
                    deliveries=tuple(call.world.deliveries.log[before:]),
                    audience=_planned(call.world, effects, call.params),
                    at=call.now,
                )
            )
        return reply


def _read(call: Call, route: tuple[str, str], body: Any) -> tuple[tuple[Effect, ...], Exception | None]:
    """Return what a request is about to do; what Customer.io will refuse need not make sense."""
    try:
        return tuple(effects_of(call.world, route, call, body)), None
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        return (), error


def _planned(world: World, effects: tuple[Effect, ...], params: Any) -> int:
    if not effects or effects[0].kind != "newsletter" or not effects[0].planned:
        return 0
    return len(world.audience(world.newsletters[int(params["newsletter_id"])].recipients or {"and": []}))


def canary_world(clock: Callable[[], float]) -> World:
    """Return the seeded world, in which everybody has an attribute that nobody could guess."""
    world = seeded_world(clock)
    for number, person in enumerate(world.people):
        person.attributes["favourite"] = f"canary-attribute-{number:03d}"
    return world


def owned(world: World) -> Owned:
    """Return who has which addresses now: e-mail, telephone, devices."""
    return frozenset(
        (person.cio_id, address.lower() if "@" in address else address)
        for person in world.people
        for address in (*(person.identifiers.get(kind) for kind in ("email", "phone")), *person.devices)
        if address
    )


def canaries(world: World) -> frozenset[str]:
    """Return what of a world must never be seen by somebody without leave to see personal data."""
    found: set[str] = set()
    for person in world.people:
        first_name = person.attributes.get("first_name", "")
        found |= {
            str(person.attributes["favourite"]),
            *(part for part in (person.email, person.value("phone")) if part),
        }
        found |= {first_name} if " " in first_name else set()
    return frozenset(found)
