"""What calls leave in the ledger: every call, how it ended, and nothing about anybody."""

import json
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError, types

from cio_mcp.catalog import CATALOG
from cio_mcp.cli.wiring import workspace
from cio_mcp.delivery import Caller
from cio_mcp.ledger import Ending, stop
from cio_mcp.ledger.place import ledger_path, stop_path
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.native import RATE_BUDGET, Answered
from cio_mcp.pipeline import Pipeline
from cio_mcp.server import META, build_server
from cio_mcp.settings import Settings, load
from tests.conftest import STATE
from tests.faults.arguments import ARGUMENTS
from tests.recorded import MemoryLedger, records_in
from tests.recording import Recorder, Reply

pytestmark = pytest.mark.anyio
PERSONAL = "canary@example.com"
SEND = {
    "transactional_message_id": 1,
    "to": PERSONAL,
    "identifiers": {"email": PERSONAL},
    "message_data": {"note": PERSONAL},
    "subject": PERSONAL,
}
MARK = re.compile(r"hmac:[0-9a-f]{16}")

Recorded = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def ledger() -> Iterator[MemoryLedger]:
    with closing(MemoryLedger()) as ledger:
        yield ledger


@pytest.fixture
def recorded(settings_for: Callable[..., Settings], ledger: MemoryLedger) -> Recorded:
    """Open a client whose calls are recorded in `ledger`."""

    @asynccontextmanager
    async def opened(mode: str = "auto", *, info: types.Implementation | None = None, **more: str) -> Any:
        async with (
            workspace(settings_for(**more), ledger) as pipeline,
            Client(build_server(pipeline), mode=mode, client_info=info) as client,
        ):
            yield client

    return opened


def operation_of(result: types.CallToolResult) -> str:
    """Return the id under which a result says that its call is recorded."""
    operation: str = (result.meta or {})[META]["operation"]
    return operation


def test_no_test_finds_the_ledger_of_whoever_runs_it() -> None:
    assert ledger_path(None).is_relative_to(STATE.name)


# What a record says


async def test_a_write_leaves_its_intent_and_then_its_end_without_empty_members(
    recorded: Recorded, ledger: MemoryLedger
) -> None:
    before = time.time()
    async with recorded(info=types.Implementation(name="test", version="1")) as client:
        result = await client.call_tool("track_event", {"identifier": "ada-1", "name": "seen"})
    intent, outcome = ledger.recent
    shared = {"operation": operation_of(result), "tool": "track_event", "caller": "test 1", "principal": "local"}
    told = intent.pop("arguments")
    assert MARK.fullmatch(told.pop("identifier"))
    assert told == {"name": "<4 characters>"}
    assert re.fullmatch("[0-9a-f]{64}", intent.pop("fingerprint"))
    assert re.fullmatch("us-[0-9a-f]{12}", intent.pop("workspace"))
    seq = intent.pop("seq")
    assert before - 0.001 <= intent.pop("at") <= outcome.pop("at") <= time.time() + 0.001
    assert intent.pop("tick") >= 0
    assert intent == shared | {"kind": "intent", "access": "write", "rule": "unrestricted", "time_budget": 45.0}
    assert 0 <= outcome.pop("took", 0.0) < 30
    ended = {"ending": "ok", "credential": "track", "status": 200, "attempts": 1}
    assert outcome == shared | ended | {"kind": "outcome", "intent": seq, "seq": seq + 1}


async def test_a_read_leaves_one_record_with_the_whole_of_it(recorded: Recorded, ledger: MemoryLedger) -> None:
    async with recorded() as client:
        result = await client.call_tool("list_segment_people", {"segment_id": 7, "limit": 5})
    (record,) = ledger.recent
    for name in ("at", "took", "caller", "seq", "workspace"):
        record.pop(name, None)
    assert record == {
        "kind": "outcome",
        "operation": operation_of(result),
        "tool": "list_segment_people",
        "access": "read",
        "rule": "unrestricted",
        "principal": "local",
        "arguments": {"segment_id": 7, "limit": 5},
        "ending": "ok",
        "credential": "app",
        "status": 200,
        "attempts": 1,
    }


