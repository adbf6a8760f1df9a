"""Quiet hours that begin while somebody thinks hold as well: what leaves is decided on as it leaves."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio
import pytest

from cio_mcp.ledger.terms import State
from cio_mcp.sandbox import RunningSandbox
from tests.confirm.conftest import Open
from tests.confirm.people import Somebody
from tests.confirm.test_confirm_clients import writes
from tests.faults.rig import Called

pytestmark = pytest.mark.anyio

TRIGGER = ("trigger_broadcast", {"broadcast_id": 10, "ids": ["ada-1"]})
GRANTS = """
profile = "admin"

[quiet]
from = "22:00"
to = "06:00"
timezone = "UTC"
"""


@dataclass(slots=True)
class Evening:
    """A clock on which it is evening until night falls."""

    hour: int = 21

    def __call__(self) -> float:
        """Return seconds since 1970."""
        return datetime(2026, 6, 1, self.hour, 59, tzinfo=UTC).timestamp()

    def fall(self) -> None:
        """Make it night."""
        self.hour = 22


@pytest.fixture
def grants(granted: Callable[[str], str]) -> str:
    return granted(GRANTS)


async def test_a_yes_that_comes_in_quiet_hours_sends_nothing(
    open_rig: Open, sandbox: RunningSandbox, grants: str
) -> None:
    evening = Evening()
    somebody = Somebody(before=evening.fall)
    async with open_rig(mode="legacy", asks=somebody, now=evening, CIO_MCP_GRANTS=grants) as rig:
        called = await rig.call(*TRIGGER)
    assert called.code == "not_permitted"
    assert "nothing is sent from 22:00 to 06:00 UTC" in called.error["message"]
    assert (len(somebody.questions), writes(sandbox)) == (1, [])
    (record,) = [each for each in rig.ledger.recent if each["kind"] == "outcome"]
    assert (record["ending"], record["rule"]) == ("refused", "quiet")


async def test_an_approval_that_comes_in_quiet_hours_sends_nothing(
    open_rig: Open, sandbox: RunningSandbox, grants: str
) -> None:
    evening, results = Evening(), list[Called]()
    async with open_rig(now=evening, CIO_MCP_GRANTS=grants, CIO_MCP_CONFIRM="operator") as rig:

        async def call() -> None:
            results.append(await rig.call(*TRIGGER))

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            with anyio.fail_after(30):
                while not (waiting := await rig.ledger.for_operator()):  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            evening.fall()
            await rig.ledger.decide(waiting[0].handle, State.APPROVED, "operator root")
    assert results[0].code == "not_permitted"
    assert writes(sandbox) == []


async def test_a_yes_before_them_sends(open_rig: Open, sandbox: RunningSandbox, grants: str) -> None:
    async with open_rig(mode="legacy", asks=Somebody(), now=Evening(), CIO_MCP_GRANTS=grants) as rig:
        assert (await rig.call(*TRIGGER)).code is None
    assert len(writes(sandbox)) == 1
