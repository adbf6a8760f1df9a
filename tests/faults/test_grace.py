"""The end of a process waits for its writes, but not for ever: each is recorded as what it came to."""

import http.client
import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from cio_mcp.sandbox import Fault, RunningSandbox
from tests.cli.commands import ENVELOPE, Ended, Running, running
from tests.faults.arguments import ARGUMENTS
from tests.faults.rig import KEYS, PATIENCE, STEP, UNGUARDED, WIDE
from tests.recorded import records_in

EMAIL: Final = ARGUMENTS["send_email"]
SILENT: Final = Fault(kind="hang", seconds=40, times=None)
AFTER_END_OF_INPUT, AFTER_SIGTERM = 5.0, 10.0
# The interpreter's own exit, on a busy machine.
SLACK: Final = 2.0
ANNOUNCEMENT: Final = "cio-mcp serves MCP at "
CALL: Final = " INFO cio_mcp.calls call tool="
Serve = Callable[..., Any]
Connect = Callable[[Any], http.client.HTTPConnection]


def _late(seconds: float) -> Fault:
    return Fault(kind="delay", when="after", seconds=seconds, times=None)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(STEP)


class Server:
    """`cio-mcp serve` with a ledger of its own, in front of the sandbox."""

    def __init__(self, process: Running, ledger: Path, sandbox: RunningSandbox) -> None:
        self.process = process
        self._ledger = ledger
        self._journal = sandbox.app.state.journal

    def received(self, count: int = 1) -> None:
        """Wait until the sandbox has this many requests in all."""
        _until(lambda: len(self._journal) >= count)

    def ask(self, request_id: int, tool: str, arguments: dict[str, Any]) -> None:
        """Make a call over standard input, and leave the answer to be read."""
        params = {"name": tool, "arguments": arguments}
        self.process.send({"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params})

    def end(self, signum: signal.Signals | None = None) -> tuple[Ended, float]:
        """Wait for the end and return it, and how long it took."""
        began = time.monotonic()
        return self.process.end(signum, within=AFTER_SIGTERM + 5), time.monotonic() - began

    @property
    def endings(self) -> list[str]:
        """How the calls ended, as the ledger has it."""
        return [record["ending"] for record in records_in(self._ledger) if record["kind"] == "outcome"]


@pytest.fixture
def serve(sandbox: RunningSandbox, tmp_path: Path) -> Serve:
    """Start a server over stdio, or with `--http 0`."""

    @contextmanager
    def start(*arguments: str, **variables: str) -> Iterator[Server]:
        ledger = tmp_path / f"ledger{len(list(tmp_path.iterdir()))}.sqlite3"
        hosts = {"CUSTOMERIO_TRACK_URL": sandbox.url, "CUSTOMERIO_APP_URL": sandbox.url}
        environment = hosts | KEYS | WIDE | UNGUARDED | {"CIO_MCP_LEDGER": str(ledger)} | variables
        with running("serve", *arguments, env=environment) as process:
            if "--http" in arguments:
                process.wait_for("serves MCP at")
            else:
                process.handshake()
            yield Server(process, ledger, sandbox)

    return start


def _codes(ended: Ended) -> list[str | None]:
    """Return the error codes of the answers over standard output, None for a success."""
    answers = [json.loads(line) for line in ended.out.splitlines()]
    results = [answer["result"]["structuredContent"] for answer in answers if answer["id"]]
    return [result.get("error", {}).get("code") for result in results]


# -- stdio -------------------------------------------------------------------------------------------


def test_the_end_of_input_leaves_writes_five_seconds(serve: Serve, sandbox: RunningSandbox) -> None:
    count = 50
    sandbox.app.state.faults.add(SILENT)
    with serve() as server:
        for number in range(1, count + 1):
            server.ask(number, "send_email", EMAIL)
        server.received(count)
        server.process.close_input()
        ended, took = server.end()
    assert (ended.code, ended.err) == (0, "")
    assert 3 < took <= AFTER_END_OF_INPUT + SLACK
    assert server.endings == ["unknown"] * count
    assert _codes(ended) == ["outcome_unknown"] * count
    assert len(sandbox.app.state.journal) == count


def test_answers_three_seconds_after_the_end_of_input_are_awaited(serve: Serve, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(_late(3))
    with serve() as server:
        server.ask(1, "send_email", EMAIL)
        server.ask(2, "identify_person", {"identifier": "1"})
        server.received(2)
        server.process.close_input()
        ended, took = server.end()
    assert (ended.code, ended.err) == (0, "")
    assert 2.5 < took <= 3 + SLACK
    assert server.endings == ["ok", "ok"]
    assert _codes(ended) == [None, None]


def test_an_answer_six_seconds_after_a_sigterm_is_awaited(serve: Serve, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(_late(6))
    with serve() as server:
        server.ask(1, "send_email", EMAIL)
        server.received()
        ended, took = server.end(signal.SIGTERM)
    assert (ended.code, ended.err) == (0, "")
    assert 5.5 < took <= 6 + SLACK
    assert server.endings == ["ok"]


def test_a_client_that_closes_and_then_signals_gets_its_records_before_it_kills(
    serve: Serve, sandbox: RunningSandbox
) -> None:
    """As the MCP SDKs do: SIGTERM two seconds after the end of input, SIGKILL two seconds later."""
    sandbox.app.state.faults.add(SILENT)
    with serve() as server:
        server.ask(1, "send_email", EMAIL)
        server.received()
        server.process.close_input()
        with pytest.raises(Exception, match="timed out"):
            server.process.process.wait(2)
        ended, took = server.end(signal.SIGTERM)
    assert (ended.code, ended.err) == (0, "")
    assert took < 3
    assert server.endings == ["unknown"]


def test_a_write_that_was_cancelled_before_the_end_of_input_is_recorded(serve: Serve, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(_late(2))
    with serve() as server:
        server.ask(1, "send_email", EMAIL)
        server.received()
        server.process.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        server.process.close_input()
        ended, took = server.end()
    assert (ended.code, ended.err) == (0, "")
    assert took <= 2 + SLACK
    assert server.endings == ["ok"]


def test_a_write_that_waits_for_its_turn_is_not_sent_any_more(serve: Serve, sandbox: RunningSandbox) -> None:
    with serve(CIO_MCP_LIMIT_APP="1/20") as server:
        server.ask(1, "list_segments", {})
        server.received()
        server.ask(2, "create_segment", {"name": "Never made"})
        server.process.close_input()
        ended, took = server.end()
    assert (ended.code, ended.err) == (0, "")
    assert took <= AFTER_END_OF_INPUT + SLACK
    assert _codes(ended) == [None, "unavailable"]
    assert sorted(server.endings) == ["failed", "ok"]
    assert len(sandbox.app.state.journal) == 1


# -- both --------------------------------------------------------------------------------------------


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Open connections to a server over HTTP that are closed in the end."""
    with ExitStack() as stack:

        def make(server: Server) -> http.client.HTTPConnection:
            port = urlsplit(_url(server)).port
            return stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)))

        yield make


def _post(
    connection: http.client.HTTPConnection, tool: str, arguments: dict[str, Any], *, modern: bool
) -> http.client.HTTPConnection:
    """Send a call as an MCP client does, and leave the answer to be read."""
    params = {"name": tool, "arguments": arguments} | ({"_meta": ENVELOPE} if modern else {})
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    if modern:
        headers |= {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": tool}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    connection.request("POST", "/mcp", body, headers)
    return connection


def _url(server: Server) -> str:
    return server.process.wait_for("serves MCP at").split()[-1]


def _quiet(ended: Ended) -> bool:
    """Say whether it wrote nothing but where it serves, and the one line for every call."""
    return all(line.startswith(ANNOUNCEMENT) or CALL in line for line in ended.err.splitlines())


def test_a_sigterm_leaves_writes_ten_seconds(serve: Serve, connect: Connect, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(SILENT)
    with serve() as piped, serve("--http", "0") as posted:
        piped.ask(1, "send_email", EMAIL)
        connections = [_post(connect(posted), "send_email", EMAIL, modern=modern) for modern in (False, True)]
        posted.received(3)
        with ThreadPoolExecutor() as pool:
            ends = [pool.submit(server.end, signal.SIGTERM) for server in (piped, posted)]
            answers = [json.loads(connection.getresponse().read()) for connection in connections]
            (over_pipe, _), (over_http, _) = results = [end.result() for end in ends]
    assert [ended.code for ended, _ in results] == [0, 0]
    assert all(8 < took <= AFTER_SIGTERM + SLACK for _, took in results)
    assert over_pipe.err == ""
    assert _quiet(over_http), over_http.err
    assert _codes(over_pipe) == ["outcome_unknown"]
    told = [answer["result"]["structuredContent"]["error"]["code"] for answer in answers]
    assert told == ["outcome_unknown"] * 2
    assert piped.endings == ["unknown"]
    assert posted.endings == ["unknown"] * 2


def test_a_sigterm_while_calls_wait_logs_nothing_and_leaves_no_client_without_an_answer(
    serve: Serve, connect: Connect, sandbox: RunningSandbox
) -> None:
    """In either era one waits for Customer.io and one for the rate limit; the last has sent half of its request."""
    sandbox.app.state.faults.add(SILENT)
    with serve("--http", "0", CIO_MCP_LIMIT_APP="2/20") as server:
        asking = [_post(connect(server), "list_segments", {}, modern=modern) for modern in (False, True)]
        server.received(2)
        waiting = [_post(connect(server), "list_campaigns", {}, modern=modern) for modern in (False, True)]
        _until(lambda: _in_line(connect(server)) == len(waiting))
        half = connect(server)
        half.putrequest("POST", "/mcp")
        half.putheader("Content-Type", "application/json")
        half.putheader("Accept", "application/json, text/event-stream")
        half.putheader("Content-Length", "99")
        half.endheaders(b"{")
        with ThreadPoolExecutor() as pool:
            end = pool.submit(server.end, signal.SIGTERM)
            told = [_told(connection) for connection in (*asking, *waiting, half)]
            ended, took = end.result()
    assert ended.code == 0
    assert took <= AFTER_SIGTERM + SLACK
    assert _quiet(ended), ended.err
    assert [status for status, _ in told] == [200, 200, 200, 200, 503]
    assert all('"unavailable"' in text for _, text in told[:4])
    assert all("Nothing was sent" in text for _, text in told[2:4])
    looks = server.endings.count("ok")  # at the line; it varies how many it took
    assert sorted(server.endings) == [*["failed"] * 4, *["ok"] * looks]


def _in_line(connection: http.client.HTTPConnection) -> int:
    """Return how many calls wait for their turn in the App limit."""
    _, text = _told(_post(connection, "get_rate_budget", {}, modern=False))
    budgets = json.loads(text)["result"]["structuredContent"]["budgets"]
    return sum(budget.get("queued", 0) for budget in budgets)


def _told(connection: http.client.HTTPConnection) -> tuple[int, str]:
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])
def test_a_write_whose_http_client_goes_away_is_completed_and_recorded(
    serve: Serve, connect: Connect, sandbox: RunningSandbox, *, modern: bool
) -> None:
    sandbox.app.state.faults.add(_late(1))
    with serve("--http", "0") as server:
        connection = _post(connect(server), "send_email", EMAIL, modern=modern)
        server.received()
        connection.close()
        _until(lambda: bool(server.endings))
        ended, _ = server.end(signal.SIGTERM)
    assert ended.code == 0
    assert _quiet(ended), ended.err
    assert server.endings == ["ok"]
