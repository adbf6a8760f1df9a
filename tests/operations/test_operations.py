"""The tools for operations, as an agent calls them, with a sandbox that loses answers."""

import json
import time
from pathlib import Path
from typing import Any, Final

import pytest

from cio_mcp.catalog import CATALOG
from cio_mcp.ledger.terms import Ending, Intent, Outcome, Terms
from cio_mcp.operations import OPERATIONS
from cio_mcp.sandbox import Fault, RunningSandbox
from tests.faults.arguments import ARGUMENTS, DELETE, EVENT
from tests.faults.rig import rigged, settings_of
from tests.operations.conftest import Enter, House

pytestmark = pytest.mark.anyio

SETTLED: Final = 300.0
EMAIL: Final = ARGUMENTS["send_email"]
CALLS: Final[dict[str, dict[str, Any]]] = {
    **{
        tool: ARGUMENTS[tool]
        for tool in (
            *("send_email", "send_push", "send_sms", "send_in_app"),
            *("trigger_broadcast", "send_newsletter"),
            *("create_segment", "create_collection", "create_reporting_webhook"),
            *("delete_person", "suppress_person", "merge_people"),
            *("delete_segment", "delete_collection", "delete_reporting_webhook"),
        )
    },
    "apply_entity": DELETE,
}
BY_NUMBER: Final = {
    "trigger_broadcast", "send_newsletter", "delete_segment", "delete_collection", "delete_reporting_webhook"
}  # fmt: skip
NOBODY: Final = "01J00000000000000000000000"


def lose(sandbox: RunningSandbox, *, effect: bool) -> None:
    """Let calls fail with or without their effect, and the look for a deletion too."""
    sandbox.app.state.faults.add(Fault(kind="status", status=500, when="after" if effect else "before"))
    sandbox.app.state.faults.add(Fault(kind="status", status=500, match="GET *", times=3))


async def lost(house: House, sandbox: RunningSandbox, tool: str, *, effect: bool, keep: bool = True) -> str:
    """Make a call whose answer is lost; return its operation."""
    lose(sandbox, effect=effect)
    number = await house.lost(tool, CALLS[tool], keep=keep)
    sandbox.app.state.faults.clear()
    return number


def requests(sandbox: RunningSandbox) -> int:
    """Count what the sandbox has received."""
    return len(sandbox.app.state.journal)


async def reconciled(house: House, number: str, **more: Any) -> dict[str, Any]:
    """Return what `reconcile_operation` answers."""
    return (await house.call("reconcile_operation", {"operation": number, **more})).result


async def recorded(house: House, number: str) -> tuple[str, str]:
    """Return the ending in the ledger, and how it was settled."""
    found = await house.ledger.operation(number)
    assert found is not None
    assert found.outcome is not None
    return found.outcome.ending, found.settled_by


# -- reconciling -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", CALLS)
async def test_a_call_that_took_effect_is_found_and_closed(tool: str, house: Enter, sandbox: RunningSandbox) -> None:
    async with house() as home:
        number = await lost(home, sandbox, tool, effect=True)
        answer = await reconciled(home, number)
        assert answer["ending"] == "ok", answer
        ending, how = await recorded(home, number)
        assert (ending, how.startswith("looked: ")) == (Ending.OK, True)
        assert home.recollection.recall(number) is None


@pytest.mark.parametrize("tool", CALLS)
async def test_a_call_without_effect_is_closed_as_failed_once_that_is_certain(
    tool: str, house: Enter, sandbox: RunningSandbox
) -> None:
    async with house() as home:
        number = await lost(home, sandbox, tool, effect=False)
        early = await reconciled(home, number)
        assert early["ending"] == "unknown"
        # Two minutes after its end, counted from its record, before which it has taken some time already.
        assert 0 < early["retry_after_seconds"] <= 130
        assert await recorded(home, number) == (Ending.UNKNOWN, "")  # looked too early is not looked
        home.clock.ahead = SETTLED
        assert (await reconciled(home, number))["ending"] == "failed"
        assert (await recorded(home, number))[0] is Ending.FAILED


