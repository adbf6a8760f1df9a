"""Slow, crowded, huge and odd: what a host does to us stays bounded, and a message does not wait behind reading."""

import time
import tracemalloc
from contextlib import suppress
from typing import Any, Final

import anyio
import pytest
from anyio.abc import SocketStream

from cio_mcp.breaker import Breakers
from cio_mcp.gateway import CONNECTIONS, REPLY_BYTES, RESERVED
from cio_mcp.sandbox import Fault, RunningSandbox
from tests.faults.arguments import ARGUMENTS
from tests.faults.conftest import Open
from tests.faults.raw import Answer, head_of, raw_server, sends, whole
from tests.faults.rig import Called, Rig, rigged, settings_of, until

pytestmark = pytest.mark.anyio

READ: Final[tuple[str, dict[str, Any]]] = ("list_segments", {})
SEND: Final[tuple[str, dict[str, Any]]] = ("send_email", ARGUMENTS["send_email"])
SLACK: Final = 1.0
MEMORY: Final = 64_000_000
MEGABYTE: Final = 1_000_000


# -- drips -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opening", [b"HTTP/1.1 200 OK\r\nX-Long: ", head_of(200, length=100)], ids=["head", "body"])
async def test_one_byte_a_second_extends_no_call(opening: bytes) -> None:
    budget = 3.0
    tools = ("list_segments", "identify_person", "track_event", "delete_segment", "apply_batch", "send_email")

    async def drip(stream: SocketStream) -> None:
        await stream.send(opening)
        while True:
            await stream.send(b" ")
            await anyio.sleep(1)

    took: dict[str, float] = {}
    async with (
        raw_server(drip) as server,
        rigged(settings_of(server.url, CIO_MCP_TIME_BUDGET=str(budget))) as house,
        anyio.create_task_group() as group,
    ):

        async def one(tool: str) -> None:
            began = time.monotonic()
            assert (await house.call(tool, ARGUMENTS[tool])).code in ("unavailable", "outcome_unknown", UNREADABLE)
            took[tool] = time.monotonic() - began

        for tool in tools:
            group.start_soon(one, tool)
    assert set(took) == set(tools)
    assert max(took.values()) < budget + SLACK
    assert {record["ending"] for record in house.outcomes if record["tool"] != "list_segments"} == {"unknown"}


# -- crowds ------------------------------------------------------------------------------------------


async def _start(house: Rig, call: tuple[str, dict[str, Any]], times: int, group: Any) -> list[Called]:
    called: list[Called] = []

    async def one() -> None:
        called.append(await house.call(*call))

    for _ in range(times):
        group.start_soon(one)
    return called


