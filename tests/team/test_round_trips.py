"""A question of one call is an answer to nothing else: not to another agent's, another call's, another server's."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cio_mcp.agents.token_store import Permit
from tests.cli.commands import ENVELOPE
from tests.team.house import ALL, Team, team

pytestmark = pytest.mark.anyio

PERSON = {"identifier": "bob-2"}
ABLE = ENVELOPE | {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}}
YES = {"confirm": {"action": "accept", "content": {"confirm": True}}}
ASKS = ("--confirm", "ask")


async def put(
    house: Team, agent: str, arguments: dict[str, Any], *, state: str | None = None, answers: Any = None
) -> dict[str, Any]:
    """Suppress somebody in the way of a client that can ask a person, with any state and any answers."""
    params: dict[str, Any] = {"name": "suppress_person", "arguments": arguments, "_meta": ABLE}
    given = {"requestState": state, "inputResponses": answers}
    params |= {name: value for name, value in given.items() if value is not None}
    headers = {
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "suppress_person",
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    result: dict[str, Any] = (await house.post(agent, message, **headers)).json()["result"]
    return result


async def asked(house: Team, agent: str, arguments: dict[str, Any] = PERSON) -> str:
    """Have a question put, and return its state."""
    result = await put(house, agent, arguments)
    assert result["resultType"] == "input_required"
    state: str = result["requestState"]
    return state


def refused(result: dict[str, Any]) -> bool:
    """Tell whether a call ended unconfirmed."""
    return bool(result.get("isError")) and result["structuredContent"]["error"]["code"] == "not_confirmed"


async def test_a_state_answers_the_call_and_the_agent_that_it_was_made_for_and_once(tmp_path: Path) -> None:
    async with team(tmp_path, [Permit(agent=name, grants=ALL) for name in ("one", "other")], *ASKS) as house:
        state = await asked(house, "one")
        assert refused(await put(house, "other", PERSON, state=state, answers=YES))
        assert refused(await put(house, "one", {"identifier": "ada-1"}, state=state, answers=YES))
        forged = await put(house, "one", PERSON, state="made-up", answers=YES)
        assert refused(forged)
        unasked = await put(house, "one", PERSON, answers=YES)
        assert unasked["resultType"] == "input_required", "answers without a state are answers to nothing"
        results = [await put(house, "one", PERSON, state=state, answers=YES) for _ in range(3)]
    assert [refused(result) for result in results] == [False, True, True]
    assert results[0]["structuredContent"] == {"accepted": True}
    assert [record["approval"] for record in house.records if record["kind"] == "intent"] == ["round trip"]


async def test_a_state_ends_with_its_time(tmp_path: Path) -> None:
    async with team(tmp_path, [Permit(agent="one", grants=ALL)], *ASKS) as house:
        state = await asked(house, "one")
        with closing(sqlite3.connect(house.ledger, timeout=10)) as ledger, ledger:
            assert ledger.execute("UPDATE confirmations SET expires_at = 1, until_tick = 1").rowcount == 1
        late = await put(house, "one", PERSON, state=state, answers=YES)
    assert refused(late)
    assert "expired" in late["structuredContent"]["error"]["message"]


async def test_a_state_of_another_server_is_none(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    permits = [Permit(agent="one", grants=ALL)]
    async with team(tmp_path / "here", permits, *ASKS) as here, team(tmp_path / "there", permits, *ASKS) as there:
        state = await asked(here, "one")
        assert refused(await put(there, "one", PERSON, state=state, answers=YES))
        assert not refused(await put(here, "one", PERSON, state=state, answers=YES))
