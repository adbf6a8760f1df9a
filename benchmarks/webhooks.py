"""What receiving an event costs: events per second, and how long Customer.io waits for the answer.

    python benchmarks/webhooks.py                    # SQLite, and PostgreSQL where its programs are installed
    python benchmarks/webhooks.py --seconds 5 --folder ~/on/another/disk

The peer is a Starlette route that reads the body and answers, on the same uvicorn: what no receiver on it can be
faster than. Every answer of ours follows a check of the signature and a transaction forced to disk (WAL with
synchronous=FULL; PostgreSQL with fsync). Each server is a process of its own, and takes its turns with the others.

- crowd: 32 connections, each sends its next event when the last one is answered: events per second;
- steady: 500 events a second whatever becomes of them: percentiles of the time from when an event was due to its
  answer, so that a server that falls behind cannot hide it.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import uvicorn  # noqa: E402 - the tests' cluster is found by its place
from report import machine, percentile, table  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import PlainTextResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402
from starlette.types import ASGIApp  # noqa: E402

from cio_mcp.postgres import Database  # noqa: E402
from cio_mcp.secret import Secret  # noqa: E402
from cio_mcp.webhooks.intake import Intake  # noqa: E402
from cio_mcp.webhooks.postgres import PostgresEvents  # noqa: E402
from cio_mcp.webhooks.receiver import Receiver  # noqa: E402
from cio_mcp.webhooks.sqlite import SqliteEvents  # noqa: E402
from cio_mcp.webhooks.store import EventStore  # noqa: E402
from tests.postgres_cluster import Cluster, binaries  # noqa: E402

KEY = "canary-signing-key"
CONNECTIONS = 32
RATE = 500
NAMES = {"bare": "bare Starlette route", "SQLite": "receiver, SQLite", "PostgreSQL": "receiver, PostgreSQL"}
STARTING = 30.0


def app_of(kind: str, place: str) -> ASGIApp:
    """Return the application of one server."""
    if kind == "bare":
        return Starlette(routes=[Route("/", _bare, methods=["POST"])])
    store: EventStore = (
        SqliteEvents(Path(place), workspace="bench", now=time.time)
        if kind == "SQLite"
        else PostgresEvents(Database(place), workspace="bench")
    )
    return Receiver(intake=Intake(store=store), keys=lambda: [Secret(KEY)], now=time.time)


async def _bare(request: Request) -> PlainTextResponse:
    await request.body()
    return PlainTextResponse("kept")


def serve(kind: str, place: str) -> None:
    """Serve one application, and write its port."""
    config = uvicorn.Config(app_of(kind, place), lifespan="off", log_level="error", access_log=False, ws="none")
    # Named IPPROTO_TCP, so that asyncio sets TCP_NODELAY on what it accepts: otherwise each answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def serving(kind: str, place: str) -> Iterator[int]:
    """Run a server as a process and give its port."""
    command = [sys.executable, __file__, "--serve", kind, place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.kill()


def request_of(number: int) -> bytes:
    """Return a signed request of an event that nothing has seen yet."""
    event = {
        "event_id": f"{time.time_ns():020d}{number:06d}",
        "object_type": "email",
        "metric": ("sent", "delivered", "opened", "clicked")[number % 4],
        "timestamp": int(time.time()),
        "data": {
            "campaign_id": 7,
            "action_id": 96,
            "delivery_id": f"RPILAgUBcRhIBqSfeiIwdI{number // 4}",
            "identifiers": {
                "id": str(number % 1_000),
                "email": "ada@example.com",
                "cio_id": f"d9c1{number % 1_000:08d}",
            },
            "recipient": "ada@example.com",
            "subject": "Your receipt",
        },
    }
    body, at = json.dumps(event).encode(), str(int(time.time()))
    mac = hmac.new(KEY.encode(), b"v0:" + at.encode() + b":" + body, hashlib.sha256).hexdigest()
    head = (
        f"POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"x-cio-timestamp: {at}\r\nx-cio-signature: {mac}\r\n\r\n"
    )
    return head.encode() + body


class Line:
    """A connection that is kept, and used by one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "Line":
        """Connect, once the server listens."""
        for _ in range(int(STARTING / 0.05)):
            try:
                return cls(*await asyncio.open_connection("127.0.0.1", port))
            except OSError:
                await asyncio.sleep(0.05)
        raise TimeoutError("the server does not listen")

    async def exchange(self, request: bytes) -> None:
        """Send a request and read its answer, which must be 200."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await self._reader.readexactly(int(length.split(b":")[1]))

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def crowd(port: int, seconds: float) -> float:
    """Return the events per second of a crowd."""
    lines = [await Line.open(port) for _ in range(CONNECTIONS)]
    await asyncio.gather(*(line.exchange(request_of(number)) for number, line in enumerate(lines)))
    began, done = time.perf_counter(), 0

    async def send(line: Line, number: int) -> None:
        nonlocal done
        while time.perf_counter() - began < seconds:
            number += CONNECTIONS
            await line.exchange(request_of(number))
            done += 1

    await asyncio.gather(*(send(line, number) for number, line in enumerate(lines)))
    took = time.perf_counter() - began
    for line in lines:
        line.close()
    return done / took


async def steady(port: int, seconds: float) -> list[float]:
    """Return the milliseconds from when each event was due to its answer."""
    idle = [await Line.open(port) for _ in range(CONNECTIONS)]
    took: list[float] = []
    began = time.perf_counter()

    async def send(number: int, due: float) -> None:
        line = idle.pop() if idle else await Line.open(port)
        await line.exchange(request_of(number))
        took.append(1_000 * (time.perf_counter() - due))
        idle.append(line)

    async with asyncio.TaskGroup() as group:
        for number in range(int(seconds * RATE)):
            due = began + number / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(send(number, due))
    for line in idle:
        line.close()
    return took


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one kind of server did."""

    per_second: list[float]
    took: list[float]


