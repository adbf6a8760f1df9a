"""What may be repeated is repeated: up to three attempts, with the same bytes, within the call's time."""

import json
from typing import Any, Final

import pytest

from cio_mcp.catalog import CATALOG
from cio_mcp.catalog.endpoint import Access, Repeat
from cio_mcp.sandbox import Fault, RunningSandbox
from tests.faults.arguments import ARGUMENTS, DELETE, EVENT, IDENTIFY, REPORT
from tests.faults.conftest import Open

pytestmark = pytest.mark.anyio

SAFE: Final = [tool for tool, endpoint in CATALOG.items() if endpoint.repeat is Repeat.SAFE]
READS: Final = [tool for tool in SAFE if CATALOG[tool].access is Access.READ]
SAFE_WRITES: Final = [tool for tool in SAFE if tool not in READS]
TRANSIENT: Final = (
    Fault(kind="status", status=503, times=2),
    Fault(kind="status", status=408, times=2),
    Fault(kind="reset", times=2),
    Fault(kind="reset", when="after", times=2),
    Fault(kind="partial", times=2),
    Fault(kind="throttle", retry_after=0, times=2),
)
# As many attempts as its items allow.
BATCHES: Final = {
    "identifies only": ([IDENTIFY, IDENTIFY], 3),
    "events too": ([IDENTIFY, EVENT], 3),
    "with a report on a delivery": ([IDENTIFY, EVENT, REPORT], 1),
    "with a deletion": ([IDENTIFY, EVENT, DELETE], 1),
}


def _of(fault: Fault) -> str:
    return " ".join(str(part) for part in (fault.kind, fault.status, fault.when) if part)


def _bodies(sandbox: RunningSandbox) -> list[bytes]:
    return [received.body for received in sandbox.app.state.journal]


@pytest.mark.parametrize("fault", TRANSIENT, ids=_of)
async def test_every_safe_call_survives_two_faults(fault: Fault, rig: Open, sandbox: RunningSandbox) -> None:
    state = sandbox.app.state
    async with rig() as house:
        for tool in SAFE:
            state.journal.clear()
            state.faults.add(fault)
            called = await house.call(tool, ARGUMENTS[tool])
            assert called.code is None, (tool, called.error)
            assert len(state.journal) == called.meta["attempts"] == house.outcomes[-1]["attempts"] == 3, tool
            assert len(set(_bodies(sandbox))) == 1, tool
    assert {record["ending"] for record in house.outcomes} == {"ok"}


@pytest.mark.parametrize("tool", ["list_segments", "search_people", "identify_person", "track_event"])
async def test_an_attempt_that_is_not_answered_leaves_time_for_others(
    tool: str, rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="hang", seconds=5, times=2))
    async with rig(attempt_seconds=0.3) as house:
        called = await house.call(tool, ARGUMENTS[tool])
    assert called.code is None
    assert len(sandbox.app.state.journal) == called.meta["attempts"] == 3
    assert 0.6 <= house.outcome["took"] < 5


async def test_reading_that_fails_three_times_is_unavailable(rig: Open, sandbox: RunningSandbox) -> None:
    async with rig() as house:
        for tool in READS:
            sandbox.app.state.journal.clear()
            sandbox.app.state.faults.add(Fault(kind="status", status=502, times=3))
            called = await house.call(tool, ARGUMENTS[tool])
            assert called.code == "unavailable"
            assert "502" in called.error["message"]
            assert len(sandbox.app.state.journal) == called.meta["attempts"] == 3
    assert {record["ending"] for record in house.outcomes} == {"failed"}


