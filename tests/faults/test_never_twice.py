"""What must not happen twice leaves at most once, whatever happens to it on the way."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import anyio
import pytest

from cio_mcp.catalog import CATALOG
from cio_mcp.catalog.endpoint import Key, Repeat
from cio_mcp.catalog.variants import VARIANTS
from cio_mcp.sandbox import Fault, RunningSandbox, World, create_app, seeded_world, serve
from tests.faults.arguments import ARGUMENTS, IDENTIFY, REPORT
from tests.faults.conftest import UNLIMITED, Open
from tests.faults.rig import Called, rigged, settings_of, until
from tests.ports import free_port

pytestmark = pytest.mark.anyio

Count = Callable[[World], int]


def _sends(channel: str) -> Count:
    def count(world: World) -> int:
        return sum(one.channel == channel and one.origin.transactional_id is not None for one in world.deliveries)

    return count


def _reports(world: World) -> int:
    return sum(len(delivery.reported) for delivery in world.deliveries)


EFFECTS: Final[dict[str, Count]] = {
    "submit_form": lambda world: sum(world.forms.values()),
    "send_email": _sends("email"),
    "send_push": _sends("push"),
    "send_sms": _sends("twilio"),
    "send_in_app": _sends("in_app"),
    "trigger_broadcast": lambda world: len(world.broadcasts[10].triggers),
    "send_newsletter": lambda world: sum(one.sent_at > 0 for one in world.newsletters.values()),
    "schedule_newsletter": lambda world: sum(one.scheduled_at > 0 for one in world.newsletters.values()),
    "create_segment": lambda world: len(world.segments.by_id),
    "create_collection": lambda world: len(world.collections),
    "create_reporting_webhook": lambda world: len(world.webhooks),
    "apply_entity": _reports,
    "apply_batch": _reports,
}
NEVER: Final = {endpoint.name for endpoint in CATALOG.values() if endpoint.repeat is Repeat.NEVER}
# Of what can be part of v2 requests, reports on deliveries alone must not be repeated.
CALLS: Final = [
    *((tool, ARGUMENTS[tool]) for tool in sorted(NEVER)),
    ("apply_entity", REPORT),
    ("apply_batch", {"batch": [IDENTIFY, REPORT]}),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What became of one call: error code, requests received, effects in the workspace, recorded ending."""

    code: str | None
    requests: int
    effects: int
    ending: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Faults that meet a call one after the other, and what becomes of it."""

    name: str
    faults: tuple[Fault, ...]
    seen: Seen
    seen_of_track: Seen | None = None
    spoils_body: bool = False


UNKNOWN: Final = Seen(code="outcome_unknown", requests=1, effects=0, ending="unknown")
ACCEPTED: Final = Seen(code="unreadable_reply", requests=1, effects=1, ending="unknown")

WITHOUT_BODY: Final = {"submit_form"}  # answered with 204

TROUBLES: Final = (
    *(
        Trouble(name=f"{status} before", faults=(Fault(kind="status", status=status),), seen=UNKNOWN)
        for status in (408, 500, 502, 503, 504, 529)
    ),
    *(
        Trouble(
            name=f"{status} after the effect",
            faults=(Fault(kind="status", status=status, when="after"),),
            seen=replace(UNKNOWN, effects=1),
        )
        for status in (408, 500, 503)
    ),
    Trouble(name="reset before", faults=(Fault(kind="reset"),), seen=UNKNOWN),
    Trouble(
        name="reset after the effect", faults=(Fault(kind="reset", when="after"),), seen=replace(UNKNOWN, effects=1)
    ),
    Trouble(name="half an answer", faults=(Fault(kind="partial"),), seen=ACCEPTED, spoils_body=True),
    Trouble(name="a page instead of JSON", faults=(Fault(kind="html"),), seen=replace(UNKNOWN, effects=1)),
    Trouble(
        name="packed beyond the bound",
        faults=(Fault(kind="gzip_bomb", size=20_000_000),),
        seen=ACCEPTED,
        spoils_body=True,
    ),
    Trouble(
        name="429 with a time, then all is well",
        faults=(Fault(kind="throttle", retry_after=0),),
        seen=Seen(code=None, requests=2, effects=1, ending="ok"),
    ),
    Trouble(
        name="429 with a time, always",
        faults=(Fault(kind="throttle", retry_after=0, times=None),),
        seen=Seen(code="rate_limited", requests=3, effects=0, ending="failed"),
    ),
    Trouble(
        name="429 without a time",
        faults=(Fault(kind="throttle", times=None),),
        seen=Seen(code="quota_exhausted", requests=1, effects=0, ending="failed"),
        # The Track API has no quota of the day, so a limit of seconds is meant.
        seen_of_track=Seen(code="rate_limited", requests=3, effects=0, ending="failed"),
    ),
    Trouble(
        name="429 with a time, then a reset after the effect",
        faults=(Fault(kind="throttle", retry_after=0), Fault(kind="reset", when="after")),
        seen=Seen(code="outcome_unknown", requests=2, effects=1, ending="unknown"),
    ),
    Trouble(
        name="a redirect",
        faults=(Fault(kind="redirect", times=None),),
        seen=Seen(code="rejected", requests=1, effects=0, ending="failed"),
    ),
)


@pytest.fixture
def reset(sandbox: RunningSandbox) -> Callable[[], None]:
    """Start the sandbox over, and forget what it received."""

    def start_over() -> None:
        sandbox.app.state.world = seeded_world(time.time)
        sandbox.app.state.faults.clear()
        sandbox.app.state.journal.clear()

    return start_over


def test_the_calls_are_all_those_that_must_not_be_repeated() -> None:
    assert set(EFFECTS) - {"apply_entity", "apply_batch"} == NEVER
    kinds = {kind for kind, variant in VARIANTS.items() if variant.repeat is Repeat.NEVER}
    assert kinds == {(REPORT["type"], REPORT["action"])}


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
async def test_a_fault_leaves_at_most_one_effect(
    trouble: Trouble, rig: Open, sandbox: RunningSandbox, reset: Callable[[], None]
) -> None:
    state = sandbox.app.state
    seen: dict[str, Seen] = {}
    async with rig() as house:
        for tool, arguments in CALLS:
            if trouble.spoils_body and tool in WITHOUT_BODY:
                continue
            reset()
            before = EFFECTS[tool](state.world)
            for fault in trouble.faults:
                state.faults.add(fault)
            called = await house.call(tool, arguments)
            seen[tool] = Seen(
                code=called.code,
                requests=len(state.journal),
                effects=EFFECTS[tool](state.world) - before,
                ending=house.outcomes[-1]["ending"],
            )
            _assert_next_step(called)
            assert house.outcomes[-1]["attempts"] == called.meta["attempts"] == len(state.journal)
        assert len(house.outcomes) == len(seen)
    assert seen == {
        tool: trouble.seen_of_track if trouble.seen_of_track and CATALOG[tool].key is Key.TRACK else trouble.seen
        for tool in seen
    }


def _assert_next_step(called: Called) -> None:
    if called.code in ("outcome_unknown", "unreadable_reply"):
        assert called.error["next_step"].startswith("Do not repeat"), called.error


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="hang", seconds=5, times=None),
        Fault(kind="delay", when="before", seconds=1.5, times=None),
        Fault(kind="delay", when="after", seconds=1.5, times=None),
    ],
    ids=["never answered", "takes effect after the call has ended", "answered too late"],
)
async def test_a_call_that_is_not_answered_in_time_is_not_made_again(
    fault: Fault, rig: Open, sandbox: RunningSandbox
) -> None:
    state = sandbox.app.state
    before = {tool: EFFECTS[tool](state.world) for tool, _ in CALLS}
    state.faults.add(fault)
    called: dict[str, Called] = {}
    async with rig(CIO_MCP_TIME_BUDGET="1") as house:

        async def one(tool: str, arguments: dict[str, Any]) -> None:
            called[tool] = await house.call(tool, arguments)

        began = time.monotonic()
        async with anyio.create_task_group() as group:
            for tool, arguments in CALLS:
                group.start_soon(one, tool, arguments)
        took = time.monotonic() - began
        assert [record["ending"] for record in house.outcomes] == ["unknown"] * len(CALLS)
    await until(lambda: len(state.journal) == len(CALLS))
    assert {tool: answer.code for tool, answer in called.items()} == dict.fromkeys(called, "outcome_unknown")
    for answer in called.values():
        _assert_next_step(answer)
        assert answer.meta["attempts"] == 1
    assert took < 2
    assert all(EFFECTS[tool](state.world) - before[tool] <= 1 for tool, _ in CALLS)


async def test_what_never_left_is_tried_again_and_reported_as_not_sent() -> None:
    async with rigged(settings_of(f"http://127.0.0.1:{free_port()}")) as house:
        for tool, arguments in CALLS:
            called = await house.call(tool, arguments)
            assert called.code == "unavailable", tool
            assert "Nothing was sent" in called.error["message"]
            assert called.meta["attempts"] == 3
    assert {record["ending"] for record in house.outcomes} == {"failed"}


async def test_a_send_that_could_not_connect_leaves_once_the_host_listens() -> None:
    app, port = create_app(limits=UNLIMITED), free_port()
    before = len(app.state.world.deliveries)
    async with anyio.create_task_group() as group:

        async def listen(_seconds: float) -> None:
            ready = anyio.Event()
            group.start_soon(partial(serve, app, port=port, ready=lambda _url: ready.set()))
            await ready.wait()

        async with rigged(settings_of(f"http://127.0.0.1:{port}"), sleep=listen) as house:
            called = await house.call("send_email", ARGUMENTS["send_email"])
        group.cancel_scope.cancel()
    assert called.code is None
    assert called.meta["attempts"] == 2
    assert len(app.state.journal) == len(app.state.world.deliveries) - before == 1
