"""A call that must wait for a slot says so before it waits."""

import pytest
from mcp import Client

from cio_mcp.cli.wiring import workspace
from cio_mcp.server import build_server
from cio_mcp.settings import load

pytestmark = pytest.mark.anyio


async def reported(limit: str, calls: int, mode: str) -> list[tuple[float | None, str | None]]:
    """Make calls one after the other against the sandbox, and return what the last one reported meanwhile."""
    heard: list[tuple[float | None, str | None]] = []

    async def listen(progress: float, total: float | None, message: str | None) -> None:
        assert progress == 0
        heard.append((total, message))

    settings = load({"CIO_MCP_SANDBOX": "true", "CIO_MCP_LIMIT_APP": limit})
    async with workspace(settings) as pipeline, Client(build_server(pipeline), mode=mode) as client:
        for _ in range(calls - 1):
            await client.call_tool("get_segment", {"segment_id": 1})
        result = await client.call_tool("get_segment", {"segment_id": 1}, progress_callback=listen)
    assert not result.is_error
    return heard


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_long_wait_is_announced_with_its_length(mode: str) -> None:
    [(total, message)] = await reported("1/3", 2, mode)
    assert total is not None
    assert 1.0 <= total <= 3.3
    assert message == f"Waiting about {total:.0f} s for Customer.io's rate limit"


async def test_a_short_wait_and_no_wait_are_not_announced() -> None:
    assert await reported("1/0.2", 2, "auto") == []
    assert await reported("10/1", 2, "auto") == []
