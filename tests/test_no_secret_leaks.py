"""Canary keys, through successes and every kind of failure: they reach Customer.io and nothing else."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cio_mcp.sandbox import Fault, Keys, Limits, RunningSandbox, running_sandbox
from tests.cli.commands import Ended, Running, run, running
from tests.recorded import records_in

KEYS = Keys(
    site_id="canary-site-id",
    track_api_key="canary-track-key",
    app_api_key="canary-app-key+/=%",
    service_account_token="sa_live_canary",
)
VARIABLES = {
    "CUSTOMERIO_SITE_ID": KEYS.site_id,
    "CUSTOMERIO_TRACK_API_KEY": KEYS.track_api_key,
    "CUSTOMERIO_APP_API_KEY": KEYS.app_api_key,
    "CUSTOMERIO_SERVICE_ACCOUNT_TOKEN": KEYS.service_account_token,
    "CUSTOMERIO_WORKSPACE_ID": "1",
    "CIO_MCP_LOG_LEVEL": "debug",
    "CIO_MCP_TIME_BUDGET": "5",
    "CIO_MCP_REPEAT_WINDOW": "0",  # the same few calls, again and again
}
PLAIN = [KEYS.site_id, KEYS.track_api_key, KEYS.app_api_key, KEYS.service_account_token]
PAIR = base64.b64encode(f"{KEYS.site_id}:{KEYS.track_api_key}".encode()).decode()
CANARIES = [
    *PLAIN,
    *(quote(key, safe="") for key in PLAIN),
    *(base64.b64encode(k.encode()).decode() for k in PLAIN),
    PAIR,
]

SEND = {"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}}
EVENT = {"identifier": "ada-1", "name": "seen"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One call of the session: the fault it meets, and the code it ends with ("" for a success)."""

    tool: str
    arguments: dict[str, Any]
    fault: Fault | None = None
    code: str = ""


def _status(status: int) -> Fault:
    return Fault(kind="status", status=status, body={"meta": {"error": "no"}}, times=None)


GOOD = Turn(tool="list_segments", arguments={})
"""A good answer between failures: too many of them in a row, and nothing is sent any more for a while."""
REDIRECT = Fault(kind="redirect", location="http://127.0.0.1:1/")
SESSION = [
    Turn(tool="list_segments", arguments={}),
    Turn(tool="track_event", arguments=EVENT),
    Turn(tool="send_email", arguments=SEND),
    Turn(tool="list_segments", arguments={"x": 1}, code="invalid_arguments"),
    Turn(tool="get_segment", arguments={"segment_id": 999}, code="not_found"),
    Turn(tool="track_event", arguments=EVENT, fault=_status(401), code="bad_credential"),
    Turn(tool="track_event", arguments=EVENT, fault=_status(403), code="forbidden"),
    Turn(tool="list_segments", arguments={}, fault=_status(401), code="bad_credential"),
    Turn(tool="list_segments", arguments={}, fault=_status(403), code="forbidden"),
    Turn(tool="list_segments", arguments={}, fault=_status(500), code="unavailable"),
    GOOD,
    Turn(tool="send_email", arguments=SEND, fault=_status(500), code="outcome_unknown"),
    Turn(tool="track_event", arguments=EVENT, fault=Fault(kind="reset", times=None), code="outcome_unknown"),
    GOOD,
    Turn(tool="send_email", arguments=SEND, fault=Fault(kind="reset"), code="outcome_unknown"),
    Turn(tool="list_segments", arguments={}, fault=REDIRECT, code="rejected"),
    Turn(tool="list_segments", arguments={}, fault=Fault(kind="html"), code="unreadable_reply"),
    Turn(tool="list_segments", arguments={}, fault=Fault(kind="surrogate")),
    Turn(tool="send_email", arguments=SEND, fault=Fault(kind="throttle"), code="quota_exhausted"),
    Turn(tool="list_segments", arguments={}, fault=Fault(kind="partial", times=None), code="unavailable"),
]

TOOLS = {turn.tool for turn in SESSION}


