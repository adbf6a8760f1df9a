"""`cio-mcp webhooks serve` as operators run it: a process, a port, signals."""

import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.streams.text import TextReceiveStream

from cio_mcp.cli.wiring import workspace_name
from cio_mcp.login.keeping import keep_in_files
from cio_mcp.login.kept import Login, mark, seal_of
from cio_mcp.settings import load, with_login
from cio_mcp.webhooks.sqlite import SqliteEvents
from cio_mcp.webhooks.store import Filter
from tests.cli.homes import only_on_linux
from tests.webhooks.receiving import KEY, PATIENCE, body_of, event, half_of, signed

pytestmark = pytest.mark.anyio
PATH = "/webhooks/customerio"
SETTINGS = {"CUSTOMERIO_WEBHOOK_SIGNING_KEY": KEY, "CUSTOMERIO_WORKSPACE_ID": "7"}


def environment(tmp_path: Path, **settings: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("CIO_MCP_", "CUSTOMERIO_"))}
    return plain | {"CIO_MCP_LEDGER": str(tmp_path / "ledger.sqlite3"), **settings}


@asynccontextmanager
async def serving(
    tmp_path: Path, *flags: str, program: Sequence[str] = ("-m", "cio_mcp"), **settings: str
) -> AsyncIterator[tuple[httpx2.AsyncClient, anyio.abc.Process]]:
    """Run the command, and give a client of it once it says where it listens."""
    command = [sys.executable, *program, "webhooks", "serve", "--listen", "127.0.0.1:0", *flags]
    given = environment(tmp_path, **(settings or SETTINGS))
    async with await anyio.open_process(command, env=given, stdout=None) as process:
        try:
            assert process.stderr
            said = TextReceiveStream(process.stderr)
            with anyio.fail_after(PATIENCE):
                found = re.search(r"at (http://[^/]+)/", await said.receive())
            assert found
            async with httpx2.AsyncClient(base_url=found[1], trust_env=False, timeout=PATIENCE) as http:
                yield http, process
        finally:
            if process.returncode is None:
                process.kill()


async def refused(tmp_path: Path, *flags: str, **settings: str) -> str:
    """Return what the command says when it does not start."""
    command = [sys.executable, "-m", "cio_mcp", "webhooks", "serve", *flags]
    with anyio.fail_after(PATIENCE):
        done = await anyio.run_process(command, env=environment(tmp_path, **settings), check=False)
    assert done.returncode == 2, done.stderr
    return done.stderr.decode()


async def test_events_are_received_and_a_signal_ends_it_in_order(tmp_path: Path) -> None:
    async with serving(tmp_path) as (http, process):
        body = body_of(event())
        answer = await http.post(PATH, content=body, headers=signed(body))
        assert (answer.status_code, answer.text) == (200, "kept")
        assert (await http.post(PATH, content=body, headers=signed(body, key="another"))).status_code == 401
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.get("/health/ready")).status_code == 200
        nothing = await http.post("/mcp", content=b"{}")
        assert (nothing.status_code, nothing.json()["error"]["message"]) == (404, "There is nothing at this path")
        process.send_signal(signal.SIGTERM)
        with anyio.fail_after(PATIENCE):
            assert await process.wait() == 0
    store = SqliteEvents(tmp_path / "events.sqlite3", workspace="us-7", now=time.time)
    assert [each.event.event_id for each in await store.find(Filter(), limit=5)] == [event()["event_id"]]
    await store.aclose()


async def test_a_signing_key_that_was_changed_where_it_lies_is_in_use_by_itself(tmp_path: Path) -> None:
    key = tmp_path / "signing_key"
    key.write_text("canary-old", encoding="utf-8")
    soon = "import sys; from cio_mcp.cli import main, team; team.RENEWED_EVERY = 0.05; sys.exit(main())"
    settings = {"CUSTOMERIO_WEBHOOK_SIGNING_KEY_FILE": str(key), "CUSTOMERIO_WORKSPACE_ID": "7"}
    async with serving(tmp_path, program=("-c", soon), **settings) as (http, _):
        body = body_of(event())
        assert (await http.post(PATH, content=body, headers=signed(body, key="canary-old"))).status_code == 200
        await anyio.Path(key).write_text("canary-new")
        with anyio.fail_after(PATIENCE):
            while (await http.post(PATH, content=body, headers=signed(body, key="canary-new"))).status_code == 401:  # noqa: ASYNC110 - in another process
                await anyio.sleep(0.05)
        assert (await http.post(PATH, content=body, headers=signed(body, key="canary-old"))).status_code == 401


async def test_a_hangup_has_it_read_the_signing_keys_anew_and_go_on(tmp_path: Path) -> None:
    key = tmp_path / "signing_key"
    key.write_text("canary-old", encoding="utf-8")
    settings = {"CUSTOMERIO_WEBHOOK_SIGNING_KEY_FILE": str(key), "CUSTOMERIO_WORKSPACE_ID": "7"}
    async with serving(tmp_path, **settings) as (http, process):
        body = body_of(event())
        await anyio.Path(key).write_text("canary-new")
        process.send_signal(signal.SIGHUP)
        with anyio.fail_after(PATIENCE):
            while (await http.post(PATH, content=body, headers=signed(body, key="canary-new"))).status_code == 401:  # noqa: ASYNC110 - in another process
                await anyio.sleep(0.05)
        assert (await http.post(PATH, content=body, headers=signed(body, key="canary-old"))).status_code == 401


