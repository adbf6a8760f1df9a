"""Agents with tokens and a grants file on one socket: what each may do, and how each one's calls are confirmed."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client, types
from mcp.client.streamable_http import streamable_http_client

from cio_mcp.agents.token_store import Permit
from tests.confirm.people import ANSWERS, Somebody
from tests.recorded import records_in
from tests.team.house import ALL, PATIENCE, Team, team

pytestmark = pytest.mark.anyio

GRANTS = """
[agents.receipts]
profile = "sender"
deny = ["messaging:send_push"]
[agents.receipts.budget]
per_hour = 2

[agents.reports]
profile = "safe"

[agents.campaigns]
profile = "admin"
"""
PERMITS = [Permit(agent=name, grants=ALL) for name in ("receipts", "reports", "campaigns", "stranger")]
BROADCAST: dict[str, Any] = {"broadcast_id": 10}
SEND: dict[str, Any] = {
    "transactional_message_id": 1,
    "to": "ada@example.com",
    "identifiers": {"id": "ada-1"},
}
OPERATOR = ("--confirm", "operator", "--time-budget", "1")
ERAS = {"legacy": "2025-11-25", "auto": "2026-07-28"}
both_eras = pytest.mark.parametrize("mode", ERAS)


@asynccontextmanager
async def granted(folder: Path, *flags: str) -> AsyncIterator[Team]:
    """Start a server that knows four agents, three of them by its grants file too."""
    file = folder / "grants.toml"
    file.write_text(GRANTS, encoding="utf-8")
    file.chmod(0o600)
    async with team(folder, PERMITS, "--grants", str(file), *flags) as house:
        yield house


@asynccontextmanager
async def connected(
    house: Team, agent: str, *, mode: str = "auto", asks: Somebody | None = None
) -> AsyncIterator[Client]:
    """Connect the SDK's client as an agent."""
    headers = {"Authorization": f"Bearer {house.tokens[agent]}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=PATIENCE, trust_env=False) as http,
        Client(
            streamable_http_client(house.url, http_client=http),
            mode=mode,
            elicitation_callback=asks,
            read_timeout_seconds=PATIENCE,
        ) as client,
    ):
        assert client.protocol_version == ERAS[mode]
        yield client