async def test_a_look_sends_nothing(house: Enter, sandbox: RunningSandbox) -> None:
    async with house() as home:
        number = await lost(home, sandbox, "send_email", effect=True)
        before = requests(sandbox)
        await reconciled(home, number)
    assert [received.method for received in list(sandbox.app.state.journal)[before:]] == ["GET"]


@pytest.mark.parametrize("tool", sorted(set(CALLS) - BY_NUMBER))
async def test_arguments_nobody_remembers_are_asked_for_and_checked(
    tool: str, house: Enter, sandbox: RunningSandbox
) -> None:
    async with house() as home:
        number = await lost(home, sandbox, tool, effect=True, keep=False)
        before = requests(sandbox)
        asked = await reconciled(home, number)
        assert asked["ending"] == "unknown"
        assert "with arguments" in asked["next_step"]
        assert (requests(sandbox), await recorded(home, number)) == (before, (Ending.UNKNOWN, ""))
        assert (await reconciled(home, number, arguments=CALLS[tool]))["ending"] == "ok"


@pytest.mark.parametrize("tool", sorted(BY_NUMBER))
async def test_what_is_named_by_a_number_is_found_by_the_record_alone(
    tool: str, house: Enter, sandbox: RunningSandbox
) -> None:
    async with house() as home:
        number = await lost(home, sandbox, tool, effect=True, keep=False)
        assert (await reconciled(home, number))["ending"] == "ok"


async def test_other_arguments_look_for_nobody(house: Enter, sandbox: RunningSandbox) -> None:
    async with house() as home:
        number = await lost(home, sandbox, "send_email", effect=True, keep=False)
        before = requests(sandbox)
        other = {**EMAIL, "identifiers": {"id": "cleo-3"}}
        called = await home.call("reconcile_operation", {"operation": number, "arguments": other})
        assert called.code == "invalid_arguments"
        assert "are not those of operation" in called.error["message"]
        assert (requests(sandbox), await recorded(home, number)) == (before, (Ending.UNKNOWN, ""))


async def test_arguments_may_stand_in_any_order_and_with_what_the_server_adds(
    house: Enter, sandbox: RunningSandbox
) -> None:
    async with house() as home:
        number = await lost(home, sandbox, "send_email", effect=True, keep=False)
        given = {**dict(reversed(EMAIL.items())), "allow_repeat": True}
        assert (await reconciled(home, number, arguments=given))["ending"] == "ok"


async def test_wrong_arguments_are_refused_with_their_remedy(house: Enter, sandbox: RunningSandbox) -> None:
    async with house() as home:
        number = await lost(home, sandbox, "send_email", effect=True, keep=False)
        called = await home.call("reconcile_operation", {"operation": number, "arguments": {"too": "x"}})
        assert called.code == "invalid_arguments"
        assert "did you mean to?" in called.error["message"]


@pytest.mark.parametrize("effects", [0, 1, 2])
async def test_two_lost_calls_to_one_person_are_told_apart_only_if_all_or_none_took_effect(
    effects: int, house: Enter, sandbox: RunningSandbox
) -> None:
    async with house() as home:
        numbers = [await lost(home, sandbox, "send_email", effect=at < effects) for at in range(2)]
        home.clock.ahead = SETTLED
        endings = [(await reconciled(home, number))["ending"] for number in numbers]
    assert endings == [["failed", "unknown", "ok"][effects]] * 2


async def test_a_lost_call_to_another_person_does_not_blur_it(house: Enter, sandbox: RunningSandbox) -> None:
    async with house() as home:
        first = await lost(home, sandbox, "send_email", effect=True)
        lose(sandbox, effect=False)
        second = await home.lost("send_email", {**EMAIL, "identifiers": {"id": "cleo-3"}, "to": "cleo@example.com"})
        sandbox.app.state.faults.clear()
        home.clock.ahead = SETTLED
        endings = [(await reconciled(home, number))["ending"] for number in (first, second)]
    assert endings == ["ok", "failed"]


async def test_a_call_lost_an_hour_before_does_not_blur_it(house: Enter, sandbox: RunningSandbox) -> None:
    async with house() as home:
        steady, home.ledger._now = home.ledger._now, lambda: time.time() - 3600
        await lost(home, sandbox, "send_email", effect=False)
        home.ledger._now = steady
        number = await lost(home, sandbox, "send_email", effect=True)
        assert (await reconciled(home, number))["ending"] == "ok"


