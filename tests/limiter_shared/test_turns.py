"""Whose turn it is and when to look again: rows and the time go in."""

import pytest

from cio_mcp.limiter import Rate
from cio_mcp.limiter.turns import (
    HOLD_SECONDS,
    Held,
    Place,
    Stage,
    ahead,
    callers_before,
    free_moments,
    next_look,
    next_turn,
    presumed,
    turn_size,
    unanswered,
)

TEN = Rate(10, 1.0)


def _cooling(frees_at: float, number: int = 0) -> Held:
    return Held(frees_at, 1, number, Stage.COOLING)


def _written(at: float, number: int = 0, window: float = 1.0) -> Held:
    return Held(at + HOLD_SECONDS + window, 1, number, Stage.WRITTEN)


def _reserved(at: float, number: int = 0) -> Held:
    return Held(at + HOLD_SECONDS + 1.0, 1, number, Stage.RESERVED)


def _place(process: int, ticket: int, waiting: int = 9) -> Place:
    return Place(process, ticket, 2.0, waiting)


def test_those_with_lower_tickets_stand_ahead() -> None:
    line = [_place(1, 5), _place(2, 3), _place(3, 9)]
    assert [place.process for place in ahead(line, 1)] == [2]
    assert [place.process for place in ahead(line, 2)] == []
    assert [place.process for place in ahead(line, 3)] == [1, 2]


def test_who_comes_new_stands_behind_everybody() -> None:
    assert len(ahead([_place(1, 5), _place(2, 3)], 7)) == 2


@pytest.mark.parametrize(
    ("rate", "size"), [(Rate(1, 10.0), 1), (TEN, 1), (Rate(100), 2), (Rate(1000), 20), (Rate(3000, 3.0), 20)], ids=str
)
def test_turns_are_one_slot_unless_they_would_change_too_often(rate: Rate, size: int) -> None:
    assert turn_size(rate) == size


def test_the_first_in_line_looks_when_the_first_slot_is_free() -> None:
    slots = [_cooling(0.3), _cooling(0.1), _cooling(0.2)]
    assert next_look(slots, TEN, limit=3, before=[], now=0.0) == 0.1


def test_those_behind_look_when_the_slots_before_theirs_are_free() -> None:
    slots = [_cooling(0.1), _cooling(0.2), _cooling(0.3)]
    assert next_look(slots, TEN, limit=3, before=[_place(1, 1), _place(2, 2)], now=0.0) == 0.3


def test_one_ahead_with_a_single_caller_takes_a_single_slot_of_its_turn() -> None:
    slots = [_cooling(0.001 * n) for n in range(1, 101)]
    rate = Rate(1000)
    assert next_look(slots, rate, limit=100, before=[_place(1, 1, waiting=1)], now=0.0) == 0.002
    assert next_look(slots, rate, limit=100, before=[_place(1, 1, waiting=99)], now=0.0) == 0.021


def test_after_a_cut_as_many_more_must_come_free_as_the_limit_is_lower() -> None:
    slots = [_cooling(0.1), _cooling(0.2), _cooling(0.3)]
    assert next_look(slots, TEN, limit=1, before=[], now=0.0) == 0.3


def test_an_unanswered_request_is_looked_at_a_window_after_it_left() -> None:
    assert next_look([_written(0.0)], TEN, limit=1, before=[], now=0.7) == 1.0


def test_a_request_unanswered_for_a_window_is_looked_at_often_but_not_all_the_time() -> None:
    assert next_look([_written(0.0)], TEN, limit=1, before=[], now=1.5) == pytest.approx(1.525)


def test_nobody_waits_so_long_that_its_ticket_dies() -> None:
    assert next_look([_cooling(9.0)], TEN, limit=1, before=[], now=0.0) == 0.4


def test_looks_have_a_floor() -> None:
    assert next_look([_cooling(1e-6)], TEN, limit=1, before=[], now=0.0) == 0.001


def test_looks_at_somebody_elses_turn_become_rare() -> None:
    assert [next_turn(looks, 0.0) for looks in (0, 1, 2, 3, 9, 999)] == [0.002, 0.004, 0.008, 0.016, 0.05, 0.05]


def test_of_the_unanswered_the_youngest_may_be_on_their_way_and_the_others_were_there() -> None:
    slots = [_written(0.1 * n, n) for n in range(4)]
    assert [slot.number for slot in unanswered(slots, TEN, grace=1.0, now=1.25)] == [0, 1, 2]
    assert presumed(slots, TEN, grace=1.0, most=2, now=2.05) == slots[:1]
    assert presumed(slots, TEN, grace=1.0, most=2, now=2.5) == slots[:2]
    assert presumed(slots, TEN, grace=1.0, most=2, now=1.95) == []


def test_what_has_not_left_is_never_presumed_to_have_arrived() -> None:
    assert presumed([_reserved(0.0, n) for n in range(9)], TEN, grace=1.0, most=2, now=5.9) == []


def test_estimates_assume_the_answer_then_the_grace() -> None:
    slots = [_cooling(0.4), _written(0.0), _written(-0.5), _reserved(0.0)]
    moments = free_moments(slots, TEN, grace=1.0, answer=0.2, now=0.1)
    assert moments == pytest.approx([0.4, 1.2, 1.3, 1.5])


def test_others_have_at_most_as_many_turns_as_oneself() -> None:
    others = [_place(1, 1, waiting=1), _place(2, 2, waiting=50)]
    assert [callers_before(others, own) for own in (0, 4)] == [2, 6]
