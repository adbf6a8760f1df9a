"""How much of a rate limit a client-side limiter uses, and how often it breaks it.

    python benchmarks/limiter.py                        # 10/s, every network and candidate: about 7 minutes
    python benchmarks/limiter.py --limit 100 --net u80 --candidates ours --seconds 20 --runs 1

Fifty callers never stop calling an HTTP server, in a process of its own, that keeps an exact sliding window behind
a network with jitter (benchmarks/window_server.py). Three numbers for each candidate and network:

- used: the accepted share of the limit, as the window divided by the mean time between an accepted request and
  the one `limit` later, so that where a run begins and ends does not matter; the median of all runs;
- of bound: `used` divided by W / (W + J), which is what a client can use when delays vary by J and each slot
  has to stay safe against the largest;
- 429s: requests refused, of all sent, in all runs; "burst" is the same for bursts of 2.5 limits after idle.

The last lines give the cost of one uncontended acquire and release.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import httpx2
from aiolimiter import AsyncLimiter
from pyrate_limiter import Limiter as PyrateLimiter
from pyrate_limiter import Rate as PyrateRate
from window_server import NETWORKS

from cio_mcp.limiter import Permit, Rate, WindowLimiter

Call = Callable[[httpx2.AsyncClient, str], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run of one candidate on one network."""

    candidate: str
    net: str
    limit: int
    window: float
    seconds: float
    callers: int
    burst: bool
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the server saw: the share of the limit used, requests refused, requests in all."""

    used: float
    refused: int
    sent: int


def ours(limit: int, window: float) -> Call:
    """Call through `WindowLimiter`, which is told when a request has left and when its answer begins."""
    limiter = WindowLimiter(Rate(limit, window))

    async def call(client: httpx2.AsyncClient, url: str) -> None:
        with await limiter.acquire() as permit:
            response = await client.get(url, extensions={"trace": _reporting_to(permit)})
        if response.status_code == httpx2.codes.TOO_MANY_REQUESTS:
            limiter.penalize(float(response.headers["retry-after"]))

    return call


def _reporting_to(permit: Permit) -> Callable[[str, object], Awaitable[None]]:
    async def trace(event: str, _: object) -> None:
        if event == "http11.send_request_body.complete":
            permit.written()
        elif event == "http11.receive_response_headers.complete":
            permit.responded()

    return trace


def aiolimiter(limit: int, window: float) -> Call:
    """Call through aiolimiter's leaky bucket of the same limit and window."""
    limiter = AsyncLimiter(limit, window)

    async def call(client: httpx2.AsyncClient, url: str) -> None:
        async with limiter:
            await client.get(url)

    return call


def pyrate(limit: int, window: float) -> Call:
    """Call through pyrate-limiter's sliding window in memory, with its default buffer of 50 ms."""
    limiter = PyrateLimiter(PyrateRate(limit, round(window * 1000)))

    async def call(client: httpx2.AsyncClient, url: str) -> None:
        await limiter.try_acquire_async("app")
        await client.get(url)

    return call


CANDIDATES = {"ours": ours, "aiolimiter": aiolimiter, "pyrate": pyrate}


