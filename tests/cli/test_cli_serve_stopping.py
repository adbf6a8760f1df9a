"""A server over HTTP that is told to stop while calls wait: each is answered, and nobody waits for the other."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.cli.commands import PATIENCE, Running, run, running
from tests.team.house import calling

HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
INFO = {"name": "test-client", "version": "9"}
AT_ONCE = 3.0
"""Seconds, on a busy machine; the drain is of ten."""


class Agent:
    """A client of the handshake era, with a session if the server keeps them."""

    def __init__(self, url: str, http: httpx2.Client) -> None:
        self._url, self._http = url, http
        given = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": INFO}
        opened = self._http.post(self._url, json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": given})
        if session := opened.headers.get("mcp-session-id"):
            self._http.headers["mcp-session-id"] = session
            self._http.post(self._url, json={"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call(self, tool: str, arguments: dict[str, Any], number: int = 1) -> dict[str, Any]:
        """Call a tool and return its result, or the error in it."""
        said = self._http.post(self._url, json=calling(tool, arguments, number))
        assert said.status_code == 200, said.text
        found: dict[str, Any] = json.loads(said.text.split("data: ")[-1])["result"]["structuredContent"]
        return found


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[tuple[Running, Agent]]:
    """Start a server whose ledger is a file."""
    folder.chmod(0o700)
    ledger = str(folder / "ledger.sqlite3")
    with (
        running("serve", "--sandbox", "--http", "0", "--ledger", ledger, *flags) as server,
        httpx2.Client(timeout=PATIENCE, trust_env=False, headers=HEADERS) as http,
    ):
        yield server, Agent(server.wait_for("serves MCP at").split()[-1], http)


@pytest.mark.parametrize("sessions", [[], ["--sessions"]], ids=["stateless", "sessions"])
def test_calls_that_wait_for_the_operator_or_a_delivery_are_answered_at_once(
    tmp_path: Path, sessions: list[str]
) -> None:
    send = {"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}}
    with serving(tmp_path, "--confirm", "operator", *sessions) as (server, agent), ThreadPoolExecutor() as pool:
        delivery = agent.call("send_email", send)["delivery_id"]
        asked = pool.submit(agent.call, "suppress_person", {"identifier": "ada-1"}, 2)
        awaited = pool.submit(agent.call, "wait_for_delivery", {"delivery_id": delivery, "until": "clicked"}, 3)
        operation = waiting(tmp_path / "ledger.sqlite3")
        ended = server.end(signal.SIGTERM, within=AT_ONCE)
        error, reached = asked.result(PATIENCE)["error"], awaited.result(PATIENCE)
    assert (ended.code, "unfinished" in ended.err) == (0, False)
    assert (error["code"], error["operation"]) == ("approval_needed", operation)
    assert reached["reached"] is False
    assert "about to stop" in reached["next_step"]


def waiting(ledger: Path) -> str:
    """Return the operation that waits for the operator, once it does: what it would touch is looked up first."""
    while not (found := run("pending", "--ledger", str(ledger), "--json").out):
        pass
    return str(json.loads(found)["operation"])


def test_a_call_in_line_for_a_slot_is_said_to_have_sent_nothing(tmp_path: Path) -> None:
    send = {"transactional_message_id": 1, "to": "ada@example.com"}
    with serving(tmp_path, "--limit-email", "1/30") as (server, agent), ThreadPoolExecutor() as pool:
        agent.call("send_email", send | {"identifiers": {"id": "ada-1"}})
        late = pool.submit(agent.call, "send_email", send | {"identifiers": {"id": "bob-2"}}, 2)
        while not agent.call("get_rate_budget", {}, 3)["budgets"][0]["queued"]:
            pass
        ended = server.end(signal.SIGTERM, within=12.0)
        error = late.result(PATIENCE)["error"]
    assert (ended.code, "unfinished" in ended.err) == (0, False)
    assert error["code"] == "unavailable"
    assert "Nothing was sent" in error["message"]
