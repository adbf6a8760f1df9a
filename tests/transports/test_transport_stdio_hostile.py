"""Input that no well-behaved client sends: answered once or survived, never fatal."""

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.transports.served import PATIENCE, ROOT, SERVER, Served, call, initialize, request, served

DEEP = b"[" * 3000 + b"]" * 3000
LONG = b"x" * (4 * 1024 * 1024)


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    with served("stdio") as server:
        server.handshake()
        yield server


def answers_to(server: Served, line: bytes) -> list[tuple[Any, int]]:
    """Send one line, then an innocent call, and return the (id, error code) of what came before its answer."""
    server.send(line)
    server.send(call("innocent", "echo", modern=True))
    answers = []
    while (answer := server.receive())["id"] != "innocent":
        answers.append((answer["id"], answer["error"]["code"]))
    assert "result" in answer
    return answers


REFUSED: list[tuple[str, bytes, Any, int]] = [
    ("no JSON", b"nonsense", None, -32700),
    ("cut off", b'{"jsonrpc":"2.0","id":1,"method":"ping"', 1, -32700),
    ("cut off inside params", b'{"method":"ping","params":{"id":1}', None, -32700),
    ("invalid UTF-8", b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xff"}}', 1, -32700),
    ("only invalid UTF-8", b"\xff\xfe", None, -32700),
    ("lone surrogate", b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\\ud800"}}', 1, -32700),
    ("lone surrogate in the id", b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', None, -32700),
    ("3000 levels", b'{"jsonrpc":"2.0","id":"a","method":"ping","params":{"a":' + DEEP + b"}}", "a", -32700),
    ("3000 levels, id last", b'{"method":"ping","params":{"a":' + DEEP + b'},"jsonrpc":"2.0","id":5}', 5, -32700),
    ("3000 levels alone", DEEP, None, -32700),
    ("a number of 5000 digits", b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":%s}}' % (b"9" * 5000), 1, -32700),
    ("an id of 5000 digits", b'{"jsonrpc":"2.0","id":%s,"method":"x"}' % (b"9" * 5000), None, -32700),
    ("too long", b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"%s"}}' % LONG, 1, -32600),
    ("too long, id last", b'{"method":"x","params":{"a":"%s"},"jsonrpc":"2.0","id":"z"}' % LONG, "z", -32600),
    ("too long, no id to be seen", LONG + LONG, None, -32600),
    ("id null", b'{"jsonrpc":"2.0","id":null,"method":"ping"}', None, -32600),
    ("id a fraction", b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', None, -32600),
    ("id a boolean", b'{"jsonrpc":"2.0","id":true,"method":"ping"}', None, -32600),
    ("id an object", b'{"jsonrpc":"2.0","id":{},"method":"ping"}', None, -32600),
    ("params an array", b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}', 1, -32600),
    ("no version", b'{"id":1,"method":"ping"}', 1, -32600),
    ("neither method nor result", b'{"jsonrpc":"2.0","id":1}', 1, -32600),
    ("a number", b"5", None, -32600),
    ("an empty batch", b"[]", None, -32600),
    ("a batch of notifications", b'[{"jsonrpc":"2.0","method":"x"}]', None, -32600),
    ("unknown method", b'{"jsonrpc":"2.0","id":1,"method":"no/such"}', 1, -32601),
]


@pytest.mark.parametrize(("line", "answered", "code"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_line_that_cannot_be_served_gets_one_error(shared: Served, line: bytes, answered: Any, code: int) -> None:
    assert answers_to(shared, line) == [(answered, code)]


SILENT: list[tuple[str, bytes]] = [
    ("blank", b""),
    ("blank with CR", b"\r"),
    ("spaces", b"   \t"),
    ("BOM alone", b"\xef\xbb\xbf"),
    ("unknown notification", b'{"jsonrpc":"2.0","method":"no/such"}'),
    ("notification whose params have an id", b'{"jsonrpc":"2.0","method":"x","params":{"id":null}}'),
    ("answer to nothing", b'{"jsonrpc":"2.0","id":77,"result":{}}'),
    ("error to nothing", b'{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}'),
    ("malformed answer", b'{"id":77,"result":5}'),
    ("an answer that is too long", b'{"result":{"a":"%s"},"jsonrpc":"2.0","id":7}' % LONG),
]


@pytest.mark.parametrize("line", [s[1] for s in SILENT], ids=[s[0] for s in SILENT])
def test_a_line_that_expects_no_answer_gets_none(shared: Served, line: bytes) -> None:
    assert answers_to(shared, line) == []


def test_a_batch_is_refused_once_for_every_request_in_it(shared: Served) -> None:
    batch = [request(1, "ping"), {"jsonrpc": "2.0", "method": "x"}, request("two", "ping"), 5]
    assert answers_to(shared, json.dumps(batch).encode()) == [(1, -32600), ("two", -32600)]


def test_the_refusal_of_a_long_line_names_the_limit(shared: Served) -> None:
    shared.send(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"%s"}}' % LONG)
    assert "4194304 bytes" in shared.receive()["error"]["message"]


@pytest.mark.parametrize(("before", "after"), [(b"", b"\r"), (b"\xef\xbb\xbf", b""), (b"  ", b" \r")])
def test_line_ends_and_marks_of_other_systems_are_read(shared: Served, before: bytes, after: bytes) -> None:
    line = json.dumps(call(1, "echo", text="read")).encode()
    assert shared.ask(before + line + after)["result"]["content"][0]["text"] == "read"


def test_a_line_of_exactly_the_limit_is_served(shared: Served) -> None:
    line = json.dumps(call(1, "echo", text="")).encode()
    padded = line.replace(b'"text": ""', b'"text": "%s"' % (b"x" * (4 * 1024 * 1024 - len(line))))
    assert len(padded) == 4 * 1024 * 1024
    assert "result" in shared.ask(padded)


def test_arguments_of_150_levels_are_served(shared: Served) -> None:
    nested = b"[" * 150 + b"]" * 150
    line = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":%s}}}' % nested
    assert shared.ask(line)["result"]["content"][0]["text"] == nested.decode()


def test_an_id_of_a_megabyte_comes_back_whole(shared: Served) -> None:
    long_id = "i" * 1_000_000
    assert shared.ask(call(long_id, "echo"))["id"] == long_id


def test_a_second_handshake_is_answered(shared: Served) -> None:
    assert shared.ask(initialize("again"))["result"]["protocolVersion"] == "2025-11-25"
    assert "result" in shared.ask(call(1, "echo"))


def test_an_id_reused_in_flight_is_answered_twice(shared: Served) -> None:
    for _ in range(2):
        shared.send(call("same", "slow", seconds=0.2))
    assert [shared.receive()["id"] for _ in range(2)] == ["same", "same"]


@pytest.mark.parametrize("modern", [True, False], ids=["modern", "legacy"])
def test_a_result_that_json_cannot_carry_becomes_an_error_for_its_id(shared: Served, *, modern: bool) -> None:
    answer = shared.ask(call("s", "surrogate", modern=modern))
    assert (answer["id"], answer["error"]["code"]) == ("s", -32603)
    assert "result" in shared.ask(call(1, "echo", modern=modern))


@pytest.mark.parametrize("modern", [True, False], ids=["modern", "legacy"])
def test_an_unexpected_exception_tells_the_client_nothing(*, modern: bool) -> None:
    with served("stdio") as server:
        server.handshake()
        answer = server.ask(call(1, "fail", modern=modern))
        assert answer["error"] == {"code": -32603, "message": "Internal server error"}
        server.close_stdin()
        assert server.wait() == 0
        assert "tools/call failed: RuntimeError" in server.errors
        assert "canary-secret" not in "\n".join(server.errors)


def test_nothing_but_messages_reaches_the_client_not_even_at_exit() -> None:
    with served("stdio") as server:
        server.handshake()
        assert server.ask(call(1, "noisy"))["result"]["content"][0]["text"] == "quiet"
        assert server.ask(call(2, "reader"))["result"]["content"][0]["text"] == "''"
        server.close_stdin()
        assert server.wait() == 0
        assert server.rest() == []
        printed = {"buffered print", "child print", "flushed print", "buffered at exit"}
        assert printed <= set(server.errors)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_line_of_any_length_takes_bounded_memory() -> None:
    with served("stdio") as server:
        server.handshake()
        before = peak_kib(server)
        assert server.ask(b"x" * 64_000_000)["error"]["code"] == -32600
        assert peak_kib(server) - before < 16 * 1024


def peak_kib(server: Served) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def test_a_flood_of_notifications_is_survived() -> None:
    with served("stdio") as server:
        server.handshake()
        flood = b'{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}\n' * 100_000
        assert server.ask(flood + json.dumps(call(1, "echo")).encode())["id"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pipe that can be asked whether it is full")
def test_a_client_that_does_not_read_is_not_read_from_for_ever() -> None:
    total = 2_000
    line = json.dumps(call(1, "echo", text="x" * 20_000, modern=True)).encode() + b"\n"
    with unread() as (server, answers):
        assert server.stdin is not None
        server.stdin.write(line)
        server.stdin.flush()
        assert answers.readline()  # it has started
        os.set_blocking(server.stdin.fileno(), False)
        rest = memoryview(line * total)
        while rest and select.select([], [server.stdin], [], 2.0)[1]:
            rest = rest[os.write(server.stdin.fileno(), rest) :]
        assert len(rest) > len(line) * total / 2, "it took requests whose answers nobody reads"

        reading = threading.Thread(target=lambda: received.extend(answers))
        received: list[bytes] = []
        reading.start()
        os.set_blocking(server.stdin.fileno(), True)
        while rest:
            rest = rest[os.write(server.stdin.fileno(), rest) :]
        server.stdin.close()
        assert server.wait(PATIENCE) == 0
        reading.join(PATIENCE)
        assert len(received) == total


@contextmanager
def unread() -> Iterator[tuple["subprocess.Popen[bytes]", IO[bytes]]]:
    """Run the server without reading what it writes."""
    environment = os.environ | {"PYTHONPATH": ROOT}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, SERVER, "stdio"], env=environment, **pipes) as server:  # type: ignore[call-overload]  # noqa: S603 - our own program
        try:
            yield server, server.stdout
        finally:
            server.kill()
