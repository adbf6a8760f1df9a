"""Fixtures: our server with its tools for operations, in front of a sandbox."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from cio_mcp.catalog import CATALOG
from cio_mcp.delivery import Caller
from cio_mcp.errors import CioError
from cio_mcp.operations import operation_tools
from cio_mcp.pipeline import Pipeline
from cio_mcp.recollection import Recollection
from cio_mcp.sandbox import RunningSandbox
from cio_mcp.server import META, build_server
from tests.faults.conftest import sandbox, unlimited_sandbox
from tests.faults.rig import PATIENCE, Called, rigged, settings_of
from tests.recorded import MemoryLedger

__all__ = ["sandbox", "unlimited_sandbox"]


@dataclass(slots=True, kw_only=True)
class Clock:
    """Time since 1970, of the server, its ledger and the sandbox, which can be moved forward."""

    ahead: float = 0.0

    def now(self) -> float:
        """Return seconds."""
        return time.time() + self.ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A connected client, and what stands behind it."""

    client: Client
    pipeline: Pipeline
    ledger: MemoryLedger
    recollection: Recollection
    clock: Clock = field(default_factory=Clock)

    async def call(self, tool: str, arguments: dict[str, Any] | None = None) -> Called:
        """Call a tool; a call that never comes back fails the test."""
        with anyio.fail_after(PATIENCE):
            result = await self.client.call_tool(tool, arguments or {})
        return Called(result=result.structured_content or {}, meta=(result.meta or {}).get(META, {}))

    async def lost(self, tool: str, arguments: dict[str, Any], *, keep: bool = True) -> str:
        """Make a call whose outcome is not known, and return its operation; `keep` its arguments."""
        called = await self.call(tool, arguments)
        assert called.code in {"outcome_unknown", "unreadable_reply"}, called.result
        number: str = called.meta["operation"]
        self.recollection.forget(number)
        if keep:
            endpoint = CATALOG[tool]
            self.recollection.keep(number, endpoint, endpoint.params.model_validate(arguments))
        return number

    async def as_principal(self, principal: str, tool: str, arguments: dict[str, Any]) -> CioError | None:
        """Call one of this server's own tools as somebody else."""
        caller = Caller(name="test", principal=principal)
        return (await self.pipeline.answer(self.pipeline.native[tool], arguments, caller=caller)).error


Enter = Callable[..., AbstractAsyncContextManager[House]]
"""Opens a house; with the path of a ledger it shares that with others."""


@pytest.fixture
def house(sandbox: RunningSandbox) -> Enter:
    """Open a house in front of the sandbox."""
    return partial(_opened, sandbox)


@asynccontextmanager
async def _opened(sandbox: RunningSandbox, path: Path | None = None) -> AsyncIterator[House]:
    clock, settings = Clock(), settings_of(sandbox.url)
    async with rigged(settings, ledger=MemoryLedger(clock.now, path)) as rig, _shared(clock, sandbox):
        made, kept = rig.pipeline, Recollection()
        tools = operation_tools(
            ledger=made.ledger, exchange=made.exchange, workspace=made.workspace, now=clock.now, recollection=kept
        )
        pipeline = replace(made, native={**made.native, **{each.tool.name: each for each in tools}})
        async with Client(build_server(pipeline)) as client:
            yield House(client=client, pipeline=pipeline, ledger=rig.ledger, recollection=kept, clock=clock)


@asynccontextmanager
async def _shared(clock: Clock, sandbox: RunningSandbox) -> AsyncIterator[None]:
    state = sandbox.app.state
    before, state.clock = state.clock, clock.now
    try:
        yield
    finally:
        state.clock = before
