"""Real servers on one ledger: one that is killed in the middle of a send, and two that are asked for the same."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from cio_mcp.sandbox import Fault, RunningSandbox
from tests.cli.commands import Running, run, running
from tests.faults.arguments import ARGUMENTS
from tests.faults.rig import KEYS, PATIENCE, STEP, WIDE
from tests.recorded import records_in

EMAIL: Final = ARGUMENTS["send_email"]
STRANGER: Final = EMAIL | {"identifiers": {"id": "nobody-1"}}
"""A send to a person whom Customer.io does not know: no look tells what became of it."""
SETTLED_SOON: Final = 200
"""Seconds after which a look could tell that there was no effect: two minutes after the call can have ended."""
Serve = Callable[..., Any]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def serve(sandbox: RunningSandbox, ledger: Path) -> Serve:
    """Start a server on the ledger and in front of the sandbox, with all that guards a send, and these settings."""

    @contextmanager
    def start(**more: str) -> Iterator[Running]:
        hosts = {"CUSTOMERIO_TRACK_URL": sandbox.url, "CUSTOMERIO_APP_URL": sandbox.url}
        with running("serve", env=hosts | KEYS | WIDE | {"CIO_MCP_LEDGER": str(ledger)} | more) as process:
            process.handshake()
            yield process

    return start


def called(server: Running, number: int, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a tool and return its result, or the error in it."""
    content = server.call(number, tool, arguments, modern=False)["result"]["structuredContent"]
    told: dict[str, Any] = content.get("error", content)
    return told


def asked(server: Running, number: int, arguments: dict[str, Any] = EMAIL) -> None:
    """Make the send, and leave its answer to be read."""
    params = {"name": "send_email", "arguments": arguments}
    server.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(STEP)


def sent(sandbox: RunningSandbox) -> int:
    """Return how many messages there are that the sandbox was asked for."""
    posted = [request for request in sandbox.app.state.journal if request.raw_path == "/v1/send/email"]
    return len(posted)


@pytest.mark.parametrize("effect", [True, False], ids=["took effect", "took none"])
def test_a_server_killed_in_a_send_leaves_it_unknown_and_nothing_sends_it_again_unlooked(
    serve: Serve, sandbox: RunningSandbox, ledger: Path, *, effect: bool
) -> None:
    sandbox.app.state.faults.add(Fault(kind="hang", when="after" if effect else "before", seconds=40))
    with serve() as first:
        asked(first, 1)
        until(lambda: sent(sandbox) == 1)
        first.end(signal.SIGKILL)
    assert [record["kind"] for record in records_in(ledger)] == ["intent"], "it died with its call open"
    with serve() as second:
        (operation,) = called(second, 1, "list_unknown_operations", {})["operations"]
        assert (operation["tool"], operation["ending"]) == ("send_email", "unknown")
        number = operation["operation"]
        for arguments in (EMAIL, EMAIL | {"allow_repeat": True}):
            held = called(second, 2, "send_email", arguments)
            assert held["code"] == "held_back"
            assert held["earlier"]["operation"] == number
            assert "reconcile_operation" in held["next_step"]
        assert sent(sandbox) == 1
        looked = called(second, 3, "reconcile_operation", {"operation": number, "arguments": EMAIL})
        if effect:
            assert looked["ending"] == "ok"
            assert called(second, 4, "get_operation", {"operation": number})["ending"] == "ok"
            assert called(second, 5, "send_email", EMAIL)["code"] == "held_back"
        else:
            assert looked["ending"] == "unknown"
            assert 0 < looked["retry_after_seconds"] < SETTLED_SOON
            assert called(second, 5, "send_email", EMAIL | {"allow_repeat": True})["code"] == "held_back"
        assert sent(sandbox) == 1
    kinds = [record["kind"] for record in records_in(ledger)]
    assert kinds[:2] == ["intent", "recovered"]
    assert ("settled" in kinds) is effect


def test_a_killed_send_is_not_taken_for_unmade_before_the_time_has_passed_that_its_own_server_gave_it(
    serve: Serve, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="hang", seconds=40))
    with serve(CIO_MCP_TIME_BUDGET="600") as first:
        asked(first, 1)
        until(lambda: sent(sandbox) == 1)
        first.end(signal.SIGKILL)
    with serve(CIO_MCP_TIME_BUDGET="45") as second:
        (operation,) = called(second, 1, "list_unknown_operations", {})["operations"]
        looked = called(second, 2, "reconcile_operation", {"operation": operation["operation"], "arguments": EMAIL})
    assert 600 < looked["retry_after_seconds"] < 600 + SETTLED_SOON


@pytest.mark.parametrize("killed", [False, True], ids=["lives", "was killed"])
def test_a_send_that_is_meant_again_does_not_pass_beside_one_under_way_when_an_older_one_was_looked_for(
    serve: Serve, sandbox: RunningSandbox, *, killed: bool
) -> None:
    sandbox.app.state.faults.add(Fault(kind="hang", match="POST /v1/send/email", seconds=40, times=2))
    with serve() as first:
        asked(first, 1, STRANGER)
        until(lambda: sent(sandbox) == 1)
        first.end(signal.SIGKILL)
    with serve() as one, serve() as other:
        (operation,) = called(one, 1, "list_unknown_operations", {})["operations"]
        looked = {"operation": operation["operation"], "arguments": STRANGER}
        assert called(one, 2, "reconcile_operation", looked)["ending"] == "unknown"
        asked(one, 3, STRANGER | {"allow_repeat": True})
        until(lambda: sent(sandbox) == 2)
        if killed:
            one.end(signal.SIGKILL)
        held = called(other, 1, "send_email", STRANGER | {"allow_repeat": True})
        assert held["code"] == "held_back"
        assert held["earlier"]["operation"] != operation["operation"]
        assert held["earlier"]["ending"] == ("unknown" if killed else "open")
        assert sent(sandbox) == 2


def test_of_two_servers_that_are_asked_for_the_same_send_at_once_one_makes_it(
    serve: Serve, sandbox: RunningSandbox, ledger: Path
) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(serve()) for _ in range(2)]
        for server in servers:
            asked(server, 1)
        for server in servers:
            server.wait_for('"id":1')
    assert sent(sandbox) == 1
    endings = sorted(record.get("code", record["ending"]) for record in records_in(ledger) if "ending" in record)
    assert endings == ["held_back", "ok"]


def test_a_stop_stops_the_writes_of_every_server_on_the_ledger(
    serve: Serve, sandbox: RunningSandbox, ledger: Path
) -> None:
    with serve() as one, serve() as other:
        assert "code" not in called(one, 1, "identify_person", {"identifier": "1"})
        assert run("stop", "too many mails", "--ledger", str(ledger)).code == 0
        for server in (one, other):
            assert called(server, 2, "send_email", EMAIL)["code"] == "writes_stopped"
            assert "segments" in called(server, 3, "list_segments", {})
        with serve() as later:
            assert called(later, 1, "send_email", EMAIL)["code"] == "writes_stopped"
        assert sent(sandbox) == 0
        assert run("resume", "--ledger", str(ledger)).code == 0
        assert "delivery_id" in called(other, 4, "send_email", EMAIL)
    assert sent(sandbox) == 1
