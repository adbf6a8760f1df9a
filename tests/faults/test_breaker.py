"""A host that is down is left alone, tried again by itself, and found again soon; nobody waits for it meanwhile."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final

import anyio
import httpx2
import pytest
from anyio.abc import SocketStream
from hypothesis import given, settings
from hypothesis import strategies as st

from cio_mcp import wire
from cio_mcp.breaker import (
    FAILURES,
    FIRST_COOLDOWN,
    LONGEST_COOLDOWN,
    LONGEST_DEFERENCE,
    PROBE_SECONDS,
    Breaker,
    Breakers,
    BreakerState,
    Turn,
)
from cio_mcp.budgets import Budgets
from cio_mcp.catalog import CATALOG
from cio_mcp.catalog.endpoint import Bucket
from cio_mcp.credentials import Lease, bearer
from cio_mcp.delivery import ATTEMPT_SECONDS, Caller, Course, Delivery, Effects, Job, Undelivered
from cio_mcp.errors import Unavailable
from cio_mcp.gateway import Gateway, new_client
from cio_mcp.limiter import Rate
from cio_mcp.sandbox import Fault, RunningSandbox
from cio_mcp.secret import Secret
from tests.faults.arguments import ARGUMENTS
from tests.faults.conftest import Open
from tests.faults.raw import Answer, raw_server, sends, whole
from tests.faults.rig import Called, Rig, rigged, settings_of, until

pytestmark = pytest.mark.anyio

READ: Final[tuple[str, dict[str, Any]]] = ("list_segments", {})
SEND: Final[tuple[str, dict[str, Any]]] = ("send_email", ARGUMENTS["send_email"])
DOWN: Final = sends(whole(503, b""))
AT_ONCE: Final = 0.05
RECOVERY: Final = 30.0


# -- the rules ---------------------------------------------------------------------------------------


def _turn(breaker: Breaker, now: float, *, safe: bool = True) -> Turn:
    turn = breaker.admit(now, safe=safe)
    assert turn
    return turn


def _fail(breaker: Breaker, now: float) -> None:
    breaker.failed(_turn(breaker, now), now, "it answered 503")


def _opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        _fail(breaker, now)
    return breaker


def _state(breaker: Breaker, now: float) -> BreakerState:
    return breaker.health("", now).state


def test_five_failures_in_a_row_open_it_and_four_do_not() -> None:
    breaker = Breaker()
    for moment in range(4):
        _fail(breaker, moment)
        assert _state(breaker, moment) is BreakerState.CLOSED
    _fail(breaker, 4)
    assert _state(breaker, 4) is BreakerState.OPEN
    assert breaker.admit(4.9, safe=True) is None
    assert breaker.wait(4.25, safe=True) == pytest.approx(0.75)


def test_failures_further_apart_than_ten_seconds_do_not_open_it() -> None:
    breaker = Breaker()
    for number in range(100):
        _fail(breaker, number * 2.6)
    assert _state(breaker, 260) is BreakerState.CLOSED


def test_the_time_for_which_a_host_is_silent_does_not_count() -> None:
    breaker, now = Breaker(), 0.0
    for _ in range(FAILURES):
        turn = _turn(breaker, now)
        now += 15
        breaker.failed(turn, now, "no answer within 15 s")
        now += 1
    assert _state(breaker, now - 1) is BreakerState.OPEN


def test_an_answer_forgets_the_failures_before_it() -> None:
    breaker = Breaker()
    for _ in range(50):
        for _ in range(FAILURES - 1):
            _fail(breaker, 0)
        breaker.answered()
    assert _state(breaker, 0) is BreakerState.CLOSED


def test_after_the_cool_down_one_call_tries_and_the_others_are_told_to_wait() -> None:
    breaker = _opened()
    _turn(breaker, FIRST_COOLDOWN)
    assert _state(breaker, FIRST_COOLDOWN) is BreakerState.HALF_OPEN
    assert breaker.admit(FIRST_COOLDOWN, safe=True) is None
    assert breaker.wait(FIRST_COOLDOWN, safe=True) > 0
    breaker.answered()
    assert _state(breaker, FIRST_COOLDOWN) is BreakerState.CLOSED
    assert breaker.wait(FIRST_COOLDOWN, safe=False) == 0


def test_each_failed_try_doubles_the_cool_down_up_to_fifteen_seconds() -> None:
    breaker, now, waits = _opened(), 0.0, []
    for _ in range(6):
        waits.append(breaker.wait(now, safe=True))
        now += waits[-1]
        _fail(breaker, now)
    assert waits == [1, 2, 4, 8, 15, 15]


def test_once_closed_it_forgets_how_long_the_cool_down_was() -> None:
    breaker = _opened()
    _fail(breaker, FIRST_COOLDOWN)
    breaker.answered()
    for _ in range(FAILURES):
        _fail(breaker, 10)
    assert breaker.wait(10, safe=True) == FIRST_COOLDOWN


def test_failures_of_calls_that_left_before_do_not_prolong_it() -> None:
    breaker = Breaker()
    under_way = [_turn(breaker, 0) for _ in range(50)]
    for turn in under_way:
        breaker.failed(turn, 0.5, "no answer")
    assert breaker.wait(0.5, safe=True) == FIRST_COOLDOWN


def test_a_late_answer_of_a_call_that_left_before_closes_it() -> None:
    breaker = Breaker()
    late = _turn(breaker, 0)
    for _ in range(FAILURES):
        _fail(breaker, 0)
    del late
    breaker.answered()
    assert _state(breaker, 0.1) is BreakerState.CLOSED


def test_a_try_that_was_cancelled_leaves_the_next_to_another_call_at_once() -> None:
    breaker = _opened()
    turn = _turn(breaker, FIRST_COOLDOWN)
    breaker.released(turn, 1.5)
    assert breaker.admit(1.5, safe=True)


def test_a_try_that_nobody_reports_on_counts_as_failed_after_a_while() -> None:
    breaker = _opened()
    forgotten = _turn(breaker, FIRST_COOLDOWN)
    lapsed = FIRST_COOLDOWN + PROBE_SECONDS
    assert breaker.wait(lapsed, safe=True) == 2 * FIRST_COOLDOWN
    another = _turn(breaker, lapsed + 2 * FIRST_COOLDOWN)
    breaker.failed(forgotten, lapsed + 2.1, "no answer within 15 s")  # too late to tell anything
    assert _state(breaker, lapsed + 2.1) is BreakerState.HALF_OPEN
    breaker.failed(another, lapsed + 2.2, "it answered 503")
    assert breaker.wait(lapsed + 2.2, safe=True) == 4 * FIRST_COOLDOWN


def test_what_must_not_be_repeated_leaves_the_first_try_to_others_but_not_for_ever() -> None:
    breaker = _opened()
    assert breaker.admit(FIRST_COOLDOWN, safe=False) is None
    assert breaker.wait(FIRST_COOLDOWN, safe=False) == FIRST_COOLDOWN
    assert breaker.admit(2 * FIRST_COOLDOWN, safe=False)


def test_a_host_that_was_never_called_is_not_told_of() -> None:
    breakers = Breakers()
    for _ in range(FAILURES):
        _fail(breakers.of("https://track.example.com"), 0)
    breakers.of("https://api.example.com")
    told = {health.host: (health.state, health.next_try, health.cause) for health in breakers.snapshot(0.5)}
    assert told == {
        "https://track.example.com": (BreakerState.OPEN, 0.5, "it answered 503"),
        "https://api.example.com": (BreakerState.CLOSED, 0, ""),
    }


STEPS: Final = st.lists(
    st.tuples(st.sampled_from(["ask", "ask for a send", "fail", "answer", "cancel", "forget"]), st.floats(0, 20)),
    max_size=60,
)


@given(STEPS)
@settings(deadline=None)
def test_whatever_happens_a_host_is_tried_again_in_time_and_by_one_call_at_a_time(
    steps: list[tuple[str, float]],
) -> None:
    breaker, now = Breaker(), 0.0
    under_way: list[Turn] = []
    for step, seconds in steps:
        now += seconds
        if step.startswith("ask"):
            was_closed = _state(breaker, now) is BreakerState.CLOSED
            if turn := breaker.admit(now, safe=step == "ask"):
                under_way.append(turn)
                assert was_closed or breaker.admit(now, safe=True) is None
        elif step == "answer":
            breaker.answered()
        elif under_way:
            turn = under_way.pop()
            if step == "fail":
                breaker.failed(turn, now, "no answer")
            elif step == "cancel":
                breaker.released(turn, now)
    assert breaker.admit(now + PROBE_SECONDS + LONGEST_COOLDOWN + LONGEST_DEFERENCE, safe=False)
    assert PROBE_SECONDS + LONGEST_COOLDOWN + LONGEST_DEFERENCE < RECOVERY


# -- an outage of ten minutes, in a time of its own ----------------------------------------------------


class Host(httpx2.AsyncBaseTransport):
    """Fails as it is told until it is back; every request takes its time on the clock that it is given."""

    def __init__(self, kind: str) -> None:
        self.now = 0.0
        self.back_at = math.inf
        self.received: list[float] = []
        self._kind = kind

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Note a request, and fail or answer it."""
        self.received.append(self.now)
        if self.now >= self.back_at:
            return httpx2.Response(200, stream=httpx2.ByteStream(b'{"segments": [], "delivery_id": "d"}'))
        if self._kind == "refuses":
            raise httpx2.ConnectError("refused")
        await request.extensions["trace"]("http11.send_request_headers.started", {"request": request})
        if self._kind == "hangs":
            self.now += ATTEMPT_SECONDS
            raise httpx2.ReadTimeout("silence")
        return httpx2.Response(503, stream=httpx2.ByteStream(b""))

    async def sleep(self, seconds: float) -> None:
        """Pass some time."""
        self.now += seconds