async def called(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a tool, and return its result or its error."""
    with anyio.fail_after(PATIENCE):
        result = await client.call_tool(tool, arguments)
    content: dict[str, Any] = result.structured_content or {}
    told: dict[str, Any] = content.get("error", content)
    return told


async def triggers(client: Client) -> int:
    return len((await called(client, "list_broadcast_triggers", BROADCAST))["triggers"])


def intents(house: Team) -> list[tuple[str, str, str]]:
    """Return of each write that was about to leave who made it, with which tool, and how it had been confirmed."""
    found = [record for record in records_in(house.ledger) if record["kind"] == "intent"]
    return [(record["principal"], record["tool"], record.get("approval", "")) for record in found]


# -- grants ------------------------------------------------------------------------------------------


@both_eras
async def test_each_agent_is_shown_and_may_do_what_the_file_allows_it(tmp_path: Path, mode: str) -> None:
    async with granted(tmp_path, "--confirm", "off") as house:
        async with connected(house, "reports", mode=mode) as reports:
            names = {tool.name for tool in (await reports.list_tools()).tools}
            assert "list_segments" in names
            assert names.isdisjoint({"send_email", "trigger_broadcast", "identify_person"})
            denied = await called(reports, "send_email", SEND)
            assert denied["code"] == "not_permitted"
            shown = await called(reports, "find_people_by_email", {"email": "ada@example.com"})
            assert "ada@example.com" not in json.dumps(shown), "personal data is masked for this one"
        async with connected(house, "receipts", mode=mode) as receipts:
            names = {tool.name for tool in (await receipts.list_tools()).tools}
            assert "send_email" in names
            assert names.isdisjoint({"send_push", "trigger_broadcast", "delete_person"})
            push = {"transactional_message_id": 2, "identifiers": {"id": "ada-1"}}
            assert (await called(receipts, "send_push", push))["rule"] == "deny messaging:send_push"
            elsewhere = await called(receipts, "send_email", SEND | {"to": "eve@example.org"})
            assert "recipients" in elsewhere["rule"]
            assert "delivery_id" in await called(receipts, "send_email", SEND)
            shown = await called(receipts, "find_people_by_email", {"email": "ada@example.com"})
            assert "ada@example.com" in json.dumps(shown)
        async with connected(house, "campaigns", mode=mode) as campaigns:
            assert "error" not in await called(campaigns, "trigger_broadcast", BROADCAST)
            assert await triggers(campaigns) == 1
    assert [(who, tool) for who, tool, _ in intents(house)] == [
        ("receipts", "send_email"),
        ("campaigns", "trigger_broadcast"),
    ]


async def test_an_agent_that_the_file_does_not_name_may_do_nothing(tmp_path: Path) -> None:
    async with granted(tmp_path) as house, connected(house, "stranger") as stranger:
        names = {tool.name for tool in (await stranger.list_tools()).tools}
        for tool, arguments in (("list_segments", {}), ("send_email", SEND)):
            assert tool not in names
            assert (await called(stranger, tool, arguments))["code"] == "not_permitted"
    assert intents(house) == []


async def test_budgets_are_each_agents_own_whichever_connection_it_uses(tmp_path: Path) -> None:
    async with granted(tmp_path, "--confirm", "off") as house:
        sent = list[dict[str, Any]]()

        async def send(number: int) -> None:
            async with connected(house, "receipts") as receipts:
                sent.append(await called(receipts, "send_email", SEND | {"message_data": {"number": number}}))

        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(send, number)
        async with connected(house, "campaigns") as campaigns:
            assert "delivery_id" in await called(campaigns, "send_email", SEND)
    assert sorted(answer.get("code", "sent") for answer in sent) == [*["over_budget"] * 3, "sent", "sent"]


# -- confirmations -----------------------------------------------------------------------------------


async def test_the_person_behind_one_agents_client_confirms_that_agents_call_alone(tmp_path: Path) -> None:
    somebody, other = Somebody(), Somebody(answer=ANSWERS["declined"])
    async with (
        granted(tmp_path) as house,
        connected(house, "campaigns", asks=somebody) as campaigns,
        connected(house, "receipts", asks=other) as receipts,
    ):
        asked = await campaigns.session.call_tool("trigger_broadcast", BROADCAST, allow_input_required=True)
        assert isinstance(asked, types.InputRequiredResult)
        taken = await receipts.session.call_tool(
            "trigger_broadcast",
            BROADCAST,
            input_responses={"confirm": ANSWERS["yes"]},
            request_state=asked.request_state,
            allow_input_required=True,
        )
        assert isinstance(taken, types.CallToolResult)
        assert taken.is_error, "another agent's answer counts for nothing"
        assert await triggers(campaigns) == 0
        assert "code" not in await called(campaigns, "trigger_broadcast", BROADCAST)
        assert await triggers(campaigns) == 1
    assert len(somebody.questions) == 1
    assert other.questions == []
    assert intents(house) == [("campaigns", "trigger_broadcast", "round trip")]


@both_eras
async def test_a_no_sends_nothing_and_a_client_without_a_person_gets_a_token(tmp_path: Path, mode: str) -> None:
    asks = Somebody(answer=ANSWERS["declined"]) if mode == "auto" else None
    async with granted(tmp_path) as house, connected(house, "campaigns", mode=mode, asks=asks) as campaigns:
        told = await called(campaigns, "trigger_broadcast", BROADCAST)
        assert await triggers(campaigns) == 0
        if asks:
            assert told["code"] == "not_confirmed"
            return
        assert told["code"] == "confirmation_needed"
        confirmed = BROADCAST | {"confirm_token": told["confirm_token"]}
        assert "code" not in await called(campaigns, "trigger_broadcast", confirmed)
        again = await called(campaigns, "trigger_broadcast", confirmed | {"allow_repeat": True})
        assert again["code"] == "not_confirmed"
        assert await triggers(campaigns) == 1
    assert intents(house) == [("campaigns", "trigger_broadcast", "token")]


@both_eras
async def test_the_operator_approves_one_agents_call_at_a_terminal_and_no_other_agents(
    tmp_path: Path, mode: str
) -> None:
    somebody = Somebody()
    async with (
        granted(tmp_path, *OPERATOR) as house,
        connected(house, "campaigns", mode=mode, asks=somebody) as campaigns,
    ):
        waiting = await called(campaigns, "trigger_broadcast", BROADCAST)
        assert waiting["code"] == "approval_needed"
        pending = await house.command("pending", "--ledger", str(house.ledger))
        assert pending.out.startswith(f"{waiting['operation']}  trigger_broadcast")
        assert "campaigns" in pending.out
        approved = await house.command("approve", waiting["operation"], "--yes", "--ledger", str(house.ledger))
        assert approved.code == 0, approved.err
        async with connected(house, "receipts", mode=mode, asks=somebody) as receipts:
            assert (await called(receipts, "trigger_broadcast", BROADCAST))["code"] == "not_permitted"
        assert "code" not in await called(campaigns, "trigger_broadcast", BROADCAST)
        assert await triggers(campaigns) == 1
        more = await called(campaigns, "trigger_broadcast", BROADCAST | {"allow_repeat": True})
        assert more["code"] == "approval_needed"
        rejected = await house.command("reject", more["operation"], "--ledger", str(house.ledger))
        assert rejected.code == 0, rejected.err
        refused = await called(campaigns, "trigger_broadcast", BROADCAST | {"allow_repeat": True})
        assert refused["code"] == "not_confirmed"
        assert await triggers(campaigns) == 1
    assert somebody.questions == []
    ((who, tool, approval),) = intents(house)
    assert (who, tool) == ("campaigns", "trigger_broadcast")
    assert approval.startswith("operator ")