@pytest.mark.parametrize("taken_away", [lambda file: file.write_text(""), Path.unlink])
async def test_a_former_signing_key_whose_file_is_emptied_or_removed_is_good_no_more(
    tmp_path: Path, taken_away: Callable[[Path], object]
) -> None:
    key, former = tmp_path / "signing_key", tmp_path / "signing_key_previous"
    key.write_text("canary-new", encoding="utf-8")
    former.write_text("canary-old", encoding="utf-8")
    settings = {
        "CUSTOMERIO_WEBHOOK_SIGNING_KEY_FILE": str(key),
        "CUSTOMERIO_WEBHOOK_SIGNING_KEY_PREVIOUS_FILE": str(former),
        "CUSTOMERIO_WORKSPACE_ID": "7",
    }
    body = body_of(event())

    async def statuses(http: httpx2.AsyncClient) -> list[int]:
        keys = ("canary-old", "canary-new", "canary-newest")
        return [(await http.post(PATH, content=body, headers=signed(body, key=each))).status_code for each in keys]

    async with serving(tmp_path, **settings) as (http, process):
        assert await statuses(http) == [200, 200, 401]
        taken_away(former)
        process.send_signal(signal.SIGHUP)
        with anyio.fail_after(PATIENCE):
            while await statuses(http) != [401, 200, 401]:  # noqa: ASYNC110 - in another process
                await anyio.sleep(0.05)
        key.write_text("canary-newest", encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        with anyio.fail_after(PATIENCE):
            while await statuses(http) != [401, 401, 200]:  # noqa: ASYNC110 - in another process
                await anyio.sleep(0.05)
    async with serving(tmp_path, **settings) as (http, _):  # what it runs on without, it starts without
        assert await statuses(http) == [401, 401, 200]


async def test_strangers_with_half_a_body_each_keep_no_signed_event_out(tmp_path: Path) -> None:
    async with serving(tmp_path) as (http, _), AsyncExitStack() as stack:
        port = http.base_url.port
        assert port
        for _ in range(300):
            stream = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
            await stream.send(half_of(b"xx", PATH, key="a stranger's"))
        body = body_of(event())
        answer = await http.post(PATH, content=body, headers=signed(body))
        assert (answer.status_code, answer.text) == (200, "kept")


async def test_half_a_body_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as (http, process):
        port = http.base_url.port
        assert port
        body = body_of(event())
        head = "".join(f"{name}: {value}\r\n" for name, value in signed(body).items())
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(
                f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{head}\r\n{{".encode()
            )
            assert (await http.get("/health/live")).status_code == 200
            process.send_signal(signal.SIGTERM)
            with anyio.fail_after(5):
                assert await process.wait() == 0


async def test_it_listens_where_it_is_told_for_every_request_is_signed(tmp_path: Path) -> None:
    async with serving(tmp_path, "--listen", "0.0.0.0:0") as (http, _):
        assert http.base_url.host == "0.0.0.0"  # noqa: S104 - what is under test


async def test_without_a_signing_key_it_does_not_start(tmp_path: Path) -> None:
    assert "CUSTOMERIO_WEBHOOK_SIGNING_KEY is not set" in await refused(tmp_path, CUSTOMERIO_WORKSPACE_ID="7")


async def test_without_knowing_whose_events_it_receives_it_does_not_start(tmp_path: Path) -> None:
    assert "whose events" in await refused(tmp_path, CUSTOMERIO_WEBHOOK_SIGNING_KEY=KEY)


async def test_flags_that_would_do_nothing_here_are_refused(tmp_path: Path) -> None:
    flags = ("--console", "0", "--auth", "tokens", "--sessions", "--read-only")
    said = await refused(tmp_path, *flags, **SETTINGS)
    assert all(flag in said for flag in flags if flag.startswith("--"))


@only_on_linux
async def test_with_stored_keys_it_receives_the_events_of_their_workspace_as_a_server_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    keys = {"app_api_key": "canary-app-key"}
    mark(Login(region="us", references=keep_in_files(keys), seal=seal_of(keys)))
    async with serving(tmp_path, CUSTOMERIO_WEBHOOK_SIGNING_KEY=KEY) as (http, _):
        body = body_of(event())
        assert (await http.post(PATH, content=body, headers=signed(body))).text == "kept"
    of_the_server = workspace_name(with_login(load({}), {}))
    store = SqliteEvents(tmp_path / "events.sqlite3", workspace=of_the_server, now=time.time)
    assert len(await store.find(Filter(), limit=5)) == 1
    await store.aclose()


async def test_with_a_file_that_cannot_be_used_it_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "events.sqlite3").touch(mode=0o644)
    said = await refused(tmp_path, **SETTINGS)
    assert "chmod 600" in said
    assert KEY not in said


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    async with serving(tmp_path) as (http, _):
        assert "cannot be used" in await refused(tmp_path, "--listen", f"127.0.0.1:{http.base_url.port}", **SETTINGS)
