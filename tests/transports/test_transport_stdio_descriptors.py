"""Whatever the client hands over as standard input and output: pipes, sockets, files."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.transports.served import PATIENCE, ROOT, SERVER, call, initialize, served, takes_at_most

SLACK = 1.5
SMALL, LARGE = 3_000, 50_000  # bytes of an answer: below and above PIPE_BUF on Linux

over_both = pytest.mark.parametrize("over_sockets", [False, True], ids=["pipes", "sockets"])


def lines(*messages: Any) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


@over_both
def test_small_and_large_answers_keep_their_order(*, over_sockets: bool) -> None:
    paddings = [LARGE if number % 7 == 3 else SMALL for number in range(300)]
    with served("stdio", over_sockets=over_sockets) as server:
        server.send(lines(*(call(n, "echo", modern=True, padding=padding) for n, padding in enumerate(paddings))))
        server.close_stdin()
        assert server.wait() == 0
        answers = server.rest()
        assert [answer["id"] for answer in answers] == list(range(300))
        assert [len(answer["result"]["content"][0]["text"]) for answer in answers] == paddings


@over_both
@pytest.mark.parametrize("padding", [SMALL, LARGE])
def test_a_client_that_reads_nothing_stops_nobody_and_loses_nothing(*, over_sockets: bool, padding: int) -> None:
    total = 150  # what it asks for fits into one pipe, and what it is answered into none
    with served("stdio", over_sockets=over_sockets, unread=True) as server:
        server.send(lines(*(call(n, "echo", modern=True, padding=padding) for n in range(total))))
        server.send(call(total, "slow", modern=True, seconds=0))
        server.wait_for_error("slow started")
        server.read()
        assert [server.receive()["id"] for _ in range(total + 1)] == list(range(total + 1))
        assert server.ask(call("next", "echo", modern=True))["id"] == "next"


def test_a_handler_that_cannot_be_stopped_does_not_outlive_a_socket() -> None:
    with served("stdio", "0.5", over_sockets=True) as server:
        server.send(call(1, "blocked", modern=True))
        server.wait_for_error("blocked started")
        with takes_at_most(0.5 + SLACK):
            server.close_stdin()
            assert server.wait() == 0


@contextmanager
def served_on(stdin: int, stdout: int, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the server on these descriptors, for `PATIENCE` seconds at most; its standard error is a pipe."""
    command = [sys.executable, SERVER, "stdio", *arguments]
    environment = os.environ | {"PYTHONPATH": ROOT}
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, env=environment
    ) as server:
        watchdog = threading.Timer(PATIENCE, server.kill)
        watchdog.start()
        try:
            yield server
        finally:
            watchdog.cancel()
            server.kill()


def test_one_socket_for_both_is_answered_after_its_client_has_sent_the_last() -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    with ours, theirs, served_on(theirs.fileno(), theirs.fileno()) as server:
        theirs.close()
        ours.sendall(lines(initialize(), *(call(n, "echo", padding=SMALL) for n in range(1, 100))))
        ours.shutdown(socket.SHUT_WR)
        with ours.makefile("rb") as answers:
            assert [json.loads(answer)["id"] for answer in answers] == list(range(100))
        assert server.wait(PATIENCE) == 0


def test_a_stuck_loop_does_not_outlive_the_half_of_a_socket() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, served_on(theirs.fileno(), theirs.fileno(), "0.5") as server:
        theirs.close()
        assert server.stderr is not None
        ours.sendall(lines(call(1, "blocked", modern=True)))
        while server.stderr.readline().strip() != b"blocked started":
            assert server.poll() is None
        with takes_at_most(0.5 + SLACK):
            ours.shutdown(socket.SHUT_WR)
            assert server.wait(PATIENCE) == 0


def test_a_file_of_requests_is_answered_into_a_file(tmp_path: Path) -> None:
    requests, answers = tmp_path / "requests", tmp_path / "answers"
    requests.write_bytes(lines(initialize(), *(call(n, "echo", padding=SMALL) for n in range(1, 300))))
    with (
        requests.open("rb") as stdin,
        answers.open("wb") as stdout,
        served_on(stdin.fileno(), stdout.fileno()) as server,
    ):
        assert server.wait(PATIENCE) == 0
    assert [json.loads(answer)["id"] for answer in answers.read_bytes().splitlines()] == list(range(300))


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
def test_a_terminal_is_served() -> None:
    ours, theirs = os.openpty()
    with served_on(theirs, theirs) as server:
        os.close(theirs)
        with os.fdopen(ours, "r+b", buffering=0) as terminal:
            terminal.write(lines(call(1, "echo", modern=True, text="typed")))
            while b"result" not in terminal.readline():
                assert server.poll() is None