async def test_a_call_that_was_tried_again_says_so(
    recorded: Recorded, ledger: MemoryLedger, recorder: Recorder
) -> None:
    recorder.replies = [Reply(status=503), Reply()]
    async with recorded() as client:
        await client.call_tool("list_segments", {})
    (record,) = ledger.recent
    assert (record["attempts"], record["status"], record["ending"]) == (2, 200, "ok")


async def test_a_call_that_waited_for_its_limit_says_how_long(recorded: Recorded, ledger: MemoryLedger) -> None:
    async with recorded(CIO_MCP_LIMIT_APP="1/1.5") as client:
        await client.call_tool("list_segments", {})
        result = await client.call_tool("list_segments", {})
    first, second = ledger.recent
    assert first.get("waited", 0.0) < 0.2
    assert 0.2 < second["waited"] <= second["took"] < 30
    assert (result.meta or {})[META]["waited_seconds"] == second["waited"]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_client_is_recorded_as_it_names_itself(recorded: Recorded, ledger: MemoryLedger, mode: str) -> None:
    async with recorded(mode) as client:
        await client.call_tool("list_segments", {})
    assert ledger.recent[-1]["caller"].startswith("mcp ")


async def test_no_text_can_end_a_line_or_leave_ascii(settings_for: Callable[..., Settings], tmp_path: Path) -> None:
    hostile = 'é\n{"kind":"outcome"}\u2028\u202e' + "x" * 500
    path = tmp_path / "ledger.sqlite3"
    settings = settings_for(CIO_MCP_LEDGER=str(path))
    info = types.Implementation(name=hostile, version=hostile)
    async with workspace(settings) as pipeline, Client(build_server(pipeline), client_info=info) as client:
        await client.call_tool("track_event", {"identifier": "ada-1", "name": "seen"})
        with pytest.raises(MCPError):
            await client.call_tool(hostile, {})
    with closing(sqlite3.connect(path)) as connection:
        bodies = [body for (body,) in connection.execute("SELECT body FROM records")]
    records = records_in(path)
    assert [record["kind"] for record in records] == ["intent", "outcome", "outcome"]
    assert len(bodies) == 4  # that of the ledger's making, too
    for body in bodies:
        assert body.isascii()
        assert body.isprintable()
    (caller,) = {record["caller"] for record in records}
    assert caller.startswith('é {"kind":"outcome"} \\u{202e}xxx')
    assert len(caller) == 80
    assert len(records[-1]["tool"]) == 60


# What of the arguments it says

REDACTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "identify_person",
        {"identifier": PERSONAL, "email": PERSONAL, "attributes": {"plan": PERSONAL}},
        {"identifier": MARK, "email": MARK, "attributes": "<1 member>"},
    ),
    (
        "identify_person",  # attributes that are named as members of a batch's items are
        {"identifier": PERSONAL, "attributes": {"type": ["x"], "action": {"x": 1}, "device": 4242424242, "phone": 1.5}},
        {"identifier": MARK, "attributes": {"device": "<int>", "phone": MARK, "others": "<2 members>"}},
    ),
    (
        "list_segment_people",
        {"segment_id": 7, "limit": 5, "start": PERSONAL},
        {"segment_id": 7, "limit": 5, "start": "<18 characters>"},
    ),
    (
        "get_person_attributes",
        {"customer_id": PERSONAL, "id_type": "email"},
        {"customer_id": MARK, "id_type": "email"},
    ),
    ("add_people_to_segment", {"segment_id": 7, "ids": ["a", "b"]}, {"segment_id": 7, "ids": [MARK, MARK]}),
    (
        "send_email",
        SEND,
        {
            "transactional_message_id": 1,
            "to": MARK,
            "identifiers": {"email": MARK},
            "message_data": "<1 member>",
            "subject": "<18 characters>",
        },
    ),
    (
        "search_people",
        {"filter": {"attribute": {"field": "age", "operator": "eq", "value": PERSONAL}}},
        {"filter": {"attribute": "<3 members>"}},
    ),
]


