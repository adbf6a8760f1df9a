"""Fixtures of the fault tests: one sandbox without limits for all of them, started over for each."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import pytest

from cio_mcp.sandbox import Limits, RunningSandbox, running_sandbox, seeded_world
from cio_mcp.sandbox.programs import Trigger
from tests.faults.rig import Rig, rigged, settings_of

Open = Callable[..., AbstractAsyncContextManager[Rig]]

UNLIMITED = Limits(app=None, email=None, transactional=None, broadcast=None, track=None)


@pytest.fixture(scope="session")
def unlimited_sandbox() -> Iterator[RunningSandbox]:
    """One sandbox for the whole run."""
    with running_sandbox(limits=UNLIMITED) as running:
        yield running


@pytest.fixture
def sandbox(unlimited_sandbox: RunningSandbox) -> RunningSandbox:
    """Return a sandbox without limits, as built, with one trigger of broadcast 10."""
    state = unlimited_sandbox.app.state
    state.world = seeded_world(time.time)
    state.world.broadcasts[10].triggers[1] = Trigger(id=1, broadcast_id=10, created_at=0, processed_at=0)
    state.faults.clear()
    state.journal.clear()
    return unlimited_sandbox


@pytest.fixture
def rig(sandbox: RunningSandbox) -> Open:
    """Open a rig in front of the sandbox; settings by their variables, the rest as `rigged` takes it."""

    def make(**given: Any) -> AbstractAsyncContextManager[Rig]:
        variables = {name: given.pop(name) for name in list(given) if name.isupper()}
        return partial(rigged, settings_of(sandbox.url, **variables))(**given)

    return make
