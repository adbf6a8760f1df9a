"""One gate for every client: asked in a round trip, by elicitation or by a token, it lets one call pass once."""

from typing import Any

import anyio
import pytest
from mcp import types
from mcp.types import InputResponses

from cio_mcp import asking
from cio_mcp.sandbox import RunningSandbox
from tests.confirm.conftest import Open
from tests.confirm.people import ANSWERS, Somebody
from tests.confirm.test_gate_rules import ASKED
from tests.faults.arguments import ARGUMENTS, DELETE, EVENT, IDENTIFY
from tests.faults.rig import Called, Rig

pytestmark = pytest.mark.anyio

both_eras = pytest.mark.parametrize("mode", ["auto", "legacy"])
GATED: dict[str, dict[str, Any]] = {
    **{tool: ARGUMENTS[tool] for tool in sorted(ASKED)},
    "apply_entity": DELETE,
    "apply_batch": {"batch": [IDENTIFY, DELETE]},
    "add_people_to_segment": {"segment_id": 2, "ids": [f"p{number}" for number in range(101)]},
}
every_gated_tool = pytest.mark.parametrize("tool", GATED)
WAYS = {"round trip": "auto", "elicitation": "legacy"}


def writes(sandbox: RunningSandbox) -> list[str]:
    """Return what reached Customer.io that changes something."""
    entries = sandbox.app.state.journal
    return [each.raw_path for each in entries if each.method != "GET" and each.raw_path != "/v1/customers"]


async def token_of(rig: Rig, tool: str) -> str:
    """Call a tool for its plan and return the token that came with it."""
    asked = await rig.call(tool, GATED[tool])
    assert asked.code == "confirmation_needed", asked.result
    return str(asked.error["confirm_token"])


@both_eras
@every_gated_tool
async def test_a_yes_lets_the_call_pass_once(open_rig: Open, sandbox: RunningSandbox, tool: str, mode: str) -> None:
    somebody = Somebody()
    async with open_rig(mode=mode, asks=somebody) as rig:
        called = await rig.call(tool, GATED[tool])
    assert called.code is None, called.result
    assert len(somebody.questions) == 1
    assert len(writes(sandbox)) == 1
    (intent,) = [record for record in rig.ledger.recent if record["kind"] == "intent"]
    assert intent["approval"] == {"auto": "round trip", "legacy": "elicitation"}[mode]


@both_eras
@pytest.mark.parametrize("answer", [name for name in ANSWERS if name != "yes"])
async def test_anything_but_a_yes_sends_nothing(
    open_rig: Open, sandbox: RunningSandbox, answer: str, mode: str
) -> None:
    async with open_rig(mode=mode, asks=Somebody(answer=ANSWERS[answer])) as rig:
        called = await rig.call("delete_person", GATED["delete_person"])
    assert called.code == "not_confirmed"
    assert writes(sandbox) == []
    assert rig.ledger.recent[-1]["ending"] == "refused"


@every_gated_tool
async def test_without_somebody_to_ask_a_token_is_given_that_passes_once(
    open_rig: Open, sandbox: RunningSandbox, tool: str
) -> None:
    async with open_rig() as rig:
        token = await token_of(rig, tool)
        assert writes(sandbox) == []
        passed = await rig.call(tool, GATED[tool] | {"confirm_token": token})
        assert passed.code is None, passed.result
        again = await rig.call(tool, GATED[tool] | {"confirm_token": token, "allow_repeat": True} if _sends(tool) else
                               GATED[tool] | {"confirm_token": token})  # fmt: skip
    assert again.code == "not_confirmed"
    assert "was used already" in again.error["message"]
    assert len(writes(sandbox)) == 1


def _sends(tool: str) -> bool:
    return tool in ("trigger_broadcast", "send_newsletter", "schedule_newsletter")


