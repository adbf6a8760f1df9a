"""Somebody agrees to an audience of people, not to a number of them: others in their place are asked about anew."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cio_mcp.planning import audience
from cio_mcp.sandbox import RunningSandbox, World
from tests.confirm.conftest import Open
from tests.confirm.people import Somebody
from tests.confirm.test_confirm_clients import WAYS, writes
from tests.confirm.test_confirm_disclosure import UNREAD
from tests.confirm.test_confirm_operator import served

pytestmark = pytest.mark.anyio

SEGMENT = 2
BROADCAST: dict[str, Any] = {"broadcast_id": 10, "recipients": {"segment": {"id": SEGMENT}}}
FILTERED: dict[str, Any] = {
    "broadcast_id": 10,
    "recipients": {"attribute": {"field": "club", "operator": "eq", "value": "chess"}},
}
SWAPPED = "of the 20 people of the filter 20 are not among them now, and 20 others are"


@pytest.fixture
def world(sandbox: RunningSandbox) -> World:
    """Return a workspace in which 20 people are in a segment and in a club, and 20 like them are not."""
    world: World = sandbox.app.state.world
    for kind in ("in", "out"):
        for number in range(20):
            person = world.people.add({"id": f"{kind}-{number}"}, 1_700_000_000)
            person.attributes |= {"club": "chess"} if kind == "in" else {}
    world.segments.by_id[SEGMENT].members = members(world, "in")
    return world


def members(world: World, kind: str, numbers: range = range(20)) -> dict[str, None]:
    """Return people as a manual segment holds them."""
    found = [world.people.find("id", f"{kind}-{number}") for number in numbers]
    return dict.fromkeys(each.cio_id for each in found if each)


def swap(world: World, count: int = 20) -> None:
    """Put others in the place of the first so many people of the segment and of the club."""
    kept, others = range(count, 20), range(count)
    world.segments.by_id[SEGMENT].members = members(world, "in", kept) | members(world, "out", others)
    for kind, club in (("in", None), ("out", "chess")):
        for number in others:
            person = world.people.find("id", f"{kind}-{number}")
            assert person is not None
            person.attributes["club"] = club or "none"


def triggers(sandbox: RunningSandbox) -> int:
    """Count the broadcasts and newsletters that were sent."""
    return sum("/triggers" in path or "/send" in path for path in writes(sandbox))


async def moved(call: Callable[[str, dict[str, Any]], Any]) -> None:
    """Let the agent itself put others in everybody's place, by calls that nobody is asked about."""
    await call("add_people_to_segment", {"segment_id": SEGMENT, "ids": [f"out-{number}" for number in range(20)]})
    await call("remove_people_from_segment", {"segment_id": SEGMENT, "ids": [f"in-{number}" for number in range(20)]})


@pytest.mark.parametrize("given", [BROADCAST, FILTERED], ids=["a segment", "another filter"])
@pytest.mark.parametrize("way", WAYS)
async def test_others_in_everybodys_place_are_asked_about_again(
    open_rig: Open, sandbox: RunningSandbox, world: World, way: str, given: dict[str, Any]
) -> None:
    left = [world]
    somebody = Somebody(before=lambda: swap(left.pop()) if left else None)
    async with open_rig(mode=WAYS[way], asks=somebody) as rig:
        called = await rig.call("trigger_broadcast", given)
    if way == "round trip":
        assert called.code is None
        assert f"You are asked again because {SWAPPED}." in somebody.questions[1]
    else:
        assert called.code == "not_confirmed"
        assert SWAPPED in called.error["message"]
        assert triggers(sandbox) == 0


@pytest.mark.usefixtures("world")
async def test_a_token_does_not_let_other_people_pass(open_rig: Open, sandbox: RunningSandbox) -> None:
    async with open_rig() as rig:
        token = (await rig.call("trigger_broadcast", BROADCAST)).error["confirm_token"]
        await moved(rig.call)
        called = await rig.call("trigger_broadcast", BROADCAST | {"confirm_token": token})
        assert called.code == "confirmation_needed"
        assert f"It is asked about again because {SWAPPED}." in called.error["message"]
        assert triggers(sandbox) == 0
        new = called.error["confirm_token"]
        assert (await rig.call("trigger_broadcast", BROADCAST | {"confirm_token": new})).code is None


@pytest.mark.usefixtures("world")
async def test_the_operators_approval_does_not_let_other_people_pass(sandbox: RunningSandbox, tmp_path: Path) -> None:
    async with served(sandbox, tmp_path / "l.sqlite3", CIO_MCP_TIME_BUDGET="4") as house:
        first = (await house.call("trigger_broadcast", BROADCAST))["error"]["operation"]
        await house.command("approve", first, "--yes")
        await moved(house.call)
        error = (await house.call("trigger_broadcast", BROADCAST))["error"]
    assert (error["code"], SWAPPED in error["message"]) == ("approval_needed", True)
    assert triggers(sandbox) == 0


@pytest.mark.parametrize(("count", "code"), [(0, None), (1, "confirmation_needed")])
async def test_what_is_compared_is_who_is_gone_and_who_came(
    open_rig: Open, world: World, count: int, code: str | None
) -> None:
    async with open_rig() as rig:
        token = (await rig.call("trigger_broadcast", BROADCAST)).error["confirm_token"]
        swap(world, count)
        world.segments.by_id[SEGMENT].members |= members(world, "out", range(19, 20))
        assert (await rig.call("trigger_broadcast", BROADCAST | {"confirm_token": token})).code == code


