"""A plan shows an agent no more than it may read itself; whoever is asked is shown all of it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from cio_mcp.sandbox import RunningSandbox
from tests.confirm.conftest import Open
from tests.confirm.people import ANSWERS, Somebody
from tests.confirm.test_confirm_clients import writes

pytestmark = pytest.mark.anyio

Call = tuple[str, dict[str, Any]]
DELETE: Call = ("delete_person", {"identifier": "ada-1"})
NEWSLETTER: Call = ("send_newsletter", {"newsletter_id": 1})
UNREAD = "people:write,people:destructive,segments:write,segments:destructive,messaging:send"
LEFT_OUT = "What this agent may not read was left out or masked here; a person who is asked is shown it."
FILES = {
    "denied": 'allow = ["*:*"]\ndeny = ["customers:*", "segments:read", "broadcasts:read"]',
    "not allowed": 'allow = ["people:destructive", "people:personal", "segments:destructive", "messaging:send"]',
}
# What the sandbox knows of ada-1, beside the identifier that the agent gave.
OF_ADA = ("ada@example.com", "+15550100001", "Trial users", "messages_in_6_months", "created")


def told_of(plan: dict[str, Any]) -> str:
    """Return what a plan tells, but for what the caller gave."""
    return json.dumps({name: value for name, value in plan.items() if name not in ("request", "removes")})


async def planned(open_rig: Open, call: Call, **settings: str) -> list[dict[str, Any]]:
    """Return the plan of a dry run, and that which comes with a token."""
    tool, given = call
    async with open_rig(CIO_MCP_CONFIRM="token", **settings) as rig:
        dry = await rig.call(tool, given | {"dry_run": True})
        asked = await rig.call(tool, given)
    assert asked.code == "confirmation_needed", asked.result
    return [dry.result["plan"], asked.error["plan"]]


@pytest.mark.parametrize("file", ["", *FILES])
async def test_what_an_agent_may_not_read_is_left_out_of_what_it_is_shown(
    open_rig: Open, granted: Callable[[str], str], file: str
) -> None:
    narrowed = {"CIO_MCP_GRANTS": granted(FILES[file])} if file else {"CIO_MCP_GRANT": UNREAD}
    for plan in await planned(open_rig, DELETE, **narrowed):
        assert [each for each in OF_ADA if each in told_of(plan)] == []
        assert plan["audience"] is None
        assert plan["removes"] == ['delete person "ada-1"']
        assert plan["not_known"][-1] == LEFT_OUT
    for plan in await planned(open_rig, ("delete_segment", {"segment_id": 2}), **narrowed):
        assert "written_by_others" not in plan
        assert plan["audience"] is None


async def test_what_it_may_read_is_masked_as_if_it_had_read_it(open_rig: Open, granted: Callable[[str], str]) -> None:
    grants = granted('allow = ["people:destructive", "people:personal", "customers:read"]')
    for plan in await planned(open_rig, DELETE, CIO_MCP_GRANTS=grants):
        assert plan["found_now"]["person"]["devices"] == 1
        assert "ada@example.com" not in told_of(plan)
        assert "[masked:" in told_of(plan)
        assert plan["not_known"][-1] == LEFT_OUT


async def test_the_area_of_the_write_masks_no_read_of_another(open_rig: Open, granted: Callable[[str], str]) -> None:
    grants = granted('allow = ["people:destructive", "customers:read", "customers:personal"]')
    for plan in await planned(open_rig, DELETE, CIO_MCP_GRANTS=grants):
        assert "ada@example.com" in told_of(plan)
        assert LEFT_OUT not in told_of(plan)


async def test_who_may_read_all_is_shown_all(open_rig: Open, granted: Callable[[str], str]) -> None:
    unrestricted: dict[str, str] = {}
    for settings in (unrestricted, {"CIO_MCP_GRANTS": granted('profile = "admin"')}):
        for plan in await planned(open_rig, DELETE, **settings):
            assert "ada@example.com" in told_of(plan)
            assert "not_known" not in plan


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_whoever_is_asked_is_shown_all_of_it(open_rig: Open, mode: str) -> None:
    somebody = Somebody(answer=ANSWERS["declined"])
    async with open_rig(mode=mode, asks=somebody, CIO_MCP_GRANT=UNREAD) as rig:
        await rig.call(*DELETE)
    assert "ada@example.com" in somebody.questions[0]
    assert LEFT_OUT not in somebody.questions[0]


async def test_the_operator_is_shown_all_of_it(open_rig: Open) -> None:
    async with open_rig(CIO_MCP_CONFIRM="operator", CIO_MCP_TIME_BUDGET="2", CIO_MCP_GRANT=UNREAD) as rig:
        called = await rig.call(*DELETE)
        (kept,) = await rig.ledger.for_operator()
    assert "ada@example.com" in json.dumps(kept.plan)
    assert "ada@example.com" not in json.dumps(called.result)


async def test_what_it_may_not_read_still_asks_anew_when_it_changes(open_rig: Open, sandbox: RunningSandbox) -> None:
    world = sandbox.app.state.world
    world.newsletters[1].recipients = {"segment": {"id": 1}}
    async with open_rig(CIO_MCP_CONFIRM="token", CIO_MCP_GRANT=UNREAD) as rig:
        token = (await rig.call(*NEWSLETTER)).error["confirm_token"]
        for number in range(50):
            world.people.add({"id": f"late-{number}"}, 1_700_000_000)
        called = await rig.call(NEWSLETTER[0], NEWSLETTER[1] | {"confirm_token": token})
    assert called.code == "confirmation_needed"
    assert "because what it would touch is not what it was" in called.error["message"]
    assert writes(sandbox) == []


async def test_a_budget_holds_for_an_audience_that_the_agent_may_not_count(
    open_rig: Open, sandbox: RunningSandbox, granted: Callable[[str], str]
) -> None:
    grants = granted('allow = ["messaging:send"]\n[recipients]\ndomains = ["*"]\n[budget]\nper_day = 28\n')
    async with open_rig(CIO_MCP_CONFIRM="token", CIO_MCP_GRANTS=grants) as rig:
        called = await rig.call(*NEWSLETTER)
    assert (called.code, called.error["rule"]) == ("not_permitted", "budget")
    assert "it reaches more people than the budget holds" in called.error["message"]
    assert writes(sandbox) == []


async def test_no_plan_counts_whom_a_masked_value_finds(open_rig: Open, granted: Callable[[str], str]) -> None:
    grants = granted('allow = ["messaging:send", "broadcasts:read", "customers:read"]')
    by_phone = {"field": "phone", "operator": "eq", "value": "+15550100001"}
    has_phone = {"field": "phone", "operator": "exists"}
    told = {}
    for name, condition in (("eq", by_phone), ("exists", has_phone)):
        call: Call = ("trigger_broadcast", {"broadcast_id": 10, "recipients": {"attribute": condition}})
        told[name] = await planned(open_rig, call, CIO_MCP_GRANTS=grants)
    assert [plan["audience"] for plan in told["eq"]] == [None, None]
    assert all("People of the filter: this server was told" in plan["not_known"][0] for plan in told["eq"])
    assert [plan["audience"] > 0 for plan in told["exists"]] == [True, True]