@pytest.mark.parametrize("token", ["", "x", "5-wrpYWG870pM9kIkA94ViLenhged6zB", "a" * 5000, "\u202e"])
async def test_a_forged_token_changes_nothing(open_rig: Open, sandbox: RunningSandbox, token: str) -> None:
    async with open_rig() as rig:
        called = await rig.call("delete_person", {"identifier": "1", "confirm_token": token})
    assert called.code in ("not_confirmed", "invalid_arguments")
    assert writes(sandbox) == []


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("delete_person", {"identifier": "2"}), ("suppress_person", {"identifier": "1"})],
    ids=["another person", "another tool"],
)
async def test_a_token_of_another_call_changes_nothing(
    open_rig: Open, sandbox: RunningSandbox, tool: str, arguments: dict[str, Any]
) -> None:
    async with open_rig() as rig:
        token = await token_of(rig, "delete_person")
        called = await rig.call(tool, arguments | {"confirm_token": token})
        assert called.code == "not_confirmed"
        assert "belongs to another call" in called.error["message"]
        assert writes(sandbox) == []
        # It is still good for its own.
        assert (await rig.call("delete_person", GATED["delete_person"] | {"confirm_token": token})).code is None


async def test_one_answer_to_ten_calls_at_once_passes_one(open_rig: Open, sandbox: RunningSandbox) -> None:
    codes: list[str | None] = []
    async with open_rig() as rig:
        token = await token_of(rig, "suppress_person")

        async def one() -> None:
            codes.append((await rig.call("suppress_person", {"identifier": "1", "confirm_token": token})).code)

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(one)
    assert codes.count(None) == 1
    assert set(codes) == {None, "not_confirmed"}
    assert len(writes(sandbox)) == 1


# -- the round trip on the wire --------------------------------------------------------------------------


async def raw(rig: Rig, tool: str, state: str | None, answer: types.ElicitResult | None) -> Any:
    """Make one call of a round trip by hand: any state with any answer."""
    responses: InputResponses | None = {"confirm": answer} if answer else None
    return await rig.client.session.call_tool(
        tool, GATED[tool], input_responses=responses, request_state=state, allow_input_required=True
    )


async def test_the_question_comes_back_with_a_state(open_rig: Open) -> None:
    async with open_rig(asks=Somebody()) as rig:
        asked = await raw(rig, "delete_person", None, None)
    assert isinstance(asked, types.InputRequiredResult)
    assert asked.request_state
    request = (asked.input_requests or {})["confirm"]
    assert isinstance(request, types.ElicitRequest)
    assert "Delete a person" in request.params.message


async def test_an_answer_without_a_state_of_ours_is_asked_for_again(open_rig: Open, sandbox: RunningSandbox) -> None:
    async with open_rig(asks=Somebody()) as rig:
        asked = await raw(rig, "delete_person", None, ANSWERS["yes"])
        assert isinstance(asked, types.InputRequiredResult)
        forged = await raw(rig, "delete_person", "forged", ANSWERS["yes"])
        assert forged.structured_content["error"]["code"] == "not_confirmed"
    assert writes(sandbox) == []


async def test_a_state_is_no_token_and_a_token_is_no_state(open_rig: Open, sandbox: RunningSandbox) -> None:
    async with open_rig(asks=Somebody(), CIO_MCP_CONFIRM="auto") as rig:
        asked = await raw(rig, "delete_person", None, None)
        called = await rig.call("delete_person", {"identifier": "1", "confirm_token": asked.request_state})
        assert called.code == "not_confirmed"
    assert writes(sandbox) == []


async def test_one_state_answered_three_times_passes_once(open_rig: Open, sandbox: RunningSandbox) -> None:
    async with open_rig(asks=Somebody()) as rig:
        asked = await raw(rig, "trigger_broadcast", None, None)
        results = [await raw(rig, "trigger_broadcast", asked.request_state, ANSWERS["yes"]) for _ in range(3)]
    assert [bool(result.is_error) for result in results] == [False, True, True]
    assert len(writes(sandbox)) == 1


