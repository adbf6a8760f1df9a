"""`cio-mcp call`: results for programs on standard output, words for people on standard error, and an exit code."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.cli.commands import CLEAN, COMMAND, PATIENCE, PROMPTLY, run, run_unread, running
from tests.cli.conftest import Here

NAME = "Größe \N{RIGHTWARDS ARROW} \N{GRINNING FACE}"
FULL = Path("/dev/full")
SEND = json.dumps({"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}})


def _sends(sandbox: httpx2.Client) -> int:
    journal = sandbox.get("/journal").json()["requests"]
    return sum(entry["raw_path"] == "/v1/send/email" for entry in journal)


def _arm(sandbox: httpx2.Client, **fault: Any) -> None:
    assert sandbox.post("/faults", json=fault).is_success


def test_the_result_is_json_on_standard_output_and_the_rest_on_standard_error(
    sandbox_variables: dict[str, str],
) -> None:
    called = run("call", "count_segment_people", '{"segment_id": 1}', env=sandbox_variables)
    assert (called.code, called.json["count"]) == (0, 29)
    assert called.err == "(1 attempt, 0.0 s waited, app key; app/app 9 of 10 left)\n"


def test_json_prints_result_error_and_facts_together(sandbox_variables: dict[str, str]) -> None:
    called = run("call", "get_segment", '{"segment_id": 999}', "--json", env=sandbox_variables)
    assert (called.code, called.err) == (1, "")
    assert called.json["is_error"] is True
    assert called.json["result"]["error"]["code"] == "not_found"
    assert called.json["_meta"]["cio-mcp/call"]["attempts"] == 1


def test_names_survive_standard_input_and_a_locale_that_has_no_letters_for_them(
    sandbox_variables: dict[str, str],
) -> None:
    locale = {"PYTHONIOENCODING": "cp1252"}
    given = json.dumps({"name": NAME}, ensure_ascii=False).encode()
    called = run("call", "create_segment", "-", env={**sandbox_variables, **locale}, given=given)
    assert called.json["segment"]["name"] == NAME


def test_a_refused_call_says_code_reason_and_next_step_and_exits_with_1(
    sandbox_variables: dict[str, str], sandbox: httpx2.Client
) -> None:
    called = run("call", "send_email", '{"transactional_message_id": 1, "too": "x"}', env=sandbox_variables)
    assert (called.code, called.out) == (1, "")
    first, second, third = called.err.splitlines()
    assert first.startswith("invalid_arguments: send_email: ")
    assert "unknown argument 'too' (did you mean to?)" in first
    assert second.strip().startswith("next: ")
    assert third.strip() == "more: cio-mcp explain invalid_arguments"
    assert sandbox.get("/state").json()["requests"] == 0


def test_what_customer_io_refuses_is_told_in_its_words(sandbox_variables: dict[str, str]) -> None:
    called = run("call", "get_segment", '{"segment_id": 999}', env=sandbox_variables)
    assert (called.code, called.out) == (1, "")
    assert called.err.startswith("not_found: ")
    assert "status: 404" in called.err


def test_an_unknown_outcome_has_an_exit_code_of_its_own_and_is_not_repeated(
    sandbox_variables: dict[str, str], sandbox: httpx2.Client
) -> None:
    _arm(sandbox, kind="reset", when="after", match="POST /v1/send/email")
    called = run("call", "send_email", SEND, env=sandbox_variables)
    assert (called.code, called.out) == (3, "")
    assert called.err.startswith("outcome_unknown: ")
    assert "next: Do not repeat it blindly" in called.err
    assert _sends(sandbox) == 1


def test_with_json_an_unknown_outcome_exits_with_3_too(
    sandbox_variables: dict[str, str], sandbox: httpx2.Client
) -> None:
    _arm(sandbox, kind="status", status=500, when="after", match="POST /v1/send/email")
    called = run("call", "send_email", SEND, "--json", env=sandbox_variables)
    assert (called.code, called.json["result"]["error"]["code"]) == (3, "outcome_unknown")
    assert _sends(sandbox) == 1


def test_a_read_that_was_retried_says_how_often(sandbox_variables: dict[str, str], sandbox: httpx2.Client) -> None:
    _arm(sandbox, kind="reset", match="GET /v1/segments")
    called = run("call", "list_segments", env=sandbox_variables)
    assert called.code == 0
    assert called.err.startswith("(2 attempts, ")


def test_an_unknown_tool_is_refused_with_the_nearest_name(sandbox_variables: dict[str, str]) -> None:
    assert "did you mean list_segments?" in run("call", "list_segmnts", env=sandbox_variables).sentence(1)


def test_a_tool_whose_name_is_no_text_is_refused_in_a_sentence(sandbox_variables: dict[str, str]) -> None:
    assert "TOOL is no text in UTF-8" in run("call", os.fsdecode(b"\xff"), env=sandbox_variables).sentence(2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b'{"segment_id": ', "no JSON"),
        (b"[1]", "must be a JSON object"),
        (b"", "no JSON"),
        (b"\xff\xfe{}", "no JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"x":' + b"[" * 900 + b"]" * 900 + b"}", "nested too deeply"),
        (b'{"segment_id": NaN}', "NaN is no number of JSON"),
        (b'{"segment_id": 1e999}', "1e999 is no number of JSON"),
        (b'{"segment_id": 1, "segment_id": 2}', "names a member twice"),
    ],
    ids=["half", "list", "empty", "not UTF-8", "bomb", "deep", "NaN", "infinite", "twice"],
)
def test_arguments_that_are_no_object_are_refused_in_a_sentence(here: Here, given: bytes, said: str) -> None:
    assert said in here("call", "get_segment", "-", given=given).sentence(2)


def test_settings_that_cannot_be_used_are_refused_in_a_sentence() -> None:
    said = run("call", "list_segments", env={"CUSTOMERIO_REGION": "mars"}).sentence(2)
    assert said == "cio-mcp: CUSTOMERIO_REGION must be us or eu\n"


def test_without_a_key_the_variable_to_set_is_named(sandbox_variables: dict[str, str]) -> None:
    hosts = {name: value for name, value in sandbox_variables.items() if name.endswith("_URL")}
    called = run("call", "list_segments", env=hosts)
    assert (called.code, called.out) == (1, "")
    assert called.err.startswith("missing_credential: ")
    assert "CUSTOMERIO_APP_API_KEY" in called.err


def test_a_host_that_does_not_answer_is_told_as_such(sandbox_variables: dict[str, str]) -> None:
    with socket.socket() as taken:  # nobody else listens there meanwhile, nor does it
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        called = run("call", "list_segments", env={**sandbox_variables, "CUSTOMERIO_APP_URL": nobody})
    assert (called.code, called.out) == (1, "")
    assert called.err.startswith("unavailable: Customer.io could not be reached")


def test_whom_a_tool_of_this_server_read_is_found_in_the_record(
    sandbox_variables: dict[str, str], tmp_path: Path
) -> None:
    env = {**sandbox_variables, "CIO_MCP_LEDGER": str(tmp_path / "ledger.sqlite3")}
    calls: dict[str, dict[str, Any]] = {
        "person_overview": {"customer_id": "ada-1"},
        "why_no_message": {"customer_id": "ada-1", "broadcast_id": 10},
        "list_delivery_events": {"identifiers": {"id": "ada-1"}},
    }
    for tool, arguments in calls.items():
        assert run("call", tool, json.dumps(arguments), "--profile", "support", env=env).code == 0
    assert run("call", "person_overview", '{"customer_id": "nobody-1"}', "--profile", "support", env=env).code == 1
    found = [json.loads(line) for line in run("audit", "find", "ada-1", "--json", env=env).out.splitlines()]
    assert [record["tool"] for record in found] == list(calls)
    assert {record["rule"] for record in found} == {"allow *:read (profile support)"}
    assert "ada-1" not in json.dumps(found)
    [refused] = run("audit", "find", "nobody-1", "--json", env=env).out.splitlines()
    assert (json.loads(refused)["ending"], json.loads(refused)["code"]) == ("failed", "not_found")
    asked = run("call", "get_operation", json.dumps({"operation": found[0]["operation"]}), env=env)
    assert asked.json["tool"] == "person_overview"
    assert [
        json.loads(line)["tool"]
        for line in run("audit", "find", found[0]["operation"], "--json", env=env).out.splitlines()
    ] == ["person_overview", "get_operation"]


def test_with_the_sandbox_neither_keys_nor_a_network_are_used() -> None:
    nowhere = {"CUSTOMERIO_APP_URL": "http://127.0.0.1:1", "CUSTOMERIO_APP_API_KEY": "canary-app-key"}
    called = run("call", "count_segment_people", '{"segment_id": 1}', "--sandbox", env=nowhere)
    assert (called.code, called.json["count"]) == (0, 29)


@pytest.mark.parametrize(("tool", "arguments", "code"), [("send_email", SEND, 3), ("list_segments", "{}", 1)])
def test_a_server_elsewhere_that_dies_under_a_call_leaves_a_write_unknown(
    sandbox_variables: dict[str, str], sandbox: httpx2.Client, tool: str, arguments: str, code: int
) -> None:
    _arm(sandbox, kind="hang", seconds=30)
    with running("serve", "--http", "0", env=sandbox_variables) as server:
        url = server.wait_for("serves MCP at").split()[-1]
        with running("call", "--url", url, tool, arguments) as calling:
            while not sandbox.get("/journal").json()["requests"]:
                time.sleep(0.05)
            server.process.kill()
            ended = calling.end()
    assert ended.code == code
    assert ended.err.startswith("outcome_unknown: " if code == 3 else "unavailable: ")
    assert url in ended.err


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (["--sandbox"], {}),
        (["--read-only", "--profile", "safe"], {}),
        ([], {"CIO_MCP_TEST_RECIPIENTS": "me@example.com"}),
    ],
)
def test_settings_that_a_server_elsewhere_would_not_heed_are_refused(words: list[str], env: dict[str, str]) -> None:
    said = run("call", "--url", "http://127.0.0.1:1/mcp", "list_segments", *words, env=env).sentence(2)
    assert all(word in said for word in [*(word for word in words if word.startswith("--")), *env])


def test_what_a_host_left_unfilled_is_no_setting_that_is_refused() -> None:
    env = {"CIO_MCP_GRANTS": "${user_config.grants}"}
    assert "no connection" in run("call", "--url", "http://127.0.0.1:1/mcp", "list_segments", env=env).sentence(2)
    by_file = {"CIO_MCP_TEST_RECIPIENTS_FILE": "/somewhere"}
    said = run("call", "--url", "http://127.0.0.1:1/mcp", "list_segments", env=by_file).sentence(2)
    assert "CIO_MCP_TEST_RECIPIENTS_FILE" in said


@pytest.mark.parametrize(("tool", "arguments", "code"), [("send_email", SEND, 3), ("list_segments", "{}", 130)])
def test_who_leaves_a_server_elsewhere_is_told_that_nobody_knows(
    sandbox_variables: dict[str, str], sandbox: httpx2.Client, tool: str, arguments: str, code: int
) -> None:
    _arm(sandbox, kind="hang", seconds=30)
    with running("serve", "--http", "0", env=sandbox_variables) as server:
        url = server.wait_for("serves MCP at").split()[-1]
        with running("call", "--url", url, tool, arguments) as calling:
            while not sandbox.get("/journal").json()["requests"]:
                time.sleep(0.05)
            ended = calling.end(signal.SIGINT)
    assert ended.code == code
    assert ended.err.startswith("outcome_unknown: You left " if code == 3 else "")


def test_who_gives_up_on_a_read_is_told_nothing_and_waits_for_nothing(
    sandbox_variables: dict[str, str], sandbox: httpx2.Client
) -> None:
    _arm(sandbox, kind="hang", seconds=30)
    with running("call", "list_segments", env=sandbox_variables) as calling:
        while not sandbox.get("/journal").json()["requests"]:
            time.sleep(0.05)
        ended = calling.end(signal.SIGINT)
    assert (ended.code, ended.out, ended.err) == (130, "", "")


def test_who_gives_up_on_a_send_is_told_how_it_ended(sandbox_variables: dict[str, str], sandbox: httpx2.Client) -> None:
    _arm(sandbox, kind="hang", seconds=30)
    with running("call", "send_email", SEND, "--time-budget", "4", env=sandbox_variables) as calling:
        while not sandbox.get("/journal").json()["requests"]:
            time.sleep(0.05)
        calling.process.send_signal(signal.SIGINT)
        calling.wait_for("Ctrl-C again leaves at once")
        ended = calling.end(within=PATIENCE)
    assert ended.code == 3
    assert re.search(r"\noutcome_unknown: .*\n.*\n  operation: \"\w{26}\"", ended.err)


def test_who_is_asked_at_a_terminal_can_leave(sandbox_variables: dict[str, str], sandbox: httpx2.Client) -> None:
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(  # noqa: S603 - our own program
            [*COMMAND, "call", "suppress_person", '{"identifier": "ada-1"}'],
            env={**CLEAN, **sandbox_variables},
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as asked:
            assert asked.stderr is not None
            said = b""
            while b"Type yes to go on" not in said:
                said += os.read(asked.stderr.fileno(), 4096)
            asked.send_signal(signal.SIGINT)
            assert asked.wait(PROMPTLY) == 130
    finally:
        os.close(ours)
        os.close(theirs)
    assert not [each for each in sandbox.get("/journal").json()["requests"] if each["raw_path"].endswith("/suppress")]


@pytest.mark.skipif(not FULL.exists(), reason="a device of Linux")
def test_a_result_that_finds_no_room_is_told_in_a_sentence(sandbox_variables: dict[str, str]) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(  # noqa: S603 - our own program
            [*COMMAND, "call", "list_segments"],
            env={**CLEAN, **sandbox_variables},
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].endswith("cannot be written: No space left on device")


def test_a_result_that_nobody_reads_is_dropped_without_a_traceback(sandbox_variables: dict[str, str]) -> None:
    called = run_unread("call", "list_segments", env=sandbox_variables)
    assert called.code == 1
    assert "Traceback" not in called.err
    assert "Error" not in called.err
