"""Real servers after a key was changed: whether they have renewed it or were started with it, they share its limits."""

import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters

from cio_mcp.sandbox import Limits, RunningSandbox, running_sandbox
from tests.cli.commands import CLEAN, COMMAND

pytestmark = pytest.mark.anyio

WAYS = ("file", "redis", "postgres")
CALLERS = 12
SECONDS = 3.0


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Return the settings of servers that share their limits, in each way in which they can."""
    ledger = {"CIO_MCP_LEDGER": str(tmp_path / "ledger.sqlite3")}
    if request.param == "file":
        return ledger
    if request.param == "redis":
        return ledger | {"CIO_MCP_LIMITER": request.getfixturevalue("redis_server").url}
    return ledger | {"CIO_MCP_LIMITER": request.getfixturevalue("postgres_url")}


def server(sandbox: RunningSandbox, key: Path, way: Mapping[str, str]) -> Client:
    """Return a client of a server that reads its App key from a file."""
    hosts = {"CUSTOMERIO_APP_URL": sandbox.url, "CUSTOMERIO_TRACK_URL": sandbox.url}
    env = {**CLEAN, **hosts, **way, "CUSTOMERIO_APP_API_KEY_FILE": str(key), "CIO_MCP_REPLICAS": "2"}
    return Client(StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], "serve"], env=env))


async def call_without_end(client: Client, until: float) -> None:
    while time.monotonic() < until:
        await client.call_tool("list_segments", {})


@pytest.mark.skipif(sys.platform == "win32", reason="engines run on Linux alone")
async def test_a_server_that_renewed_its_key_shares_the_limit_with_one_that_was_started_with_it(
    tmp_path: Path, way: dict[str, str]
) -> None:
    key = tmp_path / "app_key"
    key.write_text(f"sandbox-old-{tmp_path.name}", encoding="utf-8")
    with running_sandbox(limits=Limits(app=(10, 1.0))) as sandbox:
        keys = sandbox.app.state.keys
        sandbox.app.state.keys = replace(keys, app_api_key=key.read_text(encoding="utf-8"))
        async with server(sandbox, key, way) as renewed:
            await renewed.call_tool("list_segments", {})
            sandbox.app.state.keys = replace(keys, app_api_key=f"sandbox-new-{tmp_path.name}")
            await anyio.Path(key).write_text(f"sandbox-new-{tmp_path.name}")
            assert not (await renewed.call_tool("list_segments", {})).is_error
            async with server(sandbox, key, way) as started, anyio.create_task_group() as calling:
                until = time.monotonic() + SECONDS
                for client in (renewed, started):
                    for _ in range(CALLERS):
                        calling.start_soon(call_without_end, client, until)
        statuses = Counter(received.status for received in sandbox.app.state.journal)
    assert (statuses[401], statuses[429]) == (1, 0), statuses
    assert statuses[200] > 2 * 10, statuses
