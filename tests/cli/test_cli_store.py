"""The commands on a ledger that servers share in a database."""

import argparse
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from cio_mcp.cli.ledger_file import user
from cio_mcp.ledger.terms import Stopped, Terms
from tests.cli.commands import CLEAN, PATIENCE, ROOT, Ended
from tests.ledger.book import OK, UNKNOWN, Calls, confirmation
from tests.ledger.engine import SECRET, changed, run
from tests.ledger.worlds import at, kinds
from tests.postgres_cluster import PASSWORD, postgres_cluster, postgres_url

__all__ = ["postgres_cluster", "postgres_url"]
Command = Callable[..., Ended]
ADA = "ada@example.com"
PLAN = {"people": 142, "name": "Spring"}


@pytest.fixture
def store(postgres_url: str) -> str:
    """Return a ledger with two writes in it, and an operation that waits for a person."""
    anyio.run(_write, postgres_url)
    return postgres_url


async def _write(url: str) -> None:
    calls = Calls()
    async with at(url) as world:
        mark = f"hmac:{world.ledger.digest('identifier', ADA)[:16]}"
        for outcome in (OK, UNKNOWN):
            call = calls.intent(arguments={"to": mark})
            await world.ledger.begin(call, Terms())
            await world.ledger.conclude(call, outcome)
        await world.ledger.ask(confirmation(world.clock, plan=PLAN))


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run one of the commands in this process, with the key that the servers have."""
    monkeypatch.setenv("CIO_MCP_LEDGER_KEY", SECRET)

    def run(name: str, *words: str) -> Ended:
        module = importlib.import_module(f"cio_mcp.cli.{name}")
        parser = argparse.ArgumentParser()
        module.add_arguments(parser)
        arguments = parser.parse_intermixed_args(words)
        arguments.ledger = None
        code = module.run(arguments)
        written = capsys.readouterr()
        return Ended(code=code, out=written.out, err=written.err)

    return run


def _kinds(url: str) -> list[str]:
    async def asked() -> list[str]:
        async with at(url) as world:
            return await kinds(world.office)

    return anyio.run(asked)


def test_audit_verifies_shows_exports_and_finds(command: Command, store: str) -> None:
    verified = command("audit", "verify", "--store", store)
    assert (verified.code, verified.out.startswith("ok: 6 records hold\n  head 6:")) == (0, True)
    [head] = re.findall(r"^  head (\S+)$", verified.out, re.MULTILINE)
    assert "the noted head is one of them" in command("audit", "verify", "--head", head, "--store", store).out
    assert "intent     send_email op-000002" in command("audit", "show", "--store", store).out
    records = [json.loads(line) for line in command("audit", "export", "--store", store).out.splitlines()]
    assert [record["seq"] for record in records] == [1, 2, 3, 4, 5, 6]
    of_one = command("audit", "show", "op-000002", "--store", store)
    assert [line.split()[0] for line in of_one.out.splitlines()] == ["4", "5"]
    assert command("audit", "find", "op-000002", "--store", store).out == of_one.out
    found = command("audit", "find", ADA.upper(), "--json", "--store", store)
    assert [json.loads(line)["operation"] for line in found.out.splitlines()] == ["op-000001", "op-000002"]


def test_audit_names_the_first_record_that_was_changed(command: Command, store: str) -> None:
    assert changed(store, "UPDATE records SET body = replace(body, 'ok', 'no') WHERE seq = 3") == 1
    ended = command("audit", "verify", "--store", store)
    assert (ended.code, ended.out.startswith("FAULT (changed) at record 3: ")) == (1, True)


def test_stop_and_resume_work_on_every_server_and_are_recorded(command: Command, store: str) -> None:
    assert command("resume", "--store", store).out == "Nothing was stopped.\n"
    ended = command("stop", "an incident", "--store", store)
    assert (ended.code, ended.out.startswith("Stopped since ")) == (0, True)

    async def begins() -> None:
        async with at(store) as world:
            await world.ledger.begin(Calls().intent(operation="op-later"), Terms())

    with pytest.raises(Stopped, match="an incident"):
        anyio.run(begins)
    ended = command("resume", "--store", store)
    assert re.search(r"They were stopped since 20\d\d-.*Z \(an incident\)", ended.out)
    anyio.run(begins)
    assert _kinds(store)[6:9] == ["stop", "resume", "intent"]


def test_a_reason_that_is_no_text_keeps_no_stop_from_standing(command: Command, store: str) -> None:
    assert command("stop", os.fsdecode(b"fire \xff"), "--store", store).out.startswith("Stopped since ")
    assert "(fire \\udcff)" in command("resume", "--store", store).out


def test_a_person_lists_approves_and_rejects(command: Command, store: str) -> None:
    [line] = command("pending", "--json", "--store", store).out.splitlines()
    assert (json.loads(line)["operation"], json.loads(line)["plan"]) == ("op-asked", PLAN)
    assert command("approve", "op-asked", "--yes", "--store", store).out.splitlines()[-1].startswith("Approved: op-a")
    assert "no such operation waits" in command("reject", "op-asked", "--store", store).sentence(1)

    async def record() -> dict[str, object]:
        async with at(store) as world:
            return (await world.office.records())[-1]

    last = anyio.run(record)
    assert (last["kind"], last["operation"], last["by"]) == ("approved", "op-asked", user())


def test_the_store_and_its_key_are_read_as_the_servers_read_them(
    command: Command, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIO_MCP_STORE", store)
    monkeypatch.delenv("CIO_MCP_LEDGER_KEY")
    assert "CIO_MCP_LEDGER_KEY is not set" in command("audit", "verify").sentence(2)
    (tmp_path / "key").write_text(f"{SECRET}\n")
    monkeypatch.setenv("CIO_MCP_LEDGER_KEY_FILE", str(tmp_path / "key"))
    assert command("audit", "verify").code == 0
    monkeypatch.setenv("CIO_MCP_LEDGER_KEY", SECRET)
    assert "are both set" in command("audit", "verify").sentence(2)


def test_what_goes_wrong_in_the_database_is_one_line_too(store: str) -> None:
    run(store, "DROP TABLE base")
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "cio_mcp", "audit", "verify", "--store", store],
        cwd=ROOT,
        env={**CLEAN, "CIO_MCP_LEDGER_KEY": SECRET},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2
    assert "its tables are gone (42P01)" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["audit", "stop", "resume", "pending", "approve", "reject"])
def test_without_a_ledger_or_a_database_a_command_says_so_in_one_line(
    command: Command, postgres_url: str, name: str
) -> None:
    words = {"audit": ["verify"], "approve": ["op"], "reject": ["op"]}.get(name, [])
    code = 2 if name == "audit" else 1  # 1 would say that the record was found to be at fault
    assert "there is no ledger" in command(name, *words, "--store", postgres_url).sentence(code)
    nowhere = postgres_url.rpartition(":")[0] + ":1/nowhere"
    ended = command(name, *words, "--store", nowhere)
    assert "Connection refused" in ended.sentence(code)
    assert PASSWORD not in ended.err
    assert "must be written as postgresql://" in command(name, *words, "--store", PASSWORD).sentence(code)
