"""The retry rules as a table: what a repeat would do, against how much is known of the attempt."""

from itertools import product
from typing import Final

import pytest

from cio_mcp.catalog.endpoint import Repeat
from cio_mcp.retry import (
    ATTEMPTS,
    FIRST_BACKOFF,
    LONGEST_BACKOFF,
    LONGEST_RETRY_AFTER,
    Fault,
    Verdict,
    decide,
    fault_of,
    may_repeat,
    retry_after,
)

# Rows: what a repeat would do. Columns: unsent, throttled, failed, lost, broken off.
TABLE: Final = {
    Repeat.SAFE:                  "yes yes yes yes yes",
    Repeat.DEDUPLICATED:          "yes yes yes yes yes",
    Repeat.SAFE_UNLESS_RECREATED: "yes yes no  yes no",
    Repeat.PER_ITEM:              "yes yes no  no  no",
    Repeat.NEVER:                 "yes yes no  no  no",
}  # fmt: skip
COLUMNS: Final = (Fault.UNSENT, Fault.THROTTLED, Fault.FAILED, Fault.LOST, Fault.BROKEN_OFF)
CELLS: Final = [
    (repeat, fault, answer == "yes")
    for repeat, row in TABLE.items()
    for fault, answer in zip(COLUMNS, row.split(), strict=True)
]


def test_the_table_is_complete() -> None:
    assert {(repeat, fault) for repeat, fault, _ in CELLS} == set(product(Repeat, Fault))


@pytest.mark.parametrize(("repeat", "fault", "allowed"), CELLS, ids=str)
def test_whether_a_repeat_may_do_harm(repeat: Repeat, fault: Fault, *, allowed: bool) -> None:
    assert may_repeat(repeat, fault) is allowed


@pytest.mark.parametrize(("repeat", "fault", "allowed"), CELLS, ids=str)
def test_a_call_has_as_many_attempts_as_its_cell_allows(repeat: Repeat, fault: Fault, *, allowed: bool) -> None:
    verdicts = [
        decide(repeat, fault, attempt=attempt, jitter=0.5, retry_after=1.0, has_quota=True) for attempt in (1, 2, 3, 4)
    ]
    assert [verdict.delay is not None for verdict in verdicts] == [allowed, allowed, False, False]
    assert ATTEMPTS == 3


@pytest.mark.parametrize("fault", set(Fault) - {Fault.THROTTLED})
def test_a_delay_is_full_jitter_that_doubles(fault: Fault) -> None:
    def delay(attempt: int, jitter: float) -> float | None:
        return decide(Repeat.SAFE, fault, attempt=attempt, jitter=jitter, retry_after=None, has_quota=True).delay

    assert [delay(attempt, 0.0) for attempt in (1, 2)] == [0, 0]
    assert [delay(attempt, 0.5) for attempt in (1, 2)] == [FIRST_BACKOFF / 2, FIRST_BACKOFF]
    assert (delay(2, 0.999) or 0) < 2 * FIRST_BACKOFF <= LONGEST_BACKOFF


@pytest.mark.parametrize("fault", set(Fault) - {Fault.THROTTLED})
def test_only_a_429_is_told_when_to_come_back(fault: Fault) -> None:
    assert decide(Repeat.SAFE, fault, attempt=1, jitter=0.0, retry_after=30.0, has_quota=True) == Verdict(0.0)


@pytest.mark.parametrize("repeat", Repeat)
@pytest.mark.parametrize(
    ("asked", "delay"),
    [(None, None), (0.0, 0.25), (0.1, 0.25), (1.0, 1.0), (60.0, 60.0), (3600.0, LONGEST_RETRY_AFTER)],
)
def test_a_429_is_waited_out_as_it_says_and_without_a_time_is_final(
    repeat: Repeat, asked: float | None, delay: float | None
) -> None:
    found = decide(repeat, Fault.THROTTLED, attempt=1, jitter=0.5, retry_after=asked, has_quota=True)
    assert found == Verdict(delay)


@pytest.mark.parametrize("repeat", Repeat)
def test_a_429_without_a_time_is_tried_again_where_there_is_no_quota(repeat: Repeat) -> None:
    verdicts = [
        decide(repeat, Fault.THROTTLED, attempt=attempt, jitter=0.5, retry_after=None, has_quota=False)
        for attempt in (1, 2, 3)
    ]
    assert [verdict.delay for verdict in verdicts] == [FIRST_BACKOFF / 2, FIRST_BACKOFF, None]


@pytest.mark.parametrize("status", range(100, 600))
def test_a_status_is_final_unless_it_is_transient(status: int) -> None:
    expected = {408: Fault.FAILED, 429: Fault.THROTTLED}.get(status, Fault.FAILED if status >= 500 else None)
    assert fault_of(status) is expected


def test_what_is_certain_to_have_had_no_effect() -> None:
    assert {fault for fault in Fault if fault.is_refusal} == {Fault.UNSENT, Fault.THROTTLED}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        (" 120 ", 120.0),
        ("007", 7.0),
        ("999999999", 999_999_999.0),
        (None, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1e3", None),
        ("0x10", None),
        ("1_000", None),
        ("inf", None),
        ("1, 2", None),
        ("\N{ARABIC-INDIC DIGIT FIVE}", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("9" * 400, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_whole_seconds_or_nothing(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds
