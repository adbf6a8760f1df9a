"""Exact sliding windows, by an oracle that counts, and over HTTP with a clock that stands still."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cio_mcp.sandbox import Limits, running_sandbox
from cio_mcp.sandbox.windows import Windows
from tests.sandbox.sandbox_talk import TRACK_AUTH, ManualClock, Talk

SEND = {"to": "a@example.com", "transactional_message_id": 1, "identifiers": {"id": "1"}}


@pytest.fixture
def timed() -> Iterator[tuple[Talk, ManualClock]]:
    monotonic = ManualClock(100.0)
    with running_sandbox(monotonic=monotonic) as sandbox:
        talk = Talk(sandbox, ManualClock(0))
        with talk.http:
            yield talk, monotonic


@given(
    # Sixteenths of a second are exact in binary: the oracle may compare without a tolerance.
    st.lists(st.integers(0, 8), max_size=80),
    st.integers(1, 5),
    st.integers(1, 16),
)
def test_a_request_is_admitted_exactly_when_the_window_before_it_has_room(
    gaps: list[int], requests: int, window: int
) -> None:
    clock = ManualClock(0.0)
    windows = Windows(Limits(app=(requests, window / 16)), clock)
    admitted: list[float] = []
    for gap in gaps:
        clock.now += gap / 16
        room = sum(clock.now - at < window / 16 for at in admitted) < requests
        _, denial = windows.admit("app", ("app",))
        assert (denial is None) is room
        if denial is None:
            admitted.append(clock.now)


def test_the_eleventh_app_request_in_a_second_is_refused_until_exactly_one_second_has_passed(
    timed: tuple[Talk, ManualClock],
) -> None:
    talk, monotonic = timed
    for _ in range(10):
        assert talk.app("GET", "/segments").status_code == 200
        monotonic.now += 1 / 64
    refused = talk.app("GET", "/segments")
    assert refused.status_code == 429
    detail = refused.json()["errors"][0]
    assert detail["status"] == "429"
    assert detail["detail"].startswith("rate limited to 10 requests per 1s (reference ")
    assert refused.headers["retry-after"] == "1"
    monotonic.now = 100.0 + 1 - 1 / 64
    assert talk.app("GET", "/segments").status_code == 429
    monotonic.now = 101.0
    assert talk.app("GET", "/segments").status_code == 200
    assert talk.app("GET", "/segments").status_code == 429  # one slot was freed, not all


def test_email_and_the_other_channels_have_windows_of_their_own(timed: tuple[Talk, ManualClock]) -> None:
    talk, _ = timed
    assert [talk.app("POST", "/send/email", SEND).status_code for _ in range(101)] == [200] * 100 + [429]
    push = SEND | {"transactional_message_id": 2, "to": "all"}
    sms = SEND | {"transactional_message_id": 3}
    statuses = [
        talk.app("POST", f"/send/{c}", b).status_code for c, b in (("push", push), ("sms", sms)) for _ in range(6)
    ]
    assert statuses == [200] * 10 + [429] * 2
    assert talk.app("GET", "/segments").status_code == 200


def test_a_trigger_needs_room_in_its_own_window_and_in_that_of_the_app(timed: tuple[Talk, ManualClock]) -> None:
    talk, monotonic = timed
    assert talk.app("POST", "/campaigns/10/triggers").status_code == 200
    monotonic.now += 4
    refused = talk.app("POST", "/campaigns/10/triggers")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "6")
    monotonic.now += 6
    for _ in range(10):
        talk.app("GET", "/segments")
    assert talk.app("POST", "/campaigns/10/triggers").status_code == 429
    monotonic.now += 1
    assert talk.app("POST", "/campaigns/10/triggers").status_code == 200  # the refusal took no slot


def test_track_is_limited_too_and_names_no_time_to_wait(timed: tuple[Talk, ManualClock]) -> None:
    talk, _ = timed
    talk.sandbox.app.state.windows = Windows(Limits(track=(2, 1.0)), ManualClock(0))
    statuses = [talk.track("PUT", "/v1/customers/9", {}) for _ in range(3)]
    assert [s.status_code for s in statuses] == [200, 200, 429]
    assert "retry-after" not in statuses[-1].headers
    assert "rate limited" in statuses[-1].json()["meta"]["errors"][0]


def test_a_wrong_key_takes_no_slot(timed: tuple[Talk, ManualClock]) -> None:
    talk, _ = timed
    for _ in range(20):
        assert talk.http.get("/v1/segments", auth=TRACK_AUTH).status_code == 401
    assert talk.app("GET", "/segments").status_code == 200


def test_each_key_has_its_own_windows(timed: tuple[Talk, ManualClock]) -> None:
    talk, _ = timed
    push = SEND | {"transactional_message_id": 2, "to": "all"}
    service = {"authorization": "Bearer sa_live_sandbox", "x-workspace-id": "1"}
    assert [talk.app("POST", "/send/push", push).status_code for _ in range(11)][-1] == 429
    assert talk.http.post("/v1/send/push", json=push, headers=service).status_code == 200


def test_the_journal_keeps_what_was_refused_and_when(timed: tuple[Talk, ManualClock]) -> None:
    talk, monotonic = timed
    talk.app("GET", "/segments?x=%2B")
    monotonic.now = 100.5
    talk.http.get("/v1/segments")
    first, second = talk.sandbox.app.state.journal
    assert (first.method, first.raw_path, first.query, first.status, first.at) == (
        "GET",
        "/v1/segments",
        "x=%2B",
        200,
        100.0,
    )
    assert first.headers["authorization"] == "Bearer sandbox-app-key"
    assert (second.status, second.at) == (401, 100.5)
