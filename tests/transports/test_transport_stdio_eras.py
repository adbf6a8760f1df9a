"""Every protocol era over real pipes, one after the other and at once."""

import sys
from collections.abc import Callable

import pytest
from mcp import Client, MCPError, StdioServerParameters, types

from tests.transports.served import ROOT, SERVER, call, initialize, request, served

LAUNCH = StdioServerParameters(command=sys.executable, args=[SERVER, "stdio"], env={"PYTHONPATH": ROOT})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")]
)
async def test_the_sdk_client_is_served(mode: str, version: str) -> None:
    async with Client(LAUNCH, mode=mode, read_timeout_seconds=20) as client:
        assert client.protocol_version == version
        assert "echo" in [tool.name for tool in (await client.list_tools()).tools]
        result = await client.call_tool("echo", {"text": "grüß dich\u2028"})
        assert result.content == [types.TextContent(type="text", text="grüß dich\u2028")]
        with pytest.raises(MCPError, match="Internal server error"):
            await client.call_tool("fail", {})


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_the_handshake_echoes_the_version_and_serves(version: str) -> None:
    with served("stdio") as server:
        assert server.ask(initialize(version=version))["result"]["protocolVersion"] == version
        assert server.ask(call(1, "echo", text=version))["result"]["content"][0]["text"] == version


def test_a_probe_may_be_followed_by_the_handshake() -> None:
    with served("stdio") as server:
        discovered = server.ask(request(1, "server/discover", modern=True))
        assert discovered["result"]["supportedVersions"] == ["2026-07-28"]
        server.handshake()
        assert server.ask(call(2, "echo", text="legacy"))["result"]["content"][0]["text"] == "legacy"


def test_a_probe_for_an_unknown_version_may_be_followed_by_the_handshake() -> None:
    future = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2027-01-01"}}
    with served("stdio") as server:
        assert server.ask(request(1, "server/discover", future, modern=True))["error"]["code"] == -32022
        server.handshake()


def test_both_eras_are_served_at_once_even_under_the_same_id() -> None:
    with served("stdio") as server:
        server.handshake()
        for number in range(20):
            server.send(call(number, "echo", text="legacy"))
            server.send(call(number, "echo", text="modern", modern=True))
        answers = [server.receive() for _ in range(40)]
        seen = {(a["id"], a["result"]["content"][0]["text"], "resultType" in a["result"]) for a in answers}
        assert seen == {(n, "legacy", False) for n in range(20)} | {(n, "modern", True) for n in range(20)}


@pytest.mark.parametrize("modern", [True, False], ids=["modern", "legacy"])
def test_a_cancelled_call_ends_and_is_not_answered(*, modern: bool) -> None:
    with served("stdio") as server:
        server.handshake()
        server.send(call(1, "slow", seconds=600, modern=modern))
        server.wait_for_error("slow started")
        server.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        server.wait_for_error("slow cancelled")
        server.close_stdin()
        assert server.wait() == 0
        assert server.rest() == []


def test_cancelling_what_is_not_in_flight_changes_nothing() -> None:
    with served("stdio") as server:
        server.handshake()
        for foreign in (99, "no such", None, {"a": 1}, 1.5):
            server.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": foreign}})
        for modern in (True, False):
            assert "result" in server.ask(call(1, "echo", modern=modern))


def test_progress_reaches_both_eras_and_what_json_cannot_carry_is_left_out() -> None:
    with served("stdio") as server:
        server.handshake()
        for modern in (True, False):
            params = {"name": "progress", "arguments": {}, "_meta": {"progressToken": "p"}}
            told = server.ask(request(1, "tools/call", params, modern=modern))
            assert told["method"] == "notifications/progress"
            assert told["params"]["message"] == "whole"
            assert server.receive()["result"]["content"][0]["text"] == "reported"


def test_a_question_to_a_handshake_client_is_asked_and_answered() -> None:
    with served("stdio") as server:
        server.handshake(elicitation={})
        asked = server.ask(call(1, "ask"))
        assert asked["method"] == "elicitation/create"
        answer = {"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "decline"}}
        assert server.ask(answer)["result"]["content"][0]["text"] == "decline"


def _with_surrogate(request_id: int) -> bytes:
    return b'{"result":{"action":"accept","content":{"x":"\\ud800"}},"jsonrpc":"2.0","id":%d}' % request_id


def _too_long(request_id: int) -> bytes:
    return b'{"jsonrpc":"2.0","id":%d,"result":{"x":"%s"}}' % (request_id, b"x" * 4 * 1024 * 1024)


@pytest.mark.parametrize("answer", [_with_surrogate, _too_long])
def test_an_unreadable_answer_to_our_question_ends_the_call_and_draws_no_answer(answer: Callable[[int], bytes]) -> None:
    with served("stdio") as server:
        server.handshake(elicitation={})
        asked = server.ask(call(1, "ask"))
        ended = server.ask(answer(asked["id"]))
        assert ended["id"] == 1
        assert "error" in ended
        assert "result" in server.ask(call(2, "echo"))
