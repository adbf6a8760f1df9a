"""What keeps a further attempt from leaving does not unsay that an earlier one may have arrived."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from cio_mcp.budgets import Budgets, Slots
from cio_mcp.catalog.endpoint import Bucket
from cio_mcp.errors import Unavailable
from cio_mcp.ledger import Stopped, Unrecorded
from cio_mcp.sandbox import Fault, RunningSandbox
from tests.faults.arguments import ARGUMENTS
from tests.faults.conftest import Open
from tests.recorded import MemoryLedger

pytestmark = pytest.mark.anyio

SAFE: Final = ("identify_person", "track_event", "delete_person", "delete_segment")


@dataclass(slots=True)
class Fails:
    """Goes through so many times, and raises from then on."""

    through: int
    failure: Callable[[], Exception]
    asked: int = field(default=0)

    def ask(self) -> None:
        """Go through or fail."""
        self.asked += 1
        if self.asked > self.through:
            raise self.failure()


class Unreachable(MemoryLedger):
    """Where it is asked if writes are stopped, the store goes away."""

    def __init__(self, through: int, failure: Callable[[], Exception]) -> None:
        super().__init__()
        self.asks = Fails(through, failure)

    async def stopped(self) -> Stopped | None:
        """Answer as long as the store is there."""
        self.asks.ask()
        return await super().stopped()


def _store_away() -> Exception:
    return Unrecorded("the connection to the store is lost")


def _limiter_away() -> Exception:
    return Unavailable("The service that all replicas share does not answer. Nothing was sent.", next_step="Wait.")


@pytest.mark.parametrize("tool", SAFE)
async def test_a_store_that_goes_away_leaves_the_lost_attempt_in_doubt(
    tool: str, rig: Open, sandbox: RunningSandbox
) -> None:
    ledger = Unreachable(2, _store_away)  # asked when the call begins, and before each attempt
    sandbox.app.state.faults.add(Fault(kind="reset"))
    async with rig(ledger=ledger) as house:
        called = await house.call(tool, ARGUMENTS[tool])
        assert (called.code, house.ending) == ("outcome_unknown", "unknown")
    assert ledger.asks.asked == 3


@pytest.mark.parametrize("tool", SAFE)
async def test_a_limiter_that_goes_away_leaves_the_lost_attempt_in_doubt(
    tool: str, rig: Open, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    admits, acquire = Fails(1, _limiter_away), Budgets.acquire

    async def acquired(self: Budgets, credential: str, buckets: Iterable[Bucket], **more: Any) -> Slots:
        admits.ask()
        return await acquire(self, credential, tuple(buckets), **more)

    monkeypatch.setattr(Budgets, "acquire", acquired)
    sandbox.app.state.faults.add(Fault(kind="reset"))
    async with rig() as house:
        called = await house.call(tool, ARGUMENTS[tool])
        assert (called.code, house.ending) == ("outcome_unknown", "unknown")
    assert admits.asked >= 2


async def test_what_never_left_is_still_told_as_not_sent(rig: Open, sandbox: RunningSandbox) -> None:
    async with rig(ledger=Unreachable(1, _store_away)) as house:
        called = await house.call("identify_person", ARGUMENTS["identify_person"])
        assert (called.code, house.ending) == ("not_recorded", "refused")
    assert not sandbox.app.state.journal
