"""The record of calls: every call, how it ended, and nothing about anybody."""

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from mcp import Client

from cio_mcp.catalog import CATALOG, Access
from cio_mcp.cli.wiring import workspace
from cio_mcp.ledger import Ending, Intent, LogLedger, Outcome, redacted
from cio_mcp.server import build_server
from cio_mcp.settings import Settings
from tests.recording import Recorder, Reply

INTENT = Intent(
    operation="01J", tool="track_event", access="write", caller="test 1", arguments={"name": "<4 characters>"}
)
OUTCOME = Outcome(ending=Ending.OK, credential="track", status=200, attempts=1, waited=0.5, took=1.25)
PERSONAL = "canary@example.com"


@pytest.fixture
def ledger() -> LogLedger:
    return LogLedger(logging.getLogger("tests.ledger"))


Recorded = Callable[..., Any]


@pytest.fixture
def recorded(settings_for: Callable[..., Settings], ledger: LogLedger) -> Recorded:
    """Open a client whose calls are recorded in `ledger`."""

    @asynccontextmanager
    async def opened(mode: str = "auto", **more: str) -> AsyncIterator[Client]:
        async with (
            workspace(settings_for(**more), ledger) as pipeline,
            Client(build_server(pipeline), mode=mode) as client,
        ):
            yield client

    return opened


def test_a_record_is_one_line_of_json_without_empty_members(
    ledger: LogLedger, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "tests.ledger"):
        ledger.intend(INTENT)
        ledger.conclude(INTENT, OUTCOME)
    shared = {
        "operation": "01J",
        "tool": "track_event",
        "access": "write",
        "caller": "test 1",
        "arguments": {"name": "<4 characters>"},
    }
    ended = {"ending": "ok", "credential": "track", "status": 200, "attempts": 1, "waited": 0.5, "took": 1.25}
    assert [json.loads(message) for message in caplog.messages] == [
        {"record": "intent"} | shared,
        {"record": "outcome"} | shared | ended,
    ]
    assert [record.levelno for record in caplog.records] == [logging.INFO, logging.INFO]
    assert list(ledger.recent) == [json.loads(message) for message in caplog.messages]


def test_an_unknown_outcome_is_a_warning(ledger: LogLedger, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tests.ledger"):
        ledger.conclude(INTENT, Outcome(ending=Ending.UNKNOWN))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_no_text_can_end_a_line_or_leave_ascii(ledger: LogLedger, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tests.ledger"):
        ledger.conclude(Intent(operation="1", tool="x", access="read", caller='é\n{"record":"outcome"}\u2028'), OUTCOME)
    (message,) = caplog.messages
    assert message.isascii()
    assert message.isprintable()


def test_only_the_last_records_are_kept_in_memory() -> None:
    ledger = LogLedger(logging.getLogger("tests.ledger"), keep=3)
    for number in range(5):
        ledger.conclude(Intent(operation=str(number), tool="x", access="read", caller="x"), OUTCOME)
    assert [record["operation"] for record in ledger.recent] == ["2", "3", "4"]


REDACTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "identify_person",
        {"identifier": PERSONAL, "email": PERSONAL, "attributes": {"plan": PERSONAL}},
        {"identifier": "<18 characters>", "email": "<18 characters>", "attributes": "<1 member>"},
    ),
    (
        "list_segment_people",
        {"segment_id": 7, "limit": 5, "start": PERSONAL},
        {"segment_id": 7, "limit": 5, "start": "<18 characters>"},
    ),
    (
        "get_person_attributes",
        {"customer_id": PERSONAL, "id_type": "email"},
        {"customer_id": "<18 characters>", "id_type": "email"},
    ),
    (
        "add_people_to_segment",
        {"segment_id": 7, "ids": ["a", "b"]},
        {"segment_id": 7, "ids": "<2 items>"},
    ),
]


@pytest.mark.parametrize(("tool", "arguments", "shown"), REDACTED, ids=[row[0] for row in REDACTED])
def test_numbers_and_choices_are_recorded_and_of_everything_else_the_size(
    tool: str, arguments: dict[str, Any], shown: dict[str, Any]
) -> None:
    assert redacted(CATALOG[tool].params.model_validate(arguments)) == shown


SEND = {
    "transactional_message_id": 1,
    "to": PERSONAL,
    "identifiers": {"email": PERSONAL},
    "message_data": {"note": PERSONAL},
    "subject": PERSONAL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A call, Customer.io's answer, and members of the record of its end."""

    tool: str
    arguments: dict[str, Any]
    reply: Reply
    ended: dict[str, Any]

    @property
    def records(self) -> list[str]:
        """The kinds of record that it leaves: what is sent and may change something is recorded before, too."""
        writes = CATALOG[self.tool].access is not Access.READ and self.ended["ending"] != "refused"
        return ["intent", "outcome"] if writes else ["outcome"]


def sent(reply: Reply, **ended: Any) -> Course:
    return Course(tool="send_email", arguments=SEND, reply=reply, ended={"attempts": 1} | ended)


COURSES = [
    sent(Reply(body=b'{"delivery_id": "d"}'), ending="ok", status=200, credential="app"),
    sent(Reply(status=400), ending="failed", code="rejected", status=400),
    sent(Reply(status=401), ending="failed", code="bad_credential", status=401),
    sent(Reply(status=500), ending="unknown", code="outcome_unknown"),
    Course(
        tool="send_email",
        arguments=SEND | {"tto": 1},
        reply=Reply(),
        ended={"ending": "refused", "code": "invalid_arguments", "attempts": 0},
    ),
    Course(
        tool="get_segment",
        arguments={"segment_id": 7},
        reply=Reply(status=404),
        ended={"ending": "failed", "code": "not_found", "status": 404},
    ),
    Course(
        tool="identify_person",
        arguments={"identifier": PERSONAL},
        reply=Reply(),
        ended={"ending": "ok", "credential": "track", "attempts": 1},
    ),
]


@pytest.mark.anyio
@pytest.mark.parametrize("course", COURSES, ids=lambda course: f"{course.tool}-{course.reply.status}")
async def test_every_call_is_recorded_with_its_end_and_without_personal_data(
    recorded: Recorded, ledger: LogLedger, recorder: Recorder, course: Course
) -> None:
    recorder.default = course.reply
    async with recorded() as client:
        await client.call_tool(course.tool, course.arguments)
    records = list(ledger.recent)
    assert {name: records[-1].get(name) for name in course.ended} == course.ended
    assert PERSONAL not in json.dumps(records)
    assert [record["record"] for record in records] == course.records
    assert len({record["operation"] for record in records}) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_client_is_recorded_as_it_names_itself(recorded: Recorded, ledger: LogLedger, mode: str) -> None:
    async with recorded(mode) as client:
        await client.call_tool("list_segments", {})
    assert ledger.recent[-1]["caller"].startswith("mcp ")
