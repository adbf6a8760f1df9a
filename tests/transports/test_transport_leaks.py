"""Exceptions that nobody expected, in both eras and wherever they are raised."""

import logging
from typing import Any

import pytest
from mcp import Client, MCPError, types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from pydantic import TypeAdapter

from cio_mcp.transports import NoLeak, guard_against_leaks

SECRET = "canary-secret"
both_eras = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class OwnError(Exception):
    """An exception that the SDK knows nothing of."""


async def _call(_ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    match params.name:
        case "own":
            raise OwnError(SECRET)
        case "validation":
            TypeAdapter(int).validate_python(SECRET)
        case "mcp":
            raise MCPError(code=-32099, message="meant for the client")
        case "result":
            return {"content": SECRET}  # type: ignore[return-value]  # the mistake under test
    return types.CallToolResult(content=[])


def guarded() -> Server[Any]:
    server = Server("test", on_call_tool=_call)
    guard_against_leaks(server)
    return server


async def error_of(server: Server[Any], mode: str, tool: str) -> types.ErrorData:
    async with Client(server, mode=mode) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool(tool, {})
    return caught.value.error


@both_eras
@pytest.mark.parametrize(
    ("tool", "code", "message"),
    [
        ("own", -32603, "Internal server error"),
        ("validation", -32602, "Invalid request parameters"),
        ("mcp", -32099, "meant for the client"),
        ("result", -32603, "Handler returned an invalid result"),
    ],
)
async def test_neither_the_client_nor_the_log_learns_an_exceptions_text(
    mode: str, tool: str, code: int, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = await error_of(guarded(), mode, tool)
    assert (error.code, error.message) == (code, message)
    assert SECRET not in str(error) + caplog.text


@both_eras
async def test_the_type_of_an_unexpected_exception_is_logged(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    await error_of(guarded(), mode, "own")
    assert "tools/call failed: OwnError" in caplog.text


@both_eras
async def test_middleware_added_later_is_guarded_too(mode: str) -> None:
    async def broken(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        if ctx.method == "tools/call":
            raise OwnError(SECRET)
        return await call_next(ctx)

    server = guarded()
    server.middleware.append(broken)
    assert (await error_of(server, mode, "fine")).message == "Internal server error"


async def test_guarding_twice_guards_once() -> None:
    server = guarded()
    guard_against_leaks(server)
    assert sum(isinstance(middleware, NoLeak) for middleware in server.middleware) == 1
    assert len(logging.getLogger("mcp.server.runner").filters) == 1
