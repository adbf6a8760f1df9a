"""Processes that never stop calling a server with an exact window, each through a limiter; what came of it."""

import json
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import anyio
import httpx2

from cio_mcp.limiter import Permit


class Limiter(Protocol):
    """What callers ask for a slot."""

    async def acquire(self) -> Permit:
        """Wait for a slot."""

    def penalize(self, retry_after: float | None) -> None:
        """Note a 429."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: the limit, the network to the server, how many processes, and how long."""

    limit: int
    window: float
    net: str
    processes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the server and the processes saw: the share of the limit used, requests of each process, refused."""

    used: float
    accepted: Sequence[int]
    refused: int

    @property
    def worst_share(self) -> float:
        """What the process with the fewest requests got, of a fair share."""
        return min(self.accepted) * len(self.accepted) / max(1, sum(self.accepted))

    def row(self, kind: str, alone: "Outcome") -> list[str]:
        """Return a line of a table of HEADINGS, compared with what one process alone used."""
        sent = sum(self.accepted) + self.refused
        refused = f"**{self.refused}**" if self.refused else "0"
        return [
            kind,
            str(len(self.accepted)),
            f"{100 * self.used:.1f} %",
            f"{self.used / alone.used:.2f}" if alone.used else "-",
            f"{100 * self.worst_share:.0f} %",
            f"{refused} of {sent}",
        ]


HEADINGS = ("limit", "processes", "used", "x one", "worst share", "429s")


@contextmanager
def running(program: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run one of these programs until the end of the block."""
    command = [sys.executable, str(Path(__file__).with_name(program)), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: "subprocess.Popen[str]") -> str:
    """Return the next line of a program."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def measured(run: Run, program: str, *arguments: str) -> Outcome:
    """Let so many processes of a program, which serves with `work`, call one server at once."""
    with ExitStack() as stack:
        given = (f"--limit={run.limit}", f"--window={run.window}", f"--net={run.net}", f"--seed={run.processes}")
        url = f"http://127.0.0.1:{said(stack.enter_context(running('window_server.py', *given)))}"
        workers = [
            stack.enter_context(running(program, *arguments, f"--url={url}", f"--seconds={run.seconds}"))
            for _ in range(run.processes)
        ]
        for worker in workers:
            said(worker)
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
        told = [json.loads(said(worker)) for worker in workers]
        accepted: list[float] = httpx2.get(f"{url}/log", trust_env=False).json()["accepted"]
    turns = [later - earlier for earlier, later in zip(accepted, accepted[run.limit :], strict=False)]
    return Outcome(
        used=run.window / statistics.fmean(turns) if turns else 0.0,
        accepted=[mine for mine, _ in told],
        refused=sum(refused for _, refused in told),
    )


async def work(limiter: Limiter, url: str, seconds: float, callers: int) -> None:
    """Be one of the processes: say that it is ready, begin when told, say what came of it."""
    print("ready", flush=True)
    await anyio.to_thread.run_sync(sys.stdin.readline)
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
            with anyio.fail_after(seconds):
                async with anyio.create_task_group() as tasks:
                    for _ in range(callers):
                        tasks.start_soon(caller)
    print(json.dumps([statuses[200], statuses[429]]), flush=True)


def _reporting_to(permit: Permit) -> Callable[[str, object], Awaitable[None]]:
    async def trace(event: str, _: object) -> None:
        if event == "http11.send_request_body.complete":
            permit.written()
        elif event == "http11.receive_response_headers.complete":
            permit.responded()

    return trace
