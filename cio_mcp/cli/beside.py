"""Work that runs beside other work, and what went wrong first where it does."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio


@asynccontextmanager
async def beside(work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run some work until the block ends; what goes wrong in the block is raised as it is."""
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            yield
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise first_failure(group) from group


def first_failure(failure: BaseException) -> BaseException:
    """Return the first failure in a group of groups, or the failure itself."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure
