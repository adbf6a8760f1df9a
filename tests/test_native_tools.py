"""Tools that this server answers itself."""

from typing import Any

import pytest
from mcp import Client

from cio_mcp.limiter import Budget
from cio_mcp.native import told
from tests.conftest import OWN_TOOLS, Connect
from tests.recording import Recorder


async def budgets(client: Client) -> dict[str, dict[str, Any]]:
    """Return what `get_rate_budget` shows, by name."""
    result = await client.call_tool("get_rate_budget", {})
    assert not result.is_error
    return {budget["name"]: budget for budget in (result.structured_content or {})["budgets"]}


@pytest.mark.anyio
async def test_before_the_first_call_no_limit_is_in_use(connected: Connect) -> None:
    async with connected() as client:
        assert await budgets(client) == {}


@pytest.mark.anyio
async def test_a_call_takes_one_of_its_own_limit_and_a_send_of_its_own_bucket(connected: Connect) -> None:
    async with connected(CIO_MCP_LIMIT_APP="5/60", CIO_MCP_LIMIT_EMAIL="7/60", CIO_MCP_LIMIT_TRACK="9/60") as client:
        await client.call_tool("list_segments", {})
        await client.call_tool("list_segments", {})
        await client.call_tool("track_event", {"identifier": "ada-1", "name": "seen"})
        arguments = {"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}}
        await client.call_tool("send_email", arguments)
        shown = await budgets(client)
    left = {name: (budget["available"], budget["limit"], budget["window"]) for name, budget in shown.items()}
    assert left == {"app/app": (3, 5, 60.0), "app/email": (6, 7, 60.0), "track/track": (8, 9, 60.0)}


@pytest.mark.anyio
async def test_a_used_up_limit_says_how_long_a_call_would_wait(connected: Connect) -> None:
    async with connected(CIO_MCP_LIMIT_APP="1/60") as client:
        await client.call_tool("list_segments", {})
        (budget,) = (await budgets(client)).values()
    assert budget["available"] == 0
    assert 50 < budget["next_free"] <= 61


@pytest.mark.anyio
async def test_it_asks_nobody_and_needs_no_key(connected: Connect, recorder: Recorder) -> None:
    async with connected({}) as client:
        assert await budgets(client) == {}
    assert recorder.requests == []


@pytest.mark.anyio
async def test_its_arguments_are_checked_like_any_others(connected: Connect) -> None:
    async with connected() as client:
        result = await client.call_tool("get_rate_budget", {"bucket": "app"})
    error = (result.structured_content or {})["error"]
    assert (result.is_error, error["code"]) == (True, "invalid_arguments")
    assert "unknown argument 'bucket': it takes no arguments" in error["message"]


@pytest.mark.anyio
async def test_it_is_listed_as_harmless_and_closed(connected: Connect) -> None:
    async with connected() as client:
        tool = next(tool for tool in (await client.list_tools()).tools if tool.name == "get_rate_budget")
    assert tool.annotations is not None
    hints = tool.annotations
    assert (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint) == (True, False, True)
    assert hints.open_world_hint is False
    assert tool.input_schema == {"type": "object", "properties": {}, "additionalProperties": False}


@pytest.mark.anyio
async def test_each_has_a_title_and_all_four_hints_and_none_changes_anything_of_customer_ios(
    connected: Connect,
) -> None:
    async with connected() as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    for name in OWN_TOOLS:
        hints = listed[name].annotations
        assert hints is not None
        assert hints.title == listed[name].title
        # Whoever looks an operation up closes its record here; all of these ask Customer.io.
        asks = name in (
            *("reconcile_operation", "get_delivery_timeline", "wait_for_delivery"),
            *("why_no_message", "preflight_broadcast", "person_overview"),
        )
        assert (hints.read_only_hint, hints.open_world_hint) == (name != "reconcile_operation", asks)
        assert (hints.destructive_hint, hints.idempotent_hint) == (False, True)


def test_seconds_are_rounded_and_what_is_quiet_is_left_out() -> None:
    state: dict[str, Any] = {
        "name": "app/app",
        "limit": 10,
        "window": 1.0,
        "effective": 10,
        "available": 0,
        "granted": 3,
    }
    calm = Budget(**state, queued=0, next_free=0.123456, paused_for=0.0, refused_429=0)
    assert told(calm) == state | {"next_free": 0.12}
    busy = Budget(**state, queued=2, next_free=1.0, paused_for=2.5, refused_429=1)
    assert told(busy) == state | {"queued": 2, "next_free": 1.0, "paused_for": 2.5, "refused_429": 1}
