"""From spawn to the first answer to tools/list, beside the SDK alone and beside a generated server.

    python benchmarks/startup.py                        # both eras, 9 runs: about 2 minutes
    python benchmarks/startup.py --era modern --runs 3

Each run starts every server once, in turns, each a fresh process with its bytecode compiled (the first run of each
is thrown away):

- bare SDK, 1 tool: the SDK's low-level server and its own pipes;
- bare SDK, all tools: the same with our tool list, read from a file;
- cio-mcp: `cio-mcp serve`; with --sandbox a whole Customer.io is built in its process too;
- fastmcp: the same endpoints generated from an OpenAPI document.

CPU is the processor time spent until the answer, which a busy machine distorts less than the time on the clock. RSS
is the resident memory after the answer, exit the time from the end of input to the end of the process. Values
are medians, "x bare" the median of the quotients with "bare SDK, 1 tool" run by run.
"""

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lineup import WITHOUT_FASTMCP, Lineup, lined_up
from report import machine, ratio, table
from stdio_client import Era, StdioServer

BARE = "bare SDK, 1 tool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start: seconds to the first list, on the clock and of the processor, megabytes, seconds to exit, tools."""

    ready: float
    cpu: float
    megabytes: float
    leaving: float
    tools: int


def start(command: Sequence[str], era: Era) -> Start:
    """Start a server, ask for its tools, end it."""
    began = time.perf_counter()
    with StdioServer(command, era) as server:
        server.greet()
        listed = server.request("tools/list", {})
        ready = time.perf_counter() - began
        cpu, megabytes = server.cpu_seconds(), server.resident_megabytes()
        return Start(ready=ready, cpu=cpu, megabytes=megabytes, leaving=server.end(), tools=len(listed["tools"]))


def commands(lineup: Lineup) -> dict[str, list[str]]:
    """Return the command of every candidate by its name in the table."""
    listed = {
        BARE: lineup.bare(),
        "bare SDK, all tools": lineup.bare(with_tools=True),
        "cio-mcp": lineup.ours(),
        "cio-mcp --sandbox": lineup.ours_sandboxed(),
    }
    return listed | ({"fastmcp from OpenAPI": lineup.fastmcp()} if lineup.has_fastmcp else {})


def measure(lineup: Lineup, era: Era, runs: int) -> dict[str, list[Start]]:
    """Start every candidate `runs` times, in turns."""
    starts: dict[str, list[Start]] = defaultdict(list)
    candidates = list(commands(lineup).items())
    for turn in range(runs):
        place = turn % len(candidates)
        for name, command in candidates[place:] + candidates[:place]:
            starts[name].append(start(command, era))
    return {name: starts[name] for name, _ in candidates}


def _row(name: str, starts: Sequence[Start], bare: Sequence[Start]) -> list[str]:
    ready, cpu = [each.ready for each in starts], [each.cpu for each in starts]
    return [
        name,
        str(starts[0].tools),
        f"{1000 * statistics.median(ready):.0f}",
        f"{ratio(ready, [each.ready for each in bare]):.2f}",
        f"{1000 * statistics.median(cpu):.0f}",
        f"{ratio(cpu, [each.cpu for each in bare]):.2f}",
        f"{statistics.median(each.megabytes for each in starts):.0f}",
        f"{1000 * statistics.median(each.leaving for each in starts):.0f}",
    ]


def main() -> None:
    """Read the command line, make all runs, print a table for each era."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9, help="starts of each server (default: 9)")
    parser.add_argument("--era", choices=[era.name.lower() for era in Era], action="append", help="default: both")
    options = parser.parse_args()
    eras = [era for era in Era if not options.era or era.name.lower() in options.era]
    print(f"{machine('cio-mcp', 'mcp', 'fastmcp')}; medians of {options.runs} starts")
    with lined_up() as lineup:
        if not lineup.has_fastmcp:
            print(WITHOUT_FASTMCP)
        measure(lineup, eras[0], 1)
        for era in eras:
            starts = measure(lineup, era, options.runs)
            headings = ["server", "tools", "first list, ms", "x bare", "CPU, ms", "x bare", "RSS, MB", "exit, ms"]
            rows = [_row(name, each, starts[BARE]) for name, each in starts.items()]
            print(f"\nprotocol {era.value}\n\n{table(headings, rows)}")


if __name__ == "__main__":
    main()
