"""`cio-mcp serve`: a process that a host starts, over stdio and over HTTP, in both protocol eras."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters

from tests.cli.commands import CLEAN, Running, run, running
from tests.cli.conftest import Here

ERAS = [("legacy", "2025-11-25"), ("auto", "2026-07-28")]
both_eras = pytest.mark.parametrize(("mode", "version"), ERAS, ids=[mode for mode, _ in ERAS])
SDK_PATIENCE = 30


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
    assert len((await client.list_tools()).tools) == 53
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


def test_the_end_of_input_ends_it_well_and_nothing_but_json_rpc_was_written() -> None:
    with running("--sandbox", "--log-level", "debug") as server:
        server.handshake()
        server.call(1, "list_segments", modern=False)
        server.close_input()
        ended = server.end()
    assert ended.code == 0
    assert [json.loads(line)["jsonrpc"] for line in ended.out.splitlines()] == ["2.0", "2.0"]
    (record,) = [json.loads(line) for line in ended.err.splitlines() if line.startswith("{")]
    assert (record["tool"], record["ending"]) == ("list_segments", "ok")
    assert datetime.fromisoformat(record["at"]).utcoffset() == timedelta(0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("level", ["debug", "error"])
def test_a_write_that_cannot_be_recorded_is_not_sent_and_reading_goes_on(level: str) -> None:
    send = {"to": "ada@example.com", "identifiers": {"id": "ada-1"}, "transactional_message_id": 1}
    asked = [
        asked_for("send_email", send, request_id=1),
        asked_for("list_person_messages", {"customer_id": "ada-1"}, request_id=2),
    ]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "cio_mcp", "--sandbox", "--log-level", level],
            input="".join(json.dumps(request) + "\n" for request in asked),
            stdout=subprocess.PIPE,
            stderr=full,
            env=CLEAN,
            text=True,
            timeout=SDK_PATIENCE,
            check=False,  # Python itself ends with 120 when it cannot flush its standard error
        )
    answers = {answer["id"]: answer["result"] for answer in map(json.loads, ended.stdout.splitlines())}
    assert answers[1]["structuredContent"]["error"]["code"] == "not_recorded"
    assert not answers[2].get("isError")
    assert "Your receipt" in str(answers[2]["structuredContent"]["messages"])


def asked_for(tool: str, arguments: dict[str, Any], *, request_id: int) -> dict[str, Any]:
    """Make a call as clients since 2026-07-28 do."""
    envelope = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test-client", "version": "9"},
    }
    params = {"name": tool, "arguments": arguments, "_meta": envelope}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def test_records_are_written_whatever_the_log_level() -> None:
    with running("--sandbox", "--log-level", "error") as server:
        server.handshake()
        server.call(1, "track_event", {"identifier": "ada-1", "name": "seen"}, modern=False)
        server.close_input()
        ended = server.end()
    records = [json.loads(line) for line in ended.err.splitlines()]
    assert [(record["record"], record["access"]) for record in records] == [("intent", "write"), ("outcome", "write")]


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
    assert {tool["annotations"]["readOnlyHint"] for tool in listed} == {True}
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