async def test_a_message_that_an_answered_call_sent_is_not_taken_for_the_lost_one(
    house: Enter, sandbox: RunningSandbox
) -> None:
    async with house() as home:
        await home.call("send_email", EMAIL)
        number = await lost(home, sandbox, "send_email", effect=False)
        home.clock.ahead = SETTLED
        assert (await reconciled(home, number))["ending"] == "failed"


@pytest.mark.parametrize("effect", [True, False])
@pytest.mark.parametrize("ahead", [-7_200.0, 7_200.0])
async def test_a_clock_that_was_wrong_all_the_time_hides_nothing(
    house: Enter, sandbox: RunningSandbox, ahead: float, *, effect: bool
) -> None:
    async with house() as home:
        sandbox.app.state.clock = lambda: home.clock.now() + ahead
        number = await lost(home, sandbox, "send_email", effect=effect)
        home.clock.ahead = SETTLED
        assert (await reconciled(home, number))["ending"] == ("ok" if effect else "failed")


async def test_the_same_send_of_another_process_is_not_taken_for_the_lost_one(
    house: Enter, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.sqlite3"
    async with house(path) as home, house(path) as neighbour:
        number = await lost(home, sandbox, "send_email", effect=False)
        await neighbour.call("send_email", EMAIL | {"allow_repeat": True})
        home.clock.ahead = neighbour.clock.ahead = SETTLED
        assert (await reconciled(home, number))["ending"] == "failed"


async def test_messages_from_elsewhere_leave_it_open_and_the_record_says_that_somebody_looked(
    house: Enter, sandbox: RunningSandbox
) -> None:
    async with house() as home, rigged(settings_of(sandbox.url)) as elsewhere:
        await elsewhere.call("send_email", EMAIL)
        number = await lost(home, sandbox, "send_email", effect=True)
        answer = await reconciled(home, number)
        assert answer["ending"] == "unknown"
        assert len(answer["found"]["messages"]) == 2
        ending, how = await recorded(home, number)
        assert (ending, "came from elsewhere" in how) == (Ending.UNKNOWN, True)
        # Asked again, it looks again.
        assert (await reconciled(home, number))["reason"] == answer["reason"]


async def test_a_trigger_that_failed_is_not_taken_for_a_broadcast(house: Enter, sandbox: RunningSandbox) -> None:
    async with house() as home:
        lose(sandbox, effect=True)
        number = await home.lost("trigger_broadcast", {"broadcast_id": 10, "ids": ["nobody-1"]})
        sandbox.app.state.faults.clear()
        answer = await reconciled(home, number)
    assert answer["ending"] == "unknown"
    assert "It has 1 errors" in answer["reason"]


@pytest.mark.parametrize(("effect", "reason"), [(True, "for when it is planned"), (False, "no change since")])
async def test_a_plan_that_is_not_shown_is_told_by_what_changed(
    effect: bool,  # noqa: FBT001 - a parameter of the test
    reason: str,
    house: Enter,
    sandbox: RunningSandbox,
) -> None:
    async with house() as home:
        lose(sandbox, effect=effect)
        number = await home.lost("schedule_newsletter", ARGUMENTS["schedule_newsletter"])
        sandbox.app.state.faults.clear()
        home.clock.ahead = SETTLED
        answer = await reconciled(home, number)
    assert (answer["ending"], reason in answer["reason"]) == ("unknown" if effect else "failed", True)


async def test_a_look_that_fails_is_an_error_and_no_look(house: Enter, sandbox: RunningSandbox) -> None:
    async with house() as home:
        number = await lost(home, sandbox, "send_email", effect=True)
        sandbox.app.state.faults.add(Fault(kind="status", status=500, match="GET *", times=3))
        called = await home.call("reconcile_operation", {"operation": number})
        assert called.code == "unavailable"
        assert await recorded(home, number) == (Ending.UNKNOWN, "")


async def test_what_may_be_repeated_is_said_to_be_so_without_a_look(house: Enter, sandbox: RunningSandbox) -> None:
    async with house() as home:
        for tool, arguments in (("identify_person", ARGUMENTS["identify_person"]), ("apply_entity", EVENT)):
            sandbox.app.state.faults.add(Fault(kind="status", status=500, times=3))
            number = await home.lost(tool, arguments)
            sandbox.app.state.faults.clear()
            before = requests(sandbox)
            answer = await reconciled(home, number)
            assert (answer["ending"], requests(sandbox)) == ("unknown", before)
            assert f"Call {tool} again" in answer["next_step"]


async def test_a_form_is_looked_for_in_vain_and_that_is_recorded(house: Enter, sandbox: RunningSandbox) -> None:
    async with house() as home:
        lose(sandbox, effect=True)
        number = await home.lost("submit_form", ARGUMENTS["submit_form"])
        sandbox.app.state.faults.clear()
        assert "cannot show for certain" in (await reconciled(home, number))["reason"]
        assert (await recorded(home, number))[1].startswith("looked: ")


async def test_a_call_of_known_outcome_is_only_shown(house: Enter, sandbox: RunningSandbox) -> None:
    async with house() as home:
        number = (await home.call("send_email", EMAIL)).meta["operation"]
        before = requests(sandbox)
        answer = await reconciled(home, number)
    assert (answer["ending"], answer["attempts"], requests(sandbox)) == ("ok", 1, before)


async def test_a_call_of_another_workspace_is_not_looked_for_with_this_ones_key(
    house: Enter, sandbox: RunningSandbox
) -> None:
    async with house() as home:
        intent = Intent(
            operation=NOBODY, tool="send_newsletter", access="send", caller="t", workspace="eu-1",
            arguments={"newsletter_id": 1},
        )  # fmt: skip
        await home.ledger.begin(intent, Terms())
        await home.ledger.conclude(intent, Outcome(ending=Ending.UNKNOWN))
        answer = await reconciled(home, NOBODY)
    assert (answer["ending"], answer["reason"]) == ("unknown", "It was made in another workspace.")
    assert requests(sandbox) == 0


async def test_a_read_only_ledger_still_lets_the_truth_be_told(house: Enter, sandbox: RunningSandbox) -> None:
    async with house() as home:
        number = await lost(home, sandbox, "send_email", effect=True)
        connection = home.ledger._store._connection
        assert connection is not None
        connection.execute("PRAGMA query_only = ON")
        answer = await reconciled(home, number)
        connection.execute("PRAGMA query_only = OFF")
    assert answer["ending"] == "ok"
    assert "could not be recorded" in answer["notice"]


# -- whose they are --------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["get_operation", "reconcile_operation"])
async def test_anothers_operation_is_as_unknown_as_one_that_never_was(
    tool: str, house: Enter, sandbox: RunningSandbox
) -> None:
    async with house() as home:
        number = await lost(home, sandbox, "send_email", effect=True)
        foreign = await home.as_principal("somebody else", tool, {"operation": number})
        missing = await home.as_principal("somebody else", tool, {"operation": NOBODY})
    assert foreign is not None
    assert missing is not None
    assert foreign.code == "no_such_operation"
    assert foreign.as_json() == missing.as_json()


async def test_a_list_holds_only_ones_own(house: Enter, sandbox: RunningSandbox) -> None:
    async with house() as home:
        await lost(home, sandbox, "send_email", effect=True)
        assert len((await home.call("list_unknown_operations")).result["operations"]) == 1
        assert await home.ledger.unknown("somebody else", limit=10) == []


# -- showing ---------------------------------------------------------------------------------------


async def test_the_list_of_unknown_operations_is_newest_first_and_counts_the_rest(
    house: Enter, sandbox: RunningSandbox
) -> None:
    async with house() as home:
        empty = (await home.call("list_unknown_operations")).result
        assert empty == {"operations": [], "note": "No call of yours has an unknown outcome."}
        numbers = [await lost(home, sandbox, "send_email", effect=False) for _ in range(3)]
        listed = (await home.call("list_unknown_operations", {"limit": 2})).result
        assert [one["operation"] for one in listed["operations"]] == numbers[:0:-1]
        assert listed["more"] == 1
        assert "more" not in (await home.call("list_unknown_operations")).result
        home.clock.ahead = SETTLED
        await reconciled(home, numbers[0])
        assert len((await home.call("list_unknown_operations")).result["operations"]) == 2


async def test_an_operation_is_shown_with_what_happened_and_without_personal_data(
    house: Enter, sandbox: RunningSandbox
) -> None:
    async with house() as home:
        number = await lost(home, sandbox, "send_email", effect=True)
        home.clock.ahead = 90.0
        shown = (await home.call("get_operation", {"operation": number})).result
    assert {name: shown[name] for name in ("operation", "tool", "ending", "attempts", "status", "code")} == {
        "operation": number,
        "tool": "send_email",
        "ending": "unknown",
        "attempts": 1,
        "status": 500,
        "code": "outcome_unknown",
    }
    assert shown["began"].endswith("Z")
    assert 90 <= shown["seconds_ago"] <= 120
    assert f"reconcile_operation with operation {number}" in shown["next_step"]
    assert not [part for part in ("ada-1", "ada@") if part in json.dumps(shown)]


@pytest.mark.parametrize(
    ("tool", "arguments", "ending", "step"),
    [
        ("send_email", EMAIL, "ok", "nothing is left to do"),
        ("delete_segment", {"segment_id": 99}, "failed", "changed nothing"),
        ("send_email", {**EMAIL, "dry_run": True}, "planned", "Nothing was sent"),
        ("send_email", {}, "refused", "Nothing was sent"),
    ],
)
async def test_every_ending_comes_with_its_next_step(
    tool: str, arguments: dict[str, Any], ending: str, step: str, house: Enter
) -> None:
    async with house() as home:
        number = (await home.call(tool, arguments)).meta["operation"]
        shown = (await home.call("get_operation", {"operation": number})).result
    assert shown["ending"] == ending
    assert step in shown["next_step"]


async def test_a_call_under_way_is_open(house: Enter) -> None:
    async with house() as home:
        await home.ledger.begin(Intent(operation=NOBODY, tool="send_email", access="send", caller="t"), Terms())
        for tool in ("get_operation", "reconcile_operation"):
            shown = (await home.call(tool, {"operation": NOBODY})).result
            assert (shown["ending"], "under way" in shown["next_step"]) == ("open", True)


async def test_what_was_looked_for_in_vain_is_shown_as_such(house: Enter, sandbox: RunningSandbox) -> None:
    async with house() as home:
        lose(sandbox, effect=True)
        number = await home.lost("submit_form", ARGUMENTS["submit_form"])
        sandbox.app.state.faults.clear()
        await reconciled(home, number)
        shown = (await home.call("get_operation", {"operation": number})).result
    assert shown["settled_by"].startswith("looked: ")
    assert "have a person look" in shown["next_step"]


@pytest.mark.parametrize("tool", ["get_operation", "list_unknown_operations", "reconcile_operation"])
async def test_a_ledger_that_cannot_be_read_is_said_to_be_so(tool: str, house: Enter) -> None:
    async with house() as home:
        await home.ledger.aclose()
        called = await home.call(tool, {} if tool.startswith("list") else {"operation": NOBODY})
    assert called.code == "not_recorded"


@pytest.mark.parametrize("given", ["", "x", "../etc", NOBODY.lower(), f"{NOBODY}0"])
async def test_an_id_that_is_none_is_refused_before_anybody_looks(given: str, house: Enter) -> None:
    async with house() as home:
        assert (await home.call("get_operation", {"operation": given})).code == "invalid_arguments"


# -- as they are listed ----------------------------------------------------------------------------


async def test_they_say_what_they_do_and_cost_little(house: Enter) -> None:
    async with house() as home:
        listed = {tool.name: tool for tool in (await home.client.list_tools()).tools}
    found = {tool.name: tool for tool in OPERATIONS}
    assert {name: (tool.read_only, tool.open_world) for name, tool in found.items()} == {
        "get_operation": (True, False),
        "list_unknown_operations": (True, False),
        "reconcile_operation": (False, True),
    }
    assert set(found) <= set(listed)
    assert not set(found) & set(CATALOG)
    # In o200k_base this text has about four bytes a token; the three may cost 330.
    size = sum(len(t.name + t.description + json.dumps(t.input_schema())) for t in found.values())
    assert size < 1_320
