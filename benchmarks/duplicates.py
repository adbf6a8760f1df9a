"""How many messages one call sends under faults: ours beside Customer.io's own Python client.

    python benchmarks/duplicates.py             # every fault, each channel: about a minute
    python benchmarks/duplicates.py --once      # each fault meets the first attempt only

Every cell is one call of one client against the sandbox on a socket, in which a fault meets each attempt (or the
first): *before* the effect, nothing is sent and the answer is an error; *after* it, the message is sent and its
answer is spoiled. Counted are the requests that arrived and the messages that were sent, not what either client
says. A client that is told nothing may send once; every further message is a duplicate to a real person.

The peer is `customerio` as installed, with its own retries (3, so four attempts; over https only, hence a sandbox
with a certificate for it), its time-out shortened so that the run ends; ours has the call's time shortened likewise.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import customerio
from certificate import made_in
from mcp import Client
from report import machine, table

from cio_mcp.cli.wiring import workspace
from cio_mcp.sandbox import Fault, Limits, RunningSandbox, running_sandbox
from cio_mcp.server import build_server
from cio_mcp.settings import load

KEY = "sandbox-app-key"
HANG_SECONDS = 2.0
TIME_OUT = 1.0
PERSON = {"id": "ada-1"}
UNLIMITED = Limits(app=None, email=None, transactional=None, broadcast=None, track=None)

CHANNELS: dict[str, tuple[str, dict[str, Any], Callable[[customerio.APIClient], Any]]] = {
    "email": (
        "send_email",
        {"transactional_message_id": 1, "to": "ada@example.com"},
        lambda client: client.send_email(
            customerio.SendEmailRequest(transactional_message_id=1, to="ada@example.com", identifiers=PERSON)
        ),
    ),
    "push": (
        "send_push",
        {"transactional_message_id": 2},
        lambda client: client.send_push(
            customerio.SendPushRequest(transactional_message_id=2, to="all", identifiers=PERSON)
        ),
    ),
    "twilio": (
        "send_sms",
        {"transactional_message_id": 3},
        lambda client: client.send_sms(customerio.SendSMSRequest(transactional_message_id=3, identifiers=PERSON)),
    ),
}
FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    **{f"{status}, before": {"kind": "status", "status": status} for status in (500, 502, 503, 504)},
    **{f"{status}, after": {"kind": "status", "status": status, "when": "after"} for status in (500, 502, 503, 504)},
    "connection reset, before": {"kind": "reset"},
    "connection reset, after": {"kind": "reset", "when": "after"},
    "no answer, before": {"kind": "hang", "seconds": HANG_SECONDS},
    "no answer, after": {"kind": "hang", "seconds": HANG_SECONDS, "when": "after"},
    "half an answer": {"kind": "partial"},
    "a page instead of JSON": {"kind": "html"},
    "429 with a time": {"kind": "throttle", "retry_after": 0},
    "429 without a time": {"kind": "throttle"},
}


@dataclass(frozen=True, slots=True)
class Count:
    """What one call came to."""

    requests: int
    messages: int

    def __str__(self) -> str:
        return f"**{self.messages}**" if self.messages > 1 else str(self.messages)


@contextmanager
def counted(sandbox: RunningSandbox, fault: dict[str, Any], times: int | None, channel: str) -> Iterator[list[Count]]:
    """Arm a fault, let one call be made, and count what came of it."""
    state = sandbox.app.state
    state.faults.clear()
    if fault:
        state.faults.add(Fault(match="POST /v1/send", times=times, **fault))
    requests, messages = len(state.journal), _messages(sandbox, channel)
    counts: list[Count] = []
    yield counts
    state.faults.clear()
    counts.append(Count(len(state.journal) - requests, _messages(sandbox, channel) - messages))


def _messages(sandbox: RunningSandbox, channel: str) -> int:
    sent = sandbox.app.state.world.deliveries
    return sum(each.channel == channel and each.origin.transactional_id is not None for each in sent)


def theirs(sandbox: RunningSandbox, call: Callable[[customerio.APIClient], Any]) -> None:
    """Make one call with Customer.io's own client, whatever comes of it."""
    with customerio.APIClient(KEY, url=sandbox.url, timeout=TIME_OUT) as client:
        try:
            call(client)
        except (customerio.CustomerIOException, ValueError):  # ValueError: a page where it expects JSON
            return


async def ours(sandbox: RunningSandbox, tool: str, arguments: dict[str, Any]) -> None:
    """Make one call with cio-mcp, through a real MCP client."""
    environment = {
        "CUSTOMERIO_APP_API_KEY": KEY,
        "CUSTOMERIO_APP_URL": sandbox.url,
        "CIO_MCP_TIME_BUDGET": str(TIME_OUT),
        "CIO_MCP_LEDGER": "memory",
    }
    async with workspace(load(environment)) as pipeline, Client(build_server(pipeline)) as client:
        await client.call_tool(tool, {"identifiers": PERSON, **arguments})


def rows(secured: RunningSandbox, plain: RunningSandbox, times: int | None) -> Iterator[list[str]]:
    """Yield a row for every fault: per channel the messages of either client, and the requests in brackets."""
    for name, fault in FAULTS.items():
        cells: list[str] = []
        for channel, (tool, arguments, call) in CHANNELS.items():
            with counted(secured, fault, times, channel) as their_count:
                theirs(secured, call)
            with counted(plain, fault, times, channel) as our_count:
                anyio.run(ours, plain, tool, arguments)
            cells += [f"{count[0]} ({count[0].requests})" for count in (their_count, our_count)]
        yield [name, *cells]


def main() -> None:
    """Read the command line, make every call, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--once", action="store_true", help="let each fault meet the first attempt only")
    options = parser.parse_args()
    print(f"{machine('cio-mcp', 'customerio')}; messages sent by one call (requests that arrived)\n")
    headings = ["fault", *(f"{client}, {name}" for name in ("e-mail", "push", "SMS") for client in ("theirs", "ours"))]
    with tempfile.TemporaryDirectory() as folder:
        certificate = made_in(Path(folder))
        os.environ["REQUESTS_CA_BUNDLE"] = str(certificate[0])
        with (
            running_sandbox(limits=UNLIMITED, certificate=certificate) as secured,
            running_sandbox(limits=UNLIMITED) as plain,
        ):
            print(table(headings, rows(secured, plain, 1 if options.once else None)))


if __name__ == "__main__":
    main()
