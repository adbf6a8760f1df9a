"""With sessions, clients of the handshake era are asked questions and see progress, over a real socket."""

import json
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from mcp import Client, types

from tests.transports.over_http import OverHttp, answer, head, over_http
from tests.transports.served import INITIALIZED, PATIENCE, call, initialize, request


@pytest.fixture(scope="module")
def shared() -> Iterator[OverHttp]:
    with over_http(sessions=True) as server:
        yield server


def opened(server: OverHttp, **capabilities: Any) -> str:
    """Open a session and return its id."""
    answered = server.post(initialize(**capabilities))
    session = answered.headers["mcp-session-id"]
    assert server.post(INITIALIZED, mcp_session_id=session).status == 202
    return session


def told(body: bytes) -> list[Any]:
    """Return the messages of an event stream."""
    return [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: {")]


@pytest.mark.anyio
async def test_a_handshake_client_is_asked_and_sees_progress(shared: OverHttp) -> None:
    asked: list[str] = []
    seen: list[tuple[float, float | None, str | None]] = []
    all_seen = anyio.Event()

    async def person(context: Any, params: Any) -> types.ElicitResult:
        assert context is not None
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"ok": True})

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))
        if progress == total:
            all_seen.set()

    with anyio.fail_after(PATIENCE):
        async with Client(shared.url, mode="legacy", elicitation_callback=person) as client:
            answered = await client.call_tool("ask", {})
            assert answered.content == [types.TextContent(type="text", text="accept")]
            await client.call_tool("steps", {"total": 3}, progress_callback=on_progress)
            await all_seen.wait()
    assert asked == ["Really?"]
    assert seen == [(1, 3, None), (2, 3, None), (3, 3, None)]


@pytest.mark.parametrize("modern", [False, True])
def test_a_result_that_json_cannot_carry_is_answered_as_an_error(shared: OverHttp, *, modern: bool) -> None:
    if modern:
        headers = {"mcp_protocol_version": "2026-07-28", "mcp_method": "tools/call", "mcp_name": "surrogate"}
        answered = shared.post(call(1, "surrogate", modern=True), **headers).json
    else:
        (answered,) = told(shared.post(call(1, "surrogate"), mcp_session_id=opened(shared)).body)
    assert (answered["id"], answered["error"]["code"]) == (1, -32603)


@pytest.mark.anyio
async def test_a_client_of_2026_needs_no_session(shared: OverHttp) -> None:
    with anyio.fail_after(PATIENCE):
        async with Client(shared.url, mode="2026-07-28") as client:
            answered = await client.call_tool("echo", {"text": "hello"})
    assert answered.content == [types.TextContent(type="text", text="hello")]


def test_a_session_ends_when_its_client_says_so(shared: OverHttp) -> None:
    session = opened(shared)
    assert shared.get("/mcp", "DELETE", **{"mcp-session-id": session}).status == 200
    gone = shared.post(call(1, "echo"), mcp_session_id=session)
    assert (gone.status, gone.json["error"]["message"]) == (404, "Session not found")


def test_more_sessions_than_there_is_room_for_are_refused_and_those_open_are_served() -> None:
    with over_http(sessions=True, limits={"sessions": 2}) as server:
        session, _ = opened(server), opened(server)
        assert server.post(initialize()).status == 503
        assert told(server.post(call(1, "echo", text="hello"), mcp_session_id=session).body)[0]["id"] == 1


def test_an_id_that_is_under_way_is_not_taken_twice(shared: OverHttp) -> None:
    session = opened(shared)
    with shared.connect() as first:
        shared.send(first, call("7", "slow", seconds=1.0), mcp_session_id=session)
        shared.server.wait_for_error("slow started")
        refused = shared.post(call(7, "echo"), mcp_session_id=session)
        assert (refused.status, refused.message) == (400, "A request with this id is under way in this session")
        other = opened(shared)
        assert shared.post(call(7, "echo"), mcp_session_id=other).status == 200
        assert told(answer(first).body)[-1]["result"]["content"][0]["text"] == "slow done"
    assert told(shared.post(call(7, "echo"), mcp_session_id=session).body)[0]["id"] == 7


def test_a_second_initialize_neither_ends_nor_confuses_a_session(shared: OverHttp) -> None:
    session = opened(shared)
    again = shared.post(initialize(1), mcp_session_id=session)
    assert again.status in (200, 400)
    assert told(shared.post(call(2, "echo", text="on"), mcp_session_id=session).body)[0]["id"] == 2


def test_cancelling_what_another_session_asked_does_nothing(shared: OverHttp) -> None:
    mine, theirs = opened(shared), opened(shared)
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}}
    with shared.connect() as sock:
        before = shared.server.errors.count("slow started")
        shared.send(sock, call(9, "slow", seconds=0.7), mcp_session_id=mine)
        while shared.server.errors.count("slow started") == before:
            shared.server.wait_for_error("slow started")
        for session in (theirs, "0" * 32, None):
            assert shared.post(cancel, mcp_session_id=session).status in (202, 400, 404)
        assert told(answer(sock).body)[-1]["result"]["content"][0]["text"] == "slow done"


def test_streams_hold_no_slots_of_calls() -> None:
    with over_http(sessions=True, limits={"requests": 1}) as server:
        session = opened(server)
        with server.connect() as stream:
            stream.sendall(head("GET", "/mcp", server.usual(mcp_session_id=session)))
            assert stream.recv(12) == b"HTTP/1.1 200"
            assert server.post(call(1, "echo"), mcp_session_id=session).status == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "HEAD"])
def test_other_methods_are_refused(shared: OverHttp, method: str) -> None:
    refused = shared.get("/mcp", method)
    assert (refused.status, refused.headers["allow"]) == (405, "GET, POST, DELETE")


def test_ping_is_answered_within_a_session(shared: OverHttp) -> None:
    assert told(shared.post(request(3, "ping"), mcp_session_id=opened(shared)).body)[0] == {
        "jsonrpc": "2.0",
        "id": 3,
        "result": {},
    }
