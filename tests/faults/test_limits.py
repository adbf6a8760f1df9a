"""The account is never throttled by us, a 429 is waited out, and a wait that is too long is told at once."""

import socket
import time
from typing import Any, Final

import anyio
import pytest

from cio_mcp.catalog.endpoint import Bucket
from cio_mcp.sandbox import Fault, Limits, RunningSandbox, running_sandbox
from tests.faults.arguments import ARGUMENTS
from tests.faults.conftest import Open
from tests.faults.rig import Called, Rig, rigged, settings_of, until

pytestmark = pytest.mark.anyio

# What an operator gets who sets nothing.
DEFAULTS: Final = dict.fromkeys(
    (f"CIO_MCP_LIMIT_{name}" for name in ("APP", "EMAIL", "TRANSACTIONAL", "BROADCAST")), ""
)
AT_ONCE: Final = 1.0
TRIGGER: Final = {"broadcast_id": 10}


async def _together(house: Rig, tool: str, arguments: dict[str, Any], *, times: int) -> list[Called]:
    called: list[Called] = []

    async def one() -> None:
        called.append(await house.call(tool, arguments))

    async with anyio.create_task_group() as group:
        for _ in range(times):
            group.start_soon(one)
    return called


def _arrivals(sandbox: RunningSandbox, status: int) -> list[float]:
    return [received.at for received in sandbox.app.state.journal if received.status == status]


# -- 429 ---------------------------------------------------------------------------------------------


