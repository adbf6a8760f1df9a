"""The commands on a ledger: audit, stop and resume, pending, approve and reject."""

import argparse
import importlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio
import pytest

from cio_mcp.cli.ledger_file import user, visible
from cio_mcp.ledger import stop
from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.ledger.place import key_path, stop_path
from cio_mcp.ledger.redaction import marked
from cio_mcp.ledger.terms import Ending, Outcome, State, Stopped, Terms
from tests.cli.commands import CLEAN, PATIENCE, ROOT, Ended
from tests.ledger.book import OK, UNKNOWN, Calls, Clock, confirmation, opened

Command = Callable[..., Ended]
PLAN = {"people": 142, "names": ["Spring \u202egnirpS \x1b[2J"]}
ADA = "ada@example.com"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a ledger with two writes and a read in it."""
    path = tmp_path / "ledger.sqlite3"
    anyio.run(write, path)
    return path


async def write(path: Path) -> None:
    calls = Calls()
    with opened(path) as ledger:
        mark = f"hmac:{ledger.digest('identifier', ADA)[:16]}"
        for outcome in (OK, UNKNOWN):
            call = calls.intent(arguments={"to": mark}, caller="client \x1b[2J\n1")
            await ledger.begin(call, Terms())
            await ledger.conclude(call, outcome)
        await ledger.conclude(calls.intent(tool="get_segment", access="read", fingerprint="", recipients=0), OK)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run one of the commands in this process, outside of its event loop."""

    def run(name: str, path: Path | str | None, *words: str) -> Ended:
        module = importlib.import_module(f"cio_mcp.cli.{name}")
        parser = argparse.ArgumentParser()
        module.add_arguments(parser)
        arguments = parser.parse_intermixed_args(words)
        arguments.ledger = None if path is None else str(path)
        code = module.run(arguments)
        written = capsys.readouterr()
        return Ended(code=code, out=written.out, err=written.err)

    return run


@pytest.fixture
def asked(path: Path) -> Path:
    """Return a ledger in which an operation waits for a person; its clock is the machine's."""
    anyio.run(ask, path)
    return path


async def ask(path: Path) -> None:
    with opened(path, now_clock()) as ledger:
        await ledger.ask(confirmation(now_clock(), plan=PLAN))
        await ledger.ask(confirmation(now_clock(), handle="handle-token", operation="op-token"))


def now_clock() -> Clock:
    steady = SteadyClock()
    return Clock(wall=steady.now(), ran=steady.boot.uptime(), boot_id=steady.boot.id)


def state_of(path: Path) -> State:
    with opened(path, now_clock()) as ledger:
        [row] = ledger._store._connected().execute("SELECT state FROM confirmations WHERE handle = 'handle-1'")
        return State(row[0])


def kinds(path: Path) -> list[str]:
    with opened(path, tend=False) as ledger:
        return [record["kind"] for record in ledger.records()]


def test_verify_says_that_all_records_hold_where_they_end_and_what_it_cannot_show(command: Command, path: Path) -> None:
    ended = command("audit", path, "verify")
    assert ended.code == 0
    assert ended.out.startswith("ok: 6 records hold\n  head 6:")
    assert "does not show a cut tail" in ended.out
    [head] = re.findall(r"^  head (\S+)$", ended.out, re.MULTILINE)
    again = command("audit", path, "verify", "--head", head)
    assert (again.code, "the noted head is one of them" in again.out) == (0, True)
    foreign = command("audit", path, "verify", "--head", f"6:{'0' * 64}")
    assert (foreign.code, "FAULT (rewritten) at record 6" in foreign.out) == (1, True)
    for malformed in ("6", f"6:{'x' * 64}"):
        refused = command("audit", path, "verify", "--head", malformed).sentence(2)
        assert refused.startswith("cio-mcp: --head: a head is written")


def test_verify_says_how_many_records_hold_before_the_one_that_does_not(command: Command, path: Path) -> None:
    ended = command("audit", path, "verify", "--head", f"3:{'0' * 64}")
    assert (ended.code, ended.out.splitlines()[1]) == (1, "  2 records hold before it; keep it as evidence")


