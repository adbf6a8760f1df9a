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
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
from report import percentile, table
from window_server import NETWORKS

from cio_mcp.limiter import Permit, Rate, SharedFile, SharedLimiter, WindowLimiter


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the server and the processes saw: the share of the limit used, requests of each process, refused, sent."""

    used: float
    accepted: Sequence[int]
    refused: int

    @property
    def worst_share(self) -> float:
        """What the process with the fewest requests got, of a fair share."""
        return min(self.accepted) * len(self.accepted) / sum(self.accepted)


@contextmanager
def _running(program: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, str(Path(__file__).with_name(program)), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _reporting_to(permit: Permit) -> Callable[[str, object], Awaitable[None]]:
    async def trace(event: str, _: object) -> None:
        if event == "http11.send_request_body.complete":
            permit.written()
        elif event == "http11.receive_response_headers.complete":
            permit.responded()

    return trace


async def _call(limiter: WindowLimiter, url: str, seconds: float, callers: int) -> Counter[int]:
    statuses: Counter[int] = Counter()
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx2.AsyncClient(limits=limits, timeout=60.0, trust_env=False) as client:

        async def caller() -> None:
            while True:
                with await limiter.acquire() as permit:
                    answer = await client.get(url, extensions={"trace": _reporting_to(permit)})
                statuses[answer.status_code] += 1
                if answer.status_code == httpx2.codes.TOO_MANY_REQUESTS:
                    limiter.penalize(float(answer.headers["retry-after"]))

        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                for _ in range(callers):
                    tasks.create_task(caller())
    return statuses


def _work(options: argparse.Namespace) -> None:
    """Be one of the processes: say that it is ready, begin when told, say what came of it."""
    rate = Rate(options.limit, options.window)
    with ExitStack() as stack:
        limiter = WindowLimiter(rate)
        if options.file:
            limiter = SharedLimiter(rate, file=stack.enter_context(closing(SharedFile(options.file))), bucket="app")
        print("ready", flush=True)
        sys.stdin.readline()
        statuses = asyncio.run(_call(limiter, options.url, options.seconds, options.callers))
    print(json.dumps([statuses[200], statuses[429]]), flush=True)


def _run(options: argparse.Namespace, processes: int, *, shared: bool) -> Outcome:
    given = [f"--{name}={getattr(options, name)}" for name in ("limit", "window", "seconds", "callers")]
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "ledger.db"
        path.touch()
        server = stack.enter_context(
            _running("window_server.py", *given[:2], f"--net={options.net}", f"--seed={processes}")
        )
        url = f"http://127.0.0.1:{_said(server)}"
        given += ["--url", url, *(["--file", str(path)] if shared else [])]
        workers = [stack.enter_context(_running("shared_limiter.py", *given)) for _ in range(processes)]
        for worker in workers:
            _said(worker)
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
        told = [json.loads(_said(worker)) for worker in workers]
        accepted: list[float] = httpx2.get(f"{url}/log", trust_env=False).json()["accepted"]
    turns = [later - earlier for earlier, later in zip(accepted, accepted[options.limit :], strict=False)]
    return Outcome(
        used=options.window / statistics.fmean(turns) if turns else 0.0,
        accepted=[mine for mine, _ in told],
        refused=sum(refused for _, refused in told),
    )


def _report(options: argparse.Namespace) -> None:
    print(f"{options.limit} per {options.window:g} s, {NETWORKS[options.net].words}, ", end="")
    print(f"{options.callers} callers a process, runs of {options.seconds:g} s\n")
    alone = _run(options, 1, shared=True)
    rows = [_row("shared", 1, alone, alone)]
    for processes in range(2, options.processes + 1):
        rows.append(_row("shared", processes, _run(options, processes, shared=True), alone))
        rows.append(_row("each for itself", processes, _run(options, processes, shared=False), alone))
    print(table(["limit", "processes", "used", "x one", "worst share", "429s"], rows))


def _row(kind: str, processes: int, outcome: Outcome, alone: Outcome) -> list[str]:
    sent = sum(outcome.accepted) + outcome.refused
    refused = f"**{outcome.refused}**" if outcome.refused else "0"
    return [
        kind,
        str(processes),
        f"{100 * outcome.used:.1f} %",
        f"{outcome.used / alone.used:.2f}",
        f"{100 * outcome.worst_share:.0f} %",
        f"{refused} of {sent}",
    ]


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
        _work(options)
        return
    _report(options)
    took = asyncio.run(_cost(500))
    print(f"\nmicroseconds from taking a slot to its answer: p50 {percentile(took, 50):.0f}, ", end="")
    print(f"p99 {percentile(took, 99):.0f}")


if __name__ == "__main__":
    main()