def matches(told: Any, expected: Any) -> bool:
    """Say whether a recorded argument is what is expected; a pattern stands for any text of its form."""
    match expected:
        case re.Pattern():
            return isinstance(told, str) and expected.fullmatch(told) is not None
        case dict():
            return told.keys() == expected.keys() and all(matches(told[name], expected[name]) for name in expected)
        case list():
            return len(told) == len(expected) and all(map(matches, told, expected))
        case _:
            return type(told) is type(expected) and bool(told == expected)


@pytest.mark.parametrize(("tool", "arguments", "shown"), REDACTED, ids=[row[0] for row in REDACTED])
async def test_numbers_and_choices_are_recorded_who_is_meant_as_a_digest_and_of_everything_else_the_size(
    recorded: Recorded, ledger: MemoryLedger, tool: str, arguments: dict[str, Any], shown: dict[str, Any]
) -> None:
    async with recorded() as client:
        assert not (await client.call_tool(tool, arguments)).is_error
    assert matches(ledger.recent[0]["arguments"], shown), ledger.recent[0]["arguments"]
    assert PERSONAL not in json.dumps(ledger.recent)


async def test_what_was_done_with_a_person_is_found_by_their_address_however_it_is_written(
    recorded: Recorded, ledger: MemoryLedger
) -> None:
    async with recorded() as client:
        done = [
            await client.call_tool("identify_person", {"identifier": PERSONAL}),
            await client.call_tool("send_email", SEND),
            await client.call_tool("get_person_attributes", {"customer_id": PERSONAL.upper(), "id_type": "email"}),
        ]
        await client.call_tool("identify_person", {"identifier": "somebody-else"})
    for spelling in (PERSONAL, PERSONAL.upper(), f" {PERSONAL} "):
        found = {record["operation"] for record in ledger.find(spelling)}
        assert found == set(map(operation_of, done))
    assert ledger.find("nobody@example.com") == []


# How calls end


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A call, Customer.io's answer, the kinds of record that the call leaves, and members of the last one."""

    tool: str
    arguments: dict[str, Any]
    ended: dict[str, Any]
    reply: Reply = field(default_factory=Reply)
    settings: dict[str, str] = field(default_factory=dict[str, str])
    records: tuple[str, ...] = ("outcome",)


ATTEMPTED = ("intent", "outcome")
NOTHING_SENT = {"credential": None, "attempts": None, "status": None}


def sent(reply: Reply, **ended: Any) -> Course:
    return Course(tool="send_email", arguments=SEND, reply=reply, ended={"attempts": 1} | ended, records=ATTEMPTED)


