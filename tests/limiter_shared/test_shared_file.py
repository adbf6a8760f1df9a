"""When the file cannot be used, a process keeps the limit for itself, says so, and comes back when it can."""

import logging
import os
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest

from cio_mcp.ledger import Ending, Intent, Outcome, Terms
from cio_mcp.ledger.schema import APPLICATION
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.limiter import Rate, SharedBudget, SharedFile, SharedLimiter
from tests.limiter_shared.conftest import Machine

pytestmark = pytest.mark.anyio


async def _served_alone(limiter: SharedLimiter) -> SharedBudget:
    """Go through a whole request; return the bucket as it was meanwhile."""
    with anyio.fail_after(5):
        permit = await limiter.acquire(max_wait=3.0)
    budget = limiter.snapshot()
    permit.written()
    permit.responded()
    permit.close()
    return budget


def _limiter(file: SharedFile, limit: int = 2) -> SharedLimiter:
    return SharedLimiter(Rate(limit), file=file, bucket="app", name="app/app")


async def test_a_file_that_is_not_there_is_not_made(machine: Machine) -> None:
    machine.path.unlink()
    budget = await _served_alone(_limiter(machine.process()))
    assert (budget.shared, budget.available) == (False, 1)
    assert not machine.path.exists()


async def test_a_429_without_the_file_pauses_at_least_this_process(machine: Machine) -> None:
    machine.path.unlink()
    limiter = _limiter(machine.process(), 10)
    limiter.penalize(20.0)
    budget = limiter.snapshot()
    assert (budget.paused_for, budget.effective, budget.refused_429) == (20.0, 7, 1)


async def test_a_file_that_is_no_database_is_left_alone(machine: Machine) -> None:
    machine.path.write_bytes(b"nothing that SQLite would have written" * 500)
    before = machine.path.read_bytes()
    assert (await _served_alone(_limiter(machine.process()))).shared is False
    assert machine.path.read_bytes() == before


async def test_a_file_of_tables_that_are_not_ours_is_not_used(machine: Machine) -> None:
    with closing(sqlite3.connect(machine.path)) as connection:
        connection.execute("CREATE TABLE limiter_slots (something TEXT)")
    assert (await _served_alone(_limiter(machine.process()))).shared is False


