"""A server with its operator's page as a real process, an agent that calls it, and a program that asks the page."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.cli.commands import ENVELOPE, PATIENCE, Ended, Running, run, running
from tests.recorded import records_in

KEY = "canary-console-key-" + "0123456789abcdef"
OURS = {"X-CIO-MCP-Console": "1"}
OPERATOR = ("--confirm", "operator")


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A server, its agents and its page."""

    process: Running
    mcp: str
    page: str
    ledger: Path
    http: httpx2.Client
    agents: ThreadPoolExecutor

    def call(
        self, tool: str, arguments: Mapping[str, Any] | None = None, client: str = "test-client", token: str = ""
    ) -> Any:
        """Call a tool as an agent whose client calls itself something; return the result, or the error in it."""
        info = {"io.modelcontextprotocol/clientInfo": {"name": client, "version": "9"}}
        params = {"name": tool, "arguments": arguments or {}, "_meta": {**ENVELOPE, **info}}
        headers = {
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "MCP-Method": "tools/call",
            "MCP-Name": tool,
            **({"Authorization": f"Bearer {token}"} if token else {}),
        }
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        answer = self.http.post(self.mcp, json=message, headers=headers).json()
        return answer["result"]["structuredContent"]

    def calling(
        self, tool: str, arguments: Mapping[str, Any] | None = None, client: str = "test-client", token: str = ""
    ) -> Future[Any]:
        """Call a tool, and leave its result to be waited for."""
        return self.agents.submit(self.call, tool, arguments, client, token)

    @property
    def origin(self) -> str:
        """What a browser says of where the page comes from."""
        return self.page.rstrip("/")

    def get(self, path: str, **headers: str) -> httpx2.Response:
        """Ask the page's server for something."""
        return self.http.get(self.origin + path, headers=headers)

    def post(self, path: str, body: Any, **headers: str | None) -> httpx2.Response:
        """Ask for a change as the page does; a header that is None is left out."""
        usual: dict[str, str | None] = {"Origin": self.origin, **OURS}
        given = {name: value for name, value in {**usual, **headers}.items() if value is not None}
        return self.http.post(self.origin + path, json=body, headers=given)

    def sign_in(self, key: str = KEY) -> httpx2.Response:
        """Sign in; the session stays with `http`."""
        return self.post("/console/session", {"key": key})

    @property
    def state(self) -> Any:
        """What the page draws."""
        answer = self.get("/console/state")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def waits_until(self, holds: Callable[[Any], Any]) -> Any:
        """Return what `holds` says of the state, once it is something."""
        ends = time.monotonic() + PATIENCE
        while not (found := holds(self.state)):
            assert time.monotonic() < ends, json.dumps(self.state)
            time.sleep(0.05)
        return found

    def pending(self, number: int = 1) -> Any:
        """Return what waits for the operator, once there is so much."""
        return self.waits_until(lambda state: len(state["record"]["pending"]) == number and state["record"]["pending"])

    def command(self, *words: str) -> Ended:
        """Type a command on the same ledger."""
        return run(*words, "--ledger", str(self.ledger))

    def records(self) -> list[dict[str, Any]]:
        """Return what was recorded."""
        return records_in(self.ledger)


@contextmanager
def house(folder: Path, *flags: str, key: str | None = KEY, **environment: str) -> Iterator[House]:
    """Start a server in front of the sandbox, with its page, for the length of the block."""
    ledger = folder / "state" / "ledger.sqlite3"
    ledger.parent.mkdir(mode=0o700, exist_ok=True)
    where = () if "CUSTOMERIO_APP_URL" in environment else ("--sandbox",)
    kept = () if "CIO_MCP_STORE" in environment else ("--ledger", str(ledger))
    words = ("serve", *where, "--http", "0", "--console", "0", *kept, *flags)
    keys = {"CIO_MCP_LEDGER": "", **({"CIO_MCP_CONSOLE_KEY": key} if key else {})}
    with (
        running(*words, env={**keys, **environment}) as server,
        httpx2.Client(timeout=PATIENCE, trust_env=False) as http,
        ThreadPoolExecutor(max_workers=40) as agents,
    ):
        page = server.wait_for("operator's page at").split()[-1]
        mcp = server.wait_for("serves MCP at").split()[-1]
        try:
            yield House(process=server, mcp=mcp, page=page, ledger=ledger, http=http, agents=agents)
        finally:
            server.stop()