COURSES: dict[str, Course] = {
    "sent": sent(Reply(body=b'{"delivery_id": "d"}'), ending="ok", status=200, credential="app"),
    "rejected": sent(Reply(status=400), ending="failed", code="rejected", status=400),
    "bad key": sent(Reply(status=401), ending="failed", code="bad_credential", status=401),
    "daily quota": sent(Reply(status=429), ending="failed", code="quota_exhausted", status=429),
    "too large": sent(Reply(status=413), ending="failed", code="too_large", status=413),
    "no answer": sent(Reply(status=500), ending="unknown", code="outcome_unknown"),
    "no JSON": sent(Reply(body=b"<html>"), ending="unknown", code="unreadable_reply", status=200),
    "rows refused": Course(
        tool="apply_batch",
        arguments={"batch": [{"type": "person", "action": "identify", "identifiers": {"id": "a"}}]},
        reply=Reply(status=207, body=b'{"errors":[{"batch_index":0,"reason":"invalid"}]}'),
        ended={"ending": "ok", "code": "partly_rejected", "status": 207},
        records=ATTEMPTED,
    ),
    "a write": Course(
        tool="identify_person",
        arguments={"identifier": PERSONAL},
        ended={"ending": "ok", "credential": "track", "attempts": 1},
        records=ATTEMPTED,
    ),
    "wrong arguments": Course(
        tool="send_email",
        arguments=SEND | {"tto": 1},
        ended={"ending": "refused", "code": "invalid_arguments", "access": "send"} | NOTHING_SENT,
    ),
    "not permitted": Course(
        tool="send_email",
        arguments=SEND,
        settings={"CIO_MCP_READ_ONLY": "1"},
        ended={"ending": "refused", "code": "not_permitted"} | NOTHING_SENT,
    ),
    "no key": Course(
        tool="send_email",
        arguments=SEND,
        settings={"CUSTOMERIO_APP_API_KEY": ""},
        ended={"ending": "refused", "code": "missing_credential"} | NOTHING_SENT,
    ),
    "only a plan": Course(
        tool="send_email",
        arguments=SEND | {"dry_run": True},
        ended={"ending": "planned", "code": None, "access": "send"} | NOTHING_SENT,
    ),
    "to be confirmed": Course(
        tool="suppress_person",
        arguments={"identifier": PERSONAL},
        settings={"CIO_MCP_CONFIRM": "token"},
        ended={"ending": "planned", "code": "confirmation_needed", "access": "destructive"} | NOTHING_SENT,
        records=("asked", "outcome"),
    ),
    "nobody to ask": Course(
        tool="suppress_person",
        arguments={"identifier": PERSONAL},
        settings={"CIO_MCP_CONFIRM": "ask"},
        ended={"ending": "refused", "code": "cannot_ask"} | NOTHING_SENT,
    ),
    "a token of nobody's": Course(
        tool="suppress_person",
        arguments={"identifier": PERSONAL, "confirm_token": "x" * 32},
        settings={"CIO_MCP_CONFIRM": "token"},
        ended={"ending": "refused", "code": "not_confirmed"} | NOTHING_SENT,
    ),
    "not found": Course(
        tool="get_segment",
        arguments={"segment_id": 7},
        reply=Reply(status=404),
        ended={"ending": "failed", "code": "not_found", "status": 404, "access": "read"},
    ),
    "a page for data": Course(
        tool="get_segment",
        arguments={"segment_id": 7},
        reply=Reply(body=b"<html>"),
        ended={"ending": "failed", "code": "unreadable_reply", "status": 200},
    ),
    "a tool of ours": Course(tool="get_rate_budget", arguments={}, ended={"ending": "ok"} | NOTHING_SENT),
    "no such operation": Course(
        tool="get_operation",
        arguments={"operation": "01K00000000000000000000000"},
        ended={"ending": "refused", "code": "no_such_operation"} | NOTHING_SENT,
    ),
}


@pytest.mark.parametrize("name", COURSES)
async def test_every_call_is_recorded_with_its_end_and_without_personal_data(
    recorded: Recorded, ledger: MemoryLedger, recorder: Recorder, name: str
) -> None:
    course = COURSES[name]
    recorder.default = course.reply
    async with recorded(**course.settings) as client:
        result = await client.call_tool(course.tool, course.arguments)
    records = ledger.recent
    assert tuple(record["kind"] for record in records) == course.records
    assert {member: records[-1].get(member) for member in course.ended} == course.ended
    assert {record["operation"] for record in records} == {operation_of(result)}
    assert {record["tool"] for record in records} == {course.tool}
    assert PERSONAL not in json.dumps(records)
    assert ledger.verify().fault is None


async def test_what_may_have_been_sent_is_known_to_the_agent_that_sent_it(
    recorded: Recorded, ledger: MemoryLedger, recorder: Recorder
) -> None:
    recorder.replies = [Reply(status=500)]
    async with recorded() as client:
        lost = await client.call_tool("send_email", SEND)
        await client.call_tool("send_email", SEND)
        listed = await client.call_tool("list_unknown_operations", {})
        shown = await client.call_tool("get_operation", {"operation": operation_of(lost)})
    (unknown,) = await ledger.unknown("local", limit=10)
    assert unknown.intent.operation == operation_of(lost)
    assert [each["operation"] for each in (listed.structured_content or {})["operations"]] == [operation_of(lost)]
    assert (shown.structured_content or {})["ending"] == "unknown"


