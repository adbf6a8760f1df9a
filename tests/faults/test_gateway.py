"""What comes back over the wire is bounded in time and size, and understood or named."""

import gzip
import socket
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import anyio
import pytest
from anyio.abc import SocketStream

from cio_mcp.gateway import REPLY_BYTES
from cio_mcp.sandbox import Fault, RunningSandbox
from tests.faults.arguments import ARGUMENTS
from tests.faults.conftest import Open
from tests.faults.raw import Answer, head_of, raw_server, sends, whole
from tests.faults.rig import Called, rigged, settings_of

pytestmark = pytest.mark.anyio

EMAIL: Final = ARGUMENTS["send_email"]
READ: Final[tuple[str, dict[str, Any]]] = ("list_segments", {})
SEND: Final[tuple[str, dict[str, Any]]] = ("send_email", EMAIL)
ONE_SECOND: Final = {"CIO_MCP_TIME_BUDGET": "1"}
SLACK: Final = 1.0


# -- time --------------------------------------------------------------------------------------------


def _dripping(opening: bytes, drop: bytes) -> Answer:
    """Answer with `opening`, then with another `drop` ten times a second, for ever."""

    async def answer(stream: SocketStream) -> None:
        await stream.send(opening)
        while True:
            await stream.send(drop)
            await anyio.sleep(0.1)

    return answer


DRIPS: Final = {
    "the status line": (b"", b"H", "outcome_unknown"),
    "the head": (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x", "outcome_unknown"),
    "interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", "outcome_unknown"),
    "the body": (head_of(200, length=1000), b" ", "unreadable_reply"),
    "chunks": (head_of(200, "Transfer-Encoding: chunked"), b"1\r\n \r\n", "unreadable_reply"),
    "the body of a 503": (head_of(503, length=1000), b" ", "outcome_unknown"),
}


@pytest.mark.parametrize(("opening", "drop", "code"), DRIPS.values(), ids=DRIPS)
async def test_a_dripping_answer_does_not_extend_a_call(opening: bytes, drop: bytes, code: str) -> None:
    answer = _dripping(opening, drop)
    async with raw_server(answer) as server, rigged(settings_of(server.url, **ONE_SECOND)) as house:
        codes: dict[str, str | None] = {}

        async def one(tool: str, arguments: dict[str, Any]) -> None:
            codes[tool] = (await house.call(tool, arguments)).code

        began = time.monotonic()
        async with anyio.create_task_group() as group:
            group.start_soon(one, *READ)
            group.start_soon(one, *SEND)
        took = time.monotonic() - began
    assert codes == {"list_segments": "unavailable", "send_email": code}
    assert took < 1 + SLACK
    assert len([head for head in server.requests if head.startswith("POST")]) == 1


@contextmanager
def _full_backlog() -> Iterator[str]:
    """Yield the URL of a port on which connecting never comes to an end."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for one in waiting:
                one.close()


async def test_a_connection_that_never_opens_was_not_sent() -> None:
    with _full_backlog() as url:
        async with rigged(settings_of(url, **ONE_SECOND)) as house:
            began = time.monotonic()
            called = await house.call(*SEND)
            took = time.monotonic() - began
    assert called.code == "unavailable"
    assert "Nothing was sent" in called.error["message"]
    assert took < 1 + SLACK


async def test_a_request_that_left_in_part_is_not_known_to_have_had_no_effect() -> None:
    """Nobody reads what is sent, so that the connection is full long before the whole request has left."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with rigged(settings_of(url, **ONE_SECOND, CIO_MCP_LIMIT_EMAIL="1/20")) as house:
            called = await house.call("send_email", {**EMAIL, "body": "x" * 8_000_000})
            budget = await house.budget("app/email")
    assert called.code == "outcome_unknown"
    assert called.meta["attempts"] == 1
    assert budget["available"] == 0


async def test_a_send_that_got_no_connection_in_time_was_not_sent(rig: Open, sandbox: RunningSandbox) -> None:
    """A hundred connections are taken by requests that nobody answers; twenty more calls wait for one."""
    sandbox.app.state.faults.add(Fault(kind="hang", seconds=10, times=None))
    called: list[Called] = []
    async with rig(CIO_MCP_TIME_BUDGET="5") as house:  # on two busy cores the calls take a second to be begun

        async def one() -> None:
            called.append(await house.call(*SEND))

        async with anyio.create_task_group() as group:
            for _ in range(120):
                group.start_soon(one)
    codes = [one.code for one in called]
    unknown, unsent = codes.count("outcome_unknown"), codes.count("unavailable")
    assert unknown + unsent == 120
    assert unsent >= 20
    assert unknown >= len(sandbox.app.state.journal) > 0


