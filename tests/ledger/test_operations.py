"""A write from intent to end: what is recorded, what holds it back, and what it takes."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from cio_mcp.ledger.office import Office
from cio_mcp.ledger.terms import Cap, Ending, Intent, Ledger, Outcome, Overspent, Repeated, Stopped, Terms
from tests.ledger.book import DAY, FAILED, HOUR, OK, UNKNOWN, Calls, Clock, opened
from tests.ledger.worlds import World, kinds

pytestmark = pytest.mark.anyio
TEN_MINUTES = Terms(repeat_within=600)
MEANT = Terms(repeat_within=600, repeat_allowed=True)
NOTHING_SENT = [Ending.FAILED, Ending.REFUSED, Ending.CANCELLED, Ending.PLANNED]


async def test_a_write_is_an_intent_and_an_outcome(ledger: Ledger, calls: Calls, office: Office, world: World) -> None:
    call = calls.intent(
        arguments={"to": "hmac:1"}, rule="sender", approval="none needed", principal="agent-1", time_budget=45.0
    )
    await ledger.begin(call, Terms())
    open_one = await ledger.operation(call.operation)
    assert open_one is not None
    assert (open_one.intent, open_one.outcome, open_one.started_at) == (call, None, world.now())
    world.clock.run(2)
    await ledger.conclude(call, OK)
    ended = await ledger.operation(call.operation)
    assert ended is not None
    assert (ended.intent, ended.outcome, ended.ended_at) == (call, OK, world.now())
    assert await kinds(office) == ["created", "intent", "outcome"]
    assert (await office.verify()).fault is None


async def test_a_read_or_a_refusal_is_one_record_with_the_whole_of_it(
    ledger: Ledger, calls: Calls, office: Office, world: World
) -> None:
    call = calls.intent(tool="get_segment", access="read", fingerprint="", recipients=0, arguments={"segment_id": 7})
    await ledger.conclude(call, OK)
    ended = await ledger.operation(call.operation)
    assert ended is not None
    assert (ended.intent, ended.outcome) == (call, OK)
    assert (ended.ended_at, ended.started_at + OK.took) == (world.now(), ended.ended_at)
    assert await kinds(office) == ["created", "outcome"]


async def test_nobody_knows_an_operation_that_never_was(ledger: Ledger) -> None:
    assert await ledger.operation("op-of-nobody") is None


@pytest.mark.parametrize("ending", NOTHING_SENT)
async def test_what_is_known_to_have_sent_nothing_may_be_repeated_and_spends_nothing(
    ledger: Ledger, calls: Calls, ending: Ending
) -> None:
    terms = Terms(repeat_within=600, caps=[Cap(recipients=1, seconds=HOUR)])
    first, second = calls.intent(fingerprint="same"), calls.intent(fingerprint="same")
    await ledger.begin(first, terms)
    await ledger.conclude(first, Outcome(ending=ending))
    await ledger.begin(second, terms)


async def test_the_same_call_is_held_back_for_its_time_and_then_passes(
    ledger: Ledger, calls: Calls, clock: Clock, office: Office
) -> None:
    first, second = calls.intent(fingerprint="same"), calls.intent(fingerprint="same")
    await ledger.begin(first, TEN_MINUTES)
    await ledger.conclude(first, OK)
    clock.run(570)
    before = await office.head()
    with pytest.raises(Repeated) as held:
        await ledger.begin(second, TEN_MINUTES)
    assert (held.value.earlier.intent, held.value.earlier.outcome) == (first, OK)
    assert await ledger.earlier("same", 600) == held.value.earlier
    assert await office.head() == before
    clock.run(31)
    assert await ledger.earlier("same", 600) is None
    await ledger.begin(second, TEN_MINUTES)


async def test_the_same_call_passes_at_once_where_repeats_are_allowed(ledger: Ledger, calls: Calls) -> None:
    await ledger.begin(calls.intent(fingerprint="same"), TEN_MINUTES)
    await ledger.begin(calls.intent(fingerprint="same"), Terms())


async def test_calls_without_a_fingerprint_are_never_alike(ledger: Ledger, calls: Calls) -> None:
    await ledger.begin(calls.intent(fingerprint=""), TEN_MINUTES)
    await ledger.begin(calls.intent(fingerprint=""), TEN_MINUTES)
    assert await ledger.earlier("", 600) is None


async def test_an_unknown_call_is_held_back_until_it_is_settled_however_long_ago(
    ledger: Ledger, calls: Calls, clock: Clock
) -> None:
    lost, later, last = (calls.intent(fingerprint="same") for _ in range(3))
    await ledger.begin(lost, TEN_MINUTES)
    await ledger.conclude(lost, UNKNOWN)
    await ledger.begin(later, Terms())  # a newer one that went well does not hide it
    await ledger.conclude(later, OK)
    clock.run(30 * DAY)
    with pytest.raises(Repeated) as held:
        await ledger.begin(last, TEN_MINUTES)
    assert held.value.earlier.intent == lost
    await ledger.settle(lost.operation, Ending.OK, "list_person_messages")
    await ledger.begin(last, TEN_MINUTES)


async def lost(ledger: Ledger, call: Intent, *, looked_for: bool) -> None:
    """Make a call whose outcome stays unknown, although somebody looked; for a server that holds nothing back."""
    await ledger.begin(call, Terms())
    await ledger.conclude(call, UNKNOWN)
    if looked_for:
        await ledger.settle(call.operation, Ending.UNKNOWN, "looked: unclear")


@pytest.mark.parametrize("newer", [False, True])
async def test_a_repeat_that_is_meant_waits_for_one_under_way_whatever_else_was_looked_for(
    ledger: Ledger, calls: Calls, *, newer: bool
) -> None:
    under_way, looked, last = (calls.intent(fingerprint="same") for _ in range(3))
    if newer:
        await ledger.begin(under_way, TEN_MINUTES)
        await lost(ledger, looked, looked_for=True)
    else:
        await lost(ledger, looked, looked_for=True)
        await ledger.begin(under_way, MEANT)
    for terms in (MEANT, TEN_MINUTES):
        with pytest.raises(Repeated) as held:
            await ledger.begin(last, terms)
        assert held.value.earlier.intent == under_way
        assert await ledger.earlier("same", 600) == held.value.earlier
    await ledger.conclude(under_way, OK)
    await ledger.begin(last, MEANT)


async def test_a_repeat_that_is_meant_waits_until_all_that_is_unknown_was_looked_for(
    ledger: Ledger, calls: Calls
) -> None:
    older, unseen, newer, last = (calls.intent(fingerprint="same") for _ in range(4))
    for call in (older, unseen, newer):
        await lost(ledger, call, looked_for=call is not unseen)
    for terms in (MEANT, TEN_MINUTES):
        with pytest.raises(Repeated) as held:
            await ledger.begin(last, terms)
        assert held.value.earlier.intent == unseen
    await ledger.settle(unseen.operation, Ending.UNKNOWN, "looked: unclear")
    with pytest.raises(Repeated) as held:
        await ledger.begin(last, TEN_MINUTES)
    assert held.value.earlier.intent == newer
    await ledger.begin(last, MEANT)


async def test_an_unknown_operation_is_listed_until_it_is_settled(ledger: Ledger, calls: Calls, office: Office) -> None:
    lost = [calls.intent(principal="agent-1") for _ in range(3)]
    for call in [*lost, calls.intent(principal="agent-2")]:
        await ledger.begin(call, Terms())
        await ledger.conclude(call, UNKNOWN)
    assert [each.intent for each in await ledger.unknown("agent-1", limit=2)] == lost[:0:-1]
    assert [each.intent.principal for each in await ledger.unknown(None, limit=2)] == ["agent-2", "agent-1"]
    assert len(await office.unknown(None, limit=9)) == 4, "the operator sees everybody's"
    await ledger.settle(lost[2].operation, Ending.UNKNOWN, "nothing found yet")
    assert [each.settled_by for each in await ledger.unknown("agent-1", limit=9)] == ["nothing found yet", "", ""]
    await ledger.settle(lost[2].operation, Ending.FAILED, "no such message")
    assert [each.intent for each in await ledger.unknown("agent-1", limit=9)] == lost[1::-1]
    settled = await ledger.operation(lost[2].operation)
    assert settled is not None
    assert settled.outcome is not None
    assert (settled.outcome.ending, settled.outcome.attempts, settled.settled_by) == (
        Ending.FAILED, UNKNOWN.attempts, "no such message",
    )  # fmt: skip
    assert (await office.verify()).fault is None


@pytest.mark.parametrize("outcome", [None, OK, FAILED])
async def test_only_an_unknown_outcome_can_be_settled(
    ledger: Ledger, calls: Calls, outcome: Outcome | None, office: Office
) -> None:
    call = calls.intent()
    await ledger.begin(call, Terms())
    if outcome:
        await ledger.conclude(call, outcome)
    await ledger.settle(call.operation, Ending.UNKNOWN, "a guess")
    await ledger.settle("op-of-nobody", Ending.OK, "a guess")
    known = await ledger.operation(call.operation)
    assert known is not None
    assert known.outcome == outcome
    assert "settled" not in await kinds(office)


async def test_a_cap_counts_recipients_and_is_never_exceeded_by_one(ledger: Ledger, calls: Calls, clock: Clock) -> None:
    terms = Terms(caps=[Cap(recipients=10, seconds=HOUR), Cap(recipients=12, seconds=DAY)])
    for recipients, outcome in ((4, OK), (3, UNKNOWN), (2, None)):
        call = calls.intent(recipients=recipients)
        await ledger.begin(call, terms)
        if outcome:
            await ledger.conclude(call, outcome)
        clock.run(60)
    with pytest.raises(Overspent) as refused:
        await ledger.begin(calls.intent(recipients=2), terms)
    assert (refused.value.cap, refused.value.spent) == (terms.caps[0], 9)
    assert refused.value.free_in == pytest.approx(HOUR - 180, abs=10)
    with pytest.raises(Overspent) as refused:
        await ledger.begin(calls.intent(recipients=9), terms)
    assert refused.value.free_in == pytest.approx(HOUR - 60, abs=10)
    await ledger.begin(calls.intent(recipients=1), terms)
    clock.run(HOUR + 1)
    with pytest.raises(Overspent) as refused:
        await ledger.begin(calls.intent(recipients=3), terms)
    assert (refused.value.cap, refused.value.spent) == (terms.caps[1], 10)
    await ledger.begin(calls.intent(recipients=2), terms)


async def test_a_call_larger_than_the_cap_is_told_that_waiting_does_not_help(ledger: Ledger, calls: Calls) -> None:
    with pytest.raises(Overspent) as refused:
        await ledger.begin(calls.intent(recipients=11), Terms(caps=[Cap(recipients=10, seconds=HOUR)]))
    assert (refused.value.spent, refused.value.free_in) == (0, None)


async def test_caps_are_counted_for_each_principal_and_workspace(ledger: Ledger, calls: Calls) -> None:
    terms = Terms(caps=[Cap(recipients=1, seconds=HOUR)])
    await ledger.begin(calls.intent(), terms)
    await ledger.begin(calls.intent(principal="agent-2"), terms)
    await ledger.begin(calls.intent(workspace="78"), terms)
    await ledger.begin(calls.intent(recipients=0), terms)
    with pytest.raises(Overspent):
        await ledger.begin(calls.intent(), terms)


async def test_no_write_begins_while_all_are_stopped(ledger: Ledger, office: Office, calls: Calls) -> None:
    assert (await ledger.stopped(), await office.stop_in_force(), await office.release()) == (None, None, None)
    engaged = await office.engage("an incident")
    assert (await office.engage("still looking")).since == engaged.since
    before = await office.head()
    with pytest.raises(Stopped, match="still looking") as stopped:
        await ledger.begin(calls.intent(), Terms())
    assert stopped.value.since == engaged.since == pytest.approx(time.time(), abs=30)
    assert await office.head() == before
    await ledger.conclude(calls.intent(), OK)  # reads go on
    released = await office.release()
    assert released is not None
    assert (released.since, released.reason) == (engaged.since, "still looking")
    await ledger.begin(calls.intent(), Terms())


async def test_a_stop_is_seen_within_a_second(ledger: Ledger, office: Office) -> None:
    assert await ledger.stopped() is None
    await office.engage("an incident")
    with anyio.fail_after(1):
        while not (stopped := await ledger.stopped()):  # noqa: ASYNC110 - what is tested is the asking
            await anyio.sleep(0.01)
    assert stopped.reason == "an incident"


async def test_a_ledger_in_memory_can_be_stopped_too(tmp_path: Path, calls: Calls) -> None:
    with opened(None, stop_file=tmp_path / "stop") as ledger:
        (tmp_path / "stop").touch()
        with pytest.raises(Stopped):
            await ledger.begin(calls.intent(), Terms())


async def test_digests_differ_by_text_and_by_where_one_text_ends(ledger: Ledger) -> None:
    texts = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), (), ("\ud800",), ("Ab", "c")]
    found = {ledger.digest(*parts) for parts in texts}
    assert len(found) == len(texts)
    assert all(len(each) == 64 for each in found)
    assert ledger.digest("ab", "c") == ledger.digest("ab", "c")


async def test_digests_are_the_same_after_a_restart_and_others_in_another_ledger(tmp_path: Path) -> None:
    with opened(tmp_path / "a" / "ledger.sqlite3") as first:
        digest = first.digest("x")
    with opened(tmp_path / "a" / "ledger.sqlite3") as again, opened(tmp_path / "b" / "ledger.sqlite3") as other:
        assert (again.digest("x") == digest, other.digest("x") == digest) == (True, False)


async def test_records_survive_a_restart(tmp_path: Path, calls: Calls) -> None:
    path = tmp_path / "ledger.sqlite3"
    call = calls.intent()
    with opened(path) as ledger:
        await ledger.begin(call, Terms())
        await ledger.conclude(call, OK)
        head = ledger.head()
    with opened(path) as ledger:
        assert ledger.head() == head
        known = await ledger.operation(call.operation)
        assert known is not None
        assert (known.intent, known.outcome) == (call, OK)
        assert ledger.verify(str(head)).fault is None


async def test_a_remark_is_a_link_of_the_chain(office: Office) -> None:
    await office.remark("start", {"version": "1"})
    assert (await office.records(after=1))[0] | {"at": 0} == {"seq": 2, "at": 0, "kind": "start", "version": "1"}
    assert (await office.verify()).fault is None


async def test_text_that_is_no_unicode_is_recorded_all_the_same(ledger: Ledger, calls: Calls, office: Office) -> None:
    call = calls.intent(caller="\ud800 \x00 \u2028")
    await ledger.begin(call, Terms())
    known = await ledger.operation(call.operation)
    assert known is not None
    assert known.intent == call
    assert (await office.verify()).fault is None


async def test_calls_alongside_are_those_of_the_tool_that_may_have_done_something(
    ledger: Ledger, calls: Calls, clock: Clock
) -> None:
    async def begun(outcome: Outcome | None = None, **members: Any) -> str:
        call = calls.intent(**members)
        await ledger.begin(call, Terms())
        if outcome:
            await ledger.conclude(call, outcome)
        clock.run(10)
        return call.operation

    await begun(UNKNOWN)
    clock.run(10)
    early = await begun(OK, principal="another")
    await begun(FAILED)
    mine = await begun(UNKNOWN)
    for other in ({"tool": "send_push"}, {"workspace": "78"}):
        await begun(UNKNOWN, **other)
    late = await begun()
    await begun(UNKNOWN)
    operation = await ledger.operation(mine)
    assert operation is not None
    found = await ledger.alongside(operation, within=35, limit=9)
    assert [each.intent.operation for each in found] == [early, late]
    assert [each.intent.operation for each in await ledger.alongside(operation, within=35, limit=1)] == [early]


@pytest.mark.parametrize("outcome", [None, OK, UNKNOWN])
async def test_a_write_that_may_have_done_something_is_found_by_its_tool_and_arguments(
    ledger: Ledger, calls: Calls, clock: Clock, outcome: Outcome | None
) -> None:
    async def found(workspace: str = "77", within: float = 30, **arguments: Any) -> bool:
        return await ledger.was_called(workspace, {"add_people_to_segment"}, arguments, within=within)

    call = calls.intent(tool="add_people_to_segment", arguments={"segment_id": 2, "ids": ["hmac:1"]})
    assert not await found(segment_id=2)
    await ledger.begin(call, Terms())
    if outcome:
        await ledger.conclude(call, outcome)
    clock.run(20)
    assert await found(segment_id=2)
    assert not await found(segment_id=3)
    assert not await found(workspace="78", segment_id=2)
    assert not await found(within=10, segment_id=2)
    assert not await ledger.was_called("77", {"send_push"}, {}, within=30)


async def test_a_write_that_failed_has_done_nothing(ledger: Ledger, calls: Calls) -> None:
    call = calls.intent(tool="add_people_to_segment", arguments={"segment_id": 2})
    await ledger.begin(call, Terms())
    await ledger.conclude(call, FAILED)
    assert not await ledger.was_called("77", {"add_people_to_segment"}, {"segment_id": 2}, within=30)


async def test_what_a_call_made_is_kept_with_its_outcome_or_with_how_it_was_settled(
    ledger: Ledger, calls: Calls
) -> None:
    sent, lost = calls.intent(), calls.intent()
    for call, outcome in ((sent, replace(OK, made="message 1")), (lost, UNKNOWN)):
        await ledger.begin(call, Terms())
        await ledger.conclude(call, outcome)
    await ledger.settle(lost.operation, Ending.OK, "looked", made="message 2")
    made = [
        found.outcome.made
        for call in (sent, lost)
        if (found := await ledger.operation(call.operation)) and found.outcome
    ]
    assert made == ["message 1", "message 2"]


async def test_the_newest_records_of_one_principal_are_found_and_nobody_elses(ledger: Ledger, calls: Calls) -> None:
    for principal in ("ada", "bob", "ada", "ada"):
        call = calls.intent(principal=principal, access="read", fingerprint="", recipients=0)
        await ledger.conclude(call, OK)
    last = calls.intent(principal="ada", access="read", fingerprint="", recipients=0)
    await ledger.conclude(last, OK)
    found = await ledger.of_principal("ada", limit=3)
    assert [each["principal"] for each in found] == ["ada"] * 3
    assert found[0]["operation"] == last.operation
    assert len(await ledger.of_principal("ada", limit=9)) == 4
    assert await ledger.of_principal("nobody", limit=9) == []
