"""A deletion is repeated only while nothing answered; after that it is looked up, and the truth is told."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from cio_mcp.catalog import CATALOG
from cio_mcp.catalog.endpoint import Key, Repeat
from cio_mcp.sandbox import Fault, RunningSandbox, World
from tests.faults.arguments import ARGUMENTS, DELETE
from tests.faults.conftest import Open

pytestmark = pytest.mark.anyio


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """A call that removes something, and whether it is gone."""

    tool: str
    arguments: dict[str, Any]
    gone: Callable[[World], bool]
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.tool

    @property
    def on_track(self) -> bool:
        """Whether it is the Track API's, which accepts a deletion of what is not there."""
        return CATALOG[self.tool].key is Key.TRACK


def _no_person(world: World) -> bool:
    return world.people.find("id", "1") is None


DELETIONS: Final = (
    Deletion(tool="delete_person", arguments=ARGUMENTS["delete_person"], gone=_no_person),
    Deletion(tool="suppress_person", arguments=ARGUMENTS["suppress_person"], gone=_no_person),
    Deletion(tool="merge_people", arguments=ARGUMENTS["merge_people"], gone=_no_person),
    Deletion(
        tool="delete_segment", arguments=ARGUMENTS["delete_segment"], gone=lambda world: 2 not in world.segments.by_id
    ),
    Deletion(
        tool="delete_collection",
        arguments=ARGUMENTS["delete_collection"],
        gone=lambda world: 1 not in world.collections,
    ),
    Deletion(
        tool="delete_reporting_webhook",
        arguments=ARGUMENTS["delete_reporting_webhook"],
        gone=lambda world: 1 not in world.webhooks,
    ),
    Deletion(tool="apply_entity", arguments=DELETE, gone=_no_person, name="apply_entity delete"),
)
BY_EMAIL: Final = {"primary": {"email": "person2@example.com"}, "secondary": {"email": "person1@example.com"}}
each = pytest.mark.parametrize("deletion", DELETIONS, ids=str)
of_the_app_api = pytest.mark.parametrize("deletion", [one for one in DELETIONS if not one.on_track], ids=str)


def _writes(sandbox: RunningSandbox) -> int:
    return sum(received.method != "GET" for received in sandbox.app.state.journal)


def _looks(sandbox: RunningSandbox) -> int:
    return sum(received.method == "GET" for received in sandbox.app.state.journal)


def test_the_deletions_are_all_those_that_could_hit_something_made_anew() -> None:
    declared = {tool for tool, endpoint in CATALOG.items() if endpoint.repeat is Repeat.SAFE_UNLESS_RECREATED}
    assert {deletion.tool for deletion in DELETIONS} - {"apply_entity"} == declared


@each
@pytest.mark.parametrize(
    "fault", [Fault(kind="throttle", retry_after=0, times=2), Fault(kind="reset", times=2)], ids=["429", "reset"]
)
async def test_a_deletion_that_was_not_answered_is_repeated(
    fault: Fault, deletion: Deletion, rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(fault)
    async with rig() as house:
        called = await house.call(deletion.tool, deletion.arguments)
    assert called.code is None, called.error
    assert "note" not in called.result
    assert _writes(sandbox) == called.meta["attempts"] == 3
    assert _looks(sandbox) == 0
    assert deletion.gone(sandbox.app.state.world)


@each
async def test_a_deletion_whose_answer_was_lost_is_repeated_and_done(
    deletion: Deletion, rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="reset", when="after"))
    async with rig() as house:
        called = await house.call(deletion.tool, deletion.arguments)
    assert called.code is None, called.error
    assert called.result["accepted"] is True
    # The App API answers 404 to the second, which proves the first; the Track API accepts it again.
    assert ("earlier attempt" in called.result.get("note", "")) is not deletion.on_track
    assert _writes(sandbox) == 2
    assert house.ending == "ok"


@each
@pytest.mark.parametrize("status", [408, 500, 502, 504])
async def test_a_deletion_that_failed_after_its_effect_is_looked_up_and_done(
    status: int, deletion: Deletion, rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="status", status=status, when="after"))
    async with rig() as house:
        called = await house.call(deletion.tool, deletion.arguments)
    assert called.code is None, called.error
    assert f"{CATALOG[deletion.tool].check_with} says that it is gone" in called.result["note"]
    assert (_writes(sandbox), _looks(sandbox)) == (1, 1)
    assert house.ending == "ok"


@each
async def test_a_deletion_that_failed_before_its_effect_is_looked_up_and_told(
    deletion: Deletion, rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="status", status=500))
    async with rig() as house:
        called = await house.call(deletion.tool, deletion.arguments)
    assert f"{CATALOG[deletion.tool].check_with} still finds it" in called.error["message"]
    assert (_writes(sandbox), _looks(sandbox)) == (1, 1)
    assert not deletion.gone(sandbox.app.state.world)
    # What the Track API accepted may be applied a little later.
    code, ending = ("outcome_unknown", "unknown") if deletion.on_track else ("unavailable", "failed")
    assert (called.code, house.ending) == (code, ending)


