"""`cio-mcp serve`: a process that a host starts, over stdio and over HTTP, in both protocol eras."""

import json
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters

from cio_mcp.catalog import CATALOG, Access
from cio_mcp.server import META
from tests.catalog import listed
from tests.cli.commands import CLEAN, Running, run, running
from tests.cli.conftest import Here
from tests.conftest import OWN_TOOLS
from tests.recorded import records_in

ERAS = [("legacy", "2025-11-25"), ("auto", "2026-07-28")]
both_eras = pytest.mark.parametrize(("mode", "version"), ERAS, ids=[mode for mode, _ in ERAS])
SDK_PATIENCE = 30
ALL_TOOLS = len(listed.tools())


@pytest.fixture(scope="module")
def stdio() -> Iterator[Running]:
    """Run a server on a pipe, opened by neither era yet; one for all, as a host would never do."""
    with running("serve", "--sandbox") as server:
        yield server


@pytest.fixture(scope="module")
def http() -> Iterator[str]:
    """Run a server over HTTP on a free port; yields its URL."""
    with running("serve", "--sandbox", "--http", "0") as server:
        yield server.wait_for("serves MCP at").split()[-1]


async def _works(client: Client, version: str) -> None:
    assert client.protocol_version == version
    assert client.instructions
    assert len((await client.list_tools()).tools) == ALL_TOOLS
    called = await client.call_tool("count_segment_people", {"segment_id": 1})
    assert (called.structured_content or {})["count"] == 29
    refused = await client.call_tool("count_segment_people", {"segment_idd": 1})
    assert refused.is_error
    with pytest.raises(MCPError, match="did you mean list_segments"):
        await client.call_tool("list_segmnts", {})


@pytest.mark.anyio
@both_eras
async def test_the_sdks_client_is_served_over_stdio(mode: str, version: str) -> None:
    launch = StdioServerParameters(command=sys.executable, args=["-m", "cio_mcp", "--sandbox"], env=dict(CLEAN))
    async with Client(launch, mode=mode, read_timeout_seconds=SDK_PATIENCE) as client:
        await _works(client, version)


@pytest.mark.anyio
@both_eras
async def test_the_sdks_client_is_served_over_http(http: str, mode: str, version: str) -> None:
    async with Client(http, mode=mode, read_timeout_seconds=SDK_PATIENCE) as client:
        await _works(client, version)


def test_a_probe_followed_by_the_handshake_is_served_and_both_eras_then_share_the_pipe(stdio: Running) -> None:
    discovered = stdio.ask(1, "server/discover", modern=True)["result"]
    assert discovered["supportedVersions"] == ["2026-07-28"]
    opened = stdio.handshake()
    assert opened["protocolVersion"] == "2025-11-25"
    assert opened["instructions"] == discovered["instructions"]
    for modern in (False, True):
        answer = stdio.call(2, "count_segment_people", {"segment_id": 1}, modern=modern)["result"]
        assert answer["structuredContent"]["count"] == 29
        assert ("resultType" in answer) is modern


@pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])
def test_an_unknown_tool_is_a_protocol_error_with_the_nearest_name(stdio: Running, *, modern: bool) -> None:
    error = stdio.call(3, "list_segmnts", modern=modern)["error"]
    assert error == {"code": -32602, "message": "Unknown tool 'list_segmnts': did you mean list_segments?"}


