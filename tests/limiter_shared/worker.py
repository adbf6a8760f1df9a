"""A process of its own that shares a limit: python -m tests.limiter_shared.worker JOB FILE LIMIT/WINDOW [ARGUMENTS].

    call URL SECONDS CALLERS   call a server without end, and print how often it accepted and refused
    hold SLOTS                 take slots, send every other one's request, and never hear of it again
    wait                       take one slot, and print so

It says "ready" on a line, and begins when it is given one.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import httpx2

from cio_mcp.limiter import Permit, Rate, SharedFile, SharedLimiter


def _reporting_to(permit: Permit) -> Callable[[str, object], Awaitable[None]]:
    async def trace(event: str, _: object) -> None:
        if event == "http11.send_request_body.complete":
            permit.written()
        elif event == "http11.receive_response_headers.complete":
            permit.responded()

    return trace


async def _call(limiter: SharedLimiter, url: str, seconds: str, callers: str) -> None:
    statuses: Counter[int] = Counter()
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx2.AsyncClient(limits=limits, timeout=30.0, trust_env=False) as client:

        async def caller() -> None:
            while True:
                with await limiter.acquire() as permit:
                    answer = await client.get(url, extensions={"trace": _reporting_to(permit)})
                statuses[answer.status_code] += 1

        with suppress(TimeoutError):
            async with asyncio.timeout(float(seconds)), asyncio.TaskGroup() as tasks:
                for _ in range(int(callers)):
                    tasks.create_task(caller())
    _say({"accepted": statuses[200], "refused": statuses[429], "shared": limiter.snapshot().shared})


async def _hold(limiter: SharedLimiter, slots: str) -> None:
    permits = [await limiter.acquire() for _ in range(int(slots))]
    for permit in permits[::2]:
        permit.written()
    _say("holding")
    await asyncio.Event().wait()


async def _wait(limiter: SharedLimiter) -> None:
    with await limiter.acquire() as permit:
        _say("granted")
        permit.written()
        permit.responded()


def _say(something: object) -> None:
    sys.stdout.write(json.dumps(something) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do the job of the command line."""
    job, path, rate, *arguments = sys.argv[1:]
    file = SharedFile(Path(path))
    limiter = SharedLimiter(Rate.parse(rate), file=file, bucket="app")
    _say("ready")
    sys.stdin.readline()
    jobs: dict[str, Callable[..., Awaitable[None]]] = {"call": _call, "hold": _hold, "wait": _wait}
    asyncio.run(jobs[job](limiter, *arguments))  # type: ignore[arg-type] # each is a coroutine function
    file.close()


if __name__ == "__main__":
    main()
