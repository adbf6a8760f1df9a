"""How the process leaves: when, with which code, and what becomes of calls in flight."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.transports.served import ROOT, SERVER, Served, call, initialize, request, served, takes_at_most

END: list[tuple[str, Callable[[Served], None], int]] = [
    ("end of input", Served.close_stdin, 0),
    ("SIGTERM", lambda server: server.process.send_signal(signal.SIGTERM), 0),
    ("SIGINT", lambda server: server.process.send_signal(signal.SIGINT), 130),
]
each_end = pytest.mark.parametrize(("end", "code"), [e[1:] for e in END], ids=[e[0] for e in END])

# Beyond the budget: the interpreter's own exit on a busy machine.
SLACK = 1.5


def no_traceback(server: Served) -> bool:
    return not any("Traceback" in line or "Exception" in line for line in server.errors)


@each_end
def test_an_idle_server_leaves_at_once(end: Callable[[Served], None], code: int) -> None:
    with served("stdio") as server:
        server.handshake()
        with takes_at_most(SLACK):
            end(server)
            assert server.wait() == code
        assert server.rest() == []
        assert server.errors == ["lifespan entered", "lifespan left"]


@each_end
def test_a_call_in_flight_finishes_and_is_answered(end: Callable[[Served], None], code: int) -> None:
    with served("stdio") as server:
        server.handshake()
        server.send(call(1, "slow", seconds=0.5))
        server.send(call(1, "slow", seconds=0.5, modern=True))
        server.wait_for_error("slow started")
        server.send(call(2, "echo", text="both are in"))
        assert server.receive()["id"] == 2
        with takes_at_most(0.5 + SLACK):
            end(server)
            assert server.wait() == code
        answers = server.rest()
        assert [a["id"] for a in answers] == [1, 1]
        assert all(a["result"]["content"][0]["text"] == "slow done" for a in answers)
        assert no_traceback(server)


@each_end
def test_a_call_that_takes_too_long_is_cancelled_and_still_answered(end: Callable[[Served], None], code: int) -> None:
    with served("stdio", "1.0") as server:
        server.handshake()
        server.send(call(1, "slow", seconds=600))
        server.wait_for_error("slow started")
        with takes_at_most(1.0 + SLACK):
            end(server)
            assert server.wait() == code
        assert [(a["id"], "error" in a) for a in server.rest()] == [(1, True)]
        assert server.errors[1:] == ["slow started", "slow cancelled", "lifespan left"]


@pytest.mark.parametrize("tool", ["stubborn", "blocked"])
@each_end
def test_a_handler_that_cannot_be_stopped_does_not_hold_up_the_exit(
    tool: str, end: Callable[[Served], None], code: int
) -> None:
    with served("stdio", "0.5") as server:
        server.handshake()
        server.send(call(1, tool))
        server.wait_for_error(f"{tool} started")
        with takes_at_most(0.5 + SLACK):
            end(server)
            assert server.wait() == code
        assert server.errors[-1] == "cio-mcp: leaving with calls unfinished, the time to stop is over"


def test_a_thread_left_behind_does_not_hold_up_the_exit() -> None:
    with served("stdio", "1.0") as server:
        server.handshake()
        assert "result" in server.ask(call(1, "orphan"))
        with takes_at_most(1.0 + SLACK):
            server.close_stdin()
            assert server.wait() == 0


def test_a_signal_during_the_wait_for_calls_shortens_it() -> None:
    with served("stdio", "15") as server:
        server.handshake()
        server.send(call(1, "slow", seconds=600))
        server.wait_for_error("slow started")
        server.close_stdin()
        with takes_at_most(1.5 + SLACK):
            server.process.send_signal(signal.SIGTERM)
            assert server.wait() == 0
        assert "slow cancelled" in server.errors
        assert server.errors[-1] == "lifespan left"


def test_the_end_of_input_after_a_signal_shortens_the_wait_too() -> None:
    with served("stdio", "15") as server:
        server.handshake()
        server.send(call(1, "slow", seconds=600))
        server.wait_for_error("slow started")
        server.process.send_signal(signal.SIGTERM)
        with takes_at_most(1.5 + SLACK):
            server.close_stdin()
            assert server.wait() == 0
        assert "slow cancelled" in server.errors


def test_an_open_subscription_is_not_waited_for() -> None:
    with served("stdio", "15") as server:
        listening = {"notifications": {"toolsListChanged": True}}
        acknowledged = server.ask(request(1, "subscriptions/listen", listening, modern=True))
        assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
        with takes_at_most(SLACK):
            server.close_stdin()
            assert server.wait() == 0


@pytest.mark.parametrize("reads_on", [True, False], ids=["the client still writes", "the client is gone"])
def test_a_client_that_stopped_reading_ends_the_server(*, reads_on: bool) -> None:
    read_end, write_end = os.pipe()
    server = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, SERVER, "stdio"],
        stdin=subprocess.PIPE,
        stdout=write_end,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": ROOT},
        text=True,
    )
    os.close(write_end)
    os.close(read_end)
    assert server.stdin is not None
    assert server.stderr is not None
    assert server.stderr.readline() == "lifespan entered\n"
    with server, takes_at_most(5 + SLACK):
        server.stdin.write(json.dumps(initialize()) + "\n")
        server.stdin.flush()
        if not reads_on:
            server.stdin.close()
        # Gone altogether, it is a race which of the two ends is noticed first.
        assert server.wait(10) in ({1} if reads_on else {0, 1})
        errors = server.stderr.read()
    assert "Traceback" not in errors
    assert len(errors) < 300


def test_a_client_that_does_not_read_blocks_neither_the_exit_nor_the_loop() -> None:
    read_end, write_end = os.pipe()  # holds 64 KiB, then blocks
    with served_onto(write_end) as server:
        os.close(write_end)
        assert server.stdin is not None
        for number in range(4):
            server.stdin.write(json.dumps(call(number, "echo", padding=100_000, modern=True)).encode() + b"\n")
        server.stdin.flush()
        assert os.read(read_end, 1)  # it is writing
        with takes_at_most(2.0 + SLACK):
            server.send_signal(signal.SIGTERM)
            assert server.wait(10) == 0
    os.close(read_end)


def served_onto(descriptor: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, SERVER, "stdio", "2.0"],
        stdin=subprocess.PIPE,
        stdout=descriptor,
        env=os.environ | {"PYTHONPATH": ROOT},
    )


def test_requests_sent_just_before_the_end_of_input_are_served() -> None:
    lines = [initialize(), *(call(n, "echo", text=str(n)) for n in range(1, 200))]
    with served("stdio") as server:
        assert server.process.stdin is not None
        server.process.stdin.write(b"\n".join(json.dumps(line).encode() for line in lines))
        server.close_stdin()
        assert server.wait() == 0
        assert [a["id"] for a in server.rest()] == list(range(200))


def test_end_of_input_in_the_middle_of_a_line_is_survived() -> None:
    with served("stdio") as server:
        server.handshake()
        assert server.process.stdin is not None
        server.process.stdin.write(b'{"jsonrpc":"2.0","id":7,"method":"ping","par')
        server.close_stdin()
        assert server.wait() == 0
        assert [(a["id"], a["error"]["code"]) for a in server.rest()] == [(7, -32700)]