async def test_more_calls_than_connections_are_all_answered(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(Fault(kind="delay", seconds=0.1, times=None))
    called: list[Called] = []
    async with rig() as house:

        async def one() -> None:
            called.append(await house.call(*READ))

        async with anyio.create_task_group() as group:
            for _ in range(150):
                group.start_soon(one)
    assert [one.code for one in called] == [None] * 150
    assert len(sandbox.app.state.journal) == 150


# -- size --------------------------------------------------------------------------------------------


async def test_an_endless_answer_is_cut_off() -> None:
    sent = 0

    async def flood(stream: SocketStream) -> None:
        nonlocal sent
        await stream.send(head_of(200, "Content-Type: application/json"))
        while True:
            await stream.send(b"0" * 100_000)
            sent += 100_000

    async with raw_server(flood) as server, rigged(settings_of(server.url)) as house:
        called = await house.call(*READ)
        assert called.code == "unreadable_reply"
        assert "10,000,000 bytes" in called.error["message"]
        assert len(server.requests) == 1
    # What the two sockets hold is sent without being read.
    assert sent < REPLY_BYTES + 20_000_000


def _packed_once(plain: int) -> bytes:
    return gzip.compress(b'{"padding":"' + b"0" * plain + b'"}', 9)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", _packed_once(200_000_000)),
        ("gzip", gzip.compress(_packed_once(50_000_000), 9)),
        ("gzip, gzip", gzip.compress(_packed_once(50_000_000), 9)),
        ("deflate", zlib.compress(b"0" * 200_000_000, 9)),
        ("br", b"\x8b\x00\x80"),
        ("zstd", b"\x28\xb5\x2f\xfd"),
        ("gzip", b"\x1f\x8b and then something else"),
    ],
    ids=["gzip", "gzip in gzip", "gzip, gzip", "deflate", "br", "zstd", "damaged"],
)
async def test_a_packed_answer_is_bounded_before_it_is_unpacked(encoding: str, packed: bytes) -> None:
    answer = whole(200, packed, f"Content-Encoding: {encoding}")
    async with raw_server(sends(answer)) as server, rigged(settings_of(server.url)) as house:
        tracemalloc.start()
        try:
            called = await house.call(*READ)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (await house.call("get_rate_budget")).code is None
    assert called.code == "unreadable_reply"
    assert peak < 64_000_000
    assert len(server.requests) == 1


async def test_a_packed_answer_of_proper_size_is_read() -> None:
    answer = whole(200, gzip.compress(b'{"segments": []}'), "Content-Encoding: gzip")
    async with raw_server(sends(answer)) as server, rigged(settings_of(server.url)) as house:
        called = await house.call(*READ)
    assert called.result == {"segments": []}
    assert "accept-encoding: identity" in server.requests[0].lower()


# -- odd answers -------------------------------------------------------------------------------------

ODD: Final[dict[str, tuple[bytes, str | None]]] = {
    "HTML": (b"<html>", "unreadable_reply"),
    "nothing": (b"", "unreadable_reply"),
    "blanks": (b" \r\n", "unreadable_reply"),
    "half of a document": (b'{"segments": [', "unreadable_reply"),
    "two documents": (b"{} {}", "unreadable_reply"),
    "too many brackets": (b"[" * 100_000, "unreadable_reply"),
    "deeper than a thousand": (b'{"a":' * 1000 + b"1" + b"}" * 1000, "unreadable_reply"),
    "a number of a megabyte": (b'{"n": ' + b"9" * 1_000_000 + b"}", None),
    "not a number": (b'{"n": NaN, "m": -Infinity, "o": 1e999}', None),
    "half of a character": (rb'{"name": "\ud800"}', None),
    "a byte order mark": (b"\xef\xbb\xbf{}", None),
    "another charset": (b'{"name": "\xe9\xff"}', None),
    "a name given twice": (b'{"a": 1, "a": 2}', None),
    "a list": (b"[1, 2]", None),
    "a word": (b'"yes"', None),
}


@pytest.mark.parametrize(("body", "code"), ODD.values(), ids=ODD)
async def test_an_odd_answer_harms_nobody(body: bytes, code: str | None) -> None:
    async with raw_server(sends(whole(200, body))) as server, rigged(settings_of(server.url), mode="legacy") as house:
        began = time.monotonic()
        called = await house.call(*READ)
        took = time.monotonic() - began
        assert (await house.call("get_rate_budget")).code is None
    assert called.code == code, called.error
    assert took < 5
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + whole(200, b'{"segments": []}'),
        b"HTTP/1.1 100 Continue\r\n\r\n" + whole(200, b'{"segments": []}'),
        head_of(200, "Transfer-Encoding: chunked", "Connection: close") + b'10\r\n{"segments": []}\r\n0\r\n\r\n',
        head_of(200, "Connection: close") + b'{"segments": []}',
    ],
    ids=["early hints", "continue", "chunks", "until the connection closes"],
)
async def test_every_proper_form_of_an_answer_is_read(answer: bytes) -> None:
    async with raw_server(sends(answer)) as server, rigged(settings_of(server.url)) as house:
        called = await house.call(*READ)
    assert called.result == {"segments": []}


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 300_000,
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"",
    ],
    ids=[
        "another protocol",
        "TLS",
        "a status of four digits",
        "two lengths",
        "an endless head",
        "no header",
        "nothing",
    ],
)
async def test_what_is_no_answer_leaves_the_outcome_of_a_send_unknown(answer: bytes) -> None:
    async with raw_server(sends(answer)) as server, rigged(settings_of(server.url)) as house:
        called = await house.call(*SEND)
    assert called.code == "outcome_unknown"
    assert len(server.requests) == 1