async def test_a_repeated_send_is_refused_and_its_record_is_not_an_intent(
    recorded: Recorded, ledger: MemoryLedger, recorder: Recorder
) -> None:
    async with recorded(CIO_MCP_REPEAT_WINDOW="600") as client:
        first = await client.call_tool("send_email", SEND)
        second = await client.call_tool("send_email", SEND)
        third = await client.call_tool("send_email", SEND | {"allow_repeat": True})
    assert len(recorder.requests) == 2
    told = [(record["kind"], record["operation"], record.get("ending"), record.get("code")) for record in ledger.recent]
    assert told == [
        ("intent", operation_of(first), None, None),
        ("outcome", operation_of(first), "ok", None),
        ("outcome", operation_of(second), "refused", "held_back"),
        ("intent", operation_of(third), None, None),
        ("outcome", operation_of(third), "ok", None),
    ]
    began = [record["fingerprint"] for record in ledger.recent if record["kind"] == "intent"]
    assert len(set(began)) == 1


async def test_a_confirmed_write_says_how_it_was_confirmed_and_no_record_holds_the_token(
    recorded: Recorded, ledger: MemoryLedger
) -> None:
    person = {"identifier": PERSONAL}
    async with recorded(CIO_MCP_CONFIRM="token") as client:
        asked = await client.call_tool("suppress_person", person)
        token = (asked.structured_content or {})["error"]["confirm_token"]
        done = await client.call_tool("suppress_person", person | {"confirm_token": token})
        again = await client.call_tool("suppress_person", person | {"confirm_token": token})
    assert [done.is_error, again.is_error] == [False, True]
    told = [(record["kind"], record["operation"], record.get("ending")) for record in ledger.recent]
    assert told == [
        ("asked", operation_of(asked), None),
        ("outcome", operation_of(asked), "planned"),
        ("approved", operation_of(asked), None),
        ("intent", operation_of(done), None),
        ("outcome", operation_of(done), "ok"),
        ("outcome", operation_of(again), "refused"),
    ]
    question, _, approval, intent, *_ = ledger.recent
    assert (approval["by"], intent["approval"]) == ("token", "token")
    assert question["confirmation"] == approval["confirmation"] == intent["confirmation"]
    assert token not in json.dumps(ledger.recent)
    assert PERSONAL not in json.dumps(ledger.recent)


async def test_a_tool_of_ours_that_could_not_ask_customer_io_failed_and_refused_nothing(
    recorded: Recorded, ledger: MemoryLedger, recorder: Recorder
) -> None:
    recorder.default = Reply(status=500)
    async with recorded(CIO_MCP_TIME_BUDGET="5") as client:
        lost = await client.call_tool("send_email", SEND)
        looked = await client.call_tool("reconcile_operation", {"operation": operation_of(lost)})
    assert (looked.structured_content or {})["error"]["code"] == "unavailable"
    record = ledger.recent[-1]
    assert (record["tool"], record["operation"]) == ("reconcile_operation", operation_of(looked))
    assert (record["ending"], record["code"]) == ("failed", "unavailable")


class Never(Exception):
    """A fault of ours."""


@pytest.mark.parametrize(
    ("interruption", "ending"), [(Never(), "failed"), (None, "cancelled")], ids=["a fault", "cancelled"]
)
async def test_a_tool_of_ours_that_is_broken_off_leaves_a_record_too(
    settings_for: Callable[..., Settings], ledger: MemoryLedger, interruption: Exception | None, ending: str
) -> None:
    began = anyio.Event()

    async def answer(_params: Any, _course: Any) -> dict[str, Any]:
        began.set()
        if interruption:
            raise interruption
        await anyio.sleep_forever()
        return {}

    async with workspace(settings_for(), ledger) as pipeline:
        broken = Answered(tool=RATE_BUDGET, answer=answer)
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:

                async def call() -> None:
                    with suppress(Never):
                        await pipeline.answer(broken, {}, caller=Caller(name="test"))

                group.start_soon(call)
                await began.wait()
                group.cancel_scope.cancel()
    (record,) = ledger.recent
    assert (record["tool"], record["ending"]) == ("get_rate_budget", ending)