def test_verify_answers_programs_in_json(command: Command, path: Path) -> None:
    good = command("audit", path, "verify", "--json")
    assert (good.code, good.json | {"head": ""}) == (
        0, {"ok": True, "records": 6, "removed_up_to": 0, "head": "", "fault": None},
    )  # fmt: skip
    assert command("audit", path, "verify", "--head", good.json["head"]).code == 0
    bad = command("audit", path, "verify", "--json", "--head", f"3:{'0' * 64}")
    assert (bad.code, bad.json["ok"], bad.json["records"], bad.json["head"]) == (1, False, 2, None)
    assert bad.json["fault"] == {
        "flaw": "rewritten", "record": 3, "text": "record 3 is not the one whose mac was noted",
    }  # fmt: skip


def test_verify_names_the_first_record_that_was_changed(command: Command, path: Path) -> None:
    with opened(path, tend=False) as ledger:
        ledger._store._connected().execute("UPDATE records SET body = replace(body, 'ok', 'no') WHERE seq = 3")
    ended = command("audit", path, "verify")
    assert ended.code == 1
    assert ended.out.startswith("FAULT (changed) at record 3: ")


def test_a_record_whose_time_was_changed_hides_no_other(command: Command, path: Path) -> None:
    with opened(path, tend=False) as ledger:
        ledger._store._connected().execute("UPDATE records SET body = json_set(body, '$.at', 1e18) WHERE seq = 3")
    lines = command("audit", path, "show").out.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5", "6"]
    assert "1e+18 (no time)" in lines[2]


def test_show_prints_the_last_records_on_a_line_each_with_nothing_hidden(command: Command, path: Path) -> None:
    ended = command("audit", path, "show", "--last", "3")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert [line.split()[0] for line in lines] == ["4", "5", "6"]
    assert "intent     send_email op-000002  " in lines[0]
    assert "outcome    send_email unknown outcome_unknown op-000002  " in lines[1]
    assert lines[0].split(" arguments=")[1].startswith('{"to": "hmac:'), "what is long comes last"
    assert all(line.isprintable() for line in lines)
    assert len(command("audit", path, "show").out.splitlines()) == 6


def test_export_prints_every_record_as_json(command: Command, path: Path) -> None:
    ended = command("audit", path, "export")
    records = [json.loads(line) for line in ended.out.splitlines()]
    assert [record["seq"] for record in records] == [1, 2, 3, 4, 5, 6]
    assert ended.out.isascii()


def test_find_prints_the_records_that_name_a_person(command: Command, path: Path) -> None:
    ended = command("audit", path, "find", ADA.upper(), "--json")
    assert [json.loads(line)["operation"] for line in ended.out.splitlines()] == ["op-000001", "op-000002"]
    assert ended.err.startswith("2 records name it; ")
    assert command("audit", path, "find", "nobody").out == ""


def test_an_operation_is_looked_up_by_its_id(command: Command, path: Path) -> None:
    shown = command("audit", path, "show", "op-000002")
    assert (shown.code, shown.err) == (0, "")
    assert [line.split()[0] for line in shown.out.splitlines()] == ["4", "5"]
    as_json = command("audit", path, "show", "op-000002", "--json")
    assert [json.loads(line)["kind"] for line in as_json.out.splitlines()] == ["intent", "outcome"]
    assert command("audit", path, "find", "op-000002").out == shown.out
    assert "no record is of an operation op-nobody" in command("audit", path, "show", "op-nobody").sentence(2)


def test_the_code_of_a_refusal_stands_before_the_rest(command: Command, path: Path) -> None:
    async def refuse() -> None:
        with opened(path) as ledger:
            await ledger.conclude(
                Calls().intent(operation="op-later"), Outcome(ending=Ending.REFUSED, code="held_back")
            )

    anyio.run(refuse)
    assert "outcome    send_email refused held_back op-later  " in command("audit", path, "show", "--last", "1").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("find",), "audit find takes one IDENTIFIER"),
        (("verify", "ada"), "audit verify takes no IDENTIFIER"),
        (("export", "ada"), "audit export takes no IDENTIFIER"),
        (("export", "--last", "3"), "audit export takes no --last"),
        (("verify", "--last", "3"), "audit verify takes no --last"),
        (("show", "--head", "6:0"), "audit show takes no --head"),
        (("show", "op-000001", "--last", "3"), "audit show OPERATION takes no --last"),
        (("find", "ada", "--head", "6:0", "--last", "3"), "audit find takes no --head and no --last"),
    ],
)
def test_what_a_question_does_not_take_is_refused_by_name(
    command: Command, path: Path, words: tuple[str, ...], said: str
) -> None:
    assert command("audit", path, *words).sentence(2) == f"cio-mcp: {said}\n"


