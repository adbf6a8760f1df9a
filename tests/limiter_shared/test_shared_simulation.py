"""Several processes against an exact server-side window: real limiters, a real file, virtual time with late timers."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from cio_mcp.limiter import Overdue, Rate, SharedFile, SharedLimiter
from tests.limiter_shared.virtual import LateLoop
from tests.test_limiter_simulation import NETWORKS, ExactWindow, Network


@dataclass(slots=True)
class Outcome:
    """What the server saw: when it accepted requests of which process, and how many it refused."""

    rate: Rate
    accepted: list[float] = field(default_factory=list[float])
    by: Counter[int] = field(default_factory=Counter[int])
    refused: int = 0

    @property
    def used(self) -> float:
        """The share of the limit that was accepted, wherever the run began and ended."""
        turns = [b - a for a, b in zip(self.accepted, self.accepted[self.rate.limit :], strict=False)]
        return self.rate.window * len(turns) / sum(turns)

    @property
    def worst_share(self) -> float:
        """What the process with the fewest requests got, of a fair share."""
        return min(self.by.values()) * len(self.by) / sum(self.by.values())


class Crowd:
    """Processes with so many callers each, who never stop."""

    def __init__(self, path: Path, rate: Rate, network: Network, callers: Sequence[int]) -> None:
        path.touch()
        self._path = path
        self._rate = rate
        self._network = network
        self._callers = callers
        self._random = random.Random(5)  # noqa: S311 - repeatable, and guards nothing
        self._server = ExactWindow(rate)
        self._outcome = Outcome(rate, by=Counter(dict.fromkeys(range(len(callers)), 0)))

    def run(self, seconds: float) -> Outcome:
        """Let them call for so many seconds."""
        with asyncio.Runner(loop_factory=LateLoop) as runner:
            runner.run(self._call(seconds))
        return self._outcome

    async def _call(self, seconds: float) -> None:
        files = [SharedFile(self._path, clock=anyio.current_time) for _ in self._callers]
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as tasks:
                for number, callers in enumerate(self._callers):
                    limiter = SharedLimiter(self._rate, file=files[number], bucket="app")
                    for _ in range(callers):
                        tasks.start_soon(self._caller, number, limiter)
        for file in files:
            file.close()

    async def _caller(self, number: int, limiter: SharedLimiter) -> None:
        while True:
            with await limiter.acquire() as permit:
                permit.written()
                await anyio.sleep(self._network.there(self._random))
                self._arrive(number)
                await anyio.sleep(self._network.service(self._random) + self._network.back(self._random))
                permit.responded()

    def _arrive(self, number: int) -> None:
        now = anyio.current_time()
        if self._server.accepts(now):
            self._outcome.accepted.append(now)
            self._outcome.by[number] += 1
        else:
            self._outcome.refused += 1


@pytest.mark.parametrize("name", NETWORKS)
def test_three_processes_use_as_much_as_one_and_never_more_than_the_limit(name: str, tmp_path: Path) -> None:
    network, _ = NETWORKS[name]
    alone = Crowd(tmp_path / "one.db", Rate(10), network, [60]).run(60.0)
    outcome = Crowd(tmp_path / "three.db", Rate(10), network, [20] * 3).run(60.0)
    assert (alone.refused, outcome.refused) == (0, 0)
    assert outcome.used >= 0.95 * alone.used
    assert outcome.worst_share >= 0.9


@pytest.mark.parametrize(
    ("rate", "seconds", "least_share"), [(Rate(1, 10.0), 300.0, 0.95), (Rate(100), 20.0, 0.9), (Rate(600), 6.0, 0.8)]
)
def test_other_limits_are_shared_as_well(rate: Rate, seconds: float, least_share: float, tmp_path: Path) -> None:
    network, _ = NETWORKS["40 ms and a short tail"]
    outcome = Crowd(tmp_path / "ledger.db", rate, network, [rate.limit + 5] * 3).run(seconds)
    assert outcome.refused == 0
    assert outcome.used >= 0.95
    assert outcome.worst_share >= least_share


def test_eight_processes_share_and_one_caller_is_not_drowned_by_many(tmp_path: Path) -> None:
    network, _ = NETWORKS["uniform to 80 ms"]
    outcome = Crowd(tmp_path / "ledger.db", Rate(10), network, [40, 40, 40, 40, 40, 40, 40, 2]).run(120.0)
    assert outcome.refused == 0
    assert outcome.used >= 0.9
    assert outcome.worst_share >= 0.8


async def _overdue_behind_others(path: Path) -> None:
    files = [SharedFile(path, clock=anyio.current_time) for _ in range(2)]
    first, second = (SharedLimiter(Rate(1, 5.0), file=file, bucket="app") for file in files)
    with await first.acquire() as permit:
        permit.written()
        permit.responded()
    start = anyio.current_time()
    with pytest.raises(Overdue) as refusal:
        await second.acquire(max_wait=4.0)
    assert anyio.current_time() == start
    assert refusal.value.wait == pytest.approx(5.0, abs=0.01)
    assert second.snapshot().next_free == pytest.approx(5.0, abs=0.01)
    permit = await second.acquire(max_wait=5.1)
    assert permit.waited == pytest.approx(5.0, abs=0.02)
    # An answer is expected within the grace, and none comes: the longest wait counts in the line of processes, too.
    start = anyio.current_time()
    with pytest.raises(Overdue):
        await first.acquire(max_wait=6.5)
    assert anyio.current_time() - start == pytest.approx(6.5, abs=0.01)
    for file in files:
        file.close()


def test_a_wait_for_other_processes_slots_is_known_before_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.touch()
    with asyncio.Runner(loop_factory=LateLoop) as runner:
        runner.run(_overdue_behind_others(path))
