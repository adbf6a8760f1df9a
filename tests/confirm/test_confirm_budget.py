"""A budget of recipients holds for audiences of which the API only names the segments."""

from collections.abc import Callable
from typing import Any

import pytest

from cio_mcp.sandbox import RunningSandbox
from tests.confirm.conftest import Open
from tests.confirm.people import Somebody
from tests.confirm.test_confirm_clients import writes

pytestmark = pytest.mark.anyio

SEND = ("send_newsletter", {"newsletter_id": 1})
BROADCASTER = """
profile = "broadcaster"

[budget]
per_call = {budget}
per_day = {budget}
"""
COMBINED: list[dict[str, Any]] = [
    {"segment": {"id": 2}},
    {"not": {"segment": {"id": 2}}},
    {"or": [{"segment": {"id": 3}}, {"attribute": {"field": "id", "operator": "exists"}}]},
]


@pytest.mark.parametrize("recipients", COMBINED)
async def test_what_only_names_segments_may_be_everybody(
    open_rig: Open, sandbox: RunningSandbox, granted: Callable[[str], str], recipients: dict[str, Any]
) -> None:
    sandbox.app.state.world.newsletters[1].recipients = recipients
    grants = granted(BROADCASTER.format(budget=28))
    async with open_rig(CIO_MCP_GRANTS=grants, asks=Somebody()) as rig:
        called = await rig.call(*SEND)
    assert called.code == "not_permitted"
    assert "it reaches 29 people, more than the budget holds" in called.error["message"]
    assert writes(sandbox) == []


async def test_everybody_is_counted_for_it(
    open_rig: Open, sandbox: RunningSandbox, granted: Callable[[str], str]
) -> None:
    sandbox.app.state.world.newsletters[1].recipients = COMBINED[1]
    somebody = Somebody()
    async with open_rig(CIO_MCP_GRANTS=granted(BROADCASTER.format(budget=29)), asks=somebody) as rig:
        assert (await rig.call(*SEND)).code is None
        again = await rig.call("trigger_broadcast", {"broadcast_id": 10, "ids": ["ada-1"]})
        assert again.code == "over_budget"
        (intent,) = [each for each in rig.ledger.recent if each["kind"] == "intent"]
    assert intent["recipients"] == 29
    assert "NOT KNOWN; the segments that it names hold 11 of 29" in somebody.questions[0]
    assert "- counts against a budget: 29, everybody" in somebody.questions[0]


async def test_a_filter_given_with_the_call_counts_as_the_people_it_finds(
    open_rig: Open, sandbox: RunningSandbox, granted: Callable[[str], str]
) -> None:
    grants = granted(BROADCASTER.format(budget=28) + '[recipients]\ndomains = ["*"]\n')
    async with open_rig(CIO_MCP_GRANTS=grants, asks=Somebody()) as rig:
        called = await rig.call("trigger_broadcast", {"broadcast_id": 10, "recipients": {"segment": {"id": 2}}})
        assert called.code is None, called.result
        (intent,) = [each for each in rig.ledger.recent if each["kind"] == "intent"]
    assert intent["recipients"] == len(sandbox.app.state.world.segments.by_id[2].members)