@asynccontextmanager
async def on_disk(settings: Settings, path: Path) -> AsyncIterator[tuple[Client, Pipeline]]:
    """Open a client whose calls are recorded in a file."""
    ledger = SqliteLedger.open(path, now=time.time)
    try:
        async with workspace(settings, ledger) as pipeline, Client(build_server(pipeline)) as client:
            yield client, pipeline
    finally:
        ledger.close()


async def test_while_writes_are_stopped_they_are_refused_and_recorded_and_reads_go_on(
    settings_for: Callable[..., Settings], recorder: Recorder, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.sqlite3"
    async with on_disk(settings_for(), path) as (client, _):
        stop.engage(stop_path(path), "canary reason", time.time())
        refused = await client.call_tool("send_email", SEND)
        read = await client.call_tool("list_segments", {})
        stop.release(stop_path(path))
        sent_after = await client.call_tool("send_email", SEND)
    assert (refused.structured_content or {})["error"]["code"] == "writes_stopped"
    assert [read.is_error, sent_after.is_error] == [False, False]
    assert [request.raw_path for request in recorder.requests] == ["/v1/segments", "/v1/send/email"]
    told = [(record["kind"], record["tool"], record.get("ending"), record.get("code")) for record in records_in(path)]
    assert told == [
        ("outcome", "send_email", "refused", "writes_stopped"),
        ("outcome", "list_segments", "ok", None),
        ("intent", "send_email", None, None),
        ("outcome", "send_email", "ok", None),
    ]


async def test_a_call_that_waited_for_its_limit_in_vain_is_refused_on_the_record(
    recorded: Recorded, ledger: MemoryLedger, recorder: Recorder
) -> None:
    async with recorded(CIO_MCP_LIMIT_EMAIL="1/60", CIO_MCP_TIME_BUDGET="5") as client:
        await client.call_tool("send_email", SEND)
        waited = await client.call_tool("send_email", SEND)
    assert len(recorder.requests) == 1
    assert (waited.structured_content or {})["error"]["code"] == "rate_limited"
    assert [record["kind"] for record in ledger.recent] == ["intent", "outcome", "outcome"]
    refused = ledger.recent[-1]
    assert (refused["ending"], refused["code"]) == ("refused", "rate_limited")
    assert not {"intent", "attempts", "status"} & refused.keys()


async def test_every_write_of_the_catalogue_leaves_an_intent_and_no_read_does(ledger: MemoryLedger) -> None:
    wide = {f"CIO_MCP_LIMIT_{name}": "1000/1" for name in ("APP", "EMAIL", "TRANSACTIONAL", "BROADCAST", "TRACK")}
    settings = load({"CIO_MCP_SANDBOX": "true", "CIO_MCP_CONFIRM": "off", "CIO_MCP_REPEAT_WINDOW": "0", **wide})
    async with workspace(settings, ledger) as pipeline, Client(build_server(pipeline)) as client:
        for tool, arguments in ARGUMENTS.items():
            await client.call_tool(tool, arguments)
    assert ARGUMENTS.keys() == CATALOG.keys()
    began = [record["tool"] for record in ledger.recent if record["kind"] == "intent"]
    assert began == [tool for tool in ARGUMENTS if CATALOG[tool].access != "read"]
    ended = [record["tool"] for record in ledger.recent if record["kind"] == "outcome"]
    assert ended == list(ARGUMENTS)
    open_still = [record["operation"] for record in ledger.recent if record["kind"] == "intent"]
    for operation in open_still:
        found = await ledger.operation(operation)
        assert found is not None
        assert found.outcome is not None
        assert found.outcome.ending in (Ending.OK, Ending.FAILED)
