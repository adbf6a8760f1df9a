"""Real processes on one engine, in front of a server with an exact window: their shares, and a death among them."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from cio_mcp.limiter import Rate
from cio_mcp.limiter.turns import HOLD_SECONDS
from tests.limiter_engine.conftest import replica

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX"),
]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def saturation(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the programs of the benchmark, which measure just this."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return importlib.import_module("saturation")


def test_three_replicas_use_what_one_can_and_share_it_fairly_without_a_429(
    saturation: Any, engine_url: str, bucket: str, names: Iterator[int]
) -> None:
    limit, window = 20, 1.0

    def measured(processes: int) -> Any:
        run = saturation.Run(limit=limit, window=window, net="none", processes=processes, seconds=8.0)
        numbers = (f"--limit={limit}", f"--window={window}", "--callers=20", "--processes=3")
        return saturation.measured(run, "replicas.py", engine_url, *numbers, f"--bucket={bucket}-{next(names)}")

    tries: list[tuple[float, float]] = []
    while len(tries) < 3:  # the processors may be busy with other things now and then
        alone, together = measured(1), measured(3)
        assert (alone.refused, together.refused) == (0, 0)
        tries.append((together.used / alone.used, together.worst_share))
        if tries[-1][0] >= 0.95 and tries[-1][1] >= 0.8:
            return
    pytest.fail(f"used of what one uses, worst share: {tries}")


@contextmanager
def _holding(url: str, bucket: str, rate: Rate, slots: int) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.limiter_engine.worker", url, bucket, str(rate), str(slots)]
    process = subprocess.Popen(  # noqa: S603 - our own program
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        yield process
    finally:
        process.kill()
        process.communicate()


async def test_slots_of_a_killed_replica_are_free_within_the_hold_and_a_window(engine_url: str, bucket: str) -> None:
    rate = Rate(2, 0.5)
    with _holding(engine_url, bucket, rate, 2) as process:
        os.kill(process.pid, signal.SIGKILL)
    killed = time.monotonic()
    async with replica(engine_url) as link:
        limiter = link.limiter(rate, bucket=bucket)
        await limiter.refresh()
        assert limiter.snapshot().available == 0
        with anyio.fail_after(20):
            for _ in range(2):
                await limiter.acquire()
    assert 0.5 <= time.monotonic() - killed <= HOLD_SECONDS + rate.window + 2.0


async def test_a_replica_that_is_stopped_in_line_holds_up_nobody_for_long(engine_url: str, bucket: str) -> None:
    rate = Rate(1, 1.0)
    async with replica(engine_url) as link:
        limiter = link.limiter(rate, bucket=bucket)
        command = [sys.executable, "-m", "tests.limiter_engine.worker", engine_url, bucket, str(rate), "3"]
        permit = await limiter.acquire()
        permit.written()  # and unanswered as long as the other one is not in line
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)  # noqa: ASYNC220, S603 - our own, at once
        try:
            with anyio.fail_after(20):
                while not limiter.window.others:
                    await limiter.refresh()
                    await anyio.sleep(0.02)
            process.send_signal(signal.SIGSTOP)
            permit.responded()
            permit.close()
            with await limiter.acquire(max_wait=10.0) as permit:
                assert permit.waited <= HOLD_SECONDS + rate.window + 2.0
        finally:
            process.kill()
            process.wait(10)