async def test_a_retry_after_is_waited_out_by_the_whole_bucket(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(Fault(kind="throttle", retry_after=1))
    async with rig(CIO_MCP_LIMIT_APP="10/0.1") as house, anyio.create_task_group() as group:
        called: list[Called] = []

        async def one() -> None:
            called.append(await house.call("list_segments"))

        group.start_soon(one)
        await until(lambda: house.pipeline.exchange.budgets.limiter("app", Bucket.APP).snapshot().refused_429 == 1)
        budget = await house.budget("app/app")
        assert 0 < budget["paused_for"] <= 1
        assert budget["refused_429"] == 1
        assert (budget["effective"], budget["limit"]) == (7, 10)
        group.start_soon(one)
    assert [one.code for one in called] == [None, None]
    assert sorted(one.meta["attempts"] for one in called) == [1, 2]
    assert all(one.meta["waited_seconds"] > 0 for one in called)
    refused = _arrivals(sandbox, 429)[0]
    assert all(1.0 <= arrival - refused < 5 for arrival in _arrivals(sandbox, 200))


async def test_a_429_for_longer_than_the_call_is_told_at_once(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(Fault(kind="throttle", retry_after=30))
    began = time.monotonic()
    async with rig(CIO_MCP_TIME_BUDGET="10") as house:
        refused = await house.call("send_sms", ARGUMENTS["send_sms"])
        paused = await house.call("send_sms", ARGUMENTS["send_sms"])
    assert time.monotonic() - began < AT_ONCE + 1
    assert refused.code == paused.code == "rate_limited"
    assert refused.error["retry_after_seconds"] == 30
    assert 25 < paused.error["retry_after_seconds"] <= 31
    assert len(sandbox.app.state.journal) == 1
    assert [record["ending"] for record in house.outcomes] == ["failed", "refused"]
    assert [record.get("attempts") for record in house.outcomes] == [1, None]


async def test_a_bucket_is_paused_for_a_minute_at_most(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(Fault(kind="throttle", retry_after=3600))
    async with rig() as house:
        refused = await house.call("list_segments")
        budget = await house.budget("app/app")
    assert refused.error["retry_after_seconds"] == 3600
    assert 50 < budget["paused_for"] <= 60


async def test_a_429_without_a_time_is_told_as_a_quota_and_not_tried_again(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(Fault(kind="throttle", times=None))
    async with rig() as house:
        called = await house.call("list_segments")
        budget = await house.budget("app/app")
    assert called.code == "quota_exhausted"
    assert called.error["next_step"].startswith("Do not try again now")
    assert len(sandbox.app.state.journal) == 1
    assert (budget["effective"], budget["limit"]) == (700, 1000)


async def test_a_429_of_the_track_api_has_no_quota_behind_it_and_is_tried_again(
    rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="throttle", times=5))
    async with rig(CIO_MCP_LIMIT_TRACK="1000/0.05") as house:
        refused = await house.call("identify_person", {"identifier": "new"})
        taken = await house.call("identify_person", {"identifier": "new"})
    assert (refused.code, refused.error["retry_after_seconds"], refused.meta["attempts"]) == ("rate_limited", 5, 3)
    assert (taken.code, taken.meta["attempts"]) == (None, 3)


async def test_many_429s_of_one_burst_lower_the_limit_once(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(Fault(kind="throttle", retry_after=1, times=10))
    async with rig(CIO_MCP_LIMIT_APP="10/0.1") as house:
        called = await _together(house, "list_segments", {}, times=10)
        budget = await house.budget("app/app")
    assert [one.code for one in called] == [None] * 10
    assert {one.meta["attempts"] for one in called} == {2}
    assert (budget["effective"], budget["refused_429"]) == (7, 10)
    last_refused = max(_arrivals(sandbox, 429))
    assert min(_arrivals(sandbox, 200)) - last_refused >= 0.9


async def test_calls_survive_an_account_that_somebody_else_uses_too() -> None:
    """The account allows half of what we were told: calls may be late or refused, but never too many."""
    with running_sandbox(limits=Limits(app=(5, 0.25))) as shared:
        async with rigged(settings_of(shared.url, CIO_MCP_LIMIT_APP="10/0.25", CIO_MCP_TIME_BUDGET="15")) as house:
            called = await _together(house, "list_segments", {}, times=25)
        journal = list(shared.app.state.journal)
    assert {one.code for one in called} <= {None, "rate_limited"}
    assert sum(one.code is None for one in called) >= 20
    assert len(journal) == sum(one.meta["attempts"] for one in called)
    # Without a lower limit every second request would be refused.
    assert sum(received.status == 429 for received in journal) <= 15


# -- our own limit -----------------------------------------------------------------------------------


async def test_thirty_calls_at_once_never_meet_a_429() -> None:
    with running_sandbox(limits=Limits()) as limited:
        async with rigged(settings_of(limited.url, **DEFAULTS)) as house:
            began = time.monotonic()
            called = await _together(house, "get_segment", {"segment_id": 2}, times=30)
            took = time.monotonic() - began
            budget = await house.budget("app/app")
        journal = list(limited.app.state.journal)
    assert [one.code for one in called] == [None] * 30
    assert [received.status for received in journal] == [200] * 30
    arrivals = sorted(received.at for received in journal)
    assert all(later - earlier >= 1 for earlier, later in zip(arrivals, arrivals[10:], strict=False))
    assert 2 <= took < 5
    assert (budget["granted"], "refused_429" in budget) == (30, False)
    assert max(one.meta["waited_seconds"] for one in called) > 1.8
    assert sum(one.meta["waited_seconds"] == 0 for one in called) == 10


async def test_a_second_broadcast_is_answered_at_once_with_the_time_to_come_back(
    rig: Open, sandbox: RunningSandbox
) -> None:
    async with rig(**DEFAULTS, CIO_MCP_TIME_BUDGET="8") as house:
        first = await house.call("trigger_broadcast", TRIGGER)
        began = time.monotonic()
        second = await house.call("trigger_broadcast", TRIGGER)
        took = time.monotonic() - began
        budget = await house.budget("app/broadcast")
    assert first.code is None
    assert second.code == "rate_limited"
    assert took < AT_ONCE
    assert 9 <= second.error["retry_after_seconds"] <= 10.1
    assert abs(budget["next_free"] - second.error["retry_after_seconds"]) < 1
    assert second.meta["attempts"] == 0
    assert len(sandbox.app.state.journal) == 1
    assert [record["ending"] for record in house.outcomes] == ["ok", "refused"]


async def test_a_wait_that_the_call_can_afford_is_waited(rig: Open, sandbox: RunningSandbox) -> None:
    async with rig(CIO_MCP_LIMIT_BROADCAST="1/0.6") as house:
        await house.call("trigger_broadcast", TRIGGER)
        second = await house.call("trigger_broadcast", TRIGGER)
    assert second.code is None
    assert 0.3 < second.meta["waited_seconds"] < 5
    assert house.outcomes[1]["waited"] == second.meta["waited_seconds"]
    first, later = _arrivals(sandbox, 200)
    assert later - first >= 0.6


async def test_a_send_whose_answer_could_not_be_awaited_is_not_sent(rig: Open, sandbox: RunningSandbox) -> None:
    """A slot would come in 0.8 s; the 0.2 s left then are too few for an answer that takes 0.4 s."""
    async with rig(CIO_MCP_LIMIT_TRANSACTIONAL="1/0.8", CIO_MCP_TIME_BUDGET="1") as house:
        await house.call("send_sms", ARGUMENTS["send_sms"])
        sandbox.app.state.faults.add(Fault(kind="delay", seconds=0.4))
        second = await house.call("send_sms", ARGUMENTS["send_sms"])
    assert second.code == "rate_limited"
    assert len(sandbox.app.state.journal) == 1


async def test_a_trigger_counts_against_both_of_its_limits(rig: Open) -> None:
    async with rig() as house:
        called = await house.call("trigger_broadcast", TRIGGER)
        granted = {name: (await house.budget(name))["granted"] for name in ("app/broadcast", "app/app")}
    assert [budget["name"] for budget in called.meta["budgets"]] == ["app/broadcast", "app/app"]
    assert granted == {"app/broadcast": 1, "app/app": 1}


async def test_one_limit_does_not_hold_up_the_others(rig: Open) -> None:
    async with rig(CIO_MCP_LIMIT_APP="1/3600", CIO_MCP_TIME_BUDGET="2") as house:
        assert (await house.call("list_segments")).code is None
        assert (await house.call("list_segments")).code == "rate_limited"
        assert (await house.call("identify_person", {"identifier": "1"})).code is None
        assert (await house.call("send_email", ARGUMENTS["send_email"])).code is None
        # A trigger needs an App slot too; while it cannot have one it must not keep that of the broadcasts.
        assert (await house.call("trigger_broadcast", TRIGGER)).code == "rate_limited"
        assert (await house.budget("app/broadcast"))["available"] == 1000


async def test_refused_calls_use_no_budget(rig: Open, sandbox: RunningSandbox) -> None:
    async with rig(CIO_MCP_LIMIT_APP="1/3600", CIO_MCP_READ_ONLY="true") as house:
        assert (await house.call("get_segment", {"segment": 1})).code == "invalid_arguments"
        assert (await house.call("create_segment", {"name": "New"})).code == "not_permitted"
        assert (await house.call("get_rate_budget")).result == {"budgets": []}
        assert (await house.call("get_segment", {"segment_id": 2})).code is None
    assert len(sandbox.app.state.journal) == 1


async def test_a_result_and_the_budget_tool_agree(rig: Open) -> None:
    async with rig(CIO_MCP_LIMIT_APP="10/3600") as house:
        await _together(house, "list_segments", {}, times=2)
        called = await house.call("list_segments")
        budget = await house.budget("app/app")
    (told,) = called.meta["budgets"]
    assert (told["limit"], told["window"], told["available"], told["granted"]) == (10, 3600, 7, 3)
    assert {name: told[name] for name in ("limit", "window", "effective", "available", "granted")} == {
        name: budget[name] for name in ("limit", "window", "effective", "available", "granted")
    }


# -- slots -------------------------------------------------------------------------------------------


async def test_requests_without_an_answer_give_their_slots_back_in_the_end(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(Fault(kind="reset", times=5))
    sandbox.app.state.faults.add(Fault(kind="hang", seconds=5, times=5))
    async with rig(CIO_MCP_LIMIT_EMAIL="10/0.2", CIO_MCP_TIME_BUDGET="1") as house:
        called = await _together(house, "send_email", ARGUMENTS["send_email"], times=10)
        assert {one.code for one in called} == {"outcome_unknown"}
        limiter = house.pipeline.exchange.budgets.limiter("app", Bucket.EMAIL)
        await until(lambda: limiter.snapshot().available == 10, within=5)


async def test_a_request_that_never_left_gives_its_slot_back_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"  # bound, but nobody listens
        async with rigged(settings_of(url, CIO_MCP_LIMIT_APP="1/3600")) as house:
            called = await house.call("list_segments")
            budget = await house.budget("app/app")
    assert called.code == "unavailable"
    assert called.meta["attempts"] == 3
    assert called.meta["waited_seconds"] == 0
    assert budget["available"] == 1
