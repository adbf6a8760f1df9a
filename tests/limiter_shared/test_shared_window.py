"""What one process takes, the others do not have: windows on one file, with a clock that stands still."""

import math

import pytest

from cio_mcp.limiter.turns import HOLD_SECONDS, TICKET_SECONDS
from tests.limiter_shared.conftest import Machine


def test_the_limit_is_that_of_all_processes_together(machine: Machine) -> None:
    first, second = machine.window(3), machine.window(3)
    assert [machine.take(first) is not None for _ in range(2)] == [True, True]
    assert [machine.take(second) is not None for _ in range(2)] == [True, False]
    assert [first.available(machine.now), second.available(machine.now)] == [0, 0]


def test_other_buckets_of_the_file_are_other_limits(machine: Machine) -> None:
    machine.taken(machine.window(1))
    other = machine.window(1)
    other._bucket = "track"
    machine.taken(other)


def test_a_slot_is_free_for_all_a_window_after_its_answer(machine: Machine) -> None:
    first, second = machine.window(1), machine.window(1)
    machine.ask(first, round_trip=0.25)
    machine.now = 1001.249
    assert machine.take(second) is None
    machine.now = 1001.25
    machine.taken(second)


def test_the_credit_that_one_process_has_learned_counts_for_all(machine: Machine) -> None:
    first, second = machine.window(1), machine.window(1)
    for _ in range(20):
        machine.ask(first, round_trip=0.1)
        machine.now += 1.2
    machine.ask(first, round_trip=0.1)
    machine.now += 0.1 + 1.0 - 0.099
    assert machine.take(second) is None
    machine.now += 0.002
    machine.taken(second)


def test_what_never_left_is_free_for_all_at_once(machine: Machine) -> None:
    first, second = machine.window(1), machine.window(1)
    first.release(machine.taken(first), machine.now)
    machine.taken(second)


def test_what_left_and_was_given_up_is_held_while_it_may_arrive(machine: Machine) -> None:
    first, second = machine.window(1), machine.window(1)
    slot = machine.taken(first)
    first.written(slot, machine.now)
    first.release(slot, machine.now)
    machine.now += 1.99
    assert machine.take(second) is None
    machine.now += 0.02
    machine.taken(second)


@pytest.mark.parametrize("written", [False, True])
def test_slots_of_a_process_that_is_gone_come_free_by_themselves(machine: Machine, *, written: bool) -> None:
    gone, living = machine.window(2), machine.window(2)
    for _ in range(2):
        slot = machine.taken(gone)
        if written:
            gone.written(slot, machine.now)
    machine.now += HOLD_SECONDS + 1.0 - 0.01
    assert len([slot for slot in [machine.take(living), machine.take(living)] if slot]) == written
    machine.now += 0.02
    assert machine.take(living) is not None


def test_many_unanswered_requests_are_presumed_arrived_over_all_processes(machine: Machine) -> None:
    first, second = machine.window(10), machine.window(10)
    for window in [first, second] * 5:
        window.written(machine.taken(window), machine.now)
    machine.now += 2.0
    assert len([n for n in range(10) if machine.take(first)]) == 8


def test_a_request_that_leaves_late_takes_its_slot_again(machine: Machine) -> None:
    stopped, other = machine.window(1), machine.window(1)
    slot = machine.taken(stopped)
    machine.now += HOLD_SECONDS + 2.0
    assert other.available(machine.now) == 1
    stopped.written(slot, machine.now)
    assert machine.take(other) is None


def test_a_slot_whose_caller_waits_for_another_bucket_is_kept(machine: Machine) -> None:
    process = machine.process()
    broadcast, app, other = machine.window(1, 10.0, process), machine.window(1, 1.0, process), machine.window(1, 10.0)
    app._bucket = "app 2"
    slot = machine.taken(broadcast)
    for _ in range(60):
        machine.now = min(app.next_change(machine.now), machine.now + 0.5)
        machine.take(app)
    assert machine.now > 1020
    assert machine.take(other) is None
    broadcast.release(slot, machine.now)
    machine.taken(other)
    assert process.renew_at == pytest.approx(machine.now, abs=2.0)  # for the slot of the other bucket


def test_reports_come_in_any_order_and_more_than_once(machine: Machine) -> None:
    window, other = machine.window(2), machine.window(2)
    slot = machine.taken(window)
    for _ in range(2):
        window.written(slot, machine.now)
        window.answered(slot, machine.now)
        window.release(slot, machine.now)
    assert other.available(machine.now) == 1
    machine.now += 1.01
    assert other.available(machine.now) == 2


def test_the_one_who_waited_first_takes_the_next_slot(machine: Machine) -> None:
    windows = [machine.window(1) for _ in range(3)]
    machine.ask(windows[0])
    for window in windows[1:]:
        window.queued(5, machine.now)
        assert machine.take(window) is None
    machine.wait(1.0, *windows[1:])
    windows[2]._look_at = machine.now
    assert machine.take(windows[2]) is None
    assert machine.take(windows[0]) is None  # who does not wait stands behind those who do
    machine.ask(windows[1])
    machine.wait(1.0, *windows[1:])
    machine.taken(windows[2])


