"""What a token that is revoked ends: calls that wait to be approved, and streams."""

import json
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from cio_mcp.agents.token_store import Permit
from tests.team.house import ALL, PATIENCE, Team, calling, team

pytestmark = pytest.mark.anyio

SUPPRESS = {"identifier": "bob-2"}
WAITING = ("--confirm", "operator", "--time-budget", "40")


async def revoked(house: Team, agent: str) -> None:
    ended = await house.command("token", "revoke", agent, "--ledger", str(house.ledger))
    assert ended.code == 0, ended.err
    assert "It proves nobody any more, in any server." in ended.out
    await anyio.sleep(1)  # what is promised


async def waiting_for_approval(house: Team) -> str:
    """Wait until a call waits to be approved; return its operation."""
    while True:
        if pending := (await house.command("pending", "--ledger", str(house.ledger))).out:
            return pending.split()[0]
        await anyio.sleep(0.1)


@pytest.mark.parametrize("whose", ["its own", "another's"])
async def test_a_call_that_waits_does_not_leave_once_its_token_is_revoked(tmp_path: Path, whose: str) -> None:
    answers = list[dict[str, Any]]()
    async with team(tmp_path, [Permit(agent=name, grants=ALL) for name in ("one", "two")], *WAITING) as house:

        async def suppress() -> None:
            answers.append(await house.call("one", "suppress_person", SUPPRESS))

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as calls:
                calls.start_soon(suppress)
                operation = await waiting_for_approval(house)
                await revoked(house, "one" if whose == "its own" else "two")
                approved = await house.command("approve", operation, "--yes", "--ledger", str(house.ledger))
                assert approved.code == 0, approved.err
    intents = [record for record in house.records if record["kind"] == "intent"]
    if whose == "its own":
        assert answers[0]["error"]["code"] == "not_permitted"
        assert "was revoked or has expired since the call came. Nothing was sent." in answers[0]["error"]["message"]
        assert intents == []
    else:
        assert answers == [{"accepted": True}]
        assert len(intents) == 1


async def test_a_write_that_stands_in_line_does_not_leave_once_its_token_is_revoked(tmp_path: Path) -> None:
    answers = list[dict[str, Any]]()
    async with team(tmp_path, [Permit(agent="one", grants=ALL)], CIO_MCP_LIMIT_TRACK="1/10") as house:

        async def identify(identifier: str) -> None:
            answers.append(await house.call("one", "identify_person", {"identifier": identifier}))

        await identify("first")
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as calls:
                calls.start_soon(identify, "second")
                await anyio.sleep(0.5)
                await revoked(house, "one")
                assert answers == [{"accepted": True}], "the other waits still"
    assert answers[1]["error"]["code"] == "not_permitted"
    ended = [record for record in house.records if record["kind"] == "outcome"][-1]
    assert (ended["ending"], ended.get("attempts", 0)) == ("refused", 0)


async def test_a_stream_of_a_session_ends_with_its_token(tmp_path: Path) -> None:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    begin = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    async with team(tmp_path, [Permit(agent="one", grants=ALL)], "--sessions") as house:
        begun = await house.post("one", begin)
        heads = {
            "Accept": "text/event-stream",
            "Authorization": f"Bearer {house.tokens['one']}",
            "Mcp-Session-Id": begun.headers["mcp-session-id"],
            "MCP-Protocol-Version": "2025-11-25",
        }
        async with house.http.stream("GET", house.url, headers=heads) as stream:
            assert stream.status_code == 200
            with anyio.move_on_after(2) as open_still:
                await stream.aread()
            assert open_still.cancelled_caught, "it lasts as long as its token"
        async with house.http.stream("GET", house.url, headers=heads) as stream:
            assert stream.status_code == 200, json.dumps(dict(stream.headers))
            ended = await house.command("token", "revoke", "one", "--ledger", str(house.ledger))
            assert ended.code == 0, ended.err
            since = time.monotonic()
            with anyio.fail_after(PATIENCE):
                await stream.aread()
            assert time.monotonic() - since < 5
        assert (await house.post("one", calling("list_segments", {}))).status_code == 401