@contextmanager
def serving(cell: Cell) -> Iterator[str]:
    """Run a window server in a process of its own and yield its address."""
    options = {"limit": cell.limit, "window": cell.window, "net": cell.net, "seed": cell.seed}
    command = [sys.executable, str(Path(__file__).with_name("window_server.py"))]
    command += [f"--{name}={value}" for name, value in options.items()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.stdin.close()


async def saturate(call: Call, client: httpx2.AsyncClient, url: str, callers: int) -> None:
    """Call from so many callers at once, without end."""

    async def caller() -> None:
        while True:
            await call(client, url)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(callers):
            tasks.create_task(caller())


async def burst(call: Call, client: httpx2.AsyncClient, url: str, size: int, r: random.Random) -> None:
    """Call `size` times at once, then idle for 1.3 to 2.3 seconds, without end."""
    while True:
        await asyncio.gather(*(call(client, url) for _ in range(size)))
        await asyncio.sleep(r.uniform(1.3, 2.3))


async def _drive(cell: Cell, url: str) -> Outcome:
    call = CANDIDATES[cell.candidate](cell.limit, cell.window)
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx2.AsyncClient(limits=limits, timeout=60.0, trust_env=False) as client:
        r = random.Random(cell.seed)  # noqa: S311 - repeatable, and guards nothing
        with suppress(TimeoutError):
            async with asyncio.timeout(cell.seconds):
                if cell.burst:
                    await burst(call, client, url, cell.limit * 5 // 2, r)
                else:
                    await saturate(call, client, url, cell.callers)
        log = json.loads((await client.get(f"{url}/log")).content)
    return _outcome(log["accepted"], log["refused"], cell)


def _outcome(accepted: Sequence[float], refused: int, cell: Cell) -> Outcome:
    turns = [later - earlier for earlier, later in zip(accepted, accepted[cell.limit :], strict=False)]
    used = cell.window / statistics.fmean(turns) if turns else 0.0
    return Outcome(used=used, refused=refused, sent=len(accepted) + refused)


def run(cell: Cell) -> Outcome:
    """Run one cell: a fresh server, a fresh client, a fresh event loop."""
    with serving(cell) as url:
        return asyncio.run(_drive(cell, url))


async def _microseconds(acquire_and_release: Callable[[], Awaitable[None]], calls: int, passes: int = 5) -> float:
    best = float("inf")
    for _ in range(passes):
        start = time.process_time()
        for _ in range(calls):
            await acquire_and_release()
        best = min(best, (time.process_time() - start) / calls)
    return best * 1e6


async def cost(calls: int) -> dict[str, float]:
    """Measure processor microseconds for one uncontended acquire and release, the best of five passes."""
    limiter = WindowLimiter(Rate(10 * calls))
    bucket = AsyncLimiter(10 * calls)
    pyrate_limiter = PyrateLimiter(PyrateRate(10 * calls, 1000))

    async def use_ours() -> None:
        with await limiter.acquire() as permit:
            permit.written()
            permit.responded()

    async def use_pyrate() -> None:
        await pyrate_limiter.try_acquire_async("app")

    uses = {"ours": use_ours, "aiolimiter": bucket.acquire, "pyrate": use_pyrate}
    return {name: await _microseconds(use, calls) for name, use in uses.items()}


def _row(candidate: str, net: str, steady: Sequence[Outcome], bursts: Sequence[Outcome], window: float) -> str:
    used = statistics.median(outcome.used for outcome in steady)
    spread = NETWORKS[net].spread
    of_bound = "" if spread is None else f"{100 * used * (window + spread) / window:.1f} %"
    cells = [candidate, net, f"{100 * used:.1f} %", of_bound, _refused(steady), _refused(bursts)]
    return f"| {' | '.join(cells)} |"


def _refused(outcomes: Sequence[Outcome]) -> str:
    refused, sent = sum(o.refused for o in outcomes), sum(o.sent for o in outcomes)
    return f"**{refused}** of {sent}" if refused else f"0 of {sent}"


def _report(options: argparse.Namespace) -> None:
    pairs = list(product(options.net, options.candidates))
    cells = [
        Cell(
            candidate=candidate,
            net=net,
            limit=options.limit,
            window=options.window,
            seconds=options.burst_seconds if is_burst else options.seconds,
            callers=options.callers,
            burst=is_burst,
            seed=seed,
        )
        for (net, candidate), is_burst, seed in product(pairs, (False, True), range(options.runs))
    ]
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        outcomes = dict(zip(cells, pool.map(run, cells), strict=True))
    print(f"{options.limit} per {options.window:g} s, {options.callers} callers, {options.runs} runs of ", end="")
    print(f"{options.seconds:g} s (bursts {options.burst_seconds:g} s), {options.jobs} at a time\n")
    print("| limiter | network | used | of bound | 429s | 429s, bursts |\n|---|---|---|---|---|---|")
    for net, candidate in pairs:
        mine = [(cell, o) for cell, o in outcomes.items() if (cell.net, cell.candidate) == (net, candidate)]
        steady, bursts = ([o for cell, o in mine if cell.burst is kind] for kind in (False, True))
        print(_row(candidate, net, steady, bursts, options.window))


def _names(known: Sequence[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := set(chosen) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(known)}")
        return chosen

    return names


def main() -> None:
    """Read the command line, run every cell, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--window", type=float, default=1.0, help="seconds")
    parser.add_argument("--seconds", type=float, default=45.0, help="length of a run")
    parser.add_argument("--burst-seconds", type=float, default=20.0, help="length of a run of bursts")
    parser.add_argument("--callers", type=int, default=50)
    parser.add_argument("--net", type=_names(list(NETWORKS)), default=list(NETWORKS), metavar="NET,...")
    parser.add_argument("--candidates", type=_names(list(CANDIDATES)), default=list(CANDIDATES), metavar="NAME,...")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="runs at a time; two processes each"
    )
    options = parser.parse_args()
    _report(options)
    print("\nmicroseconds for one uncontended acquire and release: ", end="")
    print(", ".join(f"{name} {value:.1f}" for name, value in asyncio.run(cost(20_000)).items()))


if __name__ == "__main__":
    main()
