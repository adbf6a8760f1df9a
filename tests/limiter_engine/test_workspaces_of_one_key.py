"""Two workspaces of one process that have the same key: Customer.io counts their requests together."""

import sys
import time
from collections import Counter
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters

from cio_mcp.sandbox import Limits, running_sandbox
from tests.cli.commands import CLEAN, COMMAND

pytestmark = pytest.mark.anyio
CALLERS = 12
SECONDS = 3.0
LIMIT = 10
FILE = '[workspaces.shop]\napp_api_key = "env:SHARED_KEY"\n[workspaces.news]\napp_api_key = "env:SHARED_KEY"\n'


@pytest.fixture(params=["memory", "file", "redis", "postgres"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Return the settings of a server that keeps to its limits in each way in which it can."""
    if request.param == "memory":
        return {"CIO_MCP_LEDGER": "memory"}
    ledger = {"CIO_MCP_LEDGER": str(tmp_path / "ledger.sqlite3")}
    if request.param == "file":
        return ledger
    if request.param == "redis":
        return ledger | {"CIO_MCP_LIMITER": request.getfixturevalue("redis_server").url}
    return ledger | {"CIO_MCP_LIMITER": request.getfixturevalue("postgres_url")}


@pytest.mark.skipif(sys.platform == "win32", reason="engines run on Linux alone")
async def test_they_keep_to_one_limit_together_and_use_it(tmp_path: Path, way: dict[str, str]) -> None:
    file = tmp_path / "workspaces.toml"
    file.write_text(FILE, encoding="utf-8")
    file.chmod(0o600)
    with running_sandbox(limits=Limits(app=(LIMIT, 1.0))) as sandbox:
        hosts = {"CUSTOMERIO_APP_URL": sandbox.url, "CUSTOMERIO_TRACK_URL": sandbox.url}
        key = {"SHARED_KEY": sandbox.app.state.keys.app_api_key}
        env = {**CLEAN, **hosts, **way, **key, "CIO_MCP_WORKSPACES": str(file)}
        words = [*COMMAND[1:], "serve"]
        async with (
            Client(StdioServerParameters(command=COMMAND[0], args=words, env=env)) as client,
            anyio.create_task_group() as calling,
        ):
            ends = time.monotonic() + SECONDS

            async def call_without_end(workspace: str) -> None:
                while time.monotonic() < ends:
                    called = await client.call_tool("list_segments", {"workspace": workspace})
                    assert not called.is_error, called.content

            for workspace in ("shop", "news") * (CALLERS // 2):
                calling.start_soon(call_without_end, workspace)
        statuses = Counter(received.status for received in sandbox.app.state.journal)
    assert set(statuses) == {200}, statuses
    assert statuses[200] > 2 * LIMIT, statuses
