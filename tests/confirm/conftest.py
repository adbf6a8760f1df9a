"""A guarded server in front of the sandbox, as it stands without any setting."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from cio_mcp.sandbox import RunningSandbox, running_sandbox, seeded_world
from cio_mcp.sandbox.programs import Trigger
from tests.faults.conftest import UNLIMITED
from tests.faults.rig import Rig, rigged, settings_of

GUARDED = {"CIO_MCP_CONFIRM": "auto", "CIO_MCP_REPEAT_WINDOW": "600"}
Open = Callable[..., AbstractAsyncContextManager[Rig]]


@pytest.fixture(scope="session")
def guarded_sandbox() -> Iterator[RunningSandbox]:
    """One sandbox for all of these tests."""
    with running_sandbox(limits=UNLIMITED) as running:
        yield running


@pytest.fixture
def sandbox(guarded_sandbox: RunningSandbox) -> RunningSandbox:
    """Return the sandbox as built."""
    state = guarded_sandbox.app.state
    state.world = seeded_world(time.time)
    state.world.broadcasts[10].triggers[1] = Trigger(id=1, broadcast_id=10, created_at=0, processed_at=0)
    state.faults.clear()
    state.journal.clear()
    return guarded_sandbox


@pytest.fixture
def open_rig(sandbox: RunningSandbox) -> Open:
    """Open a client of a guarded server; settings by their variables, the rest as `rigged` takes it."""

    def make(**given: Any) -> AbstractAsyncContextManager[Rig]:
        variables = {name: given.pop(name) for name in list(given) if name.isupper()}
        return rigged(settings_of(sandbox.url, **(GUARDED | variables)), **given)

    return make


@pytest.fixture
def granted(tmp_path: Path) -> Callable[[str], str]:
    """Write a grants file; return its path."""

    def written(text: str) -> str:
        path = tmp_path / "grants.toml"
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    return written
