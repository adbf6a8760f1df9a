"""Calls of sessions, which run beside the HTTP requests that brought them, so that stopping can end them too."""

from typing import Any

import anyio
from mcp import MCPError, types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server


class Endable:
    """Middleware that ends what is under way on demand, each call with an answer.

    The SDK would leave them until it closes its sessions, when nothing takes their answers any more: it waits a second
    for that all the same (mcp 2.3.0, shared/jsonrpc_dispatcher.py, `_SHUTDOWN_WRITE_TIMEOUT`).
    """

    def __init__(self) -> None:
        self._under_way: set[anyio.CancelScope] = set()

    def end_all(self) -> None:
        """End every call; each is answered -32603."""
        for call in self._under_way:
            call.cancel()

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Run the rest of the chain for one request or notification, until it ends or is ended."""
        call = anyio.CancelScope()
        self._under_way.add(call)
        try:
            with call:
                return await call_next(ctx)
        finally:
            self._under_way.discard(call)
        raise MCPError(code=types.INTERNAL_ERROR, message="The server had to stop before the answer was there")


def made_endable(server: Server[Any]) -> Endable:
    """Put `Endable` next to the handlers, if it is not there, and return it."""
    found = next((middleware for middleware in server.middleware if isinstance(middleware, Endable)), None)
    if found is None:
        found = Endable()
        server.middleware.append(found)
    return found