@pytest.mark.parametrize("question", ["find", "show"])
def test_bytes_that_are_no_text_are_refused_in_a_sentence_and_are_no_fault(
    command: Command, path: Path, question: str
) -> None:
    refused = command("audit", path, question, os.fsdecode(b"\xff\xfe")).sentence(2)
    assert refused == "cio-mcp: IDENTIFIER is no text in UTF-8, as all that is recorded: \\udcff\\udcfe\n"


def test_a_person_is_found_in_either_normal_form_in_older_records_too(command: Command, path: Path) -> None:
    composed, decomposed = "Jos\u00e9@example.com", "jose\u0301@example.com"
    older = "zo\u0308e@example.com"

    async def send() -> None:
        with opened(path) as ledger:
            calls = {"op-new": marked(decomposed, ledger.digest)}
            calls["op-old"] = f"hmac:{ledger.digest('identifier', older)[:16]}"
            for operation, mark in calls.items():
                await ledger.conclude(Calls().intent(operation=operation, arguments={"to": mark}), OK)

    anyio.run(send)
    for written, operation in (
        (composed, "op-new"),
        (decomposed, "op-new"),
        (older, "op-old"),
        ("zöe@example.com", "op-old"),
    ):
        found = command("audit", path, "find", written, "--json").out.splitlines()
        assert [json.loads(line)["operation"] for line in found] == [operation]


def test_an_audit_leaves_the_ledger_as_it_is(command: Command, path: Path) -> None:
    before = path.read_bytes()
    for words in (("verify",), ("show",), ("export",), ("find", ADA)):
        command("audit", path, *words)
    assert path.read_bytes() == before


@pytest.mark.anyio
async def test_stop_stops_every_write_at_once_and_resume_lets_them_leave(path: Path) -> None:
    with opened(path) as ledger:
        ended = in_a_process("stop", path, "an incident")
        assert (ended.code, ended.out.startswith("Stopped since ")) == (0, True)
        with pytest.raises(Stopped, match="an incident"):
            await ledger.begin(Calls().intent(operation="op-later"), Terms())
        ended = in_a_process("resume", path)
        assert ended.code == 0
        assert re.search(r"They were stopped since 20\d\d-.*Z \(an incident\)", ended.out)
        await ledger.begin(Calls().intent(operation="op-later"), Terms())
    assert kinds(path)[6:8] == ["stop", "resume"]
    shown = in_a_process("audit", path, "show").out
    assert re.search(r" resume .* since=20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", shown)


def test_a_ledger_whose_path_is_no_text_is_read_like_any_other(command: Command, path: Path) -> None:
    odd = path.with_name(os.fsdecode(b"\xff.sqlite3"))
    path.rename(odd)
    key_path(path).rename(key_path(odd))
    assert command("audit", odd, "verify").out.startswith("ok: 6 records hold")


def test_resume_says_when_nothing_was_stopped(command: Command, path: Path) -> None:
    ended = command("resume", path)
    assert (ended.code, ended.out) == (0, "Nothing was stopped.\n")
    assert kinds(path)[-1] == "outcome"


def test_a_stop_holds_although_it_cannot_be_recorded_and_a_resume_does_not(command: Command, path: Path) -> None:
    key_path(path).chmod(0o644)
    ended = command("stop", path, "an incident")
    assert ended.code == 0
    assert "chmod 600" in ended.err
    assert "stands in no record" in ended.err
    assert "chmod 600" in command("resume", path).sentence(1)
    assert stop.look(stop_path(path)) is not None


