"""Credentials that change where they lie are in use soon, and at once when the old ones are refused."""

import math
import signal
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp import Client

from cio_mcp.budgets import CHANGE_SECONDS
from cio_mcp.cli import team as teams
from cio_mcp.cli.team import Team, team
from cio_mcp.credentials import KINDS, RENEWED_AT_MOST_EVERY, Credentials
from cio_mcp.login.keeping import keep_in_files
from cio_mcp.login.kept import Login, mark, seal_of
from cio_mcp.sandbox import RunningSandbox, running_sandbox
from cio_mcp.server import server_of
from cio_mcp.settings import SettingsError, load, with_login
from tests.cli.commands import PROMPTLY, Running, running
from tests.cli.homes import only_on_linux
from tests.conftest import NO_WAITS
from tests.faults.rig import until
from tests.recording import Recorder
from tests.replicas.house import HEADERS
from tests.team.house import calling
from tests.webhooks.receiving import body_of, event, listening, signed

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
        await renewed(found)
        assert not (await client.call_tool("list_segments", {})).is_error
    assert "the old ones stay" in caplog.text
    assert "sandbox-app-key" not in caplog.text


@pytest.mark.parametrize("left", ["", "\n", "${user_config.key}"])
async def test_a_file_that_is_empty_for_a_moment_leaves_the_key_as_it_was(
    sandbox: RunningSandbox, key: Path, left: str
) -> None:
    async with alone(sandbox, key) as (found, client):
        await anyio.Path(key).write_text(left)
        await renewed(found)
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


VALUES = {"SITE_ID": "sandbox-site-id", "TRACK_API_KEY": "sandbox-track-key", "APP_API_KEY": "sandbox-app-key"}


@asynccontextmanager
async def serving_files(
    sandbox: RunningSandbox, folder: Path, **more: str
) -> AsyncIterator[tuple[Team, Client, Mapping[str, Path]]]:
    """Serve a workspace all of whose credentials lie in files of their own."""
    files = {name: folder / name for name in VALUES | more}
    for name, text in (VALUES | more).items():
        files[name].write_text(text, encoding="utf-8")
    settings = load({**at(sandbox), **{f"CUSTOMERIO_{name}_FILE": str(file) for name, file in files.items()}})
    async with team(settings) as found, Client(server_of(found.face)) as client:
        yield found, client, files


@pytest.mark.parametrize(
    ("changed", "said"), [("SITE_ID", "another site id"), ("WORKSPACE_ID", "another workspace id")]
)
async def test_keys_of_another_workspace_are_not_taken_and_that_is_told_once(
    sandbox: RunningSandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture, changed: str, said: str
) -> None:
    async with serving_files(sandbox, tmp_path, WORKSPACE_ID="7") as (found, client, files):
        for name, file in files.items():
            await anyio.Path(file).write_text("8" if name == "WORKSPACE_ID" else f"canary-{name}")
        if changed == "WORKSPACE_ID":
            await anyio.Path(files["SITE_ID"]).write_text(VALUES["SITE_ID"])
        for _ in range(2):
            await renewed(found)
        assert not (await client.call_tool("list_segments", {})).is_error
        assert not (await client.call_tool("track_event", {"identifier": "ada-1", "name": "seen"})).is_error
    assert asked(sandbox) == [200, 200]
    assert [said in record.getMessage() for record in caplog.records if "restart" in record.getMessage()] == [True]
    assert "canary" not in caplog.text


