"""What a tool call costs over streamable HTTP, beside the SDK alone and beside a generated server.

    python benchmarks/streamable_http.py                             # both eras, 3 runs: about a quarter of an hour
    python benchmarks/streamable_http.py --era legacy --runs 3 --calls 200 --clients 16

Every server is one process on loopback, stateless, with JSON answers, on the uvicorn and h11 that mcp installs.
Clients are raw sockets in this process, each with a connection that it keeps and one call under way:

- bare SDK: a tool that does nothing, on the SDK's low-level server and its own HTTP application; it calls nobody;
- our transport, no-op: that tool behind the transport of cio-mcp, with its bounds and its allow-lists;
- cio-mcp: from the socket to the record, answered by the sandbox in the same process, limits raised out of the way;
  with a token, a team's server: the agent is looked up and its grants are enforced, at every call;
- fastmcp: the same endpoint, generated from an OpenAPI document, answered by the same sandbox in its process.

The read is count_segment_people, the write track_event. Within a run all of them take turns, a slice of the calls
each, so that a slow moment of the machine meets all. Times are the medians of the runs; "x bare" is the median of
the quotients run by run. The clients take a core of their own: on a machine with one, they are part of every number.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from http_client import HttpServer, over_http
from lineup import WITHOUT_FASTMCP, Lineup, lined_up
from report import machine, table
from rounds import HEADINGS, Measured, Take, in_turns, rows
from stdio_client import Era

SLICES = 5
CLIENTS = (1, 16, 128)
BARE = "bare SDK, no-op"
READ = ("count_segment_people", {"segment_id": 1})
WRITE = ("track_event", {"identifier": "ada-1", "name": "viewed", "data": {"sku": "A-1", "price": 10}})


@contextmanager
def candidates(lineup: Lineup, era: Era) -> Iterator[dict[str, Take]]:
    """Start every server once, and yield what calls each."""
    with ExitStack() as stack:

        def started(command: Sequence[str]) -> HttpServer:
            return stack.enter_context(HttpServer(command))

        takes = {
            BARE: over_http(started(lineup.bare_over_http("sdk")), era, "noop", {}),
            "our transport, no-op": over_http(started(lineup.bare_over_http("cio-mcp")), era, "noop", {}),
        }
        ours = started(lineup.ours_over_http())
        takes |= {"cio-mcp, read": over_http(ours, era, *READ), "cio-mcp, write": over_http(ours, era, *WRITE)}
        token = lineup.token("bench")
        team = started(lineup.ours_over_http("--auth=tokens"))
        takes |= {
            "cio-mcp with a token, read": over_http(team, era, *READ, token=token),
            "cio-mcp with a token, write": over_http(team, era, *WRITE, token=token),
        }
        if lineup.has_fastmcp:
            peer = started(lineup.fastmcp(sandbox=True, over_http=True))
            takes |= {"fastmcp, read": over_http(peer, era, *READ), "fastmcp, write": over_http(peer, era, *WRITE)}
        yield takes


def run(
    lineup: Lineup, era: Era, *, calls: int, clients: Sequence[int], results: dict[tuple[int, str], Measured]
) -> None:
    """Make one run of every candidate with every number of clients and add it to the results."""
    with candidates(lineup, era) as takes:
        for at_once in clients:
            per_slice = max(calls // SLICES, 2 * at_once)
            for name, taken in in_turns(takes, at_once, slices=SLICES, calls=per_slice).items():
                results[at_once, name].add(taken)


def main() -> None:
    """Read the command line, make all runs, print a table for each era and number of clients."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="each with fresh processes (default: 3)")
    parser.add_argument(
        "--calls", type=int, default=400, help="of each candidate in each run and mode, or ten a client (default: 400)"
    )
    parser.add_argument("--era", choices=[era.name.lower() for era in Era], action="append", help="default: both")
    parser.add_argument("--clients", type=int, action="append", help="at once (default: 1, 16 and 128)")
    options = parser.parse_args()
    eras = [era for era in Era if not options.era or era.name.lower() in options.era]
    clients = options.clients or CLIENTS
    print(f"{machine('cio-mcp', 'mcp', 'fastmcp')}; medians of {options.runs} runs of {options.calls} calls")
    with lined_up() as lineup:
        if not lineup.has_fastmcp:
            print(WITHOUT_FASTMCP)
        for era in eras:
            results: dict[tuple[int, str], Measured] = defaultdict(Measured)
            for _ in range(options.runs):
                run(lineup, era, calls=options.calls, clients=clients, results=results)
            for at_once in clients:
                title = f"{at_once} client{'s' if at_once > 1 else ''}, protocol {era.value}"
                print(f"\n{title}\n\n{table(HEADINGS, rows(results, at_once, BARE))}")


if __name__ == "__main__":
    main()
