"""What the record of a call costs on this machine's disk, beside a bare durable insert into SQLite.

    python benchmarks/ledger.py                       # in the temporary directory
    python benchmarks/ledger.py --folder ~/somewhere  # on another disk

The peer is one row in one table in one transaction, forced to disk as an intent is (WAL, synchronous=FULL): what no
durable record can be faster than. The steps take turns, so that a slow moment of the machine meets all.

- intent: `begin` with the check for a repeat and two budgets, durable when it returns;
- outcome: `conclude` of that write; read: the one record of a call that only read; digest: one keyed digest.
"""

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable
from pathlib import Path

import anyio
from report import machine, percentile, table

from cio_mcp.ledger import Cap, Ending, Intent, Outcome, Terms
from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.ledger.sqlite import SqliteLedger

HOUR, DAY = 3_600.0, 86_400.0
TARGET_MS = 5.0
OK = Outcome(ending=Ending.OK, credential="app", status=200, attempts=1)
ARGUMENTS = {
    "identifiers": {"id": "hmac:0123456789abcdef"},
    "to": "hmac:0123456789abcdef",
    "message_data": "<3 members>",
}


async def timed(step: Awaitable[object]) -> float:
    """Return the milliseconds that a step takes."""
    began = time.perf_counter()
    await step
    return 1000 * (time.perf_counter() - began)


def bare(folder: Path) -> sqlite3.Connection:
    """Open a table of the peer's."""
    connection = sqlite3.connect(folder / "bare.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE records (seq INTEGER PRIMARY KEY, body TEXT)")
    return connection


async def inserted(connection: sqlite3.Connection, body: str) -> None:
    """Insert one row durably."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO records (body) VALUES (?)", (body,))
    connection.execute("COMMIT")


async def measure(folder: Path, calls: int) -> dict[str, list[float]]:
    """Take every step `calls` times, in turns."""
    clock = SteadyClock()
    ledger = SqliteLedger.open(folder / "ledger" / "ledger.sqlite3", now=clock.now, boot=clock.boot)
    peer = bare(folder)
    terms = Terms(repeat_within=600, caps=(Cap(recipients=10**9, seconds=HOUR), Cap(recipients=10**9, seconds=DAY)))
    times: dict[str, list[float]] = defaultdict(list)
    for number in range(calls):
        write = Intent(
            operation=f"W{number:025}", tool="send_email", access="send", caller="benchmark", workspace="w",
            arguments=ARGUMENTS, fingerprint=f"{number:064}", recipients=1,
        )  # fmt: skip
        read = Intent(
            operation=f"R{number:025}", tool="list_segments", access="read", caller="benchmark", workspace="w"
        )
        times["bare durable insert"].append(await timed(inserted(peer, str(ARGUMENTS))))
        times["intent"].append(await timed(ledger.begin(write, terms)))
        times["outcome"].append(await timed(ledger.conclude(write, OK)))
        times["read"].append(await timed(ledger.conclude(read, OK)))
        began = time.perf_counter()
        ledger.digest("identifier", "ada@example.com")
        times["digest"].append(1000 * (time.perf_counter() - began))
    await ledger.aclose()
    peer.close()
    return times


def main() -> None:
    """Read the command line, take all steps, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2_000, help="of each step (default: 2000)")
    parser.add_argument("--folder", type=Path, default=None, help="where the files are made (default: temporary)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cio-mcp-ledger-", dir=options.folder) as folder:
        times = anyio.run(measure, Path(folder), options.calls)
    peer = statistics.median(times["bare durable insert"])
    rows = [
        [
            step,
            f"{statistics.median(taken):.3f}",
            f"{percentile(taken, 99):.3f}",
            f"{statistics.median(taken) / peer:.2f}",
        ]
        for step, taken in times.items()
    ]
    print(f"{machine('cio-mcp')}; SQLite {sqlite3.sqlite_version}, {options.calls} of each step\n")
    print(table(["step", "p50 ms", "p99 ms", "x bare"], rows))
    p99 = percentile(times["intent"], 99)
    print(f"\nintent p99 {p99:.2f} ms: {'within' if p99 <= TARGET_MS else 'over'} the target of {TARGET_MS:g} ms")


if __name__ == "__main__":
    main()