async def test_keys_of_another_workspace_are_not_tried_when_ones_own_are_refused(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    async with serving_files(sandbox, tmp_path) as (_, client, files):
        sandbox.app.state.keys = replace(sandbox.app.state.keys, app_api_key="sandbox-other-app-key")
        await anyio.Path(files["APP_API_KEY"]).write_text("sandbox-other-app-key")
        await anyio.Path(files["SITE_ID"]).write_text("sandbox-other-site-id")
        refused = await client.call_tool("list_segments", {})
        await anyio.Path(files["SITE_ID"]).write_text(VALUES["SITE_ID"])
        await anyio.sleep(RENEWED_AT_MOST_EVERY)
        taken = await client.call_tool("list_segments", {})
    assert (refused.structured_content or {})["error"]["code"] == "bad_credential"
    assert not taken.is_error
    assert asked(sandbox) == [401, 401, 200]


async def renewed(found: Team) -> None:
    """Have the credentials read anew, however short a time ago that was."""
    for pipeline in found.pipelines.values():
        pipeline.exchange.credentials._read_at = -math.inf
        await pipeline.exchange.credentials.renew()


def log_in(region: str = "us", workspace: str = "", **keys: str) -> None:
    """Store keys as `cio-mcp login --file` does."""
    mark(Login(region=region, workspace=workspace, references=keep_in_files(keys), seal=seal_of(keys)))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "cio-mcp"


@asynccontextmanager
async def logged_in(sandbox: RunningSandbox) -> AsyncIterator[tuple[Team, Client]]:
    async with team(with_login(load(at(sandbox)), {})) as found, Client(server_of(found.face)) as client:
        yield found, client


OTHER = {"app_api_key": "canary-app-key"}
LOGINS: dict[str, tuple[Mapping[str, str], str]] = {
    "region": ({"region": "eu", **OTHER}, "another region"),
    "further keys": ({"site_id": "canary-site", "track_api_key": "canary-track", **OTHER}, "other kinds of keys"),
    "workspace": ({"workspace": "8", **OTHER}, "another workspace"),
}


@only_on_linux
@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("login", LOGINS)
async def test_another_login_for_another_account_leaves_running_servers_theirs(
    sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture, login: str
) -> None:
    stored, said = LOGINS[login]
    log_in(app_api_key="sandbox-app-key", workspace="7")
    async with logged_in(sandbox) as (found, client):
        log_in(**stored)
        for _ in range(2):
            await renewed(found)
        assert not (await client.call_tool("list_segments", {})).is_error
        assert found.credentials == ("app",)
    assert asked(sandbox) == [200]
    assert [said in record.getMessage() for record in caplog.records if "restart" in record.getMessage()] == [True]


@only_on_linux
@pytest.mark.usefixtures("home")
async def test_a_rotated_key_is_taken_wherever_a_login_stores_it(sandbox: RunningSandbox) -> None:
    log_in(app_api_key="sandbox-old-app-key", workspace="7")
    async with logged_in(sandbox) as (_, client):
        log_in(app_api_key="sandbox-app-key")
        assert not (await client.call_tool("list_segments", {})).is_error
    assert asked(sandbox) == [401, 200]


@only_on_linux
async def test_keys_that_were_replaced_by_half_are_never_used(
    sandbox: RunningSandbox, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = {name.lower(): text for name, text in VALUES.items()}
    log_in(**keys)
    async with logged_in(sandbox) as (found, client):
        await anyio.Path(home / "login" / "app_api_key").write_text("canary-app-key")
        await renewed(found)
        assert not (await client.call_tool("list_segments", {})).is_error
    assert asked(sandbox) == [200]
    assert "they are just being replaced" in caplog.text
    with pytest.raises(SettingsError, match="do not belong together"):
        with_login(load(at(sandbox)), {})
    log_in(**keys)
    assert with_login(load(at(sandbox)), {}).login


async def test_limits_are_shared_by_what_stays_when_a_key_is_rotated_or_follow_the_key(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    token = {"SERVICE_ACCOUNT_TOKEN": "sa_live_canary", "WORKSPACE_ID": "7"}
    async with serving_files(sandbox, tmp_path, **token) as (found, _, files):
        credentials = found.pipelines[next(iter(found.pipelines))].exchange.credentials
        before = {kind: list(credentials.accounts(kind)) for kind in KINDS}
        for name in ("TRACK_API_KEY", "APP_API_KEY", "SERVICE_ACCOUNT_TOKEN"):
            await anyio.Path(files[name]).write_text("sa_live_second" if name in token else f"canary-{name}")
        await renewed(found)
        after = {kind: credentials.accounts(kind) for kind in KINDS}
        now = credentials._settings
    assert teams.RENEWED_EVERY < CHANGE_SECONDS
    assert {kind: list(accounts) == before[kind] for kind, accounts in after.items()} == {
        "track": True, "app": False, "service_account": True,
    }  # fmt: skip
    assert list(after["app"]) == [*before["app"], *Credentials(now).accounts("app")]
    assert [seconds == 0 for seconds in after["app"].values()] == [False, True]
    assert not [text for text in (*VALUES.values(), "canary", "sa_live") if text in str(after)]


async def test_a_signing_key_is_renewed_as_well_and_outdates_no_other(sandbox: RunningSandbox, tmp_path: Path) -> None:
    body = body_of(event())
    names = ("canary-old-signing", "canary-new-signing")
    async with serving_files(sandbox, tmp_path, WEBHOOK_SIGNING_KEY=names[0]) as (found, _, files):
        (receiver,) = found.receivers.values()
        async with listening(receiver) as port, httpx2.AsyncClient(trust_env=False) as http:
            for key in names:
                await anyio.Path(files["WEBHOOK_SIGNING_KEY"]).write_text(key)
                await renewed(found)
                answers = [
                    await http.post(f"http://127.0.0.1:{port}/", content=body, headers=signed(body, key=each))
                    for each in names
                ]
                assert [answer.status_code == 200 for answer in answers] == [each == key for each in names]
        (pipeline,) = found.pipelines.values()
        assert pipeline.exchange.credentials._edition == 0
