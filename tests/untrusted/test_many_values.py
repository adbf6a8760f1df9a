"""Millions of tiny values are refused before they are parsed; what may be read costs little."""

import json
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from cio_mcp.gateway import REPLY_BYTES, REPLY_VALUES
from cio_mcp.scrub import HIDDEN
from tests.faults.arguments import ARGUMENTS
from tests.faults.raw import raw_server, sends, whole
from tests.faults.rig import Called, rigged, settings_of

pytestmark = pytest.mark.anyio

READ: Final[tuple[str, dict[str, Any]]] = ("list_segment_people", {"segment_id": 1})
WRITE: Final[tuple[str, dict[str, Any]]] = ("send_email", ARGUMENTS["send_email"])
# Of CPU, on a busy machine; an answer with many values once took 25.
SECONDS: Final = 5
REFUSED_MEMORY: Final = 40_000_000
READ_MEMORY: Final = 150_000_000
LEVELS: Final = 98


def listed(unit: bytes, count: int) -> bytes:
    return b'{"rows":[' + b",".join([unit] * count) + b"]}"


def nested(body: bytes) -> bytes:
    return b'{"a":' * (LEVELS - 1) + body + b"}" * (LEVELS - 1)


async def answered(body: bytes, call: tuple[str, dict[str, Any]], *, status: int = 200) -> Called:
    async with raw_server(sends(whole(status, body))) as server, rigged(settings_of(server.url)) as house:
        called = await house.call(*call)
        assert (await house.call("get_rate_budget")).code is None
    assert len(server.requests) == 1
    return called


@contextmanager
def little(memory: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < memory, f"{peak:,} bytes at once"


# -- too many ----------------------------------------------------------------------------------------

TINY: Final = [b"0", b"[]", b"{}", b'""', b'{"a":1}', b"[[0]]", b"[" * 90 + b"]" * 90]


@pytest.mark.parametrize("unit", TINY, ids=lambda unit: unit[:7].decode())
async def test_an_answer_of_millions_of_values_is_not_parsed(unit: bytes) -> None:
    body = listed(unit, 9_900_000 // (len(unit) + 1))
    assert 9_000_000 < len(body) < REPLY_BYTES
    with little(REFUSED_MEMORY):
        called = await answered(body, READ)
    assert called.code == "unreadable_reply"
    assert "more than 300,000 values" in called.error["message"]
    assert called.error["next_step"] == "Call again with a smaller limit."


@pytest.mark.parametrize("body", [listed(b"[]", 3_000_000), b" " * (REPLY_BYTES + 1)], ids=["values", "bytes"])
async def test_a_write_that_was_accepted_with_more_than_is_read_is_told_as_accepted(body: bytes) -> None:
    async with raw_server(sends(whole(200, body))) as server, rigged(settings_of(server.url)) as house:
        called = await house.call(*WRITE)
        ending = house.ending
    assert called.code == "unreadable_reply"
    assert "(200)" in called.error["message"]
    assert called.error["next_step"].startswith("Do not repeat the call: it was accepted.")
    assert ending == "unknown"  # what it made stays to be looked up
    assert len(server.requests) == 1


async def test_a_refusal_stays_one_however_many_values_it_has() -> None:
    called = await answered(listed(b"[]", 3_000_000), WRITE, status=422)
    assert (called.code, called.error["status"]) == ("rejected", 422)


@pytest.mark.parametrize(("count", "code"), [(REPLY_VALUES, None), (REPLY_VALUES + 1, "unreadable_reply")])
async def test_the_bound_is_on_every_value_but_the_outermost(count: int, code: str | None) -> None:
    called = await answered(listed(b"0", count - 1), READ)  # and the list itself
    assert called.code == code


# -- as many as may be -------------------------------------------------------------------------------

HALF: Final = REPLY_VALUES // 2 - LEVELS
WORST: Final = {
    "numbers": lambda: listed(b"0", REPLY_VALUES - 2),
    "lists": lambda: listed(b"[]", HALF),
    "objects": lambda: listed(b'{"a":1}', HALF),
    "objects of other names": lambda: b"[" + b",".join(b'{"%x":1}' % n for n in range(HALF)) + b"]",
    "one object": lambda: b"{" + b",".join(b'"%x":1' % n for n in range(REPLY_VALUES - 2)) + b"}",
    "chains of lists": lambda: listed(b"[" * 90 + b"]" * 90, REPLY_VALUES // 91 - 1),
    "chains of objects": lambda: listed(b'{"":' * 90 + b"0" + b"}" * 90, REPLY_VALUES // 91 - 1),
    "at the bottom": lambda: nested(listed(b'{"a":1}', HALF)),
    "lists as long as a result": lambda: (
        b"{%s}" % b",".join(b'"%d":[%s0]' % (n, b"0," * 18_000) for n in range(REPLY_VALUES // 18_001 - 1))
    ),
}


@pytest.mark.parametrize("make", WORST.values(), ids=WORST)
async def test_the_most_values_that_are_read_take_little_time_and_memory(make: Any) -> None:
    body = make()
    began = time.process_time()
    called = await answered(body, READ)
    assert time.process_time() - began < SECONDS
    assert called.code is None
    assert "_cut" in called.result
    with little(READ_MEMORY):
        await answered(body, READ)


async def test_the_largest_page_of_customer_io_is_read() -> None:
    people = [{"email": f"person{n}@example.com", "id": f"person-{n}", "cio_id": f"a3{n:06x}"} for n in range(30_000)]
    page = {"ids": [person["id"] for person in people], "identifiers": people, "next": ""}
    called = await answered(json.dumps(page).encode(), READ)
    assert called.code is None
    assert called.result["identifiers"][0] == people[0]
    assert called.result["_cut"]["lists"]["identifiers"].endswith(" of 30000")


# -- hidden characters -------------------------------------------------------------------------------

HIDING: Final = {
    "a run": "\x7f" * 9_000_000,
    "one by one": "a\u0301\ufe0f" * 1_600_000,
    "overrides": "\u202e" * 3_000_000,
}


@pytest.mark.parametrize("hidden", HIDING.values(), ids=HIDING)
async def test_millions_of_hidden_characters_are_not_spelt_out(hidden: str) -> None:
    body = json.dumps({"name": hidden}, ensure_ascii=False).encode()
    with little(READ_MEMORY):
        called = await answered(body, READ)
    assert called.code == "unreadable_reply"
    assert called.error["message"].endswith("too many hidden characters.")


async def test_as_many_hidden_characters_as_a_large_answer_has_are_shown() -> None:
    called = await answered(json.dumps({"name": "a\u202e" * HIDDEN}).encode(), READ)
    assert called.result["name"].startswith("a\\u{202e}a\\u{202e}")