async def test_a_safe_write_that_fails_three_times_is_unknown_and_may_be_called_again(
    rig: Open, sandbox: RunningSandbox
) -> None:
    async with rig() as house:
        for tool in SAFE_WRITES:
            sandbox.app.state.journal.clear()
            sandbox.app.state.faults.add(Fault(kind="reset", times=3))
            called = await house.call(tool, ARGUMENTS[tool])
            assert called.code == "outcome_unknown"
            assert called.error["next_step"].startswith("Calling again with the same arguments is safe")
            assert len(sandbox.app.state.journal) == called.meta["attempts"] == 3
    assert {record["ending"] for record in house.outcomes} == {"unknown"}


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("track_event", ARGUMENTS["track_event"]),
        ("track_anonymous_event", ARGUMENTS["track_anonymous_event"]),
        ("apply_entity", EVENT),
        ("apply_batch", {"batch": [EVENT]}),
    ],
    ids=["track_event", "track_anonymous_event", "apply_entity", "apply_batch"],
)
@pytest.mark.parametrize("fault", TRANSIENT, ids=_of)
async def test_an_event_keeps_its_id_and_is_stored_once(
    fault: Fault, tool: str, arguments: dict[str, Any], rig: Open, sandbox: RunningSandbox
) -> None:
    world = sandbox.app.state.world
    before = len(world.events)
    sandbox.app.state.faults.add(fault)
    async with rig() as house:
        called = await house.call(tool, arguments)
    assert called.code is None, called.error
    first, *others = [json.loads(body) for body in _bodies(sandbox)]
    assert others == [first, first]
    minted = first["batch"][0]["id"] if tool == "apply_batch" else first["id"]
    assert [event.id for event in list(world.events)[before:]] == [minted]
    if tool != "apply_batch":
        assert called.result["id"] == minted


async def test_an_event_that_may_be_lost_names_the_id_with_which_to_call_again(
    rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="reset", when="after", times=3))
    before = len(sandbox.app.state.world.events)
    async with rig() as house:
        lost = await house.call("track_event", ARGUMENTS["track_event"])
        minted = json.loads(_bodies(sandbox)[0])["id"]
        assert lost.code == "outcome_unknown"
        assert f"again with id {minted} is safe" in lost.error["next_step"]
        again = await house.call("track_event", {**ARGUMENTS["track_event"], "id": minted})
    assert again.code is None
    assert len(sandbox.app.state.world.events) == before + 1


@pytest.mark.parametrize(("items", "attempts"), BATCHES.values(), ids=BATCHES)
async def test_a_batch_is_repeated_as_its_strictest_item_allows(
    items: list[dict[str, Any]], attempts: int, rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="status", status=503, when="after", times=2))
    async with rig() as house:
        called = await house.call("apply_batch", {"batch": items})
    assert len(sandbox.app.state.journal) == called.meta["attempts"] == attempts
    assert called.code == (None if attempts == 3 else "outcome_unknown")
    assert len(set(_bodies(sandbox))) == 1


async def test_events_of_a_batch_keep_the_ids_of_their_caller(rig: Open, sandbox: RunningSandbox) -> None:
    given = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    sandbox.app.state.faults.add(Fault(kind="reset", when="after", times=2))
    async with rig() as house:
        await house.call("apply_batch", {"batch": [{**EVENT, "id": given}, EVENT, EVENT]})
    bodies = [json.loads(body)["batch"] for body in _bodies(sandbox)]
    ids = [item["id"] for item in bodies[0]]
    assert ids[0] == given
    assert len(set(ids)) == 3
    assert bodies == [bodies[0]] * 3
    assert [event.id for event in sandbox.app.state.world.events][-3:] == ids


async def test_a_refusal_is_final(rig: Open, sandbox: RunningSandbox) -> None:
    async with rig() as house:
        for status, code in {400: "rejected", 401: "bad_credential", 403: "forbidden", 413: "too_large"}.items():
            sandbox.app.state.journal.clear()
            sandbox.app.state.faults.add(Fault(kind="status", status=status))
            called = await house.call("identify_person", ARGUMENTS["identify_person"])
            assert called.code == code
            assert len(sandbox.app.state.journal) == 1
    assert {record["ending"] for record in house.outcomes} == {"failed"}


async def test_a_batch_refused_in_part_is_not_repeated_and_names_the_rows(rig: Open, sandbox: RunningSandbox) -> None:
    rows = [{"batch_index": 1, "reason": "invalid", "field": "identifiers", "message": "unknown"}]
    sandbox.app.state.faults.add(Fault(kind="status", status=207, body={"errors": rows}))
    async with rig() as house:
        called = await house.call("apply_batch", {"batch": [IDENTIFY, IDENTIFY]})
    assert called.code == "partly_rejected"
    assert called.error["rejected"] == rows
    assert len(sandbox.app.state.journal) == 1
