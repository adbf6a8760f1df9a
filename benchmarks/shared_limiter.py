"""How several processes on one workspace share a limit, and what it costs them.

    python benchmarks/shared_limiter.py                          # 10/s, up to three processes: about 3 minutes
    python benchmarks/shared_limiter.py --limit 100 --net u80

Processes with so many callers each never stop calling an HTTP server, in a process of its own, that keeps an exact
sliding window (benchmarks/window_server.py). They share the limit through a file, or, beside that, each keeps the
whole limit to itself, as processes do that do not know of each other.

- used: the accepted share of the limit; "x one" is that divided by what one process alone used in the same run;
- worst share: what the process with the fewest requests got, of a fair share;
- 429s: requests refused, of all sent.

The last line gives the cost of an uncontended slot, from taking it to the answer, in wall-clock microseconds.
"""

import argparse
import asyncio
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

from report import percentile, table
from saturation import HEADINGS, Outcome, Run, measured, work
from window_server import NETWORKS

from cio_mcp.limiter import Rate, SharedFile, SharedLimiter, WindowLimiter


async def _serve(options: argparse.Namespace) -> None:
    """Be one of the processes."""
    rate = Rate(options.limit, options.window)
    with ExitStack() as stack:
        limiter = WindowLimiter(rate)
        if options.file:
            limiter = SharedLimiter(rate, file=stack.enter_context(closing(SharedFile(options.file))), bucket="app")
        await work(limiter, options.url, options.seconds, options.callers)


def _run(options: argparse.Namespace, processes: int, *, shared: bool) -> Outcome:
    run = Run(limit=options.limit, window=options.window, net=options.net, processes=processes, seconds=options.seconds)
    given = [f"--{name}={getattr(options, name)}" for name in ("limit", "window", "callers")]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        path.touch()
        return measured(run, "shared_limiter.py", *given, *([f"--file={path}"] if shared else []))


def _report(options: argparse.Namespace) -> None:
    print(f"{options.limit} per {options.window:g} s, {NETWORKS[options.net].words}, ", end="")
    print(f"{options.callers} callers a process, runs of {options.seconds:g} s\n")
    alone = _run(options, 1, shared=True)
    rows = [alone.row("shared", alone)]
    for processes in range(2, options.processes + 1):
        rows.append(_run(options, processes, shared=True).row("shared", alone))
        rows.append(_run(options, processes, shared=False).row("each for itself", alone))
    print(table(HEADINGS, rows))


async def _cost(slots: int) -> list[float]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        path.touch()
        with closing(SharedFile(path)) as file:
            limiter = SharedLimiter(Rate(100, 0.1), file=file, bucket="app")
            took = []
            for _ in range(slots):
                start = time.perf_counter()
                with await limiter.acquire() as permit:
                    permit.written()
                    permit.responded()
                took.append(1e6 * (time.perf_counter() - start))
                await asyncio.sleep(0.002)
    return took


def main() -> None:
    """Read the command line; print the table, or be one of the processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--window", type=float, default=1.0, help="seconds")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of a run")
    parser.add_argument("--processes", type=int, default=3, help="at most so many")
    parser.add_argument("--callers", type=int, default=20, help="in each process")
    parser.add_argument("--net", choices=NETWORKS, default="u80")
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.url:
        asyncio.run(_serve(options))
        return
    _report(options)
    took = asyncio.run(_cost(500))
    print(f"\nmicroseconds from taking a slot to its answer: p50 {percentile(took, 50):.0f}, ", end="")
    print(f"p99 {percentile(took, 99):.0f}")


if __name__ == "__main__":
    main()
