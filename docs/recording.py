"""What the calls of `calls.py` really come to: a server of its own, a client over HTTP, the sandbox behind it.

`python -m docs.recording` writes it down anew, in `docs/examples/tools.json`.
"""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from cio_mcp.sandbox import Delays, Keys, RunningSandbox, running_sandbox
from cio_mcp.sandbox.programs import Trigger
from cio_mcp.server import META
from docs.calls import CALLS, Shown
from docs.sameness import unless_the_same

ROOT = Path(__file__).parents[1]
FILE = Path(__file__).parent / "examples" / "tools.json"
EVENTS = ("email_sent", "email_delivered", "email_opened")
SIGNING_KEY = "sandbox-signing-key"
STARTED_WITHIN, ANSWERED_WITHIN = 30.0, 90.0
_LATER = 3600.0
"""Seconds until what is sent is opened: after all that is shown, however slow the machine is."""
Json = dict[str, Any]


def clean_environment() -> dict[str, str]:
    """Return this process's environment without settings of a server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CUSTOMERIO_", "CIO_MCP_"))}
    return kept | {"PYTHONPATH": str(ROOT)}


def account(sandbox: RunningSandbox) -> dict[str, str]:
    """Return the variables that point a server at a sandbox."""
    keys = Keys()
    return {
        "CUSTOMERIO_SITE_ID": keys.site_id,
        "CUSTOMERIO_TRACK_API_KEY": keys.track_api_key,
        "CUSTOMERIO_APP_API_KEY": keys.app_api_key,
        "CUSTOMERIO_TRACK_URL": sandbox.url,
        "CUSTOMERIO_APP_URL": sandbox.url,
    }


@contextmanager
def _server(sandbox: RunningSandbox) -> Iterator[str]:
    """Start `cio-mcp serve --http`, and yield its URL."""
    own = {"CIO_MCP_LEDGER": "memory", "CUSTOMERIO_WEBHOOK_SIGNING_KEY": SIGNING_KEY}
    process = subprocess.Popen(
        [sys.executable, "-m", "cio_mcp", "serve", "--http", "0", "--log-level", "warning"],
        env=clean_environment() | account(sandbox) | own,
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = next((line for line in process.stderr or () if "serves MCP at" in line), "")
        yield line.rpartition(" ")[2].strip()
    finally:
        process.terminate()
        process.communicate(timeout=STARTED_WITHIN)


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Calls tools one after the other, and keeps what they answered."""

    client: Client
    sandbox: RunningSandbox
    url: str
    known: Json = field(default_factory=dict)

    async def record(self, tool: str, shown: Shown) -> Json:
        """Return what a tool's call comes to, from the sandbox as it is built."""
        await self._prepare(shown)
        before = [await self._call(name, arguments) for name, arguments in shown.before]
        calls = [await self._call(tool, shown.arguments)]
        if calls[0]["result"].get("error", {}).get("code") == "confirmation_needed":
            token = calls[0]["result"]["error"]["confirm_token"]
            calls.append(await self._call(tool, calls[0]["arguments"] | {"confirm_token": token}))
        return ({"before": before} if before else {}) | {"calls": calls}

    async def _prepare(self, shown: Shown) -> None:
        async with httpx2.AsyncClient(base_url=self.sandbox.url, trust_env=False) as http:
            if not shown.goes_on:
                (await http.post("/_sandbox/reset")).raise_for_status()
            if shown.faults:
                (await http.post("/_sandbox/faults", json=list(shown.faults))).raise_for_status()
            if shown.reports:
                hook = {"name": "here", "endpoint": self.url.replace("/mcp", "/webhooks/customerio"), "events": EVENTS}
                key = {"authorization": f"Bearer {Keys().app_api_key}"}
                (await http.post("/v1/reporting_webhooks", json=hook, headers=key)).raise_for_status()
                self.sandbox.app.state.world.delays = Delays(opened=_LATER)
        if shown.triggered:
            done = Trigger(id=1, broadcast_id=10, created_at=1_790_000_000, processed_at=1_790_000_001)
            self.sandbox.app.state.world.broadcasts[10].triggers[1] = done

    async def _call(self, tool: str, arguments: Mapping[str, Any]) -> Json:
        given = {name: self._known(value) for name, value in arguments.items()}
        result = await self.client.call_tool(tool, given)
        told = result.structured_content or {}
        self.known |= told | told.get("error", {})
        if number := (result.meta or {}).get(META, {}).get("operation"):
            self.known["operation"] = number
        return {"tool": tool, "arguments": given, "is_error": bool(result.is_error), "result": told}

    def _known(self, value: Any) -> Any:
        return self.known[value[1:]] if isinstance(value, str) and value.startswith("$") else value


@asynccontextmanager
async def _recorder() -> AsyncIterator[Recorder]:
    with running_sandbox() as sandbox, _server(sandbox) as url:
        async with (
            httpx2.AsyncClient(trust_env=False, timeout=ANSWERED_WITHIN) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            yield Recorder(client=client, sandbox=sandbox, url=url)


async def recorded() -> dict[str, Json]:
    """Return what every call comes to, by tool."""
    async with _recorder() as recorder:
        return {tool: await recorder.record(tool, shown) for tool, shown in CALLS.items()}


def main() -> None:
    """Write the examples of the tools anew."""
    kept: Json = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    examples = {tool: unless_the_same(kept.get(tool), made) for tool, made in anyio.run(recorded).items()}
    FILE.write_text(json.dumps(examples, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    sys.stdout.write(
        f"{len(examples)} examples in {FILE}, {sum(kept.get(t) != examples[t] for t in examples)} changed\n"
    )


if __name__ == "__main__":
    main()