class Outage:
    """Calls of one after the other, at a steady pace."""

    def __init__(self, host: Host, *, tools: tuple[str, ...], pace: float) -> None:
        self._host = host
        self._tools = tools
        self._pace = pace
        self.calls = 0
        self.open_answers: list[float] = []
        self.most_tries = 0
        """Requests of one call that began when the host was already found to be down."""
        clock: Callable[[], float] = lambda: host.now  # noqa: E731
        self._delivery = Delivery(
            budgets=Budgets(dict.fromkeys(Bucket, Rate(1_000_000, 0.001)), clock=clock),
            gateway=Gateway(lambda: new_client(host, loopback=True)),
            effects=Effects(mint=lambda: "", jitter=lambda: 0.5, now=clock, sleep=host.sleep),
        )
        self._lease = Lease(name="app", base_url="http://127.0.0.1", auth=bearer(Secret("canary-app-key")))

    async def until(self, moment: float) -> bool:
        """Call until a moment, or until a call succeeds, which is told."""
        while self._host.now < moment:
            began = self._host.now
            if await self._call(self._tools[self.calls % len(self._tools)]):
                return True
            self._host.now = max(self._host.now, began + self._pace)
        return False

    async def _call(self, tool: str) -> bool:
        endpoint, now = CATALOG[tool], self._host.now
        self.calls += 1
        request = wire.build(endpoint, endpoint.params.model_validate(ARGUMENTS[tool]))
        job = Job(endpoint=endpoint, repeat=endpoint.repeat, request=request, lease=self._lease)
        course = Course(operation="", caller=Caller(name="a test"), started=now, deadline=now + 60)
        down = any(health.state is not BreakerState.CLOSED for health in self._delivery.breakers.snapshot(now))
        began = time.perf_counter()
        try:
            await self._delivery.deliver(job, course)
        except Unavailable:
            self.open_answers.append(time.perf_counter() - began)
        except Undelivered:
            pass
        else:
            return True
        if down:
            self.most_tries = max(self.most_tries, course.attempts)
        return False


