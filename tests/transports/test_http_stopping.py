"""A server that is asked to stop answers what it has taken on, and leaves in time whatever its clients do."""

import contextlib
import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.transports.over_http import OverHttp, answer, head, is_closed, over_http
from tests.transports.served import PATIENCE, call, initialize, request, takes_at_most

SLACK = 1.5
CALLS, LORISES = 50, 20


def begin(server: OverHttp, stack: contextlib.ExitStack, seconds: float) -> socket.socket:
    sock = stack.enter_context(server.connect())
    server.send(sock, call(1, "slow", seconds=seconds))
    return sock


def wait_for_starts(server: OverHttp, number: int) -> None:
    with server.server._more_errors:
        assert server.server._more_errors.wait_for(
            lambda: server.server.errors.count("slow started") == number, PATIENCE
        )


def lorises(server: OverHttp, stack: contextlib.ExitStack) -> list[socket.socket]:
    """Open connections that have sent half a head, half a body, or nothing."""
    whole = head("POST", "/mcp", server.usual(content_length="99")) + b"{"
    cut = (0, 30, len(whole) - 4, len(whole))
    socks = [stack.enter_context(server.connect()) for _ in range(LORISES)]
    for number, sock in enumerate(socks):
        sock.sendall(whole[: cut[number % len(cut)]])
    return socks


def test_calls_in_flight_are_answered_while_slow_clients_are_not_waited_for() -> None:
    with over_http() as server, contextlib.ExitStack() as stack:
        slow = lorises(server, stack)
        calls = [begin(server, stack, 2.0) for _ in range(CALLS)]
        wait_for_starts(server, CALLS)
        with takes_at_most(2.0 + SLACK):
            server.stop()
            for sock in slow:
                said = is_closed(sock, SLACK)
                assert said == b"" or said.startswith(b"HTTP/1.1 503")
            answers = [answer(sock) for sock in calls]
            assert server.server.wait() == 0
        assert {answered.status for answered in answers} == {200}
        assert {answered.json["result"]["content"][0]["text"] for answered in answers} == {"slow done"}
        assert server.server.errors[-1] == "lifespan left"
        assert not any("Traceback" in line for line in server.server.errors)


def test_calls_that_take_too_long_are_told_and_the_process_ends_in_time() -> None:
    with over_http(drain=3.0) as server, contextlib.ExitStack() as stack:
        lorises(server, stack)
        calls = [begin(server, stack, 600) for _ in range(CALLS)]
        wait_for_starts(server, CALLS)
        with takes_at_most(3.0 + SLACK):
            server.stop()
            answers = [answer(sock) for sock in calls]
            assert server.server.wait() == 0
        assert {answered.status for answered in answers} == {503}
        assert {answered.message for answered in answers} == {"The server had to stop before the answer was there"}
        assert not any("retry-after" in answered.headers for answered in answers), "a send may have left"
        assert server.server.errors[-1] == "lifespan left"


def test_calls_of_sessions_that_take_too_long_are_told_too() -> None:
    with over_http(sessions=True, drain=3.0) as server, contextlib.ExitStack() as stack:
        session = server.post(initialize()).headers["mcp-session-id"]
        calls = [stack.enter_context(server.connect()) for _ in range(CALLS)]
        for number, calling in enumerate(calls):
            server.send(calling, call(number, "slow", seconds=600), mcp_session_id=session)
        wait_for_starts(server, CALLS)
        server.stop()
        errors = [json.loads(answer(calling).body.split(b"data: ")[-1])["error"] for calling in calls]
        assert server.server.wait() == 0
        assert {error["message"] for error in errors} == {"The server had to stop before the answer was there"}
        assert server.server.errors[-1] == "lifespan left", "it did not end by itself in time"


def test_a_client_that_takes_no_answer_does_not_hold_up_the_exit() -> None:
    with over_http(drain=3.0) as server, socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", server.port))
        server.send(sock, call(1, "echo", text="x", padding=32 * 1024 * 1024))
        assert sock.recv(1) == b"H"  # the answer has begun
        with takes_at_most(3.0 + SLACK):
            server.stop()
            assert server.server.wait() == 0
        assert server.server.errors[-1] == "lifespan left"


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_half_sent_request_does_not_hold_up_the_exit_at_all(signum: signal.Signals) -> None:
    with over_http() as server, contextlib.ExitStack() as stack:
        lorises(server, stack)
        assert server.post(initialize()).status == 200
        with takes_at_most(SLACK):
            server.stop(signum)
            assert server.server.wait() == 0


def test_during_the_notice_everything_is_served_but_readiness() -> None:
    with over_http(notice=2.0) as server, takes_at_most(2.0 + SLACK):
        assert server.get("/health/ready").status == 200
        server.stop()
        with ThreadPoolExecutor() as pool:  # until the signal has come through
            while pool.submit(server.get, "/health/ready").result(PATIENCE).status == 200:
                pass
        assert server.get("/health/live").status == 200
        assert server.get("/health/ready").json == {"status": "unavailable"}
        assert server.post(call(1, "echo", text="still here")).status == 200
        assert server.server.wait() == 0


def test_a_second_signal_ends_the_notice() -> None:
    with over_http(notice=8.0) as server, takes_at_most(4.0):
        server.stop()
        while server.get("/health/ready").status == 200:
            pass
        server.stop()
        assert server.server.wait() == 0


def test_an_answer_under_way_says_that_the_connection_ends_with_it() -> None:
    with over_http() as server, server.connect() as sock:
        server.send(sock, call(1, "slow", seconds=1.0))
        server.server.wait_for_error("slow started")
        server.stop()
        assert answer(sock).status == 200
        assert is_closed(sock, SLACK) == b""
        with pytest.raises(OSError, match="refused"):
            server.connect()
        assert server.server.wait() == 0


def test_a_request_to_a_route_is_brought_to_its_end_too() -> None:
    with over_http() as server, server.connect() as sock:
        sock.sendall(head("GET", "/waiting", {"host": server.authority}))
        server.server.wait_for_error("waiting")
        server.stop()
        assert answer(sock).body == b"waited"
        assert server.server.wait() == 0


def test_an_open_stream_of_a_session_ends_properly_and_at_once() -> None:
    with over_http(sessions=True) as server, contextlib.ExitStack() as stack:
        session = server.post(initialize()).headers["mcp-session-id"]
        streams = [stack.enter_context(server.connect()) for _ in range(2)]
        streams[0].sendall(head("GET", "/mcp", server.usual(mcp_session_id=session)))
        listening = request(1, "subscriptions/listen", {"notifications": {"toolsListChanged": True}}, modern=True)
        modern = {"mcp_protocol_version": "2026-07-28", "mcp_method": "subscriptions/listen"}
        server.send(streams[1], listening, **modern)
        for stream in streams:
            assert stream.recv(12) == b"HTTP/1.1 200"
        calling = stack.enter_context(server.connect())
        server.send(calling, call(5, "slow", seconds=1.0), mcp_session_id=session)
        server.server.wait_for_error("slow started")
        with takes_at_most(1.0 + SLACK):
            server.stop()
            for stream in streams:
                assert is_closed(stream, SLACK).endswith(b"0\r\n\r\n")  # the last chunk: nothing was cut
            data = answer(calling).body.split(b"data: ")[-1]
            assert json.loads(data)["result"]["content"][0]["text"] == "slow done"
            assert server.server.wait() == 0
        assert not any("Traceback" in line for line in server.server.errors)