@of_the_app_api
async def test_a_deletion_that_nobody_answered_may_still_be_under_way(
    deletion: Deletion, rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="reset", match="DELETE *", times=3))
    async with rig() as house:
        called = await house.call(deletion.tool, deletion.arguments)
    assert called.code == "outcome_unknown"
    assert "still finds it" in called.error["message"]
    assert (_writes(sandbox), _looks(sandbox)) == (3, 1)
    assert house.ending == "unknown"


@each
async def test_a_look_that_fails_leaves_the_outcome_unknown(
    deletion: Deletion, rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="status", status=500, when="after"))
    sandbox.app.state.faults.add(Fault(kind="status", status=500, match="GET *", times=3))
    async with rig() as house:
        called = await house.call(deletion.tool, deletion.arguments)
    assert called.code == "outcome_unknown"
    assert called.error["next_step"].startswith("Do not repeat it blindly")
    assert (_writes(sandbox), _looks(sandbox)) == (1, 3)
    assert called.meta["attempts"] == 1
    assert house.ending == "unknown"


@of_the_app_api
@pytest.mark.parametrize("fault", [None, Fault(kind="throttle", retry_after=0)], ids=["at once", "after a 429"])
async def test_what_was_never_there_is_not_reported_as_deleted(
    fault: Fault | None, deletion: Deletion, rig: Open, sandbox: RunningSandbox
) -> None:
    if fault:
        sandbox.app.state.faults.add(fault)
    absent = dict.fromkeys(deletion.arguments, 99)
    async with rig() as house:
        called = await house.call(deletion.tool, absent)
    assert called.code == "not_found"
    assert house.ending == "failed"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("delete_person", {"identifier": "person1@example.com"}),
        ("merge_people", BY_EMAIL),
        ("apply_entity", {**DELETE, "identifiers": {"email": "person1@example.com"}}),
        ("apply_entity", {"type": "person", "action": "merge", **BY_EMAIL}),
    ],
    ids=["delete_person", "merge_people", "apply_entity delete", "apply_entity merge"],
)
async def test_a_person_is_looked_up_by_the_identifier_that_was_given(
    tool: str, arguments: dict[str, Any], rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="status", status=500, when="after"))
    async with rig() as house:
        called = await house.call(tool, arguments)
    assert called.code is None, called.error
    look = sandbox.app.state.journal[-1]
    assert look.raw_path == "/v1/customers/person1%40example.com/attributes"
    assert look.query == "id_type=email"


async def test_a_person_is_looked_up_by_cio_id_too(rig: Open, sandbox: RunningSandbox) -> None:
    world = sandbox.app.state.world
    person = world.people.find("id", "1")
    sandbox.app.state.faults.add(Fault(kind="status", status=500, when="after"))
    async with rig() as house:
        called = await house.call("delete_person", {"identifier": f"cio_{person.cio_id}"})
    assert called.code is None, called.error
    assert sandbox.app.state.journal[-1].query == "id_type=cio_id"


async def test_a_person_is_looked_up_by_an_address_that_begins_like_a_cio_id(
    rig: Open, sandbox: RunningSandbox
) -> None:
    async with rig() as house:
        await house.call("identify_person", {"identifier": "cio_new@example.com"})
        sandbox.app.state.faults.add(Fault(kind="status", status=500, when="after"))
        called = await house.call("delete_person", {"identifier": "cio_new@example.com"})
    assert called.code is None, called.error
    assert sandbox.app.state.journal[-1].query == "id_type=email"


@pytest.mark.parametrize(
    "arguments",
    [
        {"type": "object", "action": "delete", "identifiers": {"object_type_id": "1", "object_id": "acme"}},
        {**DELETE, "identifiers": {"phone": "+15550100001"}},
    ],
    ids=["an object", "a person by phone"],
)
async def test_what_no_tool_can_find_is_not_looked_up(
    arguments: dict[str, Any], rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="status", status=500, when="after"))
    async with rig() as house:
        called = await house.call("apply_entity", arguments)
    assert called.code == "outcome_unknown"
    assert len(sandbox.app.state.journal) == 1


async def test_without_the_app_key_a_person_is_not_looked_up(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(Fault(kind="status", status=500, when="after"))
    async with rig(CUSTOMERIO_APP_API_KEY="") as house:
        called = await house.call("delete_person", {"identifier": "1"})
    assert called.code == "outcome_unknown"
    assert len(sandbox.app.state.journal) == 1


async def test_a_deletion_without_a_slot_for_its_repeat_is_looked_up_all_the_same(
    rig: Open, sandbox: RunningSandbox
) -> None:
    """The next Track slot is an hour away; the look goes by the App API's."""
    sandbox.app.state.faults.add(Fault(kind="reset", when="after"))
    async with rig(CIO_MCP_LIMIT_TRACK="1/3600") as house:
        called = await house.call("delete_person", {"identifier": "1"})
    assert called.code is None, called.error
    assert "says that it is gone" in called.result["note"]
    assert (_writes(sandbox), _looks(sandbox)) == (1, 1)
    assert house.ending == "ok"
