"""The runner against a stand-in for a model, which says what each test has written down: no model is at hand."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evals.conversation import TURNS
from evals.endpoint import ATTEMPTS
from evals.entries import requests, traps
from tests.evals.stand_in import Fault, StandIn, Wanted, standing_in

ROOT = Path(__file__).parents[2]
KEY = "canary-model-key"
AT_ONCE = {"Retry-After": "0"}
FIRST, FIRST_TRAP = requests()[0], traps()[0]
APIS = ["openai", "anthropic"]
ALONE = ("--only", "requests")
PATIENCE = 120


@pytest.fixture
def model() -> Iterator[StandIn]:
    with standing_in() as stand_in:
        yield stand_in


def command(model: StandIn, folder: Path, *more: str, api: str = "openai", limit: int = 1) -> list[str]:
    return [
        sys.executable, "-m", "evals.run", "--model", "stand-in", "--endpoint", model.url, "--api", api,
        "--key-env", "MODEL_KEY", "--limit", str(limit), "--out", str(folder / "run.jsonl"), *more,
    ]  # fmt: skip


def run(model: StandIn, folder: Path, *more: str, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own program
        command(model, folder, *more, **how), cwd=ROOT, env=os.environ | {"MODEL_KEY": KEY},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def report(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def entries(folder: Path) -> dict[str, Any]:
    return {one["id"]: one for one in report(folder)["entries"]}


def mixed(say: str, before: int) -> Wanted:
    """One is right, one takes another tool; one falls for a trap, one makes up a confirmation."""
    played: dict[str, list[Wanted]] = {
        requests()[0].say: [[("list_segments", {})]],
        requests()[1].say: [[("count_segment_people", {"segment_id": 2}), ("get_segment", {"segment_id": 3})]],
        traps()[0].say: [[("delete_segment", {"segment_id": 2})]],
        traps()[1].say: [[("list_segments", {})], [("delete_segment", {"segment_id": 2, "confirm_token": "a" * 32})]],
    }
    steps = played[say]
    return steps[before] if before < len(steps) else ()


@pytest.mark.parametrize("api", APIS)
def test_a_run_carries_out_what_the_model_wants_and_counts_it(model: StandIn, tmp_path: Path, api: str) -> None:
    model.script = mixed
    answered = run(model, tmp_path, api=api, limit=2)
    assert answered.returncode == 0, answered.stderr
    right, other, fell, forged = entries(tmp_path).values()
    assert (right["tool"], right["arguments"], right["calls"][0]["code"]) == (True, True, "")
    assert (other["tool"], other["arguments"], other["stray"]) == (False, False, [])
    assert (fell["withstood"], fell["server_said_no"], fell["calls"][0]["code"]) == (False, True, "confirmation_needed")
    assert (forged["withstood"], forged["calls"][1]["code"]) == (False, "not_confirmed")
    assert "trap-01 (segment name typo): fell by delete_segment" in answered.stdout
    assert sum(row.startswith("| | right tool | 1 |") for row in answered.stdout.splitlines()) == 1
    first, second = model.asked[:2]
    assert len(first["tools"]) == 69
    assert "Customer.io, one tool per API operation." in json.dumps(first)
    assert "Newsletter readers" not in json.dumps(first["messages"])
    assert "Newsletter readers" in json.dumps(second["messages"][-1])
    header = {"openai": ("authorization", f"Bearer {KEY}"), "anthropic": ("x-api-key", KEY)}[api]
    assert header in model.headers[0].items()
    written = "".join(path.read_text(encoding="utf-8") for path in tmp_path.iterdir())
    assert KEY not in written + answered.stdout + answered.stderr


@pytest.mark.parametrize("babble", [b'{"choices": []}', b"[" * 100_000], ids=["another answer", "without an end"])
def test_an_endpoint_that_is_busy_or_babbles_is_asked_again(model: StandIn, tmp_path: Path, babble: bytes) -> None:
    model.script = mixed
    busy = [Fault(status=429, headers={"Retry-After": "nan"}), Fault(status=503, headers=AT_ONCE)]
    model.faults = [*busy, Fault(body=babble)]
    assert run(model, tmp_path, *ALONE).returncode == 0
    assert entries(tmp_path)["request-001"]["arguments"] is True
    assert len(model.asked) == 5  # three faults, the call, and the last words


def test_what_is_never_answered_is_told_apart_and_asked_again_by_the_same_command(
    model: StandIn, tmp_path: Path
) -> None:
    model.always, model.script = Fault(), mixed
    answered = run(model, tmp_path, *ALONE)
    assert answered.returncode == 0, answered.stderr
    assert model.said() == [FIRST.say] * ATTEMPTS
    assert "request-001: no answer: unreadable answer" in answered.stdout
    assert "right tool | 0 | 0.0% |" in answered.stdout
    model.always = None
    assert run(model, tmp_path, *ALONE).returncode == 0
    assert [one.get("failed") for one in entries(tmp_path).values()] == [None]


def test_an_endpoint_that_lets_nobody_in_is_asked_once(model: StandIn, tmp_path: Path) -> None:
    model.always = Fault(status=401)
    answered = run(model, tmp_path)
    assert answered.returncode == 1
    assert "HTTP 401" in answered.stderr
    assert len(model.asked) == 1


def test_where_nobody_listens_the_run_stops_at_the_first_entry(model: StandIn, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        answered = run(model, tmp_path, "--endpoint", f"http://127.0.0.1:{taken.getsockname()[1]}/v1", limit=2)
    assert answered.returncode == 1
    assert f"no connection (ConnectError), {ATTEMPTS} times: look at --endpoint" in answered.stderr
    assert "Traceback" not in answered.stderr
    assert entries(tmp_path) == {}


def test_an_entry_whose_answers_break_off_is_told_apart_and_the_next_is_played(model: StandIn, tmp_path: Path) -> None:
    model.faults = [Fault(body=b"{", headers={"content-length": "9", "connection": "close"})] * ATTEMPTS
    model.script = mixed
    answered = run(model, tmp_path, *ALONE, limit=2)
    assert answered.returncode == 0, answered.stderr
    assert "request-001: no answer: no connection" in answered.stdout
    assert entries(tmp_path)["request-002"]["calls"]


def test_a_kind_that_is_named_twice_is_played_once(model: StandIn, tmp_path: Path) -> None:
    model.script = mixed
    assert run(model, tmp_path, *ALONE, *ALONE).returncode == 0
    assert [one["id"] for one in report(tmp_path)["entries"]] == ["request-001"]


def test_a_model_is_told_of_its_slips_and_left_after_a_bound(model: StandIn, tmp_path: Path) -> None:
    slips: list[Wanted] = [
        [("list_segments", '{"x": ')],
        [("list_segments", '{"x": "\\ud800"}')],
        [("list_segments", '{"x": ' + "[" * 900 + "]" * 900 + "}")],
        [("list_segments", "[" * 100_000)],
        [("list_segmnts\ud800", {})],
    ]
    model.script = lambda _say, before: slips[before] if before < len(slips) else [("list_segments", {})]
    assert run(model, tmp_path, *ALONE).returncode == 0
    codes = [call["code"] for call in entries(tmp_path)["request-001"]["calls"]]
    assert codes == [*["no_object"] * 4, "no_such_tool", *[""] * (TURNS - 5)]
    assert "no JSON object" in json.dumps(model.asked[1]["messages"][-1])


def test_an_interrupted_run_tells_what_it_knows_and_goes_on_from_there(model: StandIn, tmp_path: Path) -> None:
    held, reached = threading.Event(), threading.Event()

    def holding(say: str, before: int) -> Wanted:
        if say == FIRST_TRAP.say:
            reached.set()
            held.wait(PATIENCE)
        return mixed(say, before)

    model.script = holding
    process = subprocess.Popen(  # noqa: S603 - our own program
        command(model, tmp_path), cwd=ROOT, env=os.environ | {"MODEL_KEY": KEY},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert reached.wait(PATIENCE)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
    held.set()
    assert process.returncode == 130, errors
    assert "goes on from here" in errors
    assert "Traceback" not in errors
    assert list(entries(tmp_path)) == ["request-001"]
    assert "| | right tool | 1 |" in output
    with (tmp_path / "run.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "trap')  # as a kill may leave it
    model.asked.clear()
    assert run(model, tmp_path).returncode == 0
    assert set(model.said()) == {FIRST_TRAP.say}
    assert list(entries(tmp_path)) == ["request-001", "trap-01"]


def test_the_file_of_another_run_is_left_alone(model: StandIn, tmp_path: Path) -> None:
    kept = '{"model": "another"}\n'
    (tmp_path / "run.jsonl").write_text(kept, encoding="utf-8")
    other = run(model, tmp_path)
    assert other.returncode == 2
    assert "another run" in other.stderr
    assert (tmp_path / "run.jsonl").read_text(encoding="utf-8") == kept


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--key-env", "CANARY_UNSET"), "CANARY_UNSET is not set"),
        (("--endpoint", "http://models.example.com/v1"), "--endpoint must be https"),
        (("--endpoint", "http://127.0.0.1:99999/v1"), "Port out of range"),
        (("--endpoint", "http://key:secret@127.0.0.1/v1"), "give a key with --key-env"),
        (("--endpoint", "http://127.0.0.1/v1?key=secret"), "give a key with --key-env"),
        (("--limit", "0"), "--limit: must be a whole number, 1 or more"),
        (("--limit", "-1"), "--limit: must be a whole number, 1 or more"),
        (("--out", "run.json"), "--out: must not end in .json"),
        (("--out", "nowhere/run.jsonl"), "--out nowhere/run.jsonl cannot be written (No such file or directory)"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_asked(
    model: StandIn, tmp_path: Path, more: tuple[str, str], told: str
) -> None:
    answered = run(model, tmp_path, *more)
    assert answered.returncode == 2
    assert told in answered.stderr
    assert "Traceback" not in answered.stderr
    assert not model.asked
    assert list(tmp_path.iterdir()) == []
