"""What has begun and must be known to have ended is brought to its end, whoever gives up on it meanwhile."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


async def brought_to_its_end(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Return what `work` returns; a cancellation meanwhile takes effect at the caller's next wait after it.

    A shield of anyio's keeps off the cancellation of scopes. A program that embeds this one may also cancel the task
    itself (`asyncio.Task.cancel`), which no shield stops; so the work has a task of its own, and the loop that is
    asyncio's, as MCP's servers need.
    """
    waiting = asyncio.current_task()
    working = asyncio.create_task(work())
    cancelled = False
    while not working.done():
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.wait({working})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled and waiting:
        # Asked for anew, and still counted once: asyncio's own timeouts count.
        waiting.uncancel()
        waiting.cancel()
    return working.result()
