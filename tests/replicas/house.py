"""Replicas as real processes on one database, nginx before them as `deploy/nginx.conf` says, a sandbox behind."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest

from cio_mcp.sandbox import Keys, RunningSandbox
from tests.cli.commands import PATIENCE, Ended, Running, run, running
from tests.ports import free_port
from tests.team.house import calling

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"
LEDGER_KEY = "canary-ledger-key-" * 3
_KEYS = Keys()
HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}


def nginx() -> str:
    """Return nginx's program; skips the test where there is none, but not in CI."""
    found = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if found:
        return found
    missing = "nginx is not on PATH"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


def settings(sandbox: RunningSandbox, store: str, **more: str) -> dict[str, str]:
    """Return what every replica is started with."""
    return {
        "CUSTOMERIO_TRACK_URL": sandbox.url,
        "CUSTOMERIO_APP_URL": sandbox.url,
        "CUSTOMERIO_SITE_ID": _KEYS.site_id,
        "CUSTOMERIO_TRACK_API_KEY": _KEYS.track_api_key,
        "CUSTOMERIO_APP_API_KEY": _KEYS.app_api_key,
        "CUSTOMERIO_WEBHOOK_SIGNING_KEY": _KEYS.webhook_signing_key,
        "CIO_MCP_LEDGER": "",
        "CIO_MCP_STORE": store,
        "CIO_MCP_LEDGER_KEY": LEDGER_KEY,
        "CIO_MCP_AUTH": "tokens",
        **more,
    }


@dataclass(slots=True, kw_only=True)
class Replica:
    """One server of ours."""

    url: str
    process: Running

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.split(":")[2].split("/")[0])

    def kill(self) -> None:
        """End it as a machine that fails does."""
        self.process.process.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Replicas, the proxy before them, and an agent."""

    replicas: list[Replica]
    proxy: str
    environment: dict[str, str]
    agent: httpx2.AsyncClient

    async def post(self, url: str, tool: str, arguments: dict[str, Any] | None = None) -> httpx2.Response:
        """Call a tool at an address."""
        return await self.agent.post(url, json=calling(tool, arguments or {}), headers=HEADERS)

    async def call(self, replica: int, tool: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call a tool of one replica and return its result, or the error in it."""
        return told(await self.post(self.replicas[replica].url, tool, arguments))

    async def through(self, tool: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call a tool through the proxy."""
        return told(await self.post(f"{self.proxy}/mcp", tool, arguments))

    async def command(self, *words: str) -> Ended:
        """Type a command of ours, with the replicas' environment."""
        return await anyio.to_thread.run_sync(partial(run, *words, env=self.environment))


def told(answer: httpx2.Response) -> dict[str, Any]:
    """Return what a call's answer says."""
    assert answer.status_code == 200, (answer.status_code, answer.text)
    found: dict[str, Any] = answer.json()["result"]["structuredContent"]
    return found


@asynccontextmanager
async def house(
    sandbox: RunningSandbox, store: str, folder: Path, *, count: int = 3, **more: str
) -> AsyncIterator[House]:
    """Start replicas, the proxy and an agent that may do everything."""
    environment = settings(sandbox, store, CIO_MCP_REPLICAS=str(count), **more)
    async with AsyncExitStack() as stack:
        front = free_port()
        allowed = {"CIO_MCP_ALLOWED_HOSTS": f"127.0.0.1:{front}", "CIO_MCP_ALLOWED_ORIGINS": "none"}
        processes = [
            stack.enter_context(running("serve", "--http", "0", env=environment | allowed)) for _ in range(count)
        ]
        replicas = [Replica(url=await _url(process), process=process) for process in processes]
        proxy = stack.enter_context(_proxied(folder, front, [replica.port for replica in replicas]))
        words = ("token", "create", "agent", "--grant", "*:*")
        token = (await anyio.to_thread.run_sync(partial(run, *words, env=environment))).out.strip()
        limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64)
        bearer = {"Authorization": f"Bearer {token}"}
        agent = httpx2.AsyncClient(timeout=PATIENCE, limits=limits, trust_env=False, headers=bearer)
        await stack.enter_async_context(agent)
        yield House(replicas=replicas, proxy=proxy, environment=environment, agent=agent)


async def _url(process: Running) -> str:
    return (await anyio.to_thread.run_sync(process.wait_for, "serves MCP at")).split()[-1]


@contextmanager
def _proxied(folder: Path, port: int, ports: list[int]) -> Iterator[str]:
    """Run nginx with the configuration that we ship, but for the ports."""
    prefix = folder / "nginx"
    prefix.mkdir()
    text = CONFIGURATION.read_text(encoding="utf-8")
    text, listens = re.subn(r"listen 127\.0\.0\.1:8080", f"listen 127.0.0.1:{port}", text)
    [server, _] = re.findall(r"^ +server 127\.0\.0\.1:800\d.*;$", text, re.MULTILINE)
    servers = "\n".join(re.sub(r":8001", f":{each}", server) for each in ports)
    text = re.sub(r"^ +server 127\.0\.0\.1:8002.*;\n", "", text, flags=re.MULTILINE).replace(server, servers)
    assert listens == 1
    (prefix / "nginx.conf").write_text(text, encoding="utf-8")
    with ExitStack() as stack:
        command = [nginx(), "-p", str(prefix), "-c", str(prefix / "nginx.conf")]
        process = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))  # noqa: S603 - looked up
        stack.callback(process.terminate)
        _await_listening(port, process)
        yield f"http://127.0.0.1:{port}"


def _await_listening(port: int, process: "subprocess.Popen[bytes]") -> None:
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            assert process.poll() is None, "nginx ended"
            assert time.monotonic() < ends, "nginx does not listen"
            time.sleep(0.02)
        else:
            return
