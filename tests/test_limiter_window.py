"""The pure decisions, one by one, with the time passed in."""

import math
from collections.abc import Iterator

import pytest

from cio_mcp.limiter import Rate
from cio_mcp.limiter.backoff import Backoff
from cio_mcp.limiter.roundtrips import RoundTrips
from cio_mcp.limiter.window import SlidingWindow, Slot


def _window(limit: int = 10, window: float = 1.0, grace: float = 1.0) -> SlidingWindow:
    return SlidingWindow(Rate(limit, window), grace=grace, max_pause=60.0)


def _taken(window: SlidingWindow, now: float) -> Slot:
    slot = window.take(now)
    assert slot is not None
    return slot


def _all_free(window: SlidingWindow, now: float) -> Iterator[Slot]:
    while (slot := window.take(now)) is not None:
        yield slot


def _ask(window: SlidingWindow, now: float, round_trip: float) -> None:
    slot = _taken(window, now)
    window.written(slot, now)
    window.answered(slot, now + round_trip)


def test_the_whole_window_is_there_at_once_from_idle() -> None:
    assert len(list(_all_free(_window(10), 0.0))) == 10


def test_a_slot_is_free_one_window_after_its_answer() -> None:
    window = _window(1)
    _ask(window, 0.0, 0.25)
    assert window.next_change(0.25) == 1.25
    assert window.take(1.2499) is None
    assert window.take(1.25) is not None


def test_the_trigger_limit_of_one_in_ten_seconds_is_kept() -> None:
    window = _window(1, 10.0)
    _ask(window, 0.0, 0.5)
    assert window.wait(1.0, ahead=0) == pytest.approx(9.5)
    assert window.take(10.4) is None
    assert window.take(10.5) is not None


def test_a_slot_that_was_never_used_is_free_again_at_once() -> None:
    window = _window(1)
    slot = _taken(window, 0.0)
    window.release(slot, 0.1)
    window.release(slot, 0.1)
    assert len(list(_all_free(window, 0.1))) == 1


def test_reports_may_be_repeated_and_come_after_the_end() -> None:
    window = _window(2)
    slot = _taken(window, 0.0)
    for now in (0.1, 0.2):
        window.written(slot, now)
    for now in (0.3, 0.4):
        window.answered(slot, now)
    window.release(slot, 0.5)
    window.written(slot, 0.6)
    assert window.available(0.6) == 1
    assert window.next_change(0.6) == 0.6
    assert window.available(1.3) == 2


def test_an_answer_without_a_word_of_writing_counts_from_the_answer() -> None:
    window = _window(1)
    window.answered(_taken(window, 0.0), 0.4)
    assert window.next_change(0.4) == 1.4


def test_a_request_given_up_holds_its_slot_while_it_may_still_arrive() -> None:
    window = _window(1)
    _ask(window, 0.0, 0.2)
    slot = _taken(window, 2.0)
    window.written(slot, 2.0)
    window.release(slot, 2.05)
    assert window.next_change(2.05) == pytest.approx(2.0 + 0.2 + 1.0)


@pytest.mark.parametrize(
    ("answers", "given_up_after", "arrived_after"),
    [([], 0.1, 1.0), ([0.2], 0.6, 0.6), ([0.2], 5.0, 1.0), ([3.0], 0.1, 1.0)],
    ids=["nothing known", "slower than known", "past the grace", "slowest past the grace"],
)
def test_a_request_given_up_is_taken_to_travel_at_most_the_grace(
    answers: list[float], given_up_after: float, arrived_after: float
) -> None:
    window = _window(1)
    for round_trip in answers:
        _ask(window, -60.0, round_trip)
    slot = _taken(window, 0.0)
    window.written(slot, 0.0)
    window.release(slot, given_up_after)
    assert window.take(arrived_after + 0.999) is None
    assert window.take(max(given_up_after, arrived_after + 1.0)) is not None


