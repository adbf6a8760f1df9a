"""A confirmation lets one call pass, once, within its time; anything else changes nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cio_mcp.ledger.office import Office
from cio_mcp.ledger.terms import Cap, Group, Ledger, NotConfirmed, Overspent, State, Terms
from tests.ledger.book import DAY, HOUR, Calls, Clock, confirmation, opened
from tests.ledger.worlds import kinds

pytestmark = pytest.mark.anyio
USE = Terms(confirmation="handle-1", binding="binding-1")
PLAN = {"people": 142, "name": "Spring"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


async def approved(ledger: Ledger, clock: Clock) -> None:
    await ledger.ask(confirmation(clock))
    await ledger.decide("handle-1", State.APPROVED, "operator root")


async def test_an_approved_confirmation_lets_its_call_pass_once(ledger: Ledger, clock: Clock, office: Office) -> None:
    calls = Calls()
    await approved(ledger, clock)
    await ledger.begin(calls.intent(), USE)
    spent = await ledger.confirmation("handle-1")
    assert spent is not None
    assert (spent.state, spent.by) == (State.SPENT, "operator root")
    with pytest.raises(NotConfirmed, match="was used already"):
        await ledger.begin(calls.intent(), USE)
    assert await kinds(office) == ["created", "asked", "approved", "intent"]
    assert "handle-1" not in str(await office.records())


async def test_what_is_asked_is_kept_as_it_was(ledger: Ledger, clock: Clock, office: Office) -> None:
    asked = confirmation(clock, plan=PLAN, audience=None)
    await ledger.ask(asked)
    assert await ledger.confirmation("handle-1") == asked
    assert await ledger.waiting("binding-1") == asked
    assert list(await office.for_operator()) == [asked]


async def test_a_plan_is_forgotten_once_it_was_decided_or_is_out_of_date(
    ledger: Ledger, clock: Clock, office: Office
) -> None:
    await ledger.ask(confirmation(clock, plan=PLAN))
    assert (await ledger.decide("handle-1", State.REJECTED, "operator root")).plan is None
    await ledger.ask(confirmation(clock, handle="handle-2", plan=PLAN))
    clock.run(601)
    await ledger.ask(confirmation(clock, handle="handle-3"))
    late = await ledger.confirmation("handle-2")
    assert late is not None
    assert late.plan is None
    assert list(await office.for_operator()) == []


Change = Callable[[Clock], None]


@pytest.mark.parametrize(
    ("state", "use", "later", "why"),
    [
        (State.APPROVED, Terms(confirmation="handle-x", binding="binding-1"), 0, "is not one of ours"),
        (State.APPROVED, Terms(confirmation="h\u00e4ndle\ud800", binding="binding-1"), 0, "is not one of ours"),
        (State.APPROVED, Terms(confirmation="", binding="binding-1"), 0, "is not one of ours"),
        (State.APPROVED, Terms(confirmation="handle-1", binding="binding-2"), 0, "belongs to another call"),
        (State.APPROVED, Terms(confirmation="handle-1"), 0, "belongs to another call"),
        (State.APPROVED, USE, 600, "has expired"),
        (State.REJECTED, USE, 0, "was rejected"),
        (State.WAITING, USE, 0, "is still waiting"),
    ],
)
async def test_no_other_confirmation_lets_it_pass(  # noqa: PLR0917 - a table
    ledger: Ledger, clock: Clock, state: State, use: Terms, later: float, why: str, office: Office
) -> None:
    await ledger.ask(confirmation(clock))
    if state is not State.WAITING:
        await ledger.decide("handle-1", state, "operator root")
    clock.run(later)
    before = await office.head()
    with pytest.raises(NotConfirmed) as refused:
        await ledger.begin(Calls().intent(), use)
    assert refused.value.why == why
    kept = await ledger.confirmation("handle-1")
    assert kept is not None
    assert (kept.state, await office.head()) == (state, before)


async def test_a_confirmation_is_not_spent_by_a_call_that_is_refused_for_another_reason(
    ledger: Ledger, clock: Clock
) -> None:
    await approved(ledger, clock)
    capped = Terms(confirmation="handle-1", binding="binding-1", caps=[Cap(recipients=0, seconds=HOUR)])
    with pytest.raises(Overspent):
        await ledger.begin(Calls().intent(), capped)
    await ledger.begin(Calls().intent(), USE)


@pytest.mark.parametrize(("first", "why"), [(State.APPROVED, "was approved already"), (State.REJECTED, "was rejected")])
async def test_a_decision_is_made_once(ledger: Ledger, clock: Clock, first: State, why: str) -> None:
    await ledger.ask(confirmation(clock))
    decided = await ledger.decide("handle-1", first, "operator root")
    assert (decided.state, decided.by) == (first, "operator root")
    for state in (State.APPROVED, State.REJECTED):
        with pytest.raises(NotConfirmed, match=why):
            await ledger.decide("handle-1", state, "operator other")


@pytest.mark.parametrize("state", [State.WAITING, State.APPROVED])
async def test_what_was_withdrawn_lets_nothing_pass_even_if_it_was_approved(
    ledger: Ledger, clock: Clock, office: Office, state: State
) -> None:
    await ledger.ask(confirmation(clock, plan=PLAN))
    if state is State.APPROVED:
        await ledger.decide("handle-1", State.APPROVED, "operator root")
    withdrawn = await ledger.withdraw("handle-1", "server")
    assert (withdrawn.state, withdrawn.by, withdrawn.plan) == (State.REJECTED, "server", None)
    with pytest.raises(NotConfirmed, match="was rejected"):
        await ledger.begin(Calls().intent(), USE)
    with pytest.raises(NotConfirmed, match="was rejected"):
        await ledger.withdraw("handle-1", "server")
    assert (await kinds(office))[-1] == "rejected"


async def test_what_was_spent_or_is_over_cannot_be_withdrawn(ledger: Ledger, clock: Clock) -> None:
    await approved(ledger, clock)
    await ledger.begin(Calls().intent(), USE)
    with pytest.raises(NotConfirmed, match="was used already"):
        await ledger.withdraw("handle-1", "server")
    await ledger.ask(confirmation(clock, handle="handle-2"))
    clock.run(600)
    with pytest.raises(NotConfirmed, match="has expired"):
        await ledger.withdraw("handle-2", "server")


async def test_once_the_newest_of_a_binding_was_spent_no_older_one_waits(ledger: Ledger, clock: Clock) -> None:
    for handle in ("old", "handle-1"):
        await ledger.ask(confirmation(clock, handle=handle))
        await ledger.decide(handle, State.APPROVED, "operator root")
    await ledger.begin(Calls().intent(), USE)
    assert await ledger.waiting("binding-1") is None


async def test_nothing_but_a_decision_can_be_decided(ledger: Ledger, clock: Clock) -> None:
    await ledger.ask(confirmation(clock))
    for state in (State.WAITING, State.SPENT):
        with pytest.raises(ValueError, match="nobody can decide"):
            await ledger.decide("handle-1", state, "operator root")
    with pytest.raises(NotConfirmed, match="is not one of ours"):
        await ledger.decide("handle-x", State.APPROVED, "operator root")


async def test_the_newest_of_a_binding_that_is_not_over_is_the_one_waiting(ledger: Ledger, clock: Clock) -> None:
    assert await ledger.waiting("binding-1") is None
    await ledger.ask(confirmation(clock, handle="old"))
    await ledger.ask(confirmation(clock, handle="other", binding="binding-2"))
    await ledger.ask(confirmation(clock, handle="new", expires_at=clock.now() + 60))
    found = await ledger.waiting("binding-1")
    assert found is not None
    assert found.handle == "new"
    clock.run(61)
    found = await ledger.waiting("binding-1")
    assert found is not None
    assert found.handle == "old"
    await ledger.decide("old", State.APPROVED, "operator root")
    await ledger.begin(Calls().intent(), Terms(confirmation="old", binding="binding-1"))
    assert await ledger.waiting("binding-1") is None


async def test_a_person_is_asked_for_the_same_only_once(ledger: Ledger, clock: Clock, office: Office) -> None:
    first = await ledger.ask(confirmation(clock, plan=PLAN))
    assert await ledger.ask(confirmation(clock, handle="handle-2", plan=PLAN)) == first
    await ledger.decide("handle-1", State.APPROVED, "operator root")
    assert (await ledger.ask(confirmation(clock, handle="handle-2", plan=PLAN))).handle == "handle-1"
    assert [each.handle for each in await office.for_operator()] == []
    other = await ledger.ask(confirmation(clock, handle="handle-2", plan=PLAN, target="target-2"))
    assert other.handle == "handle-2"
    assert await kinds(office) == ["created", "asked", "approved", "asked"]


@pytest.mark.parametrize("ending", [State.REJECTED, State.SPENT])
async def test_after_a_no_and_after_it_was_used_a_person_is_asked_again(
    ledger: Ledger, clock: Clock, ending: State
) -> None:
    await ledger.ask(confirmation(clock, plan=PLAN))
    await ledger.decide("handle-1", State.REJECTED if ending is State.REJECTED else State.APPROVED, "operator root")
    if ending is State.SPENT:
        await ledger.begin(Calls().intent(), USE)
    assert (await ledger.ask(confirmation(clock, handle="handle-2", plan=PLAN))).handle == "handle-2"


async def test_a_client_is_asked_as_often_as_it_calls(ledger: Ledger, clock: Clock) -> None:
    for handle in ("handle-1", "handle-2"):
        assert (await ledger.ask(confirmation(clock, handle=handle))).handle == handle


async def test_what_was_approved_comes_before_what_still_waits(ledger: Ledger, clock: Clock) -> None:
    for handle, target in (("handle-1", "target-1"), ("handle-2", "target-2")):
        await ledger.ask(confirmation(clock, handle=handle, target=target, plan=PLAN))
    await ledger.decide("handle-1", State.APPROVED, "operator root")
    found = await ledger.waiting("binding-1")
    assert found is not None
    assert found.handle == "handle-1"
    await ledger.decide("handle-2", State.REJECTED, "operator root")
    found = await ledger.waiting("binding-1")
    assert found is not None
    assert (found.handle, found.state) == ("handle-2", State.REJECTED)


GROUPS = {"people in segment 2": Group(people=900, who="0123abcd" * 900, segment=2), "of the filter": Group()}


async def test_who_was_shown_is_kept_until_it_is_over(ledger: Ledger, clock: Clock) -> None:
    asked = confirmation(clock, groups=GROUPS)
    await ledger.ask(asked)
    assert await ledger.confirmation("handle-1") == asked
    assert (await ledger.decide("handle-1", State.APPROVED, "operator root")).groups == GROUPS
    clock.run(601)
    await ledger.ask(confirmation(clock, handle="handle-2"))
    over = await ledger.confirmation("handle-1")
    assert over is not None
    assert (over.groups, over.audience) == (None, 142)


async def test_one_that_is_long_past_is_forgotten(ledger: Ledger, clock: Clock) -> None:
    await ledger.ask(confirmation(clock))
    clock.run(600 + DAY + 1)
    assert await ledger.confirmation("handle-1") is not None
    await ledger.ask(confirmation(clock, handle="handle-2"))
    assert await ledger.confirmation("handle-1") is None


def restarted_and_back(clock: Clock) -> None:
    clock.restart(-DAY)


def restarted(clock: Clock) -> None:
    clock.restart(30)


def asleep_where_uptime_does_not_count_it(clock: Clock) -> None:
    clock.jump(601)


@pytest.mark.parametrize(
    "change", [restarted_and_back, restarted, asleep_where_uptime_does_not_count_it], ids=lambda change: change.__name__
)
async def test_no_change_of_clocks_lengthens_its_life(path: Path, change: Change) -> None:
    clock = Clock()
    with opened(path, clock) as ledger:
        await approved(ledger, clock)
    change(clock)
    with opened(path, clock) as ledger, pytest.raises(NotConfirmed, match="has expired"):
        await ledger.begin(Calls().intent(), USE)


async def test_a_clock_set_back_a_day_leaves_it_its_ten_minutes(path: Path) -> None:
    clock = Clock()
    with opened(path, clock) as ledger:
        await approved(ledger, clock)
        await ledger.ask(confirmation(clock, handle="handle-2"))
        await ledger.decide("handle-2", State.APPROVED, "operator root")
    clock.run(500)
    clock.jump(-DAY)
    with opened(path, clock) as ledger:
        await ledger.begin(Calls().intent(), USE)
        clock.run(101)
        with pytest.raises(NotConfirmed, match="has expired"):
            await ledger.begin(Calls().intent(operation="op-2"), Terms(confirmation="handle-2", binding="binding-1"))