async def test_what_was_declined_cannot_be_accepted_later(open_rig: Open, sandbox: RunningSandbox) -> None:
    async with open_rig(asks=Somebody()) as rig:
        asked = await raw(rig, "delete_person", None, None)
        await raw(rig, "delete_person", asked.request_state, ANSWERS["declined"])
        later = await raw(rig, "delete_person", asked.request_state, ANSWERS["yes"])
    assert "was rejected" in later.structured_content["error"]["message"]
    assert writes(sandbox) == []


# -- whom a batch removes ---------------------------------------------------------------------------------

ERASED = [*(f"person-{number}" for number in range(12)), "ada@example.com", "bob-2"]
ERASING = {
    "batch": [
        {"type": "person", "action": "suppress", "identifiers": {"email" if "@" in who else "id": who}}
        for who in ERASED
    ]
}


@both_eras
async def test_whoever_is_asked_reads_everybody_whom_a_batch_erases(open_rig: Open, mode: str) -> None:
    somebody = Somebody(answer=ANSWERS["declined"])
    async with open_rig(mode=mode, asks=somebody) as rig:
        await rig.call("apply_batch", ERASING)
    assert [who for who in ERASED if f'"{who}"' not in somebody.questions[0]] == []


async def test_the_plan_of_a_token_names_everybody_whom_a_batch_erases(open_rig: Open) -> None:
    async with open_rig() as rig:
        plan = (await rig.call("apply_batch", ERASING)).error["plan"]
    assert [who for who in ERASED if f'"{who}"' not in " ".join(plan["removes"])] == []


async def test_more_than_can_be_read_is_asked_of_nobody(open_rig: Open, sandbox: RunningSandbox) -> None:
    somebody = Somebody()
    async with open_rig(asks=somebody) as rig:
        called = await rig.call("apply_batch", {"batch": ERASING["batch"] * 4})
    assert called.code == "invalid_arguments"
    assert "in batches of at most 50" in called.error["message"]
    assert (somebody.questions, writes(sandbox)) == ([], [])


async def test_an_event_to_many_is_asked_about_and_counted_in_its_plan(open_rig: Open, sandbox: RunningSandbox) -> None:
    many = ", ".join(f"p{number}@example.com" for number in range(150))
    for tool, call in {
        "track_event": {"identifier": "1", "name": "seen", "data": {"recipient": many}},
        "apply_entity": EVENT | {"attributes": {"recipient": many}},
    }.items():
        async with open_rig() as rig:
            asked = await rig.call(tool, call)
            assert asked.code == "confirmation_needed"
            assert "because it names 150 people at once" in asked.error["message"]
            assert asked.error["plan"]["audience"] == 150
            assert writes(sandbox) == []
            assert (await rig.call(tool, call | {"confirm_token": asked.error["confirm_token"]})).code is None
            assert len(writes(sandbox)) == 1
        sandbox.app.state.journal.clear()


# -- what changes while somebody thinks ------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
async def test_another_audience_is_asked_about_again(open_rig: Open, sandbox: RunningSandbox, way: str) -> None:
    world = sandbox.app.state.world
    grown: list[int] = []

    def grow() -> None:
        if not grown:
            grown.append(1)
            for number in range(50):
                world.people.add({"id": f"late-{number}"}, 1_700_000_000)

    somebody = Somebody(before=grow)
    filtered = {"broadcast_id": 10, "recipients": {"attribute": {"field": "id", "operator": "exists"}}}
    async with open_rig(mode=WAYS[way], asks=somebody) as rig:
        called = await rig.call("trigger_broadcast", filtered)
    if way == "round trip":
        assert called.code is None
        assert len(somebody.questions) == 2
        assert "asked again because the audience was" in somebody.questions[1]
    else:
        assert called.code == "not_confirmed"
        assert "the audience was" in called.error["message"]
        assert writes(sandbox) == []