async def test_a_file_that_is_deleted_is_noticed_within_a_second(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    limiter, other = (_limiter(machine.process()) for _ in range(2))
    (await limiter.acquire()).close()
    assert limiter.snapshot().shared is True
    machine.path.unlink()
    machine.now += 1.0
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert (await _served_alone(limiter)).shared is False
            machine.now += 5.1  # it is tried again, and said once
    assert [record.getMessage() for record in caplog.records] == [
        "limits are not shared with other processes for now: ledger.db: No such file or directory"
    ]
    assert (await _served_alone(other)).shared is False


async def test_a_file_that_is_back_is_shared_again(machine: Machine) -> None:
    machine.path.unlink()
    limiter, other = (_limiter(machine.process(), 10) for _ in range(2))
    assert limiter.snapshot().shared is False
    machine.path.touch()
    machine.now += 4.9
    assert limiter.snapshot().shared is False
    machine.now += 0.2
    (await limiter.acquire()).written()
    assert (limiter.snapshot().shared, other.snapshot().available) == (True, 9)


async def test_a_file_that_was_replaced_is_opened_anew(machine: Machine) -> None:
    limiter, other = (_limiter(machine.process(), 10) for _ in range(2))
    (await limiter.acquire()).close()
    machine.path.rename(machine.path.with_name("old.db"))
    machine.path.touch()
    machine.now += 1.0
    assert limiter.snapshot().shared is False
    machine.now += 5.1
    (await limiter.acquire()).written()
    assert other.snapshot().available == 9


async def test_a_file_that_is_spoilt_in_use_raises_nothing(machine: Machine) -> None:
    limiter, other = (_limiter(machine.process(), 1000) for _ in range(2))
    for _ in range(50):
        (await limiter.acquire()).written()
    for path in (machine.path, machine.path.with_name("ledger.db-wal")):
        path.write_bytes(b"x" * path.stat().st_size)
    for each in (limiter, other):
        for _ in range(50):
            await _served_alone(each)
    assert other.snapshot().shared is False


@contextmanager
def _without_privileges() -> Iterator[None]:
    """Root may write to everything; nobody may not."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are those of POSIX")
@pytest.mark.parametrize("is_new", [True, False])
async def test_a_read_only_file_is_not_used(*, is_new: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        path.touch()
        if not is_new:
            file = SharedFile(path)
            _limiter(file).snapshot()
            file.close()
        path.chmod(0o444)
        path.parent.chmod(0o555)
        with _without_privileges():
            file = SharedFile(path)
            budget = await _served_alone(_limiter(file))
            file.close()
        path.parent.chmod(0o755)
    assert budget.shared is False


@contextmanager
def _no_file_may_grow_beyond(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_no_error_for_the_caller(machine: Machine) -> None:
    limiter = _limiter(machine.process(), 1000)
    (await limiter.acquire()).close()
    with _no_file_may_grow_beyond(machine.path.with_name("ledger.db-wal").stat().st_size):
        shared = {(await _served_alone(limiter)).shared}
        machine.now += 2.0
        shared.add((await _served_alone(limiter)).shared)
    assert False in shared
    machine.now += 6.0
    assert (await _served_alone(limiter)).shared is True


async def _looking_on(limiter: SharedLimiter) -> None:
    while True:
        limiter.snapshot()
        await anyio.sleep(0.05)


async def test_a_file_that_stays_locked_is_waited_for_a_second_and_then_not_used() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        path.touch()
        file, other = SharedFile(path), SharedFile(path)
        limiter, others = _limiter(file, 10), _limiter(other, 10)
        (await limiter.acquire()).close()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            start = anyio.current_time()
            with anyio.fail_after(5):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_looking_on, limiter)  # others may read all the time
                    await limiter.acquire(max_wait=4.0)
                    tasks.cancel_scope.cancel()
            waited = anyio.current_time() - start
            assert limiter.snapshot().shared is False
            connection.execute("ROLLBACK")
        assert 1.0 <= waited <= 2.0
        with await others.acquire():
            assert others.snapshot().shared is True
        file.close()
        other.close()


async def test_what_is_reported_while_the_file_is_locked_is_written_with_the_next_change(machine: Machine) -> None:
    limiter, other = (_limiter(machine.process(), 2) for _ in range(2))
    permits = [await limiter.acquire(), await limiter.acquire()]
    with _locked(machine.path):
        permits[0].close()
    assert other.snapshot().available == 0
    permits[1].written()
    assert other.snapshot().available == 1


async def test_what_is_reported_while_the_file_is_locked_is_written_soon_though_nothing_else_happens(
    machine: Machine,
) -> None:
    limiter, other = (_limiter(machine.process(), 2) for _ in range(2))
    permits = [await limiter.acquire(), await limiter.acquire()]
    with _locked(machine.path):
        for permit in permits:
            permit.close()
    assert other.snapshot().available == 0
    with anyio.fail_after(5):
        while other.snapshot().available < 2:  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.01)


async def test_moments_at_which_the_file_was_locked_are_not_taken_for_one_long_time(machine: Machine) -> None:
    limiter = _limiter(machine.process(), 10)
    permits = [await limiter.acquire() for _ in range(3)]
    for permit in permits:
        with _locked(machine.path):
            permit.written()
        assert limiter.snapshot().shared is True
        machine.now += 1.2


async def test_what_is_reported_to_a_file_that_stays_locked_is_dropped_after_a_second(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.touch()
    with closing(SharedFile(path)) as file:
        limiter = _limiter(file)
        permit = await limiter.acquire()
        with _locked(path), anyio.fail_after(5):
            start = anyio.current_time()
            permit.close()
            while limiter.snapshot().shared:  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.01)
        assert anyio.current_time() - start > 1.0


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file's lock, as another process does that writes."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def test_closing_twice_and_before_use_is_harmless(machine: Machine) -> None:
    file = machine.process()
    file.close()
    (await _limiter(file).acquire()).close()
    file.close()
    file.close()


async def test_a_file_of_another_program_is_left_alone(machine: Machine) -> None:
    with closing(sqlite3.connect(machine.path)) as connection:
        connection.execute("PRAGMA application_id = 77")
        connection.execute("CREATE TABLE theirs (text TEXT)")
    before = machine.path.read_bytes()
    assert (await _served_alone(_limiter(machine.process()))).shared is False
    assert machine.path.read_bytes() == before


async def test_limits_and_records_share_one_file_and_the_records_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.db"
    ledgers = [SqliteLedger.open(path, now=time.time) for _ in range(2)]
    files = [SharedFile(path, application_id=APPLICATION) for _ in range(2)]
    limiters = [SharedLimiter(Rate(10_000, 60.0), file=file, bucket="app") for file in files]
    for number in range(300):
        intent = Intent(operation=f"operation-{number}", tool="identify_person", access="write", caller="agent")
        await ledgers[number % 2].begin(intent, Terms())
        with await limiters[(number // 2) % 2].acquire() as permit:
            permit.written()
        await ledgers[number % 2].conclude(intent, Outcome(ending=Ending.OK))
    assert [limiter.snapshot().shared for limiter in limiters] == [True, True]
    assert [limiter.snapshot().available for limiter in limiters] == [10_000 - 300] * 2
    verdict = ledgers[0].verify()
    assert verdict.fault is None
    assert verdict.records >= 600
    for file, ledger in zip(files, ledgers, strict=True):
        file.close()
        ledger.close()