@pytest.mark.usefixtures("world")
async def test_people_who_got_other_addresses_are_others(open_rig: Open) -> None:
    async with open_rig() as rig:
        token = (await rig.call("trigger_broadcast", BROADCAST)).error["confirm_token"]
        for number in range(2):
            await rig.call(
                "identify_person", {"identifier": f"in-{number}", "email": f"elsewhere-{number}@example.com"}
            )
        called = await rig.call("trigger_broadcast", BROADCAST | {"confirm_token": token})
    assert "of the 20 people of the filter 2 are not among them now" in called.error["message"]


async def test_a_large_segment_does_not_hide_that_a_small_one_was_exchanged(open_rig: Open, world: World) -> None:
    world.newsletters[1].recipients = {"or": [{"segment": {"id": 1}}, {"segment": {"id": SEGMENT}}]}
    large = world.segments.by_id[1]
    large.manual, large.rule, large.members = True, None, {}
    for number in range(2_000):
        large.members[world.people.add({"id": f"many-{number}"}, 1_700_000_000).cio_id] = None
    async with open_rig() as rig:
        token = (await rig.call("send_newsletter", {"newsletter_id": 1})).error["confirm_token"]
        swap(world)
        called = await rig.call("send_newsletter", {"newsletter_id": 1, "confirm_token": token})
    assert "of the 20 people in segment 2 20 are not among them now" in called.error["message"]


async def test_a_segment_is_not_deleted_with_others_in_it(open_rig: Open, world: World) -> None:
    async with open_rig() as rig:
        token = (await rig.call("delete_segment", {"segment_id": SEGMENT})).error["confirm_token"]
        swap(world)
        called = await rig.call("delete_segment", {"segment_id": SEGMENT, "confirm_token": token})
    assert "of the 20 people in segment 2 20 are not among them now" in called.error["message"]


async def test_an_agent_that_may_not_read_them_is_not_told_who_changed(open_rig: Open, world: World) -> None:
    async with open_rig(CIO_MCP_GRANT=UNREAD) as rig:
        token = (await rig.call("trigger_broadcast", BROADCAST)).error["confirm_token"]
        swap(world)
        called = await rig.call("trigger_broadcast", BROADCAST | {"confirm_token": token})
    assert called.code == "confirmation_needed"
    assert "because what it would touch is not what it was" in called.error["message"]
    assert "among them" not in str(called.error)


@pytest.mark.usefixtures("world")
async def test_nobody_is_named_in_what_is_kept_or_shown(open_rig: Open) -> None:
    async with open_rig() as rig:
        called = await rig.call("trigger_broadcast", BROADCAST)
        kept = await rig.ledger.confirmation(called.error["confirm_token"])
    assert kept is not None
    assert "in-1" not in str(kept)
    assert "in-1" not in str(called.result)


@pytest.mark.usefixtures("world")
async def test_who_it_is_is_read_once_and_only_where_somebody_will_be_asked(
    open_rig: Open, sandbox: RunningSandbox
) -> None:
    def lists() -> int:
        return sum("/membership" in each.raw_path for each in sandbox.app.state.journal)

    async with open_rig() as rig:
        await rig.call("trigger_broadcast", BROADCAST | {"dry_run": True})
        await rig.call("preflight_broadcast", {"broadcast_id": 10, "recipients": BROADCAST["recipients"]})
        assert lists() == 0
        await rig.call("trigger_broadcast", BROADCAST)
    assert lists() == 1


async def test_a_list_that_could_not_be_read_is_not_taken_for_the_same(
    open_rig: Open, sandbox: RunningSandbox, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_rig() as rig:
        with monkeypatch.context() as small:
            small.setattr(audience, "MOST_LISTED", 10)
            token = (await rig.call("trigger_broadcast", BROADCAST)).error["confirm_token"]
        swap(world)
        called = await rig.call("trigger_broadcast", BROADCAST | {"confirm_token": token})
    assert "who the people of the filter are is known only now" in called.error["message"]
    assert triggers(sandbox) == 0


@pytest.mark.usefixtures("world")
async def test_of_a_segment_too_large_to_read_every_change_through_this_server_counts(
    open_rig: Open, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "MOST_LISTED", 10)
    async with open_rig() as rig:
        asked = (await rig.call("trigger_broadcast", BROADCAST)).error
        assert any("a list of more than 10 is not read" in line for line in asked["plan"]["not_known"])
        await rig.call("add_people_to_segment", {"segment_id": 99, "ids": ["out-1"]})
        still = await rig.call("trigger_broadcast", BROADCAST | {"confirm_token": asked["confirm_token"]})
        assert still.code is None, "another segment is another matter"
        again = BROADCAST | {"allow_repeat": True}
        token = (await rig.call("trigger_broadcast", again)).error["confirm_token"]
        await moved(rig.call)
        called = await rig.call("trigger_broadcast", again | {"confirm_token": token})
    assert called.code == "confirmation_needed"
    assert "because this server has changed who is in segment 2" in called.error["message"]
    assert triggers(sandbox) == 1
