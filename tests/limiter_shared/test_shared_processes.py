"""Real processes on one file: their shares, and what happens to the others when one is killed or stopped."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from cio_mcp.limiter import Rate, SharedFile, SharedLimiter
from cio_mcp.limiter.turns import HOLD_SECONDS, TICKET_SECONDS

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX"),
]

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


class Worker:
    """A process that shares the limit."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def heard(self) -> Any:
        """Return what it says next; it is killed if that takes long."""
        assert self.process.stdout is not None
        timer = threading.Timer(20.0, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        return json.loads(line)

    def begin(self) -> None:
        """Let it begin."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@contextmanager
def _worker(job: str, path: Path, rate: Rate, *arguments: object) -> Iterator[Worker]:
    command = [sys.executable, "-m", "tests.limiter_shared.worker", job, str(path), str(rate), *map(str, arguments)]
    with _running(command) as process:
        yield Worker(process)


@contextmanager
def _running(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(  # noqa: S603 - our own programs
        command, cwd=ROOT, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def _server(rate: Rate) -> Iterator[str]:
    options = [f"--limit={rate.limit}", f"--window={rate.window}", "--net=none"]
    with _running([sys.executable, str(ROOT / "benchmarks" / "window_server.py"), *options]) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return an empty file."""
    path = tmp_path / "ledger.db"
    path.touch()
    return path


@pytest.fixture
def file(path: Path) -> Iterator[SharedFile]:
    """Open the file as this process."""
    file = SharedFile(path)
    yield file
    file.close()


def _until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _in_line(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        found: int = connection.execute("SELECT count(*) FROM limiter_line").fetchone()[0]
    return found


def test_three_processes_that_never_stop_calling_draw_no_429_and_have_fair_shares(path: Path) -> None:
    rate, seconds = Rate(10, 0.25), 4.0
    with _server(rate) as url:
        workers = [_worker("call", path, rate, url, seconds, 15) for _ in range(3)]
        with workers[0] as first, workers[1] as second, workers[2] as third:
            for worker in (first, second, third):
                assert worker.heard() == "ready"
            for worker in (first, second, third):
                worker.begin()
            told = [worker.heard() for worker in (first, second, third)]
    accepted = [each["accepted"] for each in told]
    assert [each["refused"] for each in told] == [0, 0, 0]
    assert [each["shared"] for each in told] == [True, True, True]
    assert min(accepted) * 3 / sum(accepted) >= 0.8
    # Two cores may be busy with other things; that it is nearly all of the limit is shown in virtual time.
    assert sum(accepted) >= 0.6 * rate.limit * seconds / rate.window


async def test_slots_of_a_killed_process_are_free_within_the_hold_and_a_window(path: Path, file: SharedFile) -> None:
    rate = Rate(2, 0.5)
    limiter = SharedLimiter(rate, file=file, bucket="app")
    with _worker("hold", path, rate, 2) as worker:
        worker.begin()
        assert [worker.heard(), worker.heard()] == ["ready", "holding"]
        os.kill(worker.process.pid, signal.SIGKILL)
        killed = time.monotonic()
    assert limiter.snapshot().available == 0
    with anyio.fail_after(20):
        for _ in range(2):
            await limiter.acquire()
    assert 1.0 <= time.monotonic() - killed <= HOLD_SECONDS + rate.window + 2.0


async def test_a_stopped_process_at_the_head_of_the_line_holds_up_nobody_for_long(path: Path, file: SharedFile) -> None:
    rate = Rate(1, 1.0)
    limiter = SharedLimiter(rate, file=file, bucket="app")
    other = SharedFile(path)
    with _worker("wait", path, rate) as worker:
        assert worker.heard() == "ready"
        with await SharedLimiter(rate, file=other, bucket="app").acquire() as permit:
            permit.written()
            permit.responded()
        other.close()
        worker.begin()
        _until(lambda: _in_line(path) == 1)
        os.kill(worker.process.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        with anyio.fail_after(10):
            with await limiter.acquire() as permit:
                assert time.monotonic() - stopped <= TICKET_SECONDS + 2.0
                permit.written()
                permit.responded()
        os.kill(worker.process.pid, signal.SIGCONT)
        assert worker.heard() == "granted"
        assert time.monotonic() - stopped >= rate.window