@pytest.mark.parametrize("kind", ["refuses", "answers 503", "hangs"])
@pytest.mark.parametrize("pace", [0.1, 1.0, 5.0])
@pytest.mark.parametrize(
    "tools", [("list_segments",), ("send_email",), ("send_email", "list_segments")], ids=["reads", "sends", "both"]
)
async def test_an_outage_of_ten_minutes_is_hardly_felt_by_the_host_and_soon_over(
    kind: str, pace: float, tools: tuple[str, ...]
) -> None:
    host = Host(kind)
    outage = Outage(host, tools=tools, pace=pace)
    assert not await outage.until(600)
    assert len(host.received) <= 1.2 * outage.calls
    assert outage.most_tries <= 1
    tries = host.received[FAILURES - 1 :]
    assert all(later - earlier >= FIRST_COOLDOWN - 1e-6 for earlier, later in pairwise(tries))
    # Fewer failures than five in ten seconds do not open it, and do no harm either.
    assert outage.open_answers or (pace, tools) == (5.0, ("send_email",))
    assert all(took <= AT_ONCE for took in sorted(outage.open_answers)[: int(0.99 * len(outage.open_answers)) + 1])
    host.back_at = back = host.now
    assert await outage.until(back + RECOVERY), "it was not found again"


# -- over sockets --------------------------------------------------------------------------------------


