"""Whoever reads the log slowly, or not at all, holds up no call and no end."""

import io
import json
import logging
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import httpx2
import pytest

from cio_mcp.telemetry.log import formatter
from cio_mcp.telemetry.spool import PATIENCE as LAST_WORDS
from cio_mcp.telemetry.spool import Spool, spooled
from tests.cli.commands import CLEAN, COMMAND, PATIENCE

CALLS = 600
"""Their lines are twice what a pipe of Linux holds, 64 kB."""
HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
BUDGET = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_rate_budget", "arguments": {}}}


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    command = [*COMMAND, "serve", "--sandbox", "--http", "0", "--log-format", "json"]
    with subprocess.Popen(command, env=dict(CLEAN), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:  # noqa: S603 - our own program
        yield process
        process.kill()


def url_of(server: subprocess.Popen[bytes]) -> str:
    assert server.stderr is not None
    return next(found[0] for line in server.stderr if (found := re.search(r"http://[0-9.:]+/mcp", line.decode())))


def call(url: str, times: int) -> None:
    with httpx2.Client(timeout=PATIENCE, trust_env=False) as http:
        for _ in range(times):
            assert http.post(url, json=BUDGET, headers=HEADERS).json()["result"]["isError"] is False


def test_calls_are_answered_while_nobody_reads_the_log_and_the_end_comes_in_time(
    server: subprocess.Popen[bytes],
) -> None:
    call(url_of(server), CALLS)
    server.send_signal(signal.SIGTERM)
    assert server.wait(10 + LAST_WORDS) == 0


def test_what_was_not_read_is_written_as_soon_as_somebody_reads(server: subprocess.Popen[bytes]) -> None:
    call(url_of(server), CALLS)
    assert server.stderr is not None
    records = [json.loads(server.stderr.readline()) for _ in range(CALLS)]
    assert {(record["message"], record["tool"]) for record in records} == {("call", "get_rate_budget")}
    server.send_signal(signal.SIGTERM)
    assert server.stderr.read() == b""
    assert server.wait(PATIENCE) == 0


class Watched(io.StringIO):
    """Says when something was written for good."""

    def __init__(self) -> None:
        super().__init__()
        self.found = threading.Event()

    def flush(self) -> None:
        """Note it."""
        self.found.set()


def test_records_beyond_those_that_may_wait_are_counted_where_they_are_missing() -> None:
    written = Watched()
    spool = Spool(logging.StreamHandler(written), waiting=2)
    writer = threading.Thread(target=spool.write)

    def say(*numbers: int) -> None:
        for number in numbers:
            spool.handle(logging.LogRecord("x", logging.INFO, __file__, 0, "line %d", (number,), None))

    say(0, 1, 2, 3, 4)
    writer.start()
    assert written.found.wait(PATIENCE)
    say(5)
    spool.end()
    writer.join(PATIENCE)
    assert written.getvalue().splitlines() == [
        "line 0",
        "line 1",
        "3 log records were left out here: standard error is read too slowly, or cannot be written",
        "line 5",
    ]


def written_by_a_spool(stream: io.StringIO, *records: logging.LogRecord) -> list[dict[str, str]]:
    handler: logging.StreamHandler[TextIO] = logging.StreamHandler(stream)
    handler.setFormatter(formatter("json"))
    spool = Spool(handler)
    for record in records:
        spool.handle(record)
    spool.end()
    spool.write()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_that_cannot_be_written_takes_no_other_along_and_shows_no_value() -> None:
    good = logging.LogRecord("good", logging.INFO, __file__, 0, "line", (), None)
    bad = logging.LogRecord("a library", logging.INFO, "/its/folder/file.py", 7, "%d bytes", ("canary-secret",), None)
    lines = written_by_a_spool(io.StringIO(), good, bad, good)
    assert [line["message"] for line in lines] == [
        "line", "a record of a library could not be written: TypeError in file.py, line 7", "line"
    ]  # fmt: skip


class Full(io.StringIO):
    """Takes nothing the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def write(self, text: str) -> int:
        """Refuse once, as a pipe without room does that does not wait."""
        self.asked += 1
        if self.asked == 1:
            raise BlockingIOError
        return super().write(text)


def test_what_could_not_be_written_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    stream = Full()
    spool = Spool(logging.StreamHandler(stream))
    for _ in range(2):
        spool.handle(logging.LogRecord("x", logging.INFO, __file__, 0, "line", (), None))
    writer = threading.Thread(target=spool.write)
    writer.start()
    while not stream.asked:
        time.sleep(0.01)
    spool.end()
    writer.join(PATIENCE)
    assert stream.getvalue().startswith("2 log records were left out here")
    assert capsys.readouterr().err == ""


def test_when_the_block_ends_everything_is_written_and_the_handlers_are_as_before(tmp_path: Path) -> None:
    log = logging.getLogger("a logger of this test")
    log.propagate = False
    log.setLevel(logging.INFO)
    handler = logging.FileHandler(tmp_path / "log")
    log.addHandler(handler)
    with spooled(log):
        for number in range(1000):
            log.info("line %d", number)
    handler.close()
    assert (tmp_path / "log").read_text().splitlines() == [f"line {number}" for number in range(1000)]
    assert log.handlers == [handler]
    log.removeHandler(handler)
