"""What is not known is told as such, and every call leaves one record: true, and free of personal data."""

import json
import logging
from dataclasses import replace
from typing import Any, Final

import anyio
import pytest
from anyio.abc import TaskStatus
from mcp import Client
from mcp.shared.exceptions import MCPError

from cio_mcp.catalog import CATALOG
from cio_mcp.catalog.endpoint import Access
from cio_mcp.ledger import Intent, Outcome, Terms, Unrecorded
from cio_mcp.sandbox import Fault, RunningSandbox
from cio_mcp.server import build_server
from tests.faults.arguments import ARGUMENTS, EVENT
from tests.faults.conftest import Open
from tests.faults.raw import head_of, raw_server, sends, whole
from tests.faults.rig import WatchedLedger, rigged, settings_of
from tests.recorded import MemoryLedger

pytestmark = pytest.mark.anyio

WRITES: Final = [tool for tool, endpoint in CATALOG.items() if endpoint.access is not Access.READ]
LOST: Final = Fault(kind="reset", when="after")
EMAIL: Final = ARGUMENTS["send_email"]
CANARY: Final = "canary7f3a"
NUMBER: Final = 4242424242


# -- doubt ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "then",
    [
        Fault(kind="throttle", times=2),
        Fault(kind="throttle", retry_after=3600),
        Fault(kind="status", status=503, times=2),
    ],
    ids=["429 without a time", "429 for longer than the call", "503"],
)
@pytest.mark.parametrize(("tool", "arguments"), [("identify_person", {"identifier": "new"}), ("apply_entity", EVENT)])
async def test_a_refused_repeat_does_not_hide_that_the_first_attempt_may_have_worked(
    tool: str, arguments: dict[str, Any], then: Fault, rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(LOST)
    sandbox.app.state.faults.add(then)
    async with rig() as house:
        called = await house.call(tool, arguments)
    assert called.code == "outcome_unknown"
    assert "Nothing was" not in called.error["message"]
    assert house.ending == "unknown"


async def test_a_repeat_that_finds_no_slot_does_not_claim_that_nothing_was_sent(
    rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(LOST)
    async with rig(CIO_MCP_LIMIT_TRACK="1/3600") as house:
        called = await house.call("identify_person", {"identifier": "new"})
    assert called.code == "outcome_unknown"
    assert house.ending == "unknown"
    assert sandbox.app.state.world.people.find("id", "new")


async def test_a_repeat_that_cannot_connect_does_not_claim_that_nothing_was_sent() -> None:
    leave, left = anyio.Event(), anyio.Event()

    async def listen(*, task_status: TaskStatus[str]) -> None:
        async with raw_server(sends(b"")) as server:
            task_status.started(server.url)
            await leave.wait()
        left.set()

    async def sleep(_seconds: float) -> None:
        leave.set()
        await left.wait()

    async with anyio.create_task_group() as group:
        url = await group.start(listen)
        async with rigged(settings_of(url), sleep=sleep) as house:
            called = await house.call("identify_person", {"identifier": "new"})
    assert called.code == "outcome_unknown"
    assert house.outcome["attempts"] == 3
    assert house.ending == "unknown"


async def test_an_answer_settles_what_was_in_doubt(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(LOST)
    sandbox.app.state.faults.add(Fault(kind="throttle", retry_after=0))
    async with rig() as house:
        called = await house.call("identify_person", {"identifier": "new"})
    assert called.code is None
    assert house.outcome["status"] == 200
    assert house.ending == "ok"


async def test_reading_is_never_in_doubt(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(LOST)
    sandbox.app.state.faults.add(Fault(kind="throttle"))
    async with rig() as house:
        called = await house.call("list_segments")
    assert called.code == "quota_exhausted"
    assert house.ending == "failed"


# -- heads without a body ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "lines", "code"),
    [
        (422, (), "rejected"),
        (401, (), "bad_credential"),
        (302, ("Location: https://elsewhere.example.com/",), "rejected"),
        (429, (), "quota_exhausted"),
        (500, (), "outcome_unknown"),
        (200, (), "unreadable_reply"),
    ],
)
@pytest.mark.parametrize(
    "packed", [(b"", ()), (b"not packed", ("Content-Encoding: gzip",))], ids=["broken off", "unreadable"]
)
async def test_the_head_of_an_answer_decides_when_its_body_cannot_be_read(
    packed: tuple[bytes, tuple[str, ...]], status: int, lines: tuple[str, ...], code: str
) -> None:
    body, more = packed
    answer = head_of(status, *lines, *more, "Connection: close", length=100) + body
    async with raw_server(sends(answer)) as server, rigged(settings_of(server.url)) as house:
        called = await house.call("send_email", EMAIL)
    assert called.code == code
    assert len(server.requests) == 1
    assert house.outcome.get("status") == status


async def test_a_429_whose_body_broke_off_is_waited_out() -> None:
    refusal = head_of(429, "Retry-After: 0", "Connection: close", length=100)
    async with raw_server(sends(refusal), sends(whole())) as server, rigged(settings_of(server.url)) as house:
        called = await house.call("send_email", EMAIL)
        budget = await house.budget("app/email")
    assert called.code is None
    assert len(server.requests) == 2
    assert budget["refused_429"] == 1


async def test_a_retry_after_beyond_all_sense_is_no_time() -> None:
    answer = whole(429, b"{}", "Retry-After: " + "9" * 400)
    async with raw_server(sends(answer)) as server, rigged(settings_of(server.url)) as house:
        called = await house.call("list_segments")
    assert called.code == "quota_exhausted"
    assert len(server.requests) == 1


# -- records -----------------------------------------------------------------------------------------


async def test_every_call_leaves_one_outcome(rig: Open, sandbox: RunningSandbox) -> None:
    faults = sandbox.app.state.faults
    expected: list[tuple[str, str | None]] = []
    async with rig(CIO_MCP_AREAS="people,customers,messaging", CIO_MCP_LIMIT_BROADCAST="1/3600") as house:

        async def call(tool: str, arguments: dict[str, Any], ending: str, code: str | None) -> None:
            await house.call(tool, arguments)
            expected.append((ending, code))

        await call("get_person_attributes", {"customer_id": "1"}, "ok", None)
        await call("identify_person", {"identifier": "1"}, "ok", None)
        await call("identify_person", {"nobody": "1"}, "refused", "invalid_arguments")
        await call("list_segments", {}, "refused", "not_permitted")
        await call("get_person_attributes", {"customer_id": "unheard of"}, "failed", "not_found")
        faults.add(LOST)
        await call("send_email", EMAIL, "unknown", "outcome_unknown")
        faults.add(Fault(kind="html"))
        await call("send_email", EMAIL, "unknown", "outcome_unknown")
        faults.add(Fault(kind="html"))
        await call("get_person_attributes", {"customer_id": "1"}, "failed", "unreadable_reply")
        await call("trigger_broadcast", {"broadcast_id": 10}, "ok", None)
        await call("trigger_broadcast", {"broadcast_id": 10}, "refused", "rate_limited")
        faults.add(Fault(kind="throttle"))
        await call("send_email", EMAIL, "failed", "quota_exhausted")
        faults.add(Fault(kind="throttle", retry_after=3600))
        await call("send_email", EMAIL, "failed", "rate_limited")
        await call("send_email", EMAIL, "refused", "rate_limited")
    assert [(record["ending"], record.get("code")) for record in house.outcomes] == expected
    assert len({record["operation"] for record in house.outcomes}) == len(expected)


async def test_a_page_in_place_of_an_answer_names_the_id_with_which_an_event_may_be_made_again(
    rig: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="html"))
    async with rig() as house:
        called = await house.call("track_event", {"identifier": "1", "name": "seen"})
    minted = json.loads(sandbox.app.state.journal[-1].body)["id"]
    assert called.code == "outcome_unknown"
    assert called.error["next_step"].startswith(f"Calling again with id {minted} is safe")


async def test_a_call_without_its_credential_is_recorded_and_touches_nothing(
    rig: Open, sandbox: RunningSandbox
) -> None:
    async with rig(CUSTOMERIO_APP_API_KEY="") as house:
        called = await house.call("send_email", EMAIL)
    assert (called.code, house.ending) == ("missing_credential", "refused")
    assert "credential" not in house.outcome
    assert not sandbox.app.state.journal


async def test_the_result_names_the_record(rig: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(Fault(kind="status", status=503))
    async with rig() as house:
        called = await house.call("list_segments")
    meta, record = called.meta, house.outcome
    assert meta["operation"] == record["operation"]
    assert meta["attempts"] == record["attempts"] == 2
    assert meta["waited_seconds"] == record.get("waited", 0) == 0
    assert meta["credential"] == record["credential"] == "app"
    assert [budget["name"] for budget in meta["budgets"]] == ["app/app"]


async def test_a_write_is_recorded_before_the_sandbox_sees_it(sandbox: RunningSandbox) -> None:
    ledger = WatchedLedger(sandbox)
    async with rigged(settings_of(sandbox.url), ledger=ledger) as house:
        for done, tool in enumerate(WRITES):
            before = len(sandbox.app.state.journal)
            await house.call(tool, ARGUMENTS[tool])
            assert len(sandbox.app.state.journal) > before, tool
            assert ledger.seen_before[done] == before, tool
    intents = [record for record in ledger.recent if record["kind"] == "intent"]
    assert [intent["tool"] for intent in intents] == WRITES
    assert [intent["operation"] for intent in intents] == [record["operation"] for record in house.outcomes]


async def test_reading_leaves_no_intent(rig: Open) -> None:
    async with rig() as house:
        await house.call("list_segments")
    assert [record["kind"] for record in house.ledger.recent] == ["outcome"]


UNRECORDED = "This call could not be recorded; the operator should look at the ledger."


class _Broken(MemoryLedger):
    """A ledger that cannot write, as on a full disk."""

    def __init__(self, *, intends: bool) -> None:
        super().__init__()
        self._intends = intends

    async def begin(self, intent: Intent, terms: Terms) -> None:
        """Fail, or not."""
        if not self._intends:
            raise Unrecorded("No space left on device")
        await super().begin(intent, terms)

    async def conclude(self, intent: Intent, outcome: Outcome) -> None:
        """Fail."""
        del intent, outcome
        raise Unrecorded("No space left on device")


async def test_a_write_that_cannot_be_recorded_is_not_sent(sandbox: RunningSandbox) -> None:
    async with rigged(settings_of(sandbox.url), ledger=_Broken(intends=False)) as house:
        for tool in WRITES:
            called = await house.call(tool, ARGUMENTS[tool])
            assert called.code == "not_recorded", tool
            assert "No space" not in json.dumps(called.result)
        assert not sandbox.app.state.journal
        read = await house.call("list_segments")
        assert "segments" in read.result
        assert read.meta["notice"] == UNRECORDED


async def test_a_call_whose_end_cannot_be_recorded_is_answered(sandbox: RunningSandbox) -> None:
    async with rigged(settings_of(sandbox.url), ledger=_Broken(intends=True)) as house:
        sent = await house.call("send_email", EMAIL)
        assert "delivery_id" in sent.result
        sandbox.app.state.faults.add(LOST)
        lost = await house.call("send_email", EMAIL)
    assert lost.code == "outcome_unknown"
    assert sent.meta["notice"] == lost.meta["notice"] == UNRECORDED
    began = [record["operation"] for record in house.ledger.recent if record["kind"] == "intent"]
    assert began == [sent.meta["operation"], lost.meta["operation"]]


@pytest.mark.parametrize(
    ("tool", "ending"), [("send_email", "unknown"), ("list_segments", "failed")], ids=["a write", "a read"]
)
async def test_a_fault_of_ours_after_the_answer_leaves_a_true_record(
    tool: str, ending: str, rig: Open, sandbox: RunningSandbox
) -> None:
    async with rig() as house:
        broken = replace(house.pipeline, result_tokens="no number")  # type: ignore[arg-type] # the fault
        async with Client(build_server(broken)) as client:
            with pytest.raises(MCPError) as failure:
                await client.call_tool(tool, ARGUMENTS[tool])
    assert str(failure.value) == "Internal server error"
    assert len(sandbox.app.state.journal) == 1
    assert house.ending == ending


# -- personal data -----------------------------------------------------------------------------------


def _marked(value: Any) -> Any:
    """Put a canary into every text, and a telling number for every number."""
    match value:
        case dict():
            return {name: _marked(member) for name, member in value.items()}
        case list():
            return [_marked(item) for item in value]
        case str():
            return value.replace("@", f"{CANARY}@") if "@" in value else f"{value}{CANARY}"
        case _:
            return value


PERSONAL: Final[dict[str, dict[str, Any]]] = {
    "identify_person": {
        "identifier": f"{CANARY}@example.com",
        "attributes": {"first_name": CANARY, f"{CANARY}_trait": NUMBER, "phone": NUMBER},
    },
    "track_event": {"identifier": NUMBER, "name": CANARY, "data": {"recipient": f"{CANARY}@example.com"}},
    "merge_people": {"primary": {"email": f"{CANARY}@example.com"}, "secondary": {"id": NUMBER}},
    "send_email": {
        "to": f"{CANARY}@example.com",
        "from": f"{CANARY}@example.org",
        "subject": CANARY,
        "body": f"<p>{CANARY}</p>",
        "identifiers": {"id": NUMBER},
        "message_data": {
            "name": CANARY,
            "phone": NUMBER,
            "id": NUMBER,
            "device": NUMBER,
            "batch": [NUMBER, {"id": NUMBER, "type": NUMBER}],
            "type": [CANARY],
            "action": {CANARY: NUMBER},
        },
    },
    "get_person_attributes": {"customer_id": NUMBER},
    "find_people_by_email": {"email": f"{CANARY}@example.com"},
    "search_people": {"filter": {"attribute": {"field": CANARY, "operator": "eq", "value": CANARY}}},
    "apply_batch": {"batch": [{**EVENT, "identifiers": {"email": f"{CANARY}@example.com"}}]},
    "trigger_broadcast": {"broadcast_id": 10, "emails": [f"{CANARY}@example.com"]},
    "add_people_to_segment": {"segment_id": 2, "ids": [NUMBER]},
}


@pytest.mark.parametrize(
    "fault",
    [None, LOST, Fault(kind="status", status=400, body={"errors": [CANARY]})],
    ids=["none", "lost", "refused with personal data"],
)
async def test_no_record_and_no_log_holds_personal_data(
    fault: Fault | None, rig: Open, sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    reached = 0
    async with rig() as house:
        calls = [*PERSONAL.items(), *((tool, _marked(arguments)) for tool, arguments in ARGUMENTS.items())]
        for tool, arguments in calls:
            sandbox.app.state.faults.clear()
            sandbox.app.state.journal.clear()
            if fault:
                sandbox.app.state.faults.add(replace(fault, times=None))
            await house.call(tool, arguments)
            reached += bool(sandbox.app.state.journal)
    # The rest were refused here for their marks, which must not show either.
    assert reached > len(PERSONAL) + 20
    assert [record["tool"] for record in house.outcomes] == [tool for tool, _ in calls]
    ours = "\n".join(
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("cio_mcp") or record.levelno >= logging.WARNING
    )
    for text in (json.dumps(list(house.ledger.recent)), ours):
        assert CANARY not in text
        assert str(NUMBER) not in text


async def test_a_record_shows_numbers_switches_and_choices(rig: Open) -> None:
    async with rig() as house:
        await house.call("list_person_messages", {"customer_id": "ada-1", "limit": 5, "id_type": "id"})
    told = house.outcome["arguments"]
    assert told.pop("customer_id").startswith("hmac:")
    assert told == {"limit": 5, "id_type": "id"}
