"""`cio-mcp demo`: the main job, shown in about ten seconds."""

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from cio_mcp.catalog import CATALOG, Gate
from tests.catalog import listed
from tests.cli.commands import Ended, run_unread, running

AT_MOST = 60.0
# What a shell happens to hold must not reach the demo, least of all real keys.
OTHERS = {
    "CUSTOMERIO_APP_API_KEY": "canary-app-key",
    "CUSTOMERIO_APP_URL": "http://127.0.0.1:1",
    "CIO_MCP_READ_ONLY": "true",
    "PYTHONIOENCODING": "cp1252",
}


@pytest.fixture(scope="module")
def demos() -> Iterator[tuple[Ended, Ended]]:
    """Run the demo for people and the demo for programs, both at once."""
    with running("demo", env=OTHERS) as page, running("demo", "--json") as lines:
        yield page.end(within=AT_MOST), lines.end(within=AT_MOST)


@pytest.fixture
def page(demos: tuple[Ended, Ended]) -> str:
    """Return what people see."""
    assert (demos[0].code, demos[0].err) == (0, ""), demos[0]
    return demos[0].out


@pytest.fixture
def steps(demos: tuple[Ended, Ended]) -> list[dict[str, Any]]:
    """Return what programs read."""
    assert (demos[1].code, demos[1].err) == (0, ""), demos[1]
    return [json.loads(line) for line in demos[1].out.splitlines()]


def _of(steps: list[dict[str, Any]], tool: str) -> list[dict[str, Any]]:
    return [step for step in steps if step.get("tool") == tool]


def test_it_connects_as_a_client_of_today_and_ends_as_it_should(steps: list[dict[str, Any]]) -> None:
    # Its agent may do everything but what destroys.
    hidden = [each for each in CATALOG.values() if each.permission == "destructive" and each.gate is not Gate.ITEMS]
    served = len(listed.tools()) - len(hidden)
    assert steps[0] == {"step": "connected", "protocol": "2026-07-28", "tools": served}
    assert steps[-1]["step"] == "done"
    assert steps[-1]["surprises"] == 0
    assert steps[-1]["seconds"] < AT_MOST


@pytest.mark.parametrize("tool", ["identify_person", "track_event", "add_people_to_segment"])
def test_it_writes_with_the_track_key(steps: list[dict[str, Any]], tool: str) -> None:
    (step,) = _of(steps, tool)
    assert (step["is_error"], step["class"], step["key"]) == (False, "write", "track")
    assert step["result"]["accepted"] is True
    assert step["call"]["credential"] == "track"
    assert step["call"]["budgets"][0]["name"] == "track/track"


def test_it_is_refused_a_misspelt_argument_and_then_sends_and_follows_the_message(steps: list[dict[str, Any]]) -> None:
    refused, sent, *_ = _of(steps, "send_email")
    assert refused["result"]["error"]["code"] == "invalid_arguments"
    assert refused["call"]["attempts"] == 0
    assert (sent["is_error"], sent["class"], sent["call"]["credential"]) == (False, "send", "app")
    assert sent["result"]["delivery_id"]
    (followed,) = [step for step in steps if step["step"] == "followed"]
    assert followed["metrics"][:2] == ["sent", "delivered"]


def test_a_second_broadcast_is_answered_at_once_with_the_time_to_come_back(steps: list[dict[str, Any]]) -> None:
    _, first, second = _of(steps, "trigger_broadcast")
    assert first["is_error"] is False
    assert second["result"]["error"]["code"] == "rate_limited"
    assert 8 < second["result"]["error"]["retry_after_seconds"] <= 10
    assert second["seconds"] < 2


def test_a_duplicate_is_held_back_and_a_stranger_denied(steps: list[dict[str, Any]]) -> None:
    _, sent, duplicate, copied = _of(steps, "send_email")
    assert duplicate["result"]["error"]["code"] == "held_back"
    assert duplicate["result"]["error"]["earlier"]["operation"] == sent["call"]["operation"]
    denied = copied["result"]["error"]
    assert (denied["code"], denied["rule"]) == ("not_permitted", "fields.bcc, recipients")
    assert duplicate["call"]["attempts"] == copied["call"]["attempts"] == 0


def test_a_broadcast_is_planned_asked_about_and_then_sent_once(steps: list[dict[str, Any]]) -> None:
    planned, sent, _ = _of(steps, "trigger_broadcast")
    assert planned["result"]["plan"]["audience"] == 1
    (question,) = [step for step in steps if step["step"] == "question"]
    assert "Would reach: 1 of" in question["text"]
    assert steps.index(planned) < steps.index(question) < steps.index(sent)
    assert "id" in sent["result"]


def test_the_record_is_shown_and_holds(steps: list[dict[str, Any]]) -> None:
    shown, verified = [step for step in steps if "command" in step]
    assert shown["command"].startswith("cio-mcp audit show")
    assert " intent " in shown["output"]
    assert "approved" in shown["output"]
    assert verified["output"].startswith("ok: ")


def test_a_burst_is_spread_and_nothing_of_it_refused(steps: list[dict[str, Any]]) -> None:
    (burst,) = [step for step in steps if step["step"] == "burst"]
    assert (burst["calls"], burst["refused"], len(burst["seconds"])) == (25, 0, 25)
    assert burst["seconds"][-1] > 1  # ten a second
    assert all("refused_429" not in budget for budget in burst["budgets"])


@pytest.mark.parametrize(
    "told",
    [
        "No keys, no network, nobody gets mail.",
        "identify_person  write · Track key · PUT /api/v1/customers/{identifier}",
        "send_email  send · App key · POST /v1/send/email",
        "✗ invalid_arguments: send_email: ",
        "did you mean identifiers?",
        "sent → delivered",
        "✗ rate_limited: ",
        "✗ held_back: ",
        "✗ not_permitted: ",
        "Would reach: 1 of ",
        "$ cio-mcp audit verify",
        "all 25 answered in ",
        "left in track/track",
        "as it should",
        "cio-mcp doctor",
    ],
)
def test_people_are_shown_tool_class_key_outcome_and_budget(page: str, told: str) -> None:
    assert told in page


def test_a_file_gets_no_colours(page: str) -> None:
    assert "\x1b" not in page


def test_an_interrupt_ends_it_promptly_without_a_traceback() -> None:
    with running("demo") as demo:
        demo.wait_for("Create a person")
        ended = demo.end(signal.SIGINT)
    assert (ended.code, ended.err) == (130, "")


def test_a_page_that_nobody_reads_ends_it_quietly() -> None:
    ended = run_unread("demo")
    assert (ended.code, ended.err) == (1, "")
