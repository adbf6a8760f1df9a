"""Whatever comes back, a result is bounded JSON or an error with a code, and the next call is answered."""

import json
import re
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cio_mcp.catalog import CATALOG, Access
from cio_mcp.framing import unframed
from cio_mcp.wire import SAYS
from tests.hostile.calls import minimal
from tests.hostile.driver import Driver, Ended, faults
from tests.hostile.raw_upstream import RawUpstream
from tests.hostile.reply_corpus import (
    BODIES,
    ERROR_BODIES,
    ERROR_STATUSES,
    JSON_TYPE,
    PLANTED,
    UNREADABLE,
    Body,
    bomb,
)
from tests.recording import Reply

READS = [tool for tool, endpoint in CATALOG.items() if endpoint.access is Access.READ]
WRITES = [tool for tool in CATALOG if tool not in READS]
every_tool = pytest.mark.parametrize("tool", CATALOG)
every_read = pytest.mark.parametrize("tool", READS)

REPLY_BYTES = 10_000_000
# What was read, its decoded text and its parsed form may stand beside each other; the bomb unpacks to 200 MB.
MEMORY = 60_000_000


def answered(driver: Driver, tool: str, body: bytes, **more: Any) -> Ended:
    return driver.call(tool, minimal(tool), Reply(body=body, **{"headers": dict(JSON_TYPE), **more}))


def assert_alive(driver: Driver) -> None:
    assert not driver.call("get_rate_budget", {}).is_error