async def _together(house: Rig, call: tuple[str, dict[str, Any]], times: int) -> list[Called]:
    called: list[Called] = []

    async def one() -> None:
        called.append(await house.call(*call))

    async with anyio.create_task_group() as group:
        for _ in range(times):
            group.start_soon(one)
    return called


def _recovering() -> tuple[Answer, Callable[[], None]]:
    """Return a host that is down, and how to bring it back."""
    back = False

    async def answer(stream: SocketStream) -> None:
        await stream.send(whole(200, b'{"segments": [], "delivery_id": "d"}') if back else whole(503, b""))

    def come_back() -> None:
        nonlocal back
        back = True

    return answer, come_back


async def test_while_a_host_is_down_calls_are_answered_at_once_with_when_to_come_back() -> None:
    async with raw_server(DOWN) as server, rigged(settings_of(server.url), breakers=Breakers()) as house:
        for _ in range(FAILURES):
            await house.call(*SEND)
        took: list[float] = []
        for tool, arguments in (SEND, READ, ("track_event", ARGUMENTS["track_event"])):
            began = time.perf_counter()
            called = await house.call(tool, arguments)
            took.append(time.perf_counter() - began)
            assert called.code == "unavailable"
            assert "Nothing was sent" in called.error["message"]
            assert "it answered 503" in called.error["message"]
            assert 0 < called.error["retry_after_seconds"] <= 2
            assert called.meta["attempts"] == 0
    assert sorted(took)[1] <= AT_ONCE
    assert len(server.requests) == FAILURES
    assert [record["ending"] for record in house.outcomes][FAILURES:] == ["failed"] * 3


async def test_a_repeat_that_meets_an_open_breaker_stays_unknown() -> None:
    async with raw_server(DOWN) as server, rigged(settings_of(server.url), breakers=Breakers()) as house:
        for _ in range(3):
            await house.call(*SEND)
        called = await house.call("identify_person", {"identifier": "1"})
    assert called.code == "outcome_unknown"
    assert house.outcomes[-1]["ending"] == "unknown"
    assert called.meta["attempts"] == 3, "it waited for the first try of the host, and made it"
    assert len(server.requests) == 3 + 3


async def test_repeats_that_may_not_be_made_any_more_stay_unknown_too() -> None:
    call = ("identify_person", {"identifier": "1"})
    async with raw_server(DOWN) as server, rigged(settings_of(server.url), breakers=Breakers()) as house:
        called = await _together(house, call, 10)
    assert {one.code for one in called} == {"outcome_unknown"}
    assert {record["ending"] for record in house.outcomes} == {"unknown"}
    assert min(one.meta["attempts"] for one in called) < 3
    assert len(server.requests) == sum(one.meta["attempts"] for one in called) <= 10 + FAILURES


