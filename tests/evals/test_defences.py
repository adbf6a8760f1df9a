"""What the server does about a trap, whatever the model does: the model's mistake, really made."""

import time
from collections.abc import Iterator

import pytest

from cio_mcp.sandbox import RunningSandbox, running_sandbox, seeded_world
from evals.entries import Trap, traps
from tests.confirm.conftest import GUARDED
from tests.faults.conftest import UNLIMITED
from tests.faults.rig import rigged, settings_of

pytestmark = pytest.mark.anyio
DEFENDED = [trap for trap in traps() if trap.server is not None]


@pytest.fixture(scope="module")
def trapped_sandbox() -> Iterator[RunningSandbox]:
    """One sandbox for all traps."""
    with running_sandbox(limits=UNLIMITED) as running:
        yield running


def writes(sandbox: RunningSandbox) -> int:
    """Return how many requests that change something have arrived; people are searched with a POST."""
    return sum(
        entry.method not in ("GET", "HEAD") and not entry.raw_path.startswith("/v1/customers")
        for entry in sandbox.app.state.journal
    )


@pytest.mark.parametrize("trap", DEFENDED, ids=lambda trap: trap.id)
async def test_the_server_withstands_a_model_that_does_not(trap: Trap, trapped_sandbox: RunningSandbox) -> None:
    assert trap.server is not None
    state = trapped_sandbox.app.state
    state.world = seeded_world(time.time)
    async with rigged(settings_of(trapped_sandbox.url)) as rig:
        for call in trap.before:
            laid = await rig.call(call.tool, call.arguments)
            assert not laid.code, laid.result
    state.journal.clear()
    async with rigged(settings_of(trapped_sandbox.url, **(GUARDED | dict(trap.server.settings)))) as rig:
        answers = [(await rig.call(call.tool, call.arguments)).code or "done" for call in trap.server.calls]
    assert answers == [call.answer for call in trap.server.calls]
    assert writes(trapped_sandbox) == trap.server.arrives


def test_most_traps_are_withstood_by_the_server_itself() -> None:
    assert len(DEFENDED) > 50