def test_a_few_unanswered_requests_hold_their_slots_until_they_are_answered() -> None:
    window = _window(10)
    slots = list(_all_free(window, 0.0))
    for slot in slots:
        window.written(slot, 0.0)
    for slot in slots[2:]:
        window.answered(slot, 0.1)
    assert len(list(_all_free(window, 30.0))) == 8
    window.answered(slots[0], 30.0)
    assert window.take(30.9) is None
    assert window.take(31.0) is not None


def test_many_unanswered_requests_are_presumed_arrived_after_the_grace() -> None:
    window = _window(10)
    slots = list(_all_free(window, 0.0))
    for slot in slots:
        window.written(slot, 0.0)
    assert window.take(1.999) is None
    assert window.available(2.0) == 8
    window.answered(slots[0], 2.5)
    window.release(slots[1], 2.5)
    assert window.available(2.5) == 8


def test_credit_comes_only_after_enough_answers_and_stays_below_the_floor() -> None:
    trips = RoundTrips()
    for _ in range(19):
        trips.observe(0.08)
    assert trips.credit(0.08) == 0.0
    trips.observe(0.08)
    assert trips.credit(0.08) == pytest.approx(0.078)


def test_credit_shrinks_with_the_spread_and_never_exceeds_the_request_itself() -> None:
    trips = RoundTrips()
    for n in range(64):
        trips.observe(0.08 + 0.001 * (n % 21))
    assert trips.credit(0.1) == pytest.approx(0.08 - 0.01 - 0.002)
    assert trips.credit(0.01) == 0.01


def test_one_faster_answer_lowers_the_credit_of_all_that_follow() -> None:
    trips = RoundTrips()
    for _ in range(64):
        trips.observe(0.5)
    trips.observe(0.05)
    for _ in range(64):
        trips.observe(0.5)
    assert trips.credit(0.5) == 0.0


def test_a_floor_long_out_of_date_is_forgotten() -> None:
    trips = RoundTrips()
    trips.observe(0.01)
    for _ in range(2048):
        trips.observe(0.2)
    assert trips.credit(0.2) == pytest.approx(0.198)


def test_the_slowest_round_trip_is_the_slowest_of_the_last_64() -> None:
    trips = RoundTrips()
    assert trips.slowest is None
    trips.observe(0.9)
    for _ in range(63):
        trips.observe(0.1)
    assert trips.slowest == 0.9
    trips.observe(0.1)
    assert trips.slowest == 0.1


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [(None, 1.0), (0.2, 1.0), (5.0, 5.0), (3600.0, 60.0), (math.inf, 60.0), (-3.0, 1.0), (math.nan, 1.0)],
)
def test_a_429_pauses_for_retry_after_but_at_least_a_window_and_at_most_the_cap(
    retry_after: float | None, pause: float
) -> None:
    window = _window(10)
    window.penalize(100.0, retry_after)
    assert window.paused_for(100.0) == pause
    assert window.take(100.0 + pause - 0.001) is None
    assert len(list(_all_free(window, 100.0 + pause))) == 7


def test_429s_of_one_burst_cut_the_limit_once_and_prolong_the_pause() -> None:
    backoff = Backoff(Rate(10), max_pause=60.0)
    for now, retry_after in ((0.0, 1.0), (0.1, None), (0.2, 4.0), (0.3, 1.0)):
        backoff.penalize(now, retry_after)
    assert backoff.effective(0.3) == 7
    assert backoff.paused_until == 4.2


def test_429s_in_later_windows_cut_further_down_to_one() -> None:
    backoff = Backoff(Rate(10), max_pause=60.0)
    limits = []
    for now in range(0, 14, 2):
        backoff.penalize(float(now), None)
        limits.append(backoff.effective(float(now)))
    assert limits == [7, 4, 2, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("limit", "seen"), [(10, [7, 7, 8, 9, 10, 10]), (100, [70, 70, 80, 90, 100, 100]), (1, [1] * 6)]
)
def test_a_tenth_of_the_limit_returns_after_each_five_clean_seconds(limit: int, seen: list[int]) -> None:
    backoff = Backoff(Rate(limit), max_pause=60.0)
    backoff.penalize(0.0, 1.0)
    assert [backoff.effective(now) for now in (1.0, 5.9, 6.0, 11.0, 16.0, 900.0)] == seen


