"""The ASGI application: one request from its raw path to its answer.

Order: route, authenticate, count (a request refused for its key is not counted, one refused for its rate neither),
fault, handle. Everything between reading and writing is synchronous, so requests take effect one at a time.
"""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from email.utils import formatdate

import anyio
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from cio_mcp.sandbox import (
    app_collections,
    app_customers,
    app_messages,
    app_newsletters,
    app_programs,
    app_segments,
    app_sends,
    app_webhooks,
    control,
    track_reports,
    track_v1,
    track_v2,
    triggers,
    wire,
)
from cio_mcp.sandbox.auth import Door, Keys, authenticate
from cio_mcp.sandbox.faults import Fault, Faults, spoil
from cio_mcp.sandbox.replies import Refusal, Reply, Shape, accepted, json_reply, render
from cio_mcp.sandbox.routing import Call, Route, Router, path_parameters, split_path
from cio_mcp.sandbox.seed import seeded_world
from cio_mcp.sandbox.webhooks import Reporter
from cio_mcp.sandbox.windows import Denial, Limits, Windows
from cio_mcp.sandbox.world import World

JOURNAL_LENGTH = 10_000
UNDELIVERED_LENGTH = 1_000
TRIGGER_SEGMENTS = 4  # v1 / campaigns / {broadcast_id} / triggers
_AREAS = (
    track_v1,
    track_reports,
    track_v2,
    app_customers,
    app_segments,
    app_sends,
    triggers,
    app_programs,
    app_newsletters,
    app_collections,
    app_webhooks,
    app_messages,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One received request: as it came, the status it was answered with (0: no answer), and when.

    `at` is the monotonic clock of the sliding windows, so that a reader can recompute them.
    """

    method: str
    raw_path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Admitted:
    route: Route
    call: Call
    at: float


class Sandbox(Starlette):
    """Customer.io on this machine. `state` holds world, faults, journal, undelivered, windows and keys."""

    def __init__(
        self,
        *,
        world: World,
        keys: Keys,
        faults: Faults,
        limits: Limits,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        region: str,
    ) -> None:
        super().__init__(lifespan=_lifespan)
        self.state.world = world
        self.state.keys = keys
        self.state.faults = faults
        self.state.journal = deque(maxlen=JOURNAL_LENGTH)
        self.state.undelivered = deque(maxlen=UNDELIVERED_LENGTH)
        self.state.windows = Windows(limits, monotonic)
        self.state.clock = clock
        self._monotonic = monotonic
        self._region = region
        self._router = Router(route for area in _AREAS for route in area.ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve HTTP directly; leave lifespan events to Starlette."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request = await wire.read(scope, receive)
        if request is None:
            return
        if request.raw_path.startswith(control.PREFIX):
            await wire.answer(send, control.handle(self.state, request))
            return
        admitted = self._admit(request)
        if isinstance(admitted, Reply):
            await wire.answer(send, admitted)
            return
        fault = self.state.faults.take(request.method, request.raw_path)
        if fault is None:
            await wire.answer(send, self._record(request, self._apply(admitted), admitted.at))
        else:
            await self._fail(fault, request, admitted, receive=receive, send=send)

    def _admit(self, request: wire.Request) -> _Admitted | Reply:
        """Return the admitted call, or the recorded refusal that answers the request."""
        at, shape = self._monotonic(), _shape_of(request.raw_path)
        try:
            segments = split_path(request.raw_path)
        except Refusal as refusal:
            return self._record(request, render(refusal, shape), at)
        routes = self._router.find(segments)
        route = routes.get(request.method)
        door = Door.OPEN if route is not None and route.public else _door_of(segments)
        shape = route.shape if route is not None else shape
        try:
            credential = authenticate(self.state.keys, door, request.headers)
        except Refusal as refusal:
            return self._record(request, render(refusal, shape), at)
        at, denial = self.state.windows.admit(credential, _buckets_of(request.method, segments))
        if denial is not None:
            return self._record(request, _too_many(denial, shape, len(self.state.journal)), at)
        if route is None:
            unknown = Refusal(405, "method not allowed") if routes else Refusal(404, "not found")
            return self._record(request, render(unknown, shape), at)
        return _Admitted(route=route, call=self._call(request, route, segments), at=at)

    def _call(self, request: wire.Request, route: Route, segments: tuple[str, ...]) -> Call:
        return Call(
            world=self.state.world,
            now=self.state.clock(),
            params=path_parameters(route, segments),
            query_string=request.query,
            body=request.body,
            region=self._region,
            workspace_id=self.state.keys.workspace_id,
        )

    def _apply(self, admitted: _Admitted) -> Reply:
        """Let the request take effect and return its answer."""
        call = admitted.call
        call.world.settle(call.now)
        try:
            return admitted.route.handler(call)
        except Refusal as refusal:
            return render(refusal, admitted.route.shape)

    async def _fail(
        self, fault: Fault, request: wire.Request, admitted: _Admitted, *, receive: Receive, send: Send
    ) -> None:
        if fault.kind in {"hang", "reset"}:
            if fault.applies:
                self._apply(admitted)
            self._record(request, Reply(status=0), admitted.at)
            gone = fault.kind == "hang" and await wire.wait(receive, fault.seconds)
            if not gone:
                await wire.drop(receive, send)
            return
        if fault.kind == "delay" and not fault.applies:
            await wire.wait(receive, fault.seconds)
        reply = self._spoiled(fault, request, admitted)
        if fault.kind == "delay" and fault.applies:
            await wire.wait(receive, fault.seconds)
        if fault.kind == "partial":
            await wire.answer_half(receive, send, reply)
        else:
            await wire.answer(send, reply)

    def _spoiled(self, fault: Fault, request: wire.Request, admitted: _Admitted) -> Reply:
        takes_effect = fault.applies or fault.kind == "delay"
        reply = self._apply(admitted) if takes_effect else accepted()
        return self._record(request, spoil(fault, reply), admitted.at)

    def _record(self, request: wire.Request, reply: Reply, at: float) -> Reply:
        """Note the request, and return its reply with the date that the sandbox's clock shows."""
        self.state.journal.append(
            Received(
                method=request.method,
                raw_path=request.raw_path,
                query=request.query,
                headers=request.headers,
                body=request.body,
                status=reply.status,
                at=at,
            )
        )
        return replace(reply, headers=(*reply.headers, ("date", formatdate(self.state.clock(), usegmt=True))))


def create_app(
    world: World | None = None,
    *,
    keys: Keys | None = None,
    faults: Faults | None = None,
    limits: Limits | None = None,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    region: str = "us",
) -> Sandbox:
    """Return the sandbox as an ASGI application.

    Without a world it serves `seeded_world(clock)`; pass `World()` for an empty one. `clock` gives unix seconds for
    what is stored, `monotonic` seconds for the sliding windows. Webhooks go out while the application's lifespan runs.
    """
    if region not in track_v1.HOSTS:
        raise ValueError("region must be us or eu")
    return Sandbox(
        world=seeded_world(clock) if world is None else world,
        keys=keys or Keys(),
        faults=Faults() if faults is None else faults,
        limits=limits or Limits(),
        clock=clock,
        monotonic=monotonic,
        region=region,
    )


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(Reporter(app.state).run)
        yield
        group.cancel_scope.cancel()


def _door_of(segments: tuple[str, ...]) -> Door:
    if segments[0] == "api":
        return Door.TRACK
    if segments[0] != "v1":
        return Door.OPEN
    return Door.SEND if segments[1:2] == ("send",) else Door.APP


def _buckets_of(method: str, segments: tuple[str, ...]) -> tuple[str, ...]:
    """Return the limits a request counts against (App API reference, "Rate limits")."""
    if segments[0] != "v1":
        return ("track",) if segments[0] in {"api", "unsubscribe"} else ()
    if segments[1:2] == ("send",):
        return ("email",) if segments[2:] == ("email",) else ("transactional",)
    is_trigger = len(segments) == TRIGGER_SEGMENTS and segments[1::2] == ("campaigns", "triggers")
    return ("broadcast", "app") if is_trigger and method == "POST" else ("app",)


def _shape_of(raw_path: str) -> Shape:
    """Return the error shape of a path that has no route of its own."""
    if raw_path.startswith("/api/v2/"):
        return Shape.ENTITY
    if raw_path.startswith("/v1/send/"):
        return Shape.META_ERROR
    return Shape.META_ERRORS if raw_path.startswith("/api/") else Shape.DETAIL_STATUS


def _too_many(denial: Denial, shape: Shape, reference: int) -> Reply:
    """Return the documented 429: errors with a reference, and Retry-After on the App API."""
    detail = f"rate limited to {denial.requests} requests per {denial.window:g}s (reference {reference:x})"
    if shape in {Shape.META_ERRORS, Shape.ENTITY}:
        return render(Refusal(429, detail), shape)
    reply = json_reply({"errors": [{"detail": detail, "status": "429"}]}, 429)
    wait = ("retry-after", str(denial.retry_after))
    return Reply(status=429, body=reply.body, headers=(*reply.headers, wait))
