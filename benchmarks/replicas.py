"""How replicas share a limit through Redis, Valkey or PostgreSQL, and what it costs them.

    python benchmarks/replicas.py redis://127.0.0.1:6379/0 postgresql://USER:PASSWORD@127.0.0.1/DATABASE
    python benchmarks/replicas.py --limit 100 --net u80 redis://127.0.0.1:6379/0

Processes with so many callers each never stop calling an HTTP server, in a process of its own, that keeps an exact
sliding window (benchmarks/window_server.py). They share the limit through the engines named, one after the other,
or, beside that, each keeps the whole limit to itself, as replicas do that do not know of each other.

- used: the accepted share of the limit; "x one" is that divided by what one process alone used in the same run;
- worst share: what the process with the fewest requests got, of a fair share;
- 429s: requests refused, of all sent.

The last lines give the cost of an uncontended slot, from asking for it to having it, in wall-clock microseconds. The
engines must have been running for ten seconds: from one that has just begun, nobody takes a whole limit.
"""

import argparse
import asyncio
import secrets
import time

from report import machine, percentile, table
from saturation import HEADINGS, Outcome, Run, measured, work
from window_server import NETWORKS

from cio_mcp.limiter import EngineLink, Rate, WindowLimiter, opened

_EACH_FOR_ITSELF = "each for itself"


async def _serve(options: argparse.Namespace) -> None:
    rate, (engine_url,) = Rate(options.limit, options.window), options.engines
    if engine_url == _EACH_FOR_ITSELF:
        await work(WindowLimiter(rate), options.url, options.seconds, options.callers)
        return
    async with opened(engine_url) as engine, EngineLink(engine, replicas=options.processes) as link:
        limiter = link.limiter(rate, bucket=options.bucket)
        await limiter.refresh()
        await work(limiter, options.url, options.seconds, options.callers)


def _report(options: argparse.Namespace) -> None:
    print(machine("redis", "psycopg"))
    print(f"{options.limit} per {options.window:g} s, {NETWORKS[options.net].words}, ", end="")
    print(f"{options.callers} callers a process, runs of {options.seconds:g} s\n")
    rows = []
    for engine in options.engines:
        kind = engine.partition(":")[0]
        alone = _run(options, engine, 1)
        rows.append(alone.row(kind, alone))
        rows += [_run(options, engine, count).row(kind, alone) for count in range(2, options.processes + 1)]
    alone = _run(options, _EACH_FOR_ITSELF, 1)
    for count in range(2, options.processes + 1):
        rows.append(_run(options, _EACH_FOR_ITSELF, count).row(_EACH_FOR_ITSELF, alone))
    print(table(HEADINGS, rows))


def _run(options: argparse.Namespace, engine: str, processes: int) -> Outcome:
    run = Run(limit=options.limit, window=options.window, net=options.net, processes=processes, seconds=options.seconds)
    numbers = (f"--{name}={getattr(options, name)}" for name in ("limit", "window", "callers", "processes"))
    return measured(run, "replicas.py", engine, *numbers, f"--bucket=bench-{secrets.token_hex(4)}")


async def _cost(url: str, slots: int) -> list[float]:
    async with opened(url) as engine, EngineLink(engine) as link:
        limiter = link.limiter(Rate(100, 0.1), bucket=f"bench-{secrets.token_hex(4)}")
        took = []
        for _ in range(slots):
            start = time.perf_counter()
            with await limiter.acquire() as permit:
                took.append(1e6 * (time.perf_counter() - start))
                permit.written()
                permit.responded()
            await asyncio.sleep(0.002)
    return took


def main() -> None:
    """Read the command line; print the table, or be one of the processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", nargs="+", metavar="URL", help="an engine")
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--window", type=float, default=1.0, help="seconds")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a run")
    parser.add_argument("--processes", type=int, default=3, help="at most so many")
    parser.add_argument("--callers", type=int, default=20, help="in each process")
    parser.add_argument("--net", choices=NETWORKS, default="u80")
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--bucket", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.url:
        asyncio.run(_serve(options))
        return
    _report(options)
    for engine in options.engines:
        took = asyncio.run(_cost(engine, 500))
        print(f"\n{engine.partition(':')[0]}: microseconds to take a slot: p50 {percentile(took, 50):.0f}, ", end="")
        print(f"p99 {percentile(took, 99):.0f}")


if __name__ == "__main__":
    main()
