"""Engines to share limits through, and what counts requests as Customer.io would."""

import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Final

import anyio
import pytest

from cio_mcp.limiter import EngineLink, Permit, Rate, opened
from tests.limiter_engine.servers import RedisServer, missing
from tests.postgres_cluster import Cluster, binaries, postgres_cluster, postgres_url

__all__ = ["postgres_cluster", "postgres_url"]

# One that has just begun grants nobody a whole limit, and the longest window here is of 10 s.
_SETTLED: Final = 13.0


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for the whole run, which has been there for a while."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    time.sleep(_SETTLED)
    yield server
    server.kill()


@pytest.fixture
def mortal_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """Return a server that a test may kill."""
    server = RedisServer(tmp_path)
    yield server
    server.kill()


class MortalPostgres:
    """A cluster of its own that can be killed, as by a loss of power, and started again."""

    def __init__(self, bin_dir: Path) -> None:
        self._cluster = Cluster(bin_dir)
        self._cluster.make()
        self.url = self._cluster.create()
        self.start = self._cluster.start
        self.remove = self._cluster.remove

    def kill(self) -> None:
        """End it at once: what it should not lose it recovers, what is not logged is gone."""
        self._cluster.stop(signal.SIGQUIT)


@pytest.fixture(params=["redis", "postgres"])
def mortal_engine(request: pytest.FixtureRequest) -> Iterator[RedisServer | MortalPostgres]:
    """Return each kind of engine, for a test that kills it."""
    if request.param == "redis":
        yield request.getfixturevalue("mortal_redis")
        return
    bin_dir = binaries()
    cluster = MortalPostgres(bin_dir or Path(missing("PostgreSQL's programs are not on PATH")))
    yield cluster
    cluster.remove()


@pytest.fixture(params=["redis", "postgres"])
def engine_url(request: pytest.FixtureRequest) -> str:
    """Return the address of each kind of engine."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        return server.url
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def bucket(names: Iterator[int]) -> str:
    """Return a bucket that nobody has used."""
    return f"bucket-{next(names)}"


@pytest.fixture(scope="session")
def names() -> Iterator[int]:
    """Return numbers."""
    return count()


async def until(condition: Callable[[], bool], seconds: float = 15.0) -> float:
    """Wait until something is so; return how long that took."""
    start = time.monotonic()
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - it happens in another process, or to a clock
            await anyio.sleep(0.01)
    return time.monotonic() - start


@asynccontextmanager
async def replica(url: str, *, replicas: int = 3, fail_closed: bool = False) -> AsyncIterator[EngineLink]:
    """Run a replica in this process: nothing of it is shared with another."""
    async with opened(url) as engine, EngineLink(engine, replicas=replicas, fail_closed=fail_closed) as link:
        yield link


@asynccontextmanager
async def replicas(url: str, number: int = 3) -> AsyncIterator[list[EngineLink]]:
    """Run so many replicas in this process."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(replica(url, replicas=number)) for _ in range(number)]


class Arrivals:
    """When requests arrived, at the end of a network with jitter."""

    def __init__(self, rate: Rate, seed: int = 1) -> None:
        self.rate = rate
        self.times: list[float] = []
        self._random = random.Random(seed)  # noqa: S311 - repeatable, and guards nothing

    async def request(self, permit: Permit) -> None:
        """Send a request and hear the answer."""
        with permit:
            permit.written()
            await anyio.sleep(self._random.uniform(0.0, 0.02))
            self.times.append(time.monotonic())
            await anyio.sleep(self._random.uniform(0.0, 0.02))
            permit.responded()

    def most_in_a_window(self) -> int:
        """Return the largest number of requests that arrived within one window."""
        times, most, first = sorted(self.times), 0, 0
        for last, at in enumerate(times):
            while at - times[first] >= self.rate.window:
                first += 1
            most = max(most, last - first + 1)
        return most

    async def more(self, number: int, *, within: float) -> float:
        """Wait until so many more have arrived; return how long that took, in seconds."""
        start = time.monotonic()
        return await until(lambda: self.since(start) >= number, within)

    def since(self, moment: float) -> int:
        """Return how many requests arrived after a moment."""
        return sum(at > moment for at in self.times)


@pytest.fixture
def rate() -> Rate:
    """Return a limit of nine in half a second, so that three replicas have shares that are whole."""
    return Rate(9, 0.5)