def test_the_next_rise_is_announced_until_the_limit_is_whole() -> None:
    backoff = Backoff(Rate(10), max_pause=60.0)
    assert backoff.next_rise(0.0) == math.inf
    backoff.penalize(0.0, 1.0)
    assert [backoff.next_rise(now) for now in (0.0, 6.0, 15.0, 16.0)] == [6.0, 11.0, 16.0, math.inf]


def test_a_cut_is_honoured_although_more_slots_are_still_held() -> None:
    window = _window(10)
    for slot in list(_all_free(window, 0.0)):
        window.written(slot, 0.0)
        window.answered(slot, 0.1)
    window.penalize(0.1, None)
    assert window.wait(0.1, ahead=0) == pytest.approx(1.0)
    assert len(list(_all_free(window, 1.1))) == 7


def test_an_estimate_before_any_answer_assumes_answers_as_slow_as_the_grace() -> None:
    window = _window(2, grace=1.5)
    for slot in list(_all_free(window, 0.0)):
        window.written(slot, 0.0)
    assert [window.wait(0.0, ahead=n) for n in range(5)] == [2.5, 2.5, 5.0, 5.0, 7.5]


def test_an_estimate_does_not_count_on_slots_of_unanswered_requests() -> None:
    window = _window(1, grace=1.0)
    window.written(_taken(window, 0.0), 0.0)
    assert window.wait(10.0, ahead=0) == 2.0
    assert window.next_change(10.0) == math.inf


def test_an_estimate_leaves_out_the_slots_of_stragglers() -> None:
    window = _window(10)
    for slot in list(_all_free(window, 0.0))[:2]:
        window.written(slot, 0.0)
    assert window.wait(3.0, ahead=0) == 2.0  # the other eight are granted and not yet written


def test_an_estimate_of_later_rounds_shares_only_the_slots_that_move() -> None:
    window = _window(10)
    for _ in range(2):
        window.written(_taken(window, 0.0), 0.0)
    assert [window.wait(3.0, ahead=n) for n in (0, 7, 8)] == [0.0, 0.0, 2.0]


def test_an_estimate_for_an_answer_that_is_later_than_known_assumes_the_grace() -> None:
    window = _window(1)
    _ask(window, -10.0, 0.1)
    window.written(_taken(window, 0.0), 0.0)
    assert window.wait(0.1, ahead=0) == pytest.approx(0.2 + 1.0 - 0.1)
    assert window.wait(0.5, ahead=0) == pytest.approx(1.0 + 1.0 - 0.5)


def test_an_estimate_after_a_cut_waits_until_enough_slots_are_free() -> None:
    window = _window(10)
    for n, slot in enumerate(list(_all_free(window, 0.0))):
        window.written(slot, 0.1 * n)
    window.penalize(0.9, None)
    # The limit is 7: three of ten slots become free for nobody, the fourth is free at 0.3 + grace + window.
    assert [window.wait(0.9, ahead=n) for n in (0, 1, 7)] == pytest.approx([1.4, 1.5, 3.4])


def test_unanswered_requests_are_looked_at_again_after_the_grace() -> None:
    window = _window(3)
    for slot in list(_all_free(window, 0.0)):
        window.written(slot, 0.0)
    assert window.next_change(0.0) == 1.0
    assert window.next_change(1.0) == 2.0
    assert len(list(_all_free(window, 2.0))) == 2


def test_an_answer_that_lowers_the_floor_counts_for_its_own_credit() -> None:
    window = _window(1)
    for n in range(30):
        _ask(window, 10.0 * n, 0.5)
    _ask(window, 1000.0, 0.3)
    assert window.next_change(1000.3) == pytest.approx(1001.3 - (2 * 0.3 - 0.5 - 0.002))


def test_an_estimate_includes_the_pause() -> None:
    window = _window(10)
    window.penalize(0.0, 20.0)
    assert window.wait(5.0, ahead=0) == 15.0
    assert window.wait(5.0, ahead=7) == 15.0 + 2.0