def test_the_end_of_input_ends_it_well_and_nothing_but_json_rpc_was_written(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite3"
    before = time.time()
    with running("--sandbox", "--log-level", "debug", "--ledger", str(ledger)) as server:
        server.handshake()
        server.call(1, "list_segments", modern=False)
        server.close_input()
        ended = server.end()
    assert ended.code == 0
    assert [json.loads(line)["jsonrpc"] for line in ended.out.splitlines()] == ["2.0", "2.0"]
    assert not [line for line in ended.err.splitlines() if "list_segments" in line]
    (record,) = records_in(ledger)
    assert (record["kind"], record["tool"], record["ending"]) == ("outcome", "list_segments", "ok")
    assert before <= record["at"] <= time.time()


SEND = {"to": "ada@example.com", "identifiers": {"id": "ada-1"}, "transactional_message_id": 1}
SEEDED = ["Your receipt", "Welcome", "What was new"]
"""The subjects of the messages that ada-1 has in the sandbox from the start."""


def spoilt(folder: Path, kind: str) -> Path:
    """Return the path of a ledger that cannot be opened."""
    match kind:
        case "no folder can be made":
            (folder / "file").touch()
            return folder / "file" / "ledger.sqlite3"
        case "a folder":
            (folder / "ledger.sqlite3").mkdir()
        case "no key beside it":
            (folder / "ledger.sqlite3").write_bytes(b"something else" * 100)
            (folder / "ledger.sqlite3").chmod(0o600)
    return folder / "ledger.sqlite3"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("a folder", "not_recorded"),
        ("no key beside it", "not_recorded"),
        ("no folder can be made", "writes_stopped"),  # it cannot be seen whether a stop lies there, either
    ],
)
@pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])
def test_a_write_that_cannot_be_recorded_is_not_sent_and_reading_goes_on(
    tmp_path: Path, kind: str, code: str, *, modern: bool
) -> None:
    ledger = spoilt(tmp_path, kind)
    with running("--sandbox", "--ledger", str(ledger)) as server:
        line = server.wait_for("calls cannot be recorded, so nothing is written: ")
        assert ledger.name in line.replace(str(tmp_path), "")
        server.handshake()
        sent = server.call(1, "send_email", SEND, modern=modern)["result"]
        read = server.call(2, "list_person_messages", {"customer_id": "ada-1"}, modern=modern)["result"]
        server.close_input()
        ended = server.end()
    assert ended.code == 0
    assert sent["isError"] is True
    assert sent["structuredContent"]["error"]["code"] == code
    assert not read.get("isError")
    subjects = [message["subject"] for message in read["structuredContent"]["messages"]]
    assert subjects == SEEDED
    assert "could not be recorded" in read["_meta"][META]["notice"]
    assert "Traceback" not in ended.err


def test_what_cannot_be_recorded_now_is_tried_again_with_the_next_call(tmp_path: Path) -> None:
    ledger = spoilt(tmp_path, "a folder")
    with running("--sandbox", "--ledger", str(ledger)) as server:
        server.handshake()
        refused = server.call(1, "send_email", SEND, modern=False)["result"]
        ledger.rmdir()
        sent = server.call(2, "send_email", SEND, modern=False)["result"]
        server.close_input()
        assert server.end().code == 0
    assert refused["structuredContent"]["error"]["code"] == "not_recorded"
    assert sent["structuredContent"]["delivery_id"]
    assert [record["kind"] for record in records_in(ledger)] == ["intent", "outcome"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("level", ["debug", "error"])
def test_a_standard_error_that_takes_nothing_stops_no_call(tmp_path: Path, level: str) -> None:
    ledger = tmp_path / "ledger.sqlite3"
    asked = [
        asked_for("send_email", SEND, request_id=1),
        asked_for("list_person_messages", {"customer_id": "ada-1"}, request_id=2),
    ]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "cio_mcp", "--sandbox", "--log-level", level, "--ledger", str(ledger)],
            input="".join(json.dumps(request) + "\n" for request in asked),
            stdout=subprocess.PIPE,
            stderr=full,
            env=CLEAN,
            text=True,
            timeout=SDK_PATIENCE,
            check=False,  # Python itself ends with 120 when it cannot flush its standard error
        )
    answers = {answer["id"]: answer["result"] for answer in map(json.loads, ended.stdout.splitlines())}
    assert answers[1]["structuredContent"]["delivery_id"]
    assert "notice" not in answers[1]["_meta"][META]
    assert not answers[2].get("isError")
    assert sorted((record["kind"], record["tool"]) for record in records_in(ledger)) == [
        ("intent", "send_email"),
        ("outcome", "list_person_messages"),
        ("outcome", "send_email"),
    ]


def reads(tool: str) -> bool:
    return CATALOG[tool].access is Access.READ


