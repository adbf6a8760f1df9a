"""What a tool call costs through this server, beside the SDK alone and beside a generated server.

    python benchmarks/overhead.py                             # both eras, 7 runs of 400 calls: about 3 minutes
    python benchmarks/overhead.py --era legacy --runs 3 --calls 200

Every server is a process of its own, spoken to over stdio in raw JSON-RPC by a client that does nothing else:

- bare SDK: a tool that does nothing, on the SDK's low-level server and its own pipes; it calls nobody;
- cio-mcp: from validation to record, answered by the sandbox in the same process, limits raised out of the way;
- fastmcp: the same endpoint, generated from an OpenAPI document, answered by the same sandbox in its process;
- sandbox alone: the same HTTP call, made here in process, without MCP and one at a time: the part that is not theirs.

The read is count_segment_people, the write track_event. Within a run all of them take turns, a slice of the calls
each, so that a slow moment of the machine meets all. Times are the medians of the runs; "x bare" is the median of
the quotients run by run. "at once" keeps 16 calls in flight on one pipe.
"""

import argparse
import asyncio
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2
from lineup import WITHOUT_FASTMCP, Lineup, lined_up
from report import machine, table
from rounds import HEADINGS, Measured, Sample, Take, in_turns, rows
from stdio_client import Era, StdioServer

from cio_mcp.sandbox import InProcess, Keys, Limits, create_app

SLICES = 10
AT_ONCE = 16
BARE = "bare SDK, no-op"
ALONE = "sandbox alone"
READ = ("count_segment_people", {"segment_id": 1})
WRITE = ("track_event", {"identifier": "ada-1", "name": "viewed", "data": {"sku": "A-1", "price": 10}})


def over_stdio(server: StdioServer, tool: str, arguments: dict[str, Any]) -> Take:
    """Call a tool of a running server."""
    params = {"name": tool, "arguments": arguments}

    def take(calls: int, at_once: int) -> Sample:
        sent: dict[int, float] = {}
        latencies: list[float] = []
        cpu, began = server.cpu_seconds(), time.perf_counter()
        for count in range(calls + min(at_once, calls)):
            if count >= min(at_once, calls):
                answered, _ = server.receive()
                latencies.append(time.perf_counter() - sent.pop(answered))
            if count < calls:
                now = time.perf_counter()
                sent[server.send("tools/call", params)] = now
        wall = time.perf_counter() - began
        return Sample(latencies=latencies, wall=wall, cpu=server.cpu_seconds() - cpu)

    return take


@contextmanager
def alone() -> Iterator[Callable[[httpx2.Request], Take]]:
    """Open a sandbox in this process, and yield what makes the same request of it over and over."""
    app = create_app(limits=Limits(app=None, track=None))
    with asyncio.Runner() as loop:
        client = httpx2.AsyncClient(transport=InProcess(app))

        async def calling(request: httpx2.Request, calls: int) -> Sample:
            latencies: list[float] = []
            cpu, began = time.process_time(), time.perf_counter()
            for _ in range(calls):
                now = time.perf_counter()
                again = client.build_request(
                    request.method, request.url, content=request.content, headers=request.headers
                )
                (await client.send(again)).raise_for_status()
                latencies.append(time.perf_counter() - now)
            wall = time.perf_counter() - began
            return Sample(latencies=latencies, wall=wall, cpu=time.process_time() - cpu)

        yield lambda request: lambda calls, _: loop.run(calling(request, calls))
        loop.run(client.aclose())


def _requests() -> tuple[httpx2.Request, httpx2.Request]:
    """Return the two calls as they are on the wire (Customer.io API references)."""
    keys = Keys()
    basic = b64encode(f"{keys.site_id}:{keys.track_api_key}".encode()).decode()
    read = httpx2.Request(
        "GET",
        f"http://127.0.0.1/v1/segments/{READ[1]['segment_id']}/customer_count",
        headers={"Authorization": f"Bearer {keys.app_api_key}"},
    )
    write = httpx2.Request(
        "POST",
        f"http://127.0.0.1/api/v1/customers/{WRITE[1]['identifier']}/events",
        json={name: value for name, value in WRITE[1].items() if name != "identifier"},
        headers={"Authorization": f"Basic {basic}"},
    )
    return read, write


@contextmanager
def candidates(lineup: Lineup, era: Era) -> Iterator[dict[str, Take]]:
    """Start every server once, and yield what calls each."""
    with ExitStack() as stack:

        def started(command: Sequence[str]) -> StdioServer:
            server = stack.enter_context(StdioServer(command, era))
            server.greet()
            return server

        takes = {BARE: over_stdio(started(lineup.bare()), "noop", {})}
        ours = started(lineup.ours_sandboxed())
        takes |= {"cio-mcp, read": over_stdio(ours, *READ), "cio-mcp, write": over_stdio(ours, *WRITE)}
        if lineup.has_fastmcp:
            peer = started(lineup.fastmcp(sandbox=True))
            takes |= {"fastmcp, read": over_stdio(peer, *READ), "fastmcp, write": over_stdio(peer, *WRITE)}
        bare_sandbox = stack.enter_context(alone())
        read, write = _requests()
        yield takes | {f"{ALONE}, read": bare_sandbox(read), f"{ALONE}, write": bare_sandbox(write)}


def run(lineup: Lineup, era: Era, calls: int, results: dict[tuple[int, str], Measured]) -> None:
    """Make one run of every candidate in both modes and add it to the results."""
    with candidates(lineup, era) as takes:
        for at_once in (1, AT_ONCE):
            taking = {name: take for name, take in takes.items() if at_once == 1 or not name.startswith(ALONE)}
            for name, taken in in_turns(taking, at_once, slices=SLICES, calls=max(1, calls // SLICES)).items():
                results[at_once, name].add(taken)


def main() -> None:
    """Read the command line, make all runs, print a table for each era and mode."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="each with fresh processes (default: 7)")
    parser.add_argument("--calls", type=int, default=400, help="of each candidate in each run and mode (default: 400)")
    parser.add_argument("--era", choices=[era.name.lower() for era in Era], action="append", help="default: both")
    options = parser.parse_args()
    eras = [era for era in Era if not options.era or era.name.lower() in options.era]
    print(f"{machine('cio-mcp', 'mcp', 'fastmcp')}; medians of {options.runs} runs of {options.calls} calls")
    with lined_up() as lineup:
        if not lineup.has_fastmcp:
            print(WITHOUT_FASTMCP)
        for era in eras:
            results: dict[tuple[int, str], Measured] = defaultdict(Measured)
            for _ in range(options.runs):
                run(lineup, era, options.calls, results)
            for at_once, mode in ((1, "one at a time"), (AT_ONCE, f"{AT_ONCE} at once")):
                print(f"\n{mode}, protocol {era.value}\n\n{table(HEADINGS, rows(results, at_once, BARE))}")


if __name__ == "__main__":
    main()
