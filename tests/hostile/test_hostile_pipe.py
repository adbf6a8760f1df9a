"""The nastiest of all inputs and answers over a real pipe: the server lives, and writes nothing but JSON-RPC."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from tests.cli.commands import CLEAN, ENVELOPE, PROMPTLY, Running
from tests.cli.commands import running as running_command
from tests.conftest import KEYS, NO_WAITS, UNGUARDED
from tests.hostile.identifier_corpus import CORPUS
from tests.hostile.reply_corpus import BODIES, ERROR_BODIES, JSON_TYPE, PLANTED, UNREADABLE, bomb
from tests.recording import Recorder, Reply, running
from tests.told import text_faults

both_eras = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])
PATIENCE = 30


@pytest.fixture(scope="module")
def upstream() -> Iterator[tuple[Recorder, dict[str, str]]]:
    """Yield a recording Customer.io and the variables that lead to it."""
    recorder = Recorder()
    with running(recorder) as url:
        yield recorder, {"CUSTOMERIO_TRACK_URL": url, "CUSTOMERIO_APP_URL": url, **NO_WAITS, **UNGUARDED, **KEYS}


@pytest.fixture(scope="module")
def server(upstream: tuple[Recorder, dict[str, str]]) -> Iterator[Running]:
    """Run our server on a pipe, opened as clients of either era do."""
    with running_command(env=upstream[1]) as command:
        command.handshake()
        yield command


@pytest.fixture
def recorder(upstream: tuple[Recorder, dict[str, str]]) -> Recorder:
    """Return the recording Customer.io, emptied."""
    upstream[0].requests.clear()
    return upstream[0]


def outcome(server: Running, tool: str, arguments: dict[str, Any], *, modern: bool) -> dict[str, Any]:
    """Call a tool; `Running` checks that the next line is the answer, so nothing else may be written."""
    result: dict[str, Any] = server.call(1, tool, arguments, modern=modern)["result"]
    is_error = bool(result.get("isError"))
    data = result["structuredContent"]
    assert not text_faults(result["content"][0]["text"], data, is_error=is_error, meta=result["_meta"])
    return result


@both_eras
def test_planted_texts_reach_the_client_as_one_line_of_json(
    server: Running, recorder: Recorder, *, modern: bool
) -> None:
    for planted in PLANTED:
        recorder.default = Reply(body=b'{"name":%s,%s:1}' % ((planted.written.encode(),) * 2))
        shown = planted.shown
        # A member that would pass for one of ours is kept apart from them.
        expected = {"name": shown} | {{"_cut": "customerio_cut"}.get(shown, shown): 1}
        assert outcome(server, "get_segment", {"segment_id": 1}, modern=modern)["structuredContent"] == expected


@both_eras
def test_no_body_ends_the_server(server: Running, recorder: Recorder, *, modern: bool) -> None:
    for reply in BODIES:
        recorder.default = Reply(status=reply.status, body=reply.body, headers=reply.headers)
        for tool, arguments in (("list_segments", {}), ("create_segment", {"name": "a"})):
            result = outcome(server, tool, arguments, modern=modern)
            expected = reply.read if tool == "list_segments" else reply.writes
            found = result["structuredContent"]
            assert (found["error"]["code"] if result.get("isError") else found) == expected, reply.name
    for body in ERROR_BODIES.values():
        recorder.default = Reply(status=400, body=body)
        assert outcome(server, "list_segments", {}, modern=modern)["isError"]


@both_eras
def test_hostile_identifiers_cross_the_pipe_unchanged_or_are_refused(
    server: Running, recorder: Recorder, *, modern: bool
) -> None:
    recorder.default = Reply()
    for hostile in CORPUS:
        if isinstance(hostile.value, str) and not re.search("[\ud800-\udfff]", hostile.value):
            recorder.requests.clear()
            outcome(server, "submit_form", {"form_id": "a", "data": {"id": hostile.value}}, modern=modern)
            for request in recorder.requests:
                assert json.loads(request.body)["data"]["id"] == hostile.value


PARSE_ERROR = -32700
# Raw JSON for an argument, and what it ends with.
LINES: list[tuple[str, str, Any]] = [
    ("3,000 levels", "[" * 3000 + "]" * 3000, PARSE_ERROR),
    ("150 levels", "[" * 150 + "]" * 150, "invalid_arguments"),
    ("half a character", '"\\ud800"', PARSE_ERROR),
    ("half a character in a name", '{"\\udfff":1}', PARSE_ERROR),
    ("NaN", "NaN", "invalid_arguments"),
    ("1e999", "1e999", "invalid_arguments"),
    ("a number of 4,301 digits", "9" * 4301, PARSE_ERROR),
    ("100,000 items", "[" + ",".join(["1"] * 100_000) + "]", "invalid_arguments"),
    ("an argument twice", '1,"segment_id":"x"', "invalid_arguments"),
]


@both_eras
@pytest.mark.parametrize(("value", "end"), [line[1:] for line in LINES], ids=[line[0] for line in LINES])
def test_arguments_that_no_client_library_writes_are_answered_once(
    server: Running, recorder: Recorder, value: str, end: Any, *, modern: bool
) -> None:
    meta = f',"_meta":{json.dumps(ENVELOPE)}' if modern else ""
    params = f'{{"name":"get_segment","arguments":{{"segment_id":{value}}}{meta}}}'
    assert server.process.stdin is not None
    server.process.stdin.write(f'{{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{params}}}\n'.encode())
    server.process.stdin.flush()
    answer = json.loads(server._answers.get(timeout=PATIENCE))
    assert answer["id"] == 5
    error = answer.get("error") or answer["result"]["structuredContent"]["error"]
    assert error["code"] == end
    assert recorder.requests == []
    assert "result" in server.call(6, "get_rate_budget", modern=modern)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of another process's memory from /proc")
def test_bombs_do_not_grow_the_server(server: Running, recorder: Recorder) -> None:
    recorder.default = Reply(body=bomb(), headers={**JSON_TYPE, "content-encoding": "gzip"})
    before = peak_memory(server)
    for number in range(5):
        answer = server.call(number, "get_segment", {"segment_id": 1}, modern=True)
        assert answer["result"]["structuredContent"]["error"]["code"] == UNREADABLE
    assert peak_memory(server) - before < 100_000_000


def peak_memory(server: Running) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_the_sdks_client_survives_what_it_gets(
    upstream: tuple[Recorder, dict[str, str]], recorder: Recorder, mode: str
) -> None:
    launch = StdioServerParameters(command=sys.executable, args=["-m", "cio_mcp"], env={**CLEAN, **upstream[1]})
    async with Client(launch, mode=mode, read_timeout_seconds=PATIENCE) as client:
        for reply in BODIES:
            recorder.default = Reply(status=reply.status, body=reply.body, headers=reply.headers)
            result = await client.call_tool("list_segments", {})
            found = result.structured_content or {}
            assert (found["error"]["code"] if result.is_error else found) == reply.read, reply.name
        assert not (await client.call_tool("get_rate_budget", {})).is_error


def test_nothing_but_json_rpc_was_written_to_the_end(upstream: tuple[Recorder, dict[str, str]]) -> None:
    recorder, variables = upstream
    with running_command(env=variables) as server:
        server.handshake()
        for number, planted in enumerate(PLANTED):
            recorder.default = Reply(body=b'{"name":%s}' % planted.written.encode())
            server.call(number, "list_segments", modern=False)
        recorder.default = Reply(body=b"[" * 100_000)
        server.call(1, "list_segments", modern=True)
        server.close_input()
        ended = server.end(within=PROMPTLY)
    assert ended.code == 0
    messages = [json.loads(line) for line in ended.out.split("\n")[:-1]]
    assert len(messages) == len(PLANTED) + 2
    assert all(message["jsonrpc"] == "2.0" and "result" in message for message in messages)
    assert "Traceback" not in ended.err
    assert not [value for value in KEYS.values() if value in ended.out + ended.err]