def asked_for(tool: str, arguments: dict[str, Any], *, request_id: int) -> dict[str, Any]:
    """Make a call as clients since 2026-07-28 do."""
    envelope = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test-client", "version": "9"},
    }
    params = {"name": tool, "arguments": arguments, "_meta": envelope}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def test_records_are_written_whatever_the_log_level(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite3"
    with running("--sandbox", "--log-level", "error", "--ledger", str(ledger)) as server:
        server.handshake()
        server.call(1, "track_event", {"identifier": "ada-1", "name": "seen"}, modern=False)
        server.close_input()
        ended = server.end()
    intent, outcome = records_in(ledger)
    assert (intent["kind"], intent["tool"], intent["access"]) == ("intent", "track_event", "write")
    assert (outcome["kind"], outcome["ending"], outcome["intent"]) == ("outcome", "ok", intent["seq"])
    assert ended.err == ""


def test_without_a_word_calls_are_recorded_in_the_users_state_directory_where_nobody_else_reads(tmp_path: Path) -> None:
    with running("serve", env={"CIO_MCP_LEDGER": "", "XDG_STATE_HOME": str(tmp_path)}) as server:
        server.handshake()
        server.call(1, "list_segments", modern=False)
        server.close_input()
        assert server.end().code == 0
    ledger = tmp_path / "cio-mcp" / "ledger.sqlite3"
    (record,) = records_in(ledger)
    assert (record["tool"], record["ending"], record["code"]) == ("list_segments", "refused", "missing_credential")
    assert stat.S_IMODE(ledger.stat().st_mode) == 0o600
    assert stat.S_IMODE(ledger.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("flags", "variable"),
    [(["--sandbox"], ""), (["--sandbox"], "memory"), (["--ledger", "memory"], ""), ([], "memory")],
    ids=["the sandbox", "both", "flag", "variable"],
)
def test_a_trial_leaves_nothing_on_disk(tmp_path: Path, flags: list[str], variable: str) -> None:
    with running("serve", *flags, env={"CIO_MCP_LEDGER": variable, "XDG_STATE_HOME": str(tmp_path)}) as server:
        server.handshake()
        operation = server.call(1, "list_segments", modern=False)["result"]["_meta"][META]["operation"]
        known = server.call(2, "get_operation", {"operation": operation}, modern=False)["result"]
        server.close_input()
        assert server.end().code == 0
    assert known["structuredContent"]["tool"] == "list_segments"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_stdio_promptly_without_a_traceback(signum: signal.Signals, code: int) -> None:
    with running("serve", "--sandbox", "--log-level", "error") as server:
        server.handshake()
        ended = server.end(signum)
    assert (ended.code, ended.err) == (code, "")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_http_promptly_without_a_traceback(signum: signal.Signals) -> None:
    with running("serve", "--http", "0", "--sandbox", "--log-level", "error") as server:
        line = server.wait_for("serves MCP at http://127.0.0.1:")
        ended = server.end(signum)
    assert (ended.code, ended.err) == (0, line)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "example.com:80"])
def test_an_address_that_others_could_reach_is_refused_in_a_sentence(address: str) -> None:
    said = run("serve", "--sandbox", "--log-level", "error", "--http", address).sentence(2)
    assert "is not a loopback address" in said


def test_a_port_that_is_taken_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("serve", "--http", str(port), "--sandbox", "--log-level", "error")
    assert f"port {port} cannot be used" in refused.sentence(2)


@pytest.mark.parametrize("address", ["http", "127.0.0.1:", "127.0.0.1:http", "65536", "-1", "²", ""])
def test_what_is_no_address_is_refused_with_the_usage(here: Here, address: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as left:
        here("serve", "--http", address)
    assert left.value.code == 2
    assert "--http" in capsys.readouterr().err.splitlines()[-1]


def test_settings_that_cannot_be_used_stop_it_before_it_serves() -> None:
    said = run("serve", env={"CUSTOMERIO_APP_URL": "https://customer.io.evil.com"}).sentence(2)
    assert said.startswith("cio-mcp: CUSTOMERIO_APP_URL must ")
    assert "evil" not in said


def test_without_a_key_it_serves_and_says_so() -> None:
    with running("serve", env={"CUSTOMERIO_APP_URL": "http://127.0.0.1:1"}) as server:
        server.wait_for("no credential is set")
        server.handshake()
        error = server.call(1, "list_segments", modern=False)["result"]["structuredContent"]["error"]
        server.close_input()
        assert server.end().code == 0
    assert error["code"] == "missing_credential"
    assert "CUSTOMERIO_APP_API_KEY" in error["next_step"]


@pytest.mark.parametrize("form", [["--read-only"], []], ids=["flag", "variable"])
def test_a_narrowed_server_hides_tools_and_refuses_them_by_name(form: list[str]) -> None:
    variables = {} if form else {"CIO_MCP_READ_ONLY": "1"}
    with running("serve", "--sandbox", *form, env=variables) as server:
        server.handshake()
        listed = server.ask(1, "tools/list")["result"]["tools"]
        called = server.call(2, "create_segment", {"name": "hidden"}, modern=False)["result"]
    # What it closes is a record of this server, and nothing at Customer.io.
    assert [tool["name"] for tool in listed if not tool["annotations"]["readOnlyHint"]] == ["reconcile_operation"]
    assert {tool["name"] for tool in listed} == {name for name in CATALOG if reads(name)} | set(OWN_TOOLS)
    assert called["isError"] is True
    assert called["structuredContent"]["error"]["code"] == "not_permitted"


def test_a_half_set_service_account_is_told_at_the_start() -> None:
    account = {"CUSTOMERIO_SERVICE_ACCOUNT_TOKEN": "sa_live_canary"}
    with running("serve", env=account) as server:
        server.wait_for("CUSTOMERIO_SERVICE_ACCOUNT_TOKEN also needs CUSTOMERIO_WORKSPACE_ID")
        server.close_input()
        ended = server.end()
    assert ended.code == 0
    assert "canary" not in ended.err