def test_who_was_given_a_slot_stands_at_the_end_again(machine: Machine) -> None:
    holder, *windows = (machine.window(1) for _ in range(4))
    machine.ask(holder)
    for window in windows:
        window.queued(99, machine.now)
        assert machine.take(window) is None
    given: list[int] = []
    while len(given) < 12:
        machine.now = min(window.next_change(machine.now) for window in windows)
        for number in (2, 0, 1):
            if slot := machine.take(windows[number]):
                windows[number].answered(slot, machine.now)
                given.append(number)
    assert given == [0, 1, 2] * 4


def test_turns_of_a_fast_limit_have_several_slots(machine: Machine) -> None:
    holder, *windows = (machine.window(1000) for _ in range(3))
    for _ in range(1000):
        machine.ask(holder)
    for window in windows:
        window.queued(500, machine.now)
        assert machine.take(window) is None
    machine.wait(0.9, *windows)
    machine.now += 0.1
    given: list[int] = []
    while len(given) < 100:
        for number in (1, 0):
            while machine.take(windows[number]):
                given.append(number)
        machine.now += 0.01
    assert given[:60] == [0] * 20 + [1] * 20 + [0] * 20


def test_the_first_in_line_holds_up_the_others_only_while_its_ticket_lives(machine: Machine) -> None:
    holder, stopped, living = machine.window(1), machine.window(1), machine.window(1)
    machine.ask(holder)
    for window in (stopped, living):
        window.queued(1, machine.now)
        assert machine.take(window) is None
    stopped_at, got = machine.now, None
    while got is None:
        machine.now = living.next_change(machine.now)
        got = machine.take(living)
    assert machine.now - stopped_at <= max(1.0, TICKET_SECONDS) + 0.051


def test_who_leaves_the_line_holds_up_nobody(machine: Machine) -> None:
    holder, first, second = (machine.window(1) for _ in range(3))
    machine.ask(holder)
    for window in (first, second):
        window.queued(1, machine.now)
        assert machine.take(window) is None
    machine.now += 0.9
    for window in (first, second):
        window.take(machine.now)
    machine.now += 0.1
    first.queued(0, machine.now)
    machine.taken(second)


def test_waiting_looks_at_the_computed_moment_and_a_few_times_before(machine: Machine) -> None:
    holder, waiter = machine.window(1, 10.0), machine.window(1, 10.0)
    machine.ask(holder)
    waiter.queued(1, machine.now)
    looks = 0
    while machine.take(waiter) is None:
        looks += 1
        machine.now = waiter.next_change(machine.now)
    assert machine.now == pytest.approx(1010.0)
    assert looks <= 10.0 / 0.4 + 2


def test_a_429_pauses_and_lowers_the_bucket_for_all_processes_once(machine: Machine) -> None:
    first, second, third = (machine.window(10) for _ in range(3))
    first.penalize(machine.now, 4.0)
    second.penalize(machine.now + 0.1, 1.0)  # an answer to the same burst
    machine.now += 0.2
    assert [window.effective(machine.now) for window in (first, second, third)] == [7, 7, 7]
    assert [window.paused_for(machine.now) for window in (first, second, third)] == pytest.approx([3.8] * 3)
    assert machine.take(third) is None
    assert third.next_change(machine.now) == pytest.approx(1004.0)
    machine.now = 1004.0
    assert len([n for n in range(10) if machine.take(second if n % 2 else third)]) == 7
    machine.now = 1009.5
    assert [window.effective(machine.now) for window in (first, second, third)] == [8, 8, 8]


def test_a_later_429_of_another_process_cuts_further(machine: Machine) -> None:
    first, second = machine.window(10), machine.window(10)
    first.penalize(machine.now, None)
    machine.now += 1.5
    second.penalize(machine.now, None)
    assert [window.effective(machine.now) for window in (first, second)] == [4, 4]


def test_rows_from_before_the_machine_started_anew_count_for_nothing(machine: Machine) -> None:
    before = machine.window(2)
    machine.now = 500_000.0
    machine.taken(before)
    machine.ask(before)
    before.penalize(machine.now, 60.0)
    before.queued(3, machine.now)
    before._look_at = -math.inf
    machine.take(before)
    machine.now = 20.0
    after = machine.window(2)
    assert (after.available(machine.now), after.paused_for(machine.now)) == (2, 0.0)
    machine.taken(after)
    machine.taken(after)
    assert machine.take(after) is None


def test_the_wait_counts_the_callers_of_other_processes_who_are_in_line(machine: Machine) -> None:
    holder, first, second = (machine.window(1) for _ in range(3))
    machine.ask(holder)
    assert second.wait(machine.now, ahead=0) == pytest.approx(1.0)
    first.queued(5, machine.now)
    assert machine.take(first) is None
    second.forget()
    # One turn of the other's before each of one's own; a round is a window and, with no answer known, the grace.
    assert [second.wait(machine.now, ahead=ahead) for ahead in (0, 1)] == pytest.approx([1.0 + 2.0, 1.0 + 3 * 2.0])


def test_processes_long_gone_leave_no_rows(machine: Machine) -> None:
    for _ in range(20):
        first, second = machine.window(2), machine.window(2)
        for window in (first, second):
            machine.taken(window)
        for window in (first, second):
            window.queued(2, machine.now)
            assert machine.take(window) is None
        machine.now += HOLD_SECONDS + 2
    assert machine.rows() == {"slots": 2, "line": 2}
