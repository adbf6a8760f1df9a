"""Credentials that change where they lie are in use soon, and at once when the old ones are refused."""

import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp import Client

from cio_mcp.cli import team as teams
from cio_mcp.cli.team import Team, team
from cio_mcp.sandbox import RunningSandbox, running_sandbox
from cio_mcp.server import server_of
from cio_mcp.settings import load
from tests.cli.commands import PROMPTLY, Running, running
from tests.conftest import NO_WAITS
from tests.faults.rig import until
from tests.recording import Recorder
from tests.replicas.house import HEADERS
from tests.team.house import calling

pytestmark = pytest.mark.anyio


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "app_key"
    path.write_text("sandbox-app-key", encoding="utf-8")
    return path


@asynccontextmanager
async def served(sandbox: RunningSandbox, key: Path, folder: Path) -> AsyncIterator[tuple[Team, Client]]:
    file = folder / "workspaces.toml"
    file.write_text(
        f'[workspaces.only]\napp_api_key = "file:{key}"\napp_url = "{sandbox.url}"\ntrack_url = "{sandbox.url}"\n',
        encoding="utf-8",
    )
    file.chmod(0o600)
    settings = load({"CIO_MCP_WORKSPACES": str(file), "CIO_MCP_LEDGER": "memory", "CIO_MCP_REPEAT_WINDOW": "0"})
    async with team(settings) as found, Client(server_of(found.face)) as client:
        yield found, client


@asynccontextmanager
async def alone(sandbox: RunningSandbox, key: Path) -> AsyncIterator[tuple[Team, Client]]:
    """Serve the one workspace whose credentials the environment names."""
    settings = load({**at(sandbox), "CUSTOMERIO_APP_API_KEY_FILE": str(key)})
    async with team(settings) as found, Client(server_of(found.face)) as client:
        yield found, client


def at(sandbox: RunningSandbox) -> dict[str, str]:
    return {"CUSTOMERIO_TRACK_URL": sandbox.url, "CUSTOMERIO_APP_URL": sandbox.url, "CIO_MCP_LEDGER": "memory"}


def change(sandbox: RunningSandbox, key: Path, to: str, *, written: str | None = None) -> None:
    sandbox.app.state.keys = replace(sandbox.app.state.keys, app_api_key=to)
    key.write_text(written or to, encoding="utf-8")


def asked(sandbox: RunningSandbox) -> list[int]:
    return [received.status for received in sandbox.app.state.journal]


async def test_a_key_that_was_changed_is_read_anew_when_the_old_one_is_refused(
    sandbox: RunningSandbox, key: Path, tmp_path: Path
) -> None:
    send = {"to": "ada@example.com", "identifiers": {"id": "ada-1"}, "transactional_message_id": 1}
    async with served(sandbox, key, tmp_path) as (_, client):
        await client.call_tool("list_segments", {})
        change(sandbox, key, "sandbox-second-app-key")
        result = await client.call_tool("send_email", send)
        again = await client.call_tool("list_segments", {})
    assert "delivery_id" in (result.structured_content or {})
    assert not again.is_error
    assert asked(sandbox) == [200, 401, 200, 200]


async def test_a_key_that_is_just_wrong_is_tried_once(sandbox: RunningSandbox, key: Path, tmp_path: Path) -> None:
    async with served(sandbox, key, tmp_path) as (_, client):
        change(sandbox, key, "sandbox-third-key", written="sandbox-mistyped-key")
        first = await client.call_tool("list_segments", {})
        second = await client.call_tool("list_segments", {})
    assert [(each.structured_content or {})["error"]["code"] for each in (first, second)] == ["bad_credential"] * 2
    # The old key, the mistyped one that the file holds, and then that one alone.
    assert asked(sandbox) == [401, 401, 401]


async def test_a_file_that_is_gone_leaves_the_key_as_it_was(
    sandbox: RunningSandbox, key: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(sandbox, key, tmp_path) as (found, client):
        await anyio.Path(key).unlink()
        await teams.renew(found.pipelines.values())
        assert not (await client.call_tool("list_segments", {})).is_error
    assert "the old ones stay" in caplog.text
    assert "sandbox-app-key" not in caplog.text


@pytest.mark.parametrize("left", ["", "\n", "${user_config.key}"])
async def test_a_file_that_is_empty_for_a_moment_leaves_the_key_as_it_was(
    sandbox: RunningSandbox, key: Path, left: str
) -> None:
    async with alone(sandbox, key) as (found, client):
        await anyio.Path(key).write_text(left)
        await teams.renew(found.pipelines.values())
        assert not (await client.call_tool("list_segments", {})).is_error
    assert asked(sandbox) == [200]


async def test_a_file_that_a_variable_names_is_read_anew_as_well(sandbox: RunningSandbox, key: Path) -> None:
    async with alone(sandbox, key) as (_, client):
        change(sandbox, key, "sandbox-second-app-key")
        assert not (await client.call_tool("list_segments", {})).is_error
    assert asked(sandbox) == [401, 200]


async def test_a_key_that_stands_in_a_variable_stays_whatever_is_refused(sandbox: RunningSandbox) -> None:
    settings = load({**at(sandbox), "CUSTOMERIO_APP_API_KEY": "canary-of-no-use"})
    async with team(settings) as found, Client(server_of(found.face)) as client:
        results = [await client.call_tool("list_segments", {}) for _ in range(2)]
    assert [(each.structured_content or {})["error"]["code"] for each in results] == ["bad_credential"] * 2
    assert asked(sandbox) == [401, 401]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
@pytest.mark.parametrize("flags", [(), ("--http", "0")], ids=["stdio", "http"])
def test_a_hangup_has_a_server_read_them_anew_and_does_not_keep_it_from_leaving(
    recorder: Recorder, recording_server: tuple[Recorder, str], key: Path, flags: tuple[str, ...]
) -> None:
    hosts = {"CUSTOMERIO_TRACK_URL": recording_server[1], "CUSTOMERIO_APP_URL": recording_server[1]}
    with running("serve", *flags, env=hosts | NO_WAITS | {"CUSTOMERIO_APP_API_KEY_FILE": str(key)}) as server:
        url = server.wait_for("serves MCP at").split()[-1] if flags else None
        assert used(server, url, recorder) == "Bearer sandbox-app-key"
        for number in range(2):
            key.write_text(f"canary-app-key-{number}", encoding="utf-8")
            server.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + PROMPTLY
            while used(server, url, recorder) != f"Bearer canary-app-key-{number}":
                assert time.monotonic() < deadline, "nobody refuses the old key, and it is still in use"
        assert server.end(signal.SIGTERM).code == 0


def used(server: Running, url: str | None, recorder: Recorder) -> str:
    """Make a call, and return the key with which it came to Customer.io."""
    if url is None:
        server.call(1, "list_segments", modern=True)
    else:
        answer = httpx2.post(url, json=calling("list_segments", {}), headers=HEADERS, trust_env=False)
        assert answer.status_code == 200
    return recorder.requests[-1].headers["authorization"]


async def test_they_are_read_anew_by_themselves(
    sandbox: RunningSandbox, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert teams.RENEWED_EVERY <= 60
    monkeypatch.setattr(teams, "RENEWED_EVERY", 0.05)
    async with served(sandbox, key, tmp_path) as (found, client):
        change(sandbox, key, "sandbox-second-app-key")
        credentials = found.pipelines["only"].exchange.credentials
        await until(lambda: credentials._edition > 0)
        assert not (await client.call_tool("list_segments", {})).is_error
    assert asked(sandbox) == [200]