async def test_another_target_is_asked_about_again(open_rig: Open, sandbox: RunningSandbox) -> None:
    async with open_rig() as rig:
        token = await token_of(rig, "trigger_broadcast")
        sandbox.app.state.world.broadcasts[10].name = "Something else"
        called = await rig.call("trigger_broadcast", GATED["trigger_broadcast"] | {"confirm_token": token})
        assert called.code == "confirmation_needed"
        assert "is asked about again" in called.error["message"]
        assert writes(sandbox) == []
        new = called.error["confirm_token"]
        assert (await rig.call("trigger_broadcast", GATED["trigger_broadcast"] | {"confirm_token": new})).code is None


# -- the modes -------------------------------------------------------------------------------------------


async def test_ask_fails_closed_without_a_client_that_can(open_rig: Open, sandbox: RunningSandbox) -> None:
    async with open_rig(CIO_MCP_CONFIRM="ask") as rig:
        called = await rig.call("delete_person", {"identifier": "1"})
        token = await rig.call("delete_person", {"identifier": "1", "confirm_token": "x"})
    assert (called.code, token.code) == ("cannot_ask", "cannot_ask")
    assert writes(sandbox) == []


@pytest.mark.parametrize(("mode", "code"), [("auto", "confirmation_needed"), ("ask", "not_confirmed")])
async def test_a_client_that_never_shows_the_question_is_not_waited_for_forever(
    open_rig: Open, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, mode: str, code: str
) -> None:
    monkeypatch.setattr(asking, "ELICITATION_SECONDS", 0.2)
    async with open_rig(mode="legacy", asks=Somebody(answer=None), CIO_MCP_CONFIRM=mode) as rig:
        called = await rig.call("delete_person", {"identifier": "1"})
    assert called.code == code
    assert writes(sandbox) == []


@both_eras
async def test_by_token_alone_if_the_operator_says_so(open_rig: Open, sandbox: RunningSandbox, mode: str) -> None:
    somebody = Somebody()
    async with open_rig(mode=mode, asks=somebody, CIO_MCP_CONFIRM="token") as rig:
        await rig.call("delete_person", {"identifier": "1", "confirm_token": await token_of(rig, "delete_person")})
    assert somebody.questions == []
    assert len(writes(sandbox)) == 1


async def test_off_asks_nobody_and_says_so_in_the_record(open_rig: Open, sandbox: RunningSandbox) -> None:
    async with open_rig(CIO_MCP_CONFIRM="off") as rig:
        assert (await rig.call("delete_person", {"identifier": "1"})).code is None
    assert len(writes(sandbox)) == 1
    assert rig.ledger.recent[0]["approval"] == "off"


@pytest.mark.parametrize("tool", sorted(set(ARGUMENTS) - set(GATED)))
async def test_nobody_is_asked_about_anything_else(open_rig: Open, tool: str) -> None:
    somebody = Somebody()
    async with open_rig(asks=somebody) as rig:
        called: Called = await rig.call(tool, ARGUMENTS[tool])
    assert called.code is None, called.result
    assert somebody.questions == []


@pytest.mark.parametrize("tool", sorted(GATED.keys() | {"identify_person", "send_email", "create_segment"}))
async def test_a_dry_run_shows_the_plan_and_sends_nothing(open_rig: Open, sandbox: RunningSandbox, tool: str) -> None:
    arguments = GATED.get(tool) or ARGUMENTS[tool]
    async with open_rig(asks=Somebody()) as rig:
        called = await rig.call(tool, arguments | {"dry_run": True})
    assert called.code is None
    plan = called.result["plan"]
    assert plan["tool"] == tool
    assert {"method", "host", "path", "headers", "body", "bytes"} <= set(plan["request"])
    assert writes(sandbox) == []
    assert rig.ledger.recent[-1]["ending"] == "planned"