@pytest.fixture(scope="module")
def customer_io() -> Iterator[RunningSandbox]:
    """Run the one place that may see the keys."""
    with running_sandbox(keys=KEYS, limits=Limits(app=None, email=None, transactional=None, track=None)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where calls are recorded."""
    return tmp_path_factory.mktemp("ledger") / "ledger.sqlite3"


@pytest.fixture(scope="module")
def variables(customer_io: RunningSandbox, ledger: Path) -> dict[str, str]:
    """Return the settings of an operator with every key."""
    hosts = {"CUSTOMERIO_TRACK_URL": customer_io.url, "CUSTOMERIO_APP_URL": customer_io.url}
    return VARIABLES | hosts | {"CIO_MCP_LEDGER": str(ledger)}


def assert_silent(*told: str) -> None:
    """Fail with the name, not the text, of what was told."""
    assert [canary for canary in CANARIES for text in told if canary in text] == []


def _code_of(answer: Any) -> str:
    return str(answer["result"]["structuredContent"].get("error", {}).get("code", ""))


def _play(server: Running, customer_io: RunningSandbox, *, modern: bool) -> list[str]:
    codes = []
    for number, turn in enumerate(SESSION):
        customer_io.app.state.faults.clear()
        if turn.fault:
            customer_io.app.state.faults.add(turn.fault)
        codes.append(_code_of(server.call(100 + number, turn.tool, turn.arguments, modern=modern)))
    customer_io.app.state.faults.clear()
    return codes


@pytest.fixture(scope="module")
def session(customer_io: RunningSandbox, variables: dict[str, str]) -> tuple[list[list[str]], Ended]:
    """Play the session in both eras against one server process, and return how its calls ended and all it wrote."""
    with running("serve", env=variables) as server:
        server.handshake()
        codes = [_play(server, customer_io, modern=modern) for modern in (False, True)]
        for modern in (False, True):
            assert "error" in server.call(1, "list_segmnts", modern=modern)
            server.ask(2, "tools/list", modern=modern)
            server.call(3, "get_rate_budget", modern=modern)
        server.close_input()
        return codes, server.end()


def test_the_session_went_as_it_was_meant_to_and_the_keys_were_used(
    session: tuple[list[list[str]], Ended], customer_io: RunningSandbox
) -> None:
    codes, ended = session
    assert codes == [[turn.code for turn in SESSION]] * 2
    assert ended.code == 0
    worn = {entry.headers["authorization"] for entry in customer_io.app.state.journal}
    assert {f"Basic {PAIR}", f"Bearer {KEYS.app_api_key}"} <= worn


def on_disk(ledger: Path) -> str:
    """Return every byte of a ledger's files, as text."""
    return "".join(file.read_bytes().decode("latin-1") for file in ledger.parent.iterdir())


def test_no_key_is_in_any_result_error_or_line_of_the_log(session: tuple[list[list[str]], Ended]) -> None:
    _, ended = session
    assert ended.out
    assert_silent(ended.out, ended.err)


def test_no_key_is_in_the_ledger(session: tuple[list[list[str]], Ended], ledger: Path) -> None:
    codes, _ = session
    records = records_in(ledger)
    ended = [record for record in records if record["kind"] == "outcome" and record["tool"] in TOOLS]
    assert [record.get("code", "") for record in ended] == [code for era in codes for code in era]
    assert [record for record in records if record["kind"] == "intent"]
    assert_silent(json.dumps(records), on_disk(ledger))


def test_no_personal_data_is_in_the_log_or_in_the_ledger(session: tuple[list[list[str]], Ended], ledger: Path) -> None:
    for told in (session[1].err, on_disk(ledger)):
        assert not [person for person in ("ada-1", "ada@") if person in told]


def test_no_traceback_is_in_the_log(session: tuple[list[list[str]], Ended]) -> None:
    assert "Traceback" not in session[1].err


@pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])
def test_a_fault_of_ours_is_told_without_its_text_in_either_era(*, modern: bool) -> None:
    hosts = {"CUSTOMERIO_TRACK_URL": "http://127.0.0.1:1", "CUSTOMERIO_APP_URL": "http://127.0.0.1:1"}
    with running(env=VARIABLES | hosts, module="tests.broken_server") as server:
        server.handshake()
        errors = [
            server.call(1, "list_segments", modern=modern)["error"],
            server.call(2, "track_event", EVENT, modern=modern)["error"],
        ]
        server.close_input()
        ended = server.end()
    assert errors == [{"code": -32603, "message": "Internal server error"}] * 2
    assert "RuntimeError" in ended.err
    assert "canary-secret" not in ended.out + ended.err
    assert_silent(ended.out, ended.err)


def test_the_commands_show_no_key_either(variables: dict[str, str], customer_io: RunningSandbox) -> None:
    customer_io.app.state.faults.add(Fault(kind="status", status=401, times=None))
    told = [
        run("call", "list_segments", "--json", env=variables),
        run("call", "track_event", json.dumps(EVENT), env=variables),
        run("doctor", "--json", env=variables),
        run("call", "send_email", json.dumps(SEND), env=variables | {"CUSTOMERIO_APP_API_KEY": ""}),
    ]
    worn = customer_io.app.state.journal[-1].headers
    assert worn["authorization"] == f"Bearer {KEYS.service_account_token}"
    customer_io.app.state.faults.clear()
    told.append(run("doctor", env=variables))
    assert [ended.code for ended in told] == [1, 1, 1, 1, 0]
    assert_silent(*(ended.out + ended.err for ended in told))


@pytest.mark.parametrize("name", ["CUSTOMERIO_APP_API_KEY", "CUSTOMERIO_TRACK_API_KEY", "CUSTOMERIO_REGION"])
def test_a_key_that_cannot_be_used_is_not_shown_to_say_so(name: str) -> None:
    ended = run("call", "list_segments", env={name: "sa_live_canary key"})
    assert name in ended.sentence(2)
    assert_silent(ended.err)