async def test_fifty_calls_that_fail_at_once_do_not_close_the_way_for_good() -> None:
    answer, come_back = _recovering()
    async with raw_server(answer) as server, rigged(settings_of(server.url), breakers=Breakers()) as house:
        failed = await _together(house, SEND, 50)
        assert {one.code for one in failed} <= {"outcome_unknown", "unavailable"}
        come_back()
        began = time.monotonic()
        while (await house.call(*READ)).code:
            assert time.monotonic() - began < 5
            await anyio.sleep(0.02)
        assert (await house.call(*SEND)).code is None
    assert {record["ending"] for record in house.outcomes} <= {"unknown", "failed", "ok"}


async def test_calls_that_failed_together_over_nothing_are_all_answered(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(Fault(kind="reset", times=20))
    async with rig(breakers=Breakers()) as house:
        called = await _together(house, READ, 20)
    assert [one.code for one in called] == [None] * 20


async def test_sends_alone_find_a_host_again() -> None:
    answer, come_back = _recovering()
    async with raw_server(answer) as server, rigged(settings_of(server.url), breakers=Breakers()) as house:
        began = time.monotonic()
        for _ in range(FAILURES):
            await house.call(*SEND)
        come_back()
        while (await house.call(*SEND)).code:
            assert time.monotonic() - began < 5
            await anyio.sleep(0.02)
    assert time.monotonic() - began > 1.9 * FIRST_COOLDOWN
    assert len(server.requests) == FAILURES + 1


async def test_a_try_whose_caller_gives_up_is_made_by_the_next_call() -> None:
    held = anyio.Event()

    async def hold(stream: SocketStream) -> None:
        held.set()
        with suppress(anyio.EndOfStream):
            await stream.receive()

    answers = (*(DOWN,) * FAILURES, hold, sends(whole(200, b'{"segments": []}')))
    async with (
        raw_server(*answers) as server,
        rigged(settings_of(server.url), breakers=Breakers(), mode="legacy") as house,
    ):
        for _ in range(FAILURES):
            await house.call(*SEND)
        await anyio.sleep(FIRST_COOLDOWN)
        async with anyio.create_task_group() as group:
            group.start_soon(house.call, *READ)
            await held.wait()
            assert (await house.call(*READ)).code == "unavailable"
            group.cancel_scope.cancel()
        await until(lambda: house.outcomes[-1]["ending"] == "cancelled")
        assert (await house.call(*READ)).code is None
    assert len(server.requests) == FAILURES + 2


async def test_refusals_and_throttling_are_answers(rig: Open, sandbox: RunningSandbox) -> None:
    breakers = Breakers()
    faults = [Fault(kind="status", status=status) for status in (400, 401, 403, 404, 408, 413, 422)] * 2
    async with rig(breakers=breakers) as house:
        for fault in [*faults, *[Fault(kind="throttle")] * 6]:
            sandbox.app.state.faults.add(fault)
            assert (await house.call(*SEND)).code
        assert (await house.call(*SEND)).code is None


async def test_one_host_that_is_down_does_not_close_the_way_to_the_other() -> None:
    async with (
        raw_server(DOWN) as track,
        raw_server(sends(whole(200, b'{"segments": []}'))) as app,
        rigged(settings_of(app.url, CUSTOMERIO_TRACK_URL=track.url), breakers=Breakers()) as house,
    ):
        for _ in range(3):
            await house.call("track_event", ARGUMENTS["track_event"])
        assert (await house.call("track_event", ARGUMENTS["track_event"])).meta["attempts"] == 0
        assert (await house.call(*READ)).code is None


async def test_what_is_wrong_on_this_machine_is_not_held_against_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/certificates.pem")
    away = settings_of("https://track.customer.io", CUSTOMERIO_APP_URL="")
    async with rigged(away, breakers=Breakers()) as house:
        for _ in range(2 * FAILURES):
            called = await house.call("identify_person", {"identifier": "1"})
            assert "that the environment names cannot be used" in called.error["message"]
            assert called.meta["attempts"] == 3