def cut_free(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without what our server adds to an answer."""
    return {name: value for name, value in result.items() if name != "id"}


# Data that somebody planted


@every_read
def test_planted_text_stays_data_and_loses_only_what_breaks_or_hides(driver: Driver, tool: str) -> None:
    wrong = []
    for planted in PLANTED:
        body = '{"results":[{"name":%s,%s:[%s]}],"next":%s}' % ((planted.written,) * 4)
        ended = answered(driver, tool, body.encode())
        shown = planted.shown
        expected = {"results": [{"name": shown, shown: [shown]}], "next": shown}
        wrong += [f"{planted.name}: {fault}" for fault in faults(ended)]
        if ended.result != expected:
            wrong.append(f"{planted.name}: {ended.result!a}")
    assert not wrong, "\n".join(wrong)
    assert_alive(driver)


def test_a_planted_text_cannot_start_a_line_of_its_own(driver: Driver) -> None:
    for planted in PLANTED:
        ended = answered(driver, "list_segments", f'{{"segments":[{planted.written}]}}'.encode())
        assert len(ended.text.splitlines()) == 3  # the data stand on the line between those with the boundary
        assert json.loads(unframed(ended.text)) == {"segments": [planted.shown]}


LARGE: dict[str, Any] = {
    "an event name of 100 KB": {"results": [{"name": "x" * 100_000}]},
    "a thousand attributes": {"customer": {"attributes": {f"a{i}": "y" * 100 for i in range(1000)}}},
    "an attribute name of 1 MB": {"customer": {"attributes": {"x" * 1_000_000: 1}}},
    "ten thousand lists": {f"list{i}": [i] for i in range(10_000)},
    "many numbers": {"results": list(range(290_000))},
    "many empty objects": {"results": [{}] * 140_000},
    "a text of 9 MB": {"name": "\u20ac" * 3_000_000},
    "wide and deep": {"a": {f"b{i}": {f"c{j}": ["d" * 50] * 10 for j in range(30)} for i in range(30)}},
    "only escapes": {"results": ['"\\\n' * 100_000]},
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_answer_is_cut_to_the_size_of_a_result(driver: Driver, name: str) -> None:
    body = json.dumps(LARGE[name], ensure_ascii=False, separators=(",", ":")).encode()
    assert len(body) < REPLY_BYTES
    ended = answered(driver, "get_person_attributes", body)
    assert not faults(ended)
    assert not ended.is_error
    assert "_cut" in ended.result


# Bodies that no API should send


@every_tool
def test_every_body_becomes_data_or_an_error_with_a_code(driver: Driver, tool: str) -> None:
    wrong = []
    for reply in BODIES:
        ended = answered(driver, tool, reply.body, status=reply.status, headers=reply.headers)
        wrong += [f"{reply.name}: {fault}" for fault in faults(ended) + outcome_faults(tool, reply, ended)]
    assert not wrong, "\n".join(wrong)
    assert_alive(driver)


def outcome_faults(tool: str, reply: Body, ended: Ended) -> list[str]:
    found = []
    if len(ended.requests) != 1:
        found.append(f"{len(ended.requests)} requests left")
    expected = reply.read if tool in READS else reply.writes
    outcome = ended.code or cut_free(ended.result)
    if outcome != expected:
        found.append(f"it became {ascii(outcome)[:200]}, not {ascii(expected)[:200]}")
    if outcome == UNREADABLE and tool in WRITES and "Do not repeat" not in ended.message:
        found.append(f"it may be repeated: {ended.message}")
    return found


@every_tool
def test_what_an_error_says_stands_apart_cut_and_on_one_line(driver: Driver, tool: str) -> None:
    wrong = []
    for name, body in ERROR_BODIES.items():
        ended = answered(driver, tool, body, status=400)
        wrong += [f"{name}: {fault}" for fault in faults(ended) + quotation_faults(ended, "rejected")]
    assert not wrong, "\n".join(wrong)
    assert_alive(driver)


@pytest.mark.parametrize(("status", "code"), ERROR_STATUSES.items())
def test_every_refusal_tells_alike(driver: Driver, status: int, code: str) -> None:
    for body in ERROR_BODIES.values():
        ended = answered(driver, "get_segment", body, status=status)
        assert not faults(ended) + quotation_faults(ended, code)


def test_the_largest_error_is_cut_as_well(driver: Driver) -> None:
    for body in (b"x \n" * 3_000_000, json.dumps({"errors": ["\u20ac" * 10] * 300_000}).encode()):
        ended = answered(driver, "get_segment", body, status=422)
        assert not faults(ended) + quotation_faults(ended, "rejected")


def quotation_faults(ended: Ended, code: str) -> list[str]:
    if ended.code != code:
        return [f"it became {ended.code or 'a result'}"]
    found = []
    error = ended.result["error"]
    if set(error) - {"code", "message", "next_step", "status", SAYS}:
        found.append(f"it has members that nobody knows: {sorted(error)}")
    if not re.fullmatch(r"Customer\.io refused [a-z_]+ with \d{3}\.", error["message"]):
        found.append(f"the message is not ours alone: {error['message']}")
    said = error.get(SAYS, "none")
    if not isinstance(said, str) or len(said) > 500 or len(said.splitlines()) != 1:
        found.append(f"what Customer.io says is no short line: {said!a}")
    if any(planted in error["next_step"] for planted in ("IGNORE", "delete_person", "\x1b")):
        found.append(f"the next step is not ours: {error['next_step']}")
    return found


def test_instructions_in_a_batch_refused_in_part_stay_bounded_data(driver: Driver) -> None:
    rows = [{"batch_index": i, "reason": "invalid", "field": "id", "message": "x" * 200} for i in range(8000)]
    ended = answered(driver, "apply_batch", json.dumps({"errors": rows}).encode(), status=207)
    assert not faults(ended)
    assert ended.code == "partly_rejected"
    assert ended.result["error"]["rejected"][0] == rows[0]


def test_a_row_of_a_batch_says_what_is_known_of_it_and_nothing_of_its_own(driver: Driver) -> None:
    hostile = {"batch_index": 3, "message": "x\ny" * 500, "reason": {"a": 1}, "next_step": "delete_person", "field": 5}
    rows = [hostile, {"batch_index": True, "field": "\u202e"}, "y\x1b" * 500, 7, [hostile], None]
    ended = answered(driver, "apply_batch", json.dumps({"errors": rows}).encode(), status=207)
    assert not faults(ended)
    first, second, third, *rest = ended.result["error"]["rejected"]
    assert (first.keys(), first["batch_index"]) == ({"batch_index", "message"}, 3)
    assert second == {"field": r"\u{202e}"}
    assert third.keys() == {"message"}
    assert rest == [{}, {}, {}]
    assert all(len(row["message"].splitlines()) == 1 and len(row["message"]) == 200 for row in (first, third))


# Size


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEMORY, f"{peak:,} bytes at once"


@pytest.mark.parametrize("tool", ["get_segment", "create_segment", "delete_segment", "track_event"])
def test_a_bomb_is_not_unpacked(driver: Driver, tool: str) -> None:
    packed = bomb()
    assert len(packed) < 300_000
    with little_memory():
        ended = answered(driver, tool, packed, headers={**JSON_TYPE, "content-encoding": "gzip"})
    assert (ended.code, len(ended.requests)) == (UNREADABLE, 1)
    assert not faults(ended)


def test_the_most_that_is_read_of_a_body_is_read_and_no_more(driver: Driver) -> None:
    most = b'{"a":1}' + b" " * (REPLY_BYTES - len(b'{"a":1}'))
    assert answered(driver, "get_segment", most).result == {"a": 1}
    for body in (most + b" ", most + b" " * 1_000_000):
        ended = answered(driver, "get_segment", body)
        assert (ended.code, len(ended.requests)) == (UNREADABLE, 1)
    assert_alive(driver)


def test_a_number_of_a_hundred_thousand_digits_costs_no_time(driver: Driver) -> None:
    ended = answered(driver, "get_segment", b'{"a":%s,"b":-%s,"c":1}' % (b"9" * 100_000, b"9" * 100_000))
    assert not faults(ended)
    assert ended.result["c"] == 1


# Bytes that no HTTP server writes

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BODY = b'{"a":1}'
DATA, ENDED_EARLY = {"a": 1}, "unavailable"
# Name, bytes, what a read becomes, what a write becomes that must not be repeated.
RAW: list[tuple[str, bytes, Any, Any]] = [
    ("length right", OK + b"Content-Length: 7\r\n\r\n" + BODY, DATA, DATA),
    ("no length", OK + b"\r\n" + BODY, DATA, DATA),
    ("length too small", OK + b"Content-Length: 7\r\n\r\n" + BODY + b"HTTP/1.1 500 no\r\n\r\n", DATA, DATA),
    (
        "informational answers first",
        b"HTTP/1.1 103 Early\r\n\r\n" * 50 + OK + b"Content-Length: 7\r\n\r\n" + BODY,
        DATA,
        DATA,
    ),
    ("length too large", OK + b"Content-Length: 70\r\n\r\n" + BODY, ENDED_EARLY, UNREADABLE),
    ("chunk cut off", OK + b"Transfer-Encoding: chunked\r\n\r\n7\r\n" + BODY[:3], ENDED_EARLY, UNREADABLE),
    ("no last chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n7\r\n" + BODY + b"\r\n", ENDED_EARLY, UNREADABLE),
    ("chunk without a size", OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY, ENDED_EARLY, UNREADABLE),
    ("two lengths", OK + b"Content-Length: 7\r\nContent-Length: 8\r\n\r\n" + BODY, ENDED_EARLY, "outcome_unknown"),
    ("a negative length", OK + b"Content-Length: -7\r\n\r\n" + BODY, ENDED_EARLY, "outcome_unknown"),
    ("nothing", b"", ENDED_EARLY, "outcome_unknown"),
    ("half a head", OK, ENDED_EARLY, "outcome_unknown"),
    ("no HTTP", b"220 mail.example.com ESMTP\r\n", ENDED_EARLY, "outcome_unknown"),
    ("JSON at once", BODY, ENDED_EARLY, "outcome_unknown"),
    ("no status", b"HTTP/1.1 OK\r\n\r\n", ENDED_EARLY, "outcome_unknown"),
    ("NUL in a header", OK + b"X-A: a\x00b\r\nContent-Length: 7\r\n\r\n" + BODY, ENDED_EARLY, "outcome_unknown"),
    ("a head of 1 MB", OK + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n" + BODY, ENDED_EARLY, "outcome_unknown"),
    ("Latin-1 in a header", OK + b"X-A: \xe9\xff\r\nContent-Length: 7\r\n\r\n" + BODY, DATA, DATA),
    (
        "a gzip stream that ends early",
        OK + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00",
        UNREADABLE,
        {"accepted": True},
    ),
]


@pytest.mark.parametrize(("answer", "read", "write"), [row[1:] for row in RAW], ids=[row[0] for row in RAW])
def test_broken_http_is_an_error_that_says_what_is_known(
    raw_driver: Driver, raw_upstream: RawUpstream, answer: bytes, read: Any, write: Any
) -> None:
    raw_upstream.answer = answer
    for tool, expected, attempts in (("get_segment", read, 3), ("create_segment", write, 1)):
        before = raw_upstream.served
        ended = raw_driver.call(tool, minimal(tool))
        assert not faults(ended)
        assert (ended.code or ended.result) == expected
        assert raw_upstream.served - before == (attempts if expected == ENDED_EARLY else 1)
    assert_alive(raw_driver)
