"""What a client may learn of an unexpected exception: that there was one."""

import logging
from typing import Any

from mcp import MCPError, types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from pydantic import ValidationError

_log = logging.getLogger(__name__)

# The SDK's loggers that write tracebacks of requests: exception texts and pydantic's echo of a result or of
# arguments would carry customer data, or a key, to standard error.
_TALKATIVE = (
    "mcp.server._streamable_http_modern",
    "mcp.server.runner",
    "mcp.server.streamable_http",
    "mcp.server.streamable_http_manager",
    "mcp.shared.jsonrpc_dispatcher",
    "uvicorn.error",
)


class NoLeak:
    """Middleware that answers an unexpected exception with -32603 and no detail, in every era.

    Without it a handshake-era client is sent `str(exc)`. `MCPError` and pydantic's `ValidationError` pass: the SDK
    maps both to answers without their text. Only the type of anything else is logged.
    """

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Run the rest of the chain for one request or notification."""
        try:
            return await call_next(ctx)
        except (MCPError, ValidationError):
            raise
        except Exception as exc:  # noqa: BLE001 - this is the boundary
            _log.error("%s failed: %s", ctx.method, type(exc).__name__)
            raise MCPError(code=types.INTERNAL_ERROR, message="Internal server error") from None


def guard_against_leaks(server: Server[Any]) -> None:
    """Put `NoLeak` around the server's handlers and later middleware, and keep exception texts out of the SDK's log.

    Doing it twice changes nothing.
    """
    if not any(isinstance(middleware, NoLeak) for middleware in server.middleware):
        # Second, because the first is the SDK's tracing: it records what it sees, so it must see the guarded error.
        server.middleware.insert(1, NoLeak())
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_name_the_exception_only)


def _name_the_exception_only(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[0] is not None:
        record.msg, record.args = "%s: %s", (record.getMessage(), record.exc_info[0].__name__)
        record.exc_info = None
        record.exc_text = None
    return True
