"""Nobody can make the server wait, nor fill it, by what they do to their own connection."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cio_mcp.transports.http import Limits
from cio_mcp.transports.http.limits import affordable
from tests.transports.over_http import OverHttp, answer, head, is_closed, over_http
from tests.transports.served import PATIENCE, call, initialize, takes_at_most

SOON = 1.0
QUICK = {"head_seconds": 1.0, "body_seconds": 1.0, "idle_seconds": 60, "write_seconds": 1.0}
MOMENT = 2.5
"""Seconds for what a limit of one second ends, on a busy machine."""


@pytest.fixture(scope="module")
def shared() -> Iterator[OverHttp]:
    with over_http() as server:
        yield server


@pytest.fixture(scope="module")
def quick() -> Iterator[OverHttp]:
    with over_http(limits=QUICK) as server:
        yield server


def half_a_head(server: OverHttp) -> bytes:
    return head("POST", "/mcp", server.usual())[:-2]


def test_the_defaults_are_within_what_is_promised() -> None:
    limits = Limits()
    assert max(limits.head_seconds, limits.body_seconds) + SOON <= 15
    assert limits.body == 4 * 1024 * 1024
    assert limits.idle_seconds > 60


def test_among_500_half_open_connections_a_new_client_is_served_within_a_second(shared: OverHttp) -> None:
    with contextlib.ExitStack() as stack:
        half_open = [stack.enter_context(shared.connect()) for _ in range(500)]
        for number, sock in enumerate(half_open):
            sock.sendall(half_a_head(shared)[: number % 90])
        for _ in range(5):
            with takes_at_most(SOON):
                assert shared.post(initialize()).status == 200
        with takes_at_most(Limits().head_seconds + SOON):
            left = [is_closed(sock, 15) for sock in half_open]
    assert [said for said in left if said and b" 408 " not in said] == []


def test_more_connections_than_there_is_room_for_take_the_place_of_those_that_ask_nothing() -> None:
    with over_http(limits={"connections": 20}) as server, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(server.connect()) for _ in range(60)]
        with takes_at_most(SOON):
            assert server.post(initialize()).status == 200
        assert is_closed(idle[0], SOON) == b""


def test_a_connection_for_which_there_is_no_room_is_told_so() -> None:
    with over_http(limits={"connections": 1}) as server, server.connect() as busy:
        server.send(busy, call(1, "slow", seconds=30))
        server.server.wait_for_error("slow started")
        with server.connect() as second:
            refused = answer(second)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert refused.message == "The server has as many connections as it can"


def test_half_a_head_ends_with_408_however_slowly_it_goes_on(quick: OverHttp) -> None:
    with quick.connect() as sock, takes_at_most(MOMENT):
        sock.settimeout(0.1)
        sock.sendall(half_a_head(quick))
        said = b""
        while not said:
            with contextlib.suppress(TimeoutError, BrokenPipeError):
                sock.sendall(b"x: y\r\n")
                said = sock.recv(12)
        assert said == b"HTTP/1.1 408"


def test_half_a_head_after_an_answer_ends_just_so(quick: OverHttp) -> None:
    with quick.connect() as sock:
        quick.send(sock, initialize())
        assert answer(sock).status == 200
        with takes_at_most(MOMENT):
            sock.sendall(half_a_head(quick))
            assert b" 408 " in is_closed(sock, PATIENCE)


def test_half_a_head_behind_a_request_ends_just_so(quick: OverHttp) -> None:
    with quick.connect() as sock:
        body = json.dumps(initialize()).encode()
        whole = head("POST", "/mcp", quick.usual(content_length=str(len(body)))) + body
        with takes_at_most(MOMENT):
            sock.sendall(whole + half_a_head(quick))
            said = is_closed(sock, PATIENCE)
        assert said.startswith(b"HTTP/1.1 200")
        assert b" 408 " in said


def test_an_idle_connection_is_closed() -> None:
    with over_http(limits={"idle_seconds": 1}) as server, server.connect() as sock:
        server.send(sock, initialize())
        assert answer(sock).status == 200
        with takes_at_most(MOMENT):
            assert is_closed(sock, PATIENCE) == b""


def test_half_a_body_ends_with_408_however_slowly_it_goes_on(quick: OverHttp) -> None:
    with quick.connect() as sock, takes_at_most(MOMENT):
        sock.settimeout(0.1)
        sock.sendall(head("POST", "/mcp", quick.usual(content_length="1000")))
        said = b""
        while not said:
            with contextlib.suppress(TimeoutError, BrokenPipeError):
                sock.sendall(b" ")
                said = sock.recv(12)
        assert said == b"HTTP/1.1 408"


def test_requests_that_are_not_whole_hold_no_slot() -> None:
    with over_http(limits={"requests": 1}) as server, contextlib.ExitStack() as stack:
        for _ in range(10):
            half = stack.enter_context(server.connect())
            half.sendall(head("POST", "/mcp", server.usual(content_length="99")) + b"{")
        assert server.post(call(1, "echo", text="hello")).status == 200


def test_one_request_more_than_there_are_slots_is_refused_and_served_later() -> None:
    with over_http(limits={"requests": 2}) as server, server.connect() as first, server.connect() as second:
        server.send(first, call(1, "slow", seconds=1.0))
        server.send(second, call(2, "slow", seconds=30))
        server.server.wait_for_error("slow started")
        refused = server.post(call(3, "echo"))
        deadline = time.monotonic() + PATIENCE
        while refused.status == 200 and time.monotonic() < deadline:  # the second had not begun yet
            refused = server.post(call(3, "echo"))
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert refused.json == {
            "jsonrpc": "2.0",
            "id": None,
            "error": {"code": -32603, "message": "The server serves as many requests as it can"},
        }
        assert answer(first).status == 200
        assert server.post(call(4, "echo")).status == 200
        assert server.get("/health/ready").status == 200


def test_the_memory_for_bodies_is_bounded_for_all_together() -> None:
    with over_http(limits={"bodies": 100_000}) as server, server.connect() as half:
        half.sendall(head("POST", "/mcp", server.usual(content_length="99999")) + b" " * 60_000)
        deadline = time.monotonic() + PATIENCE
        while (refused := server.post(b" " * 60_000)).status != 503:
            assert time.monotonic() < deadline
        assert refused.headers["retry-after"] == "1"
        half.close()
        while server.post(b" " * 60_000).status == 503:
            assert time.monotonic() < deadline


@pytest.mark.parametrize("path", ["/mcp", "/greeting"])
def test_a_chunked_body_is_bounded_as_any_other(shared: OverHttp, path: str) -> None:
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with shared.connect() as sock:
        sock.sendall(head("POST", path, shared.usual(transfer_encoding="chunked")))
        for _ in range(64):
            sock.sendall(piece)
        sock.sendall(b"1\r\n \r\n")
        refused = answer(sock)
    assert refused.status == 413
    assert refused.message == "The body is longer than the limit of 4194304 bytes"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's account of memory")
def test_bodies_over_the_limit_cost_little_memory() -> None:
    with over_http() as server:
        server.post(call(1, "echo"))
        before = resident(server)
        for _ in range(5):
            with server.connect() as sock, contextlib.suppress(ConnectionError):
                sock.sendall(head("POST", "/mcp", server.usual(transfer_encoding="chunked")))
                for _ in range(80):
                    sock.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
                assert answer(sock).status == 413
        assert resident(server) - before <= 16 * 1024 * 1024


def resident(server: OverHttp) -> int:
    pages = Path(f"/proc/{server.server.process.pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_a_body_of_just_the_limit_is_read(shared: OverHttp) -> None:
    body = json.dumps(call(1, "echo")).encode().ljust(4 * 1024 * 1024)
    assert shared.post(body).status == 200


def test_a_body_that_says_it_is_too_long_is_not_waited_for(shared: OverHttp) -> None:
    with shared.connect() as sock, takes_at_most(SOON):
        sock.sendall(head("POST", "/mcp", shared.usual(content_length=str(4 * 1024 * 1024 + 1))))
        assert answer(sock).status == 413


def test_the_rest_of_a_refused_body_is_not_read_for_ever(quick: OverHttp) -> None:
    with quick.connect() as sock:
        sock.sendall(head("POST", "/mcp", quick.usual(content_length="9" * 12)))
        assert answer(sock).status == 413
        with takes_at_most(MOMENT), contextlib.suppress(OSError):
            while True:
                sock.sendall(b" " * 1000)


def test_after_a_refused_body_the_connection_serves_on(shared: OverHttp) -> None:
    with shared.connect() as sock:
        sock.sendall(head("POST", "/nowhere", shared.usual(content_length="5")))
        assert answer(sock).status == 404
        sock.sendall(b"12345")
        shared.send(sock, initialize())
        assert answer(sock).status == 200


@pytest.mark.parametrize("how", ["at once", "in pieces"])
def test_a_head_over_16_kibibytes_is_refused(shared: OverHttp, how: str) -> None:
    long = head("POST", "/mcp", shared.usual(x_long="x" * 17_000, content_length="0"))
    with shared.connect() as sock:
        if how == "at once":
            sock.sendall(long)
        else:
            sock.sendall(long[:-3])
        refused = answer(sock)
    assert refused.status in (400, 431)
    assert refused.message


def test_a_client_that_does_not_read_its_answers_is_cut_off(quick: OverHttp) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", quick.port))
        quick.send(sock, call(1, "echo", text="x", padding=16 * 1024 * 1024))
        deadline = time.monotonic() + MOMENT * 3
        with contextlib.suppress(ConnectionError):
            while True:  # the answer is left unread; what is sent tells whether anybody is there
                assert time.monotonic() < deadline
                sock.sendall(b"\r\n")
                time.sleep(0.05)
        assert quick.post(call(2, "echo")).status == 200


@pytest.mark.skipif("sys.platform == 'win32'")
def test_no_more_connections_are_taken_than_files_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    asked: list[tuple[int, int]] = []
    for soft, hard, expected in ((1024, 1024, 896), (1024, 4096, 2048), (10_000, 10_000, 2048), (64, 64, 1)):
        monkeypatch.setattr(resource, "getrlimit", lambda _what, both=(soft, hard): both)
        monkeypatch.setattr(resource, "setrlimit", lambda _what, both: asked.append(both))
        assert affordable(2048) == expected
    assert asked == [(1024, 1024), (2176, 4096), (64, 64)]


def test_a_server_with_few_files_left_serves_among_many_half_open_connections() -> None:
    with over_http(limits={"connections": 64}) as server, contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(server.connect()).sendall(b"POST /mcp HTTP/1.1\r\n")
        with takes_at_most(SOON):
            answered: Any = server.post(call(1, "echo", text="hello")).json
        assert answered["result"]["content"][0]["text"] == "hello"