async def test_a_send_does_not_wait_behind_slow_reading(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(Fault(kind="hang", seconds=10, times=None, match="GET *"))
    async with rig(CIO_MCP_TIME_BUDGET="5") as house, anyio.create_task_group() as group:
        await _start(house, READ, 2 * CONNECTIONS, group)
        await until(lambda: len(sandbox.app.state.journal) >= CONNECTIONS // 2)
        began = time.monotonic()
        sent = await house.call(*SEND)
        took = time.monotonic() - began
        group.cancel_scope.cancel()
    assert sent.code is None
    assert took < SLACK


async def test_a_thousand_calls_at_once_are_all_answered(rig: Open, sandbox: RunningSandbox) -> None:
    async with rig() as house, anyio.create_task_group() as group:
        called = await _start(house, READ, 1000, group)
    assert [one.code for one in called] == [None] * 1000
    assert len(sandbox.app.state.journal) == 1000


async def test_a_crowd_is_told_so_in_time_and_is_not_held_against_the_host() -> None:
    places, budget = CONNECTIONS - RESERVED, 10.0
    told = anyio.Event()

    async def late(stream: SocketStream) -> None:
        await told.wait()
        await stream.send(whole(200, b'{"segments": []}'))

    async with (
        raw_server(late) as server,
        rigged(settings_of(server.url, CIO_MCP_TIME_BUDGET=str(budget)), breakers=Breakers()) as house,
    ):
        began = time.monotonic()
        async with anyio.create_task_group() as group:
            called = await _start(house, READ, 3 * CONNECTIONS, group)
            await until(lambda: len(called) == 3 * CONNECTIONS - places)
            turned_away = list(called)
            took = time.monotonic() - began
            told.set()
        served = [one for one in called if one not in turned_away]
        assert (await house.call(*READ)).code is None
    assert {one.code for one in turned_away} == {"unavailable"}
    assert all("too many other calls" in one.error["message"] for one in turned_away)
    assert [one.code for one in served] == [None] * places
    assert took < budget + SLACK


async def test_who_waits_for_a_connection_keeps_the_place_in_line(rig: Open, sandbox: RunningSandbox) -> None:
    rounds = 4  # the last one waits for longer than an attempt may wait for anything but its answer
    sandbox.app.state.faults.add(Fault(kind="delay", seconds=1.5, times=None))
    async with rig() as house, anyio.create_task_group() as group:
        called = await _start(house, READ, rounds * (CONNECTIONS - RESERVED), group)
    assert [one.code for one in called] == [None] * rounds * (CONNECTIONS - RESERVED)
    assert {one.meta["attempts"] for one in called} == {1}


# -- size --------------------------------------------------------------------------------------------


def _hundred_megabytes(opening: bytes, part: bytes) -> Answer:
    async def answer(stream: SocketStream) -> None:
        with suppress(anyio.BrokenResourceError):
            await stream.send(opening)
            for _ in range(100):
                await stream.send(part)

    return answer


HUGE: Final = {
    "of a length that was said": _hundred_megabytes(head_of(200, length=100 * MEGABYTE), b"[" * MEGABYTE),
    "one text": _hundred_megabytes(head_of(200, length=100 * MEGABYTE + 2) + b'"', b"a" * MEGABYTE),
    "in chunks": _hundred_megabytes(
        head_of(200, "Transfer-Encoding: chunked"), b"%x\r\n" % MEGABYTE + b"0" * MEGABYTE + b"\r\n"
    ),
    "of a refusal": _hundred_megabytes(head_of(422, length=100 * MEGABYTE), b" " * MEGABYTE),
}


@pytest.mark.parametrize("answer", HUGE.values(), ids=HUGE)
async def test_a_hundred_megabytes_are_not_read(answer: Answer) -> None:
    async with raw_server(answer) as server, rigged(settings_of(server.url)) as house:
        began = time.monotonic()
        tracemalloc.start()
        try:
            called = await house.call(*READ)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        took = time.monotonic() - began
    assert called.code in (UNREADABLE, "rejected")
    assert peak < MEMORY
    assert took < 10
    assert len(server.requests) == 1


async def test_what_is_read_of_an_answer_is_held_twice_at_most() -> None:
    most = b'"' + b"a" * (REPLY_BYTES - 2) + b'"'
    async with raw_server(sends(whole(200, most))) as server, rigged(settings_of(server.url)) as house:
        tracemalloc.start()
        try:
            called = await house.call(*READ)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert called.code is None
    assert peak < MEMORY


# -- odd answers -------------------------------------------------------------------------------------

UNREADABLE: Final = "unreadable_reply"
# Name, bytes, what a read becomes, what a send becomes.
ODD: Final[dict[str, tuple[bytes, str | None, str | None]]] = {
    "204": (head_of(204, "Connection: close"), UNREADABLE, None),
    "204 with a body": (head_of(204, "Connection: close", length=2) + b"{}", UNREADABLE, None),
    "205": (head_of(205, "Connection: close", length=0), UNREADABLE, None),
    "304": (head_of(304, "Connection: close"), "rejected", "rejected"),
    "nothing of a length that was said": (head_of(200, length=50), "unavailable", UNREADABLE),
    "another protocol": (head_of(101, "Upgrade: websocket", "Connection: Upgrade"), "unavailable", "outcome_unknown"),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Ty", "unavailable", "outcome_unknown"),
    "a chunk that is longer than it says": (
        head_of(200, "Transfer-Encoding: chunked") + b"2\r\n{}{}{}\r\n0\r\n\r\n",
        "unavailable",
        UNREADABLE,
    ),
    "chunks and a length": (
        head_of(200, "Transfer-Encoding: chunked", "Connection: close", length=999)
        + b'10\r\n{"segments": []}\r\n0\r\n\r\n',
        None,
        None,
    ),
    "an encoding that nobody knows": (
        head_of(200, "Transfer-Encoding: rot13", "Connection: close") + b"{}",
        "unavailable",
        "outcome_unknown",
    ),
}


@pytest.mark.parametrize(("answer", "read", "sent"), ODD.values(), ids=ODD)
async def test_an_odd_answer_has_a_plain_one(answer: bytes, read: str | None, sent: str | None) -> None:
    async with raw_server(sends(answer)) as server, rigged(settings_of(server.url)) as house:
        assert (await house.call(*READ)).code == read
        before = len(server.requests)
        assert (await house.call(*SEND)).code == sent
        assert len(server.requests) == before + 1


async def test_interim_answers_without_end_are_cut_off() -> None:
    async def flood(stream: SocketStream) -> None:
        while True:
            await stream.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)

    async with raw_server(flood) as server, rigged(settings_of(server.url, CIO_MCP_TIME_BUDGET="1")) as house:
        began = time.monotonic()
        called = await house.call(*SEND)
        took = time.monotonic() - began
    assert called.code == "outcome_unknown"
    assert took < 1 + SLACK
