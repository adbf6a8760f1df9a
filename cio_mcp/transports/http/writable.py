"""What an event stream can carry."""

import logging
from typing import Any

from mcp import MCPError, types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from pydantic import BaseModel
from pydantic_core import to_json

_log = logging.getLogger(__name__)


class OnlyWritable:
    """Middleware that answers -32603 for a result that JSON in UTF-8 cannot carry, a lone surrogate for instance.

    The SDK would end the event stream without any answer. Its other ways of answering see to it themselves.
    """

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Run the rest of the chain for one request or notification, and look at its result."""
        result = await call_next(ctx)
        try:
            to_json(result) if not isinstance(result, BaseModel) else result.model_dump_json()
        except (ValueError, RecursionError) as exc:
            _log.error("An answer could not be written as JSON: %s", type(exc).__name__)
            unwritable = "The answer holds a value that JSON in UTF-8 cannot carry"
            raise MCPError(code=types.INTERNAL_ERROR, message=unwritable) from None
        return result


def refuse_the_unwritable(server: Server[Any]) -> None:
    """Put `OnlyWritable` next to the handlers. Doing it twice changes nothing."""
    if not any(isinstance(middleware, OnlyWritable) for middleware in server.middleware):
        server.middleware.append(OnlyWritable())