async def measured(ports: dict[str, int], *, seconds: float, turns: int) -> dict[str, Run]:
    """Measure every server in turns."""
    runs = {kind: Run(per_second=[], took=[]) for kind in ports}
    for _ in range(turns):
        for kind, port in ports.items():
            runs[kind].per_second.append(await crowd(port, seconds))
            runs[kind].took.extend(await steady(port, seconds))
    return runs


def told(runs: dict[str, Run]) -> str:
    """Return the table."""
    rows = []
    for kind, run in runs.items():
        speed = sorted(run.per_second)[len(run.per_second) // 2]
        times = [f"{percentile(run.took, percent):.1f}" for percent in (50, 99)]
        rows.append([NAMES[kind], f"{speed:,.0f}", *times, f"{max(run.took):.0f}"])
    columns = ["server", "crowd: events/s", f"{RATE}/s steady: p50 ms", "p99 ms", "max ms"]
    return table(columns, rows)


@contextmanager
def postgres() -> Iterator[str]:
    """Start a cluster that forces every commit to disk; empty without its programs."""
    bin_dir = binaries()
    if bin_dir is None:
        yield ""
        return
    cluster = Cluster(bin_dir, fsync="on", full_page_writes="on")
    try:
        cluster.make()
        yield cluster.create()
    finally:
        cluster.remove()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each part of a turn (default: 2)")
    parser.add_argument("--turns", type=int, default=3, help="default: 3")
    parser.add_argument("--folder", help="where the file lies (default: a temporary directory)")
    parser.add_argument("--serve", nargs=2, metavar=("KIND", "PLACE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(*given.serve)
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder, postgres() as url:
        places = {"bare": "", "SQLite": str(Path(folder) / "events.sqlite3")} | ({"PostgreSQL": url} if url else {})
        with ExitStack() as stack:
            ports = {kind: stack.enter_context(serving(kind, place)) for kind, place in places.items()}
            runs = asyncio.run(measured(ports, seconds=given.seconds, turns=given.turns))
    print(machine("starlette", "uvicorn", "psycopg"))
    print(told(runs))


if __name__ == "__main__":
    main()