def test_what_waits_for_a_person_is_listed_with_its_plan(command: Command, asked: Path) -> None:
    ended = command("pending", asked)
    assert ended.out.startswith("op-asked  send_newsletter, 142 people  asked by local, until ")
    assert "Spring \\u202egnirpS \\u001b[2J" in ended.out
    assert "op-token" not in ended.out
    assert "handle-1" not in ended.out
    [line] = command("pending", asked, "--json").out.splitlines()
    assert (json.loads(line)["operation"], json.loads(line)["plan"]) == ("op-asked", PLAN)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", json.loads(line)["expires_at"])


def test_a_person_is_told_that_nothing_waits(command: Command, path: Path) -> None:
    assert command("pending", path).out == "Nothing waits for you.\n"


def test_approving_shows_the_plan_and_records_who_did_it(command: Command, asked: Path) -> None:
    ended = command("approve", asked, "op-asked", "--yes")
    assert ended.code == 0
    assert "142 people" in ended.out
    assert ended.out.splitlines()[-1].startswith("Approved: op-asked.")
    assert state_of(asked) is State.APPROVED
    with opened(asked, tend=False) as ledger:
        record = ledger.records()[-1]
    assert (record["kind"], record["operation"], record["by"]) == ("approved", "op-asked", user())
    assert "no such operation waits" in command("approve", asked, "op-asked", "--yes").sentence(1)


def test_rejecting_turns_it_down(command: Command, asked: Path) -> None:
    assert command("reject", asked, "op-asked").out == "Rejected: op-asked.\n"
    assert state_of(asked) is State.REJECTED
    assert kinds(asked)[-1] == "rejected"


@pytest.mark.parametrize("operation", ["op-token", "op-000001", "op-of-nobody"])
def test_only_what_waits_for_a_person_can_be_approved(command: Command, asked: Path, operation: str) -> None:
    for name, words in (("approve", ["--yes"]), ("reject", [])):
        assert "no such operation waits" in command(name, asked, operation, *words).sentence(1)


@pytest.mark.parametrize(
    ("typed", "code", "state"),
    [("yes", 0, State.APPROVED), ("YES", 0, State.APPROVED), ("y", 1, State.WAITING), ("", 1, State.WAITING)],
)
def test_on_a_terminal_only_a_typed_yes_approves(asked: Path, typed: str, code: int, state: State) -> None:
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{typed}\n".encode())
        assert in_a_process("approve", asked, "op-asked", given=theirs).code == code
    finally:
        os.close(ours)
        os.close(theirs)
    assert state_of(asked) is state


def test_without_a_terminal_nobody_is_asked(asked: Path) -> None:
    ended = in_a_process("approve", asked, "op-asked")
    assert (ended.code, "give --yes" in ended.err) == (1, True)
    assert state_of(asked) is State.WAITING


ONE_OF_EACH: Mapping[str, tuple[str, ...]] = {
    "audit": ("verify",), "stop": (), "resume": (), "pending": (), "approve": ("op",), "reject": ("op",),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_without_a_ledger_a_command_says_so_and_makes_none(command: Command, tmp_path: Path, name: str) -> None:
    code = 2 if name == "audit" else 1  # 1 would say that the record was found to be at fault
    for setting in (tmp_path / "none.sqlite3", tmp_path / "nowhere" / "none.sqlite3"):
        assert f"there is no ledger at {setting}" in command(name, setting, *ONE_OF_EACH[name]).sentence(code)
    assert "in memory" in command(name, "memory", *ONE_OF_EACH[name]).sentence(code)
    assert list(tmp_path.iterdir()) == []


def test_text_that_would_hide_or_move_is_shown_as_an_escape() -> None:
    assert visible("a\u202eb\x1b[2J\x9b\u200d\ud800 ü 日本\n") == "a\\u202eb\\x1b[2J\\x9b\\u200d\\ud800 ü 日本\n"


def in_a_process(name: str, path: Path, *words: str, given: int = subprocess.DEVNULL) -> Ended:
    """Run a command as a person does: in a process of its own."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "cio_mcp", name, "--ledger", str(path), *words],
        cwd=ROOT,
        env=CLEAN,
        stdin=given,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return Ended(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())
