"""`cio-mcp token` as it is typed: what it prints where, what it refuses, and what it never repeats."""

import json
import os
import re
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from cio_mcp.agents import Agent
from cio_mcp.agents.token_store_sqlite import SqliteTokenStore, token_path
from cio_mcp.agents.tokens import PATTERN, TokenAuthenticator, id_in, mint, public_name
from cio_mcp.cli import main
from cio_mcp.cli.ledger_file import user
from cio_mcp.cli.token_place import beside
from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.ledger.place import key_path
from cio_mcp.policy import Grant
from tests.cli.commands import CLEAN, COMMAND, PATIENCE, Ended, run, run_unread
from tests.recorded import records_in

Token = Callable[..., Ended]
CREATE = ("create", "support-bot", "--grant", "customers:read")


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Return where the ledger is to lie."""
    return tmp_path / "state" / "ledger.sqlite3"


@pytest.fixture
def token(ledger: Path) -> Token:
    """Run the command as a person does."""
    return lambda *words: run("token", *words, env={"CIO_MCP_LEDGER": str(ledger)})


@pytest.fixture
def here(ledger: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Token:
    """Run the command in this process: for many small variations."""

    def run_here(*words: str, place: str = str(ledger)) -> Ended:
        monkeypatch.setenv("CIO_MCP_LEDGER", place)
        code = main(["token", *words])
        written = capsys.readouterr()
        return Ended(code=code, out=written.out, err=written.err)

    return run_here


def proven(ledger: Path, text: str) -> Agent | None:
    store = SqliteTokenStore(token_path(ledger), now=SteadyClock().now)

    async def ask() -> Agent | None:
        found = await TokenAuthenticator(store).agent(text)
        await store.aclose()
        return found

    return anyio.run(ask)


def told_of_tokens(ledger: Path) -> list[dict[str, Any]]:
    return [record for record in records_in(ledger) if record["kind"].startswith("token ")]


def test_create_prints_the_token_alone_to_stdout_and_what_it_is_to_stderr(token: Token, ledger: Path) -> None:
    made = token(*CREATE, "--grant", "segments:*,messaging:send", "--workspace", "eu, us", "--expires", "90d")
    assert made.code == 0
    text = made.out.removesuffix("\n")
    assert re.fullmatch(PATTERN, text)
    assert text not in made.err
    assert made.err.startswith(f"That is {public_name(id_in(text))} of support-bot, shown this once")
    assert "customers:read,messaging:send,segments:*, in eu,us, within what the server allows" in made.err
    assert "reaches     eu,us, or those of them that the server's workspaces file binds it to" in made.err
    found = proven(ledger, text)
    assert found
    assert found.grants == frozenset({Grant("customers", "read"), Grant("segments", "*"), Grant("messaging", "send")})
    assert (found.name, found.workspaces, found.is_operator) == ("support-bot", frozenset({"eu", "us"}), False)
    assert found.expires_at == pytest.approx(SteadyClock().now() + 90 * 86_400, abs=120)


def test_a_token_for_everything_that_never_ends_and_one_of_an_operator(here: Token, ledger: Path) -> None:
    everything = here("create", "agent", "--grant", "*:*")
    assert re.search(r"expires +never", everything.err)
    found = proven(ledger, everything.out.strip())
    assert found == Agent(name="agent", grants=frozenset({Grant("*", "*")}))
    watching = here("create", "on-call", "--operator")
    assert "may         no grants, operator, within" in watching.err
    bound = "reaches     the workspaces that the server's workspaces file binds it to, or the only one"
    assert f"{bound}\n" in everything.err
    assert f"{bound}; an operator's own tools reach all\n" in watching.err
    assert proven(ledger, watching.out.strip()) == Agent(name="on-call", grants=frozenset(), is_operator=True)


def test_who_made_and_who_ended_a_token_stands_in_the_record(here: Token, ledger: Path) -> None:
    text = here(*CREATE, "--expires", "12h", "--workspace", "eu").out.strip()
    here("revoke", "support-bot")
    made, ended = told_of_tokens(ledger)
    of_it = {"token": public_name(id_in(text)), "agent": "support-bot", "by": user(), "grants": ["customers:read"]}
    assert made.items() >= (of_it | {"kind": "token created", "lifetime": 43_200.0}).items()
    assert ended.items() >= (of_it | {"kind": "token revoked"}).items()
    assert made["workspaces"] == ended["workspaces"] == ["eu"]
    assert run("audit", "verify", env={"CIO_MCP_LEDGER": str(ledger)}).out.startswith("ok: 3 records hold")


def test_the_text_of_a_token_is_nowhere_but_on_stdout_once(token: Token, ledger: Path) -> None:
    text = token(*CREATE).out.strip()
    assert proven(ledger, text)
    ended = [token("list"), token("list", "--json"), token("create", text, "--grant", "customers:read")]
    ended += [token("revoke", text[:-1] + "x"), token("revoke", text), token("revoke", text), token("list")]
    audited = [run("audit", words, env={"CIO_MCP_LEDGER": str(ledger)}) for words in ("show", "export")]
    files = "".join(each.read_bytes().decode("latin-1") for each in ledger.parent.iterdir())
    told = [each.out + each.err for each in (*ended, *audited)] + [files]
    secret = text.rpartition("_")[2]
    assert not [part for part in (secret, secret[:12], secret[-12:]) for each in told if part in each]
    assert all(public_name(id_in(text)) in each.out for each in audited)


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such modes")
def test_all_files_are_private_whatever_the_umask_is(ledger: Path) -> None:
    before = os.umask(0)
    try:
        assert run("token", *CREATE, env={"CIO_MCP_LEDGER": str(ledger)}).code == 0
    finally:
        os.umask(before)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in ledger.parent.iterdir()}
    assert modes == dict.fromkeys(("ledger.key", "ledger.sqlite3", "ledger.tokens"), 0o600)
    assert stat.S_IMODE(ledger.parent.stat().st_mode) == 0o700


def test_list_shows_every_token_with_what_became_of_it(here: Token, ledger: Path) -> None:
    empty = here("list")
    assert (empty.code, empty.out) == (0, "")
    assert "There are no tokens yet: cio-mcp token create" in empty.err
    assert not ledger.parent.exists(), "looking makes nothing"
    used, unused = (here(*CREATE, "--operator").out.strip() for _ in range(2))
    assert proven(ledger, used)
    here("revoke", public_name(id_in(unused)))
    first, second = (json.loads(line) for line in here("list", "--json").out.splitlines())
    assert first.items() >= {
        "id": public_name(id_in(used)), "agent": "support-bot", "state": "active", "grants": ["customers:read"],
        "operator": True, "by": user(),
    }.items()  # fmt: skip
    assert {"used", "created"} <= first.keys()
    assert (second["state"], "used" in second, "revoked" in second) == ("revoked", False, True)
    lines = here("list").out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        [each["id"], each["state"], each["agent"]] for each in (first, second)
    ]
    assert lines[1].endswith("used never")


def test_revoking_a_name_ends_all_of_its_tokens_and_no_others(here: Token, ledger: Path) -> None:
    mine = [here(*CREATE).out.strip() for _ in range(2)]
    other = here("create", "support-bot-2", "--grant", "customers:read").out.strip()
    ended = here("revoke", "support-bot")
    assert sorted(ended.out.splitlines()) == sorted(
        f"Revoked: {public_name(id_in(text))} of support-bot. It proves nobody any more, in any server."
        for text in mine
    )
    assert [proven(ledger, text) is None for text in (*mine, other)] == [True, True, False]
    again = here("revoke", "support-bot")
    assert (again.code, again.out.startswith("Nothing was left to revoke: ")) == (0, True)
    assert [record["kind"] for record in told_of_tokens(ledger)] == ["token created"] * 3 + ["token revoked"] * 2


@pytest.mark.parametrize("part", [slice(19), slice(20), slice(40), slice(None)])
def test_one_token_is_revoked_by_its_id_or_by_what_was_found_of_it(here: Token, ledger: Path, part: slice) -> None:
    kept, leaked = (here(*CREATE).out.strip() for _ in range(2))
    assert here("revoke", leaked[part]).code == 0
    assert [proven(ledger, text) is None for text in (kept, leaked)] == [False, True]


def test_a_revocation_holds_although_it_cannot_be_recorded_and_a_creation_does_not(here: Token, ledger: Path) -> None:
    text = here(*CREATE).out.strip()
    key_path(ledger).chmod(0o644)
    assert "chmod 600" in here(*CREATE).sentence(1)
    ended = here("revoke", "support-bot")
    assert (ended.code, ended.out.startswith("Revoked: ")) == (0, True)
    assert "chmod 600" in ended.err
    assert "stands in no record" in ended.err
    assert proven(ledger, text) is None
    assert len(here("list").out.splitlines()) == 1


def test_a_token_that_could_not_be_shown_is_revoked(ledger: Path) -> None:
    ended = run_unread("token", *CREATE, env={"CIO_MCP_LEDGER": str(ledger)})
    assert ended.code == 1
    assert ended.err == "cio-mcp: the token could not be written to standard output, so it was revoked\n"
    assert [record["kind"] for record in told_of_tokens(ledger)] == ["token created", "token revoked"]
    assert " revoked " in run("token", "list", env={"CIO_MCP_LEDGER": str(ledger)}).out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_token_that_a_full_disk_did_not_take_is_revoked_without_a_traceback(ledger: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(  # noqa: S603 - our own program
            [*COMMAND, "token", *CREATE],
            env={**CLEAN, "CIO_MCP_LEDGER": str(ledger)},
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    told = "cio-mcp: the token could not be written to standard output, so it was revoked\n"
    assert (done.returncode, done.stderr) == (1, told)
    assert [record["kind"] for record in told_of_tokens(ledger)] == ["token created", "token revoked"]


SOME_GRANT = ("--grant", "customers:read")


def test_a_process_whose_clock_began_behind_does_not_prolong_a_token(ledger: Path) -> None:
    behind = beside(ledger, SteadyClock(wall=lambda: 1_000.0))
    set_back = beside(ledger, SteadyClock(wall=lambda: time.time() + 7_200.0))

    async def clocks() -> list[float]:
        return [(await each.tokens())[1] - time.time() for each in (behind, set_back)]

    assert anyio.run(clocks) == [pytest.approx(0.0, abs=5), pytest.approx(7_200.0, abs=5)]


USAGE = {
    "without a name": (("create", *SOME_GRANT), "token create takes one NAME"),
    "a name to list": (("list", "support-bot"), "token list neither"),
    "nothing to revoke": (("revoke",), "token revoke one NAME or ID"),
    "grant of a list": (("list", *SOME_GRANT), "--grant belongs to token create"),
    "expiry of what is there": (("revoke", "a", "--expires", "1d"), "--expires belongs to token create"),
    "operator of what is there": (("revoke", "a", "--operator"), "--operator belongs to token create"),
    "workspace of a list": (("list", "--workspace", "eu"), "--workspace belongs to token create"),
    "json of a token": ((*CREATE, "--json"), "--json belongs to token list"),
    "no grant": (("create", "a"), "needs --grant AREA:ACCESS, such as --grant customers:read"),
    "empty grant": (("create", "a", "--grant", ""), "--grant names nothing"),
    "one empty grant": (("create", "a", *SOME_GRANT, "--grant", " "), "--grant names nothing"),
    "only commas": (("create", "a", "--grant", ",,"), "--grant names nothing"),
    "no permission": (("create", "a", "--grant", "customers"), "--grant must be area:permission"),
    "odd permission": (("create", "a", "--grant", "customers:reed"), "--grant must be area:permission"),
    "unknown area": (("create", "a", "--grant", "customer:read"), "did you mean customers?); the areas are"),
    "covers nothing": (("create", "a", "--grant", "segments:send"), "--grant segments:send: no tool needs that; in "),
    "one of two": (("create", "a", "--grant", "customers:read,collections:send"), "--grant collections:send: no tool"),
    "empty name": (("create", "", *SOME_GRANT), "NAME must not be empty"),
    "spaces around": (("create", " a", *SOME_GRANT), "nor begin or end with a space"),
    "two lines": (("create", "a\nb", *SOME_GRANT), "NAME must be one line of at most 80 characters"),
    "hidden": (("create", "a\u200bb", *SOME_GRANT), "NAME must be one line"),
    "not text": (("create", "a\udcff", *SOME_GRANT), "NAME must be one line"),
    "long": (("create", "a" * 81, *SOME_GRANT), "NAME must be one line of at most 80 characters"),
    "an id": (("create", "ciomcp_support", *SOME_GRANT), "NAME must not begin with ciomcp_"),
    "whom nobody asks": (("create", "local", *SOME_GRANT), "NAME must not be local, which means"),
    "of an issuer": (("create", "a (https://id.example.com)", *SOME_GRANT), "NAME must not end with a bracket"),
    "no workspace": ((*CREATE, "--workspace", ","), "--workspace names nothing"),
    "odd workspace": ((*CREATE, "--workspace", "a,b\x1b"), "--workspace takes names, each on one line"),
    "long workspace": ((*CREATE, "--workspace", "w" * 81), "--workspace takes names"),
    **{
        f"expires {text!r}": ((*CREATE, f"--expires={text}"), "--expires must be a number and h, d or w, such as 90d")
        for text in ("", "0d", "-1d", "90", "d", "1.5d", "90 d", "90m", "3651d", "999999w", "9" * 30 + "h", "٣d")
    },
}  # fmt: skip


@pytest.mark.parametrize(("words", "remedy"), USAGE.values(), ids=USAGE)
def test_what_cannot_be_meant_is_refused_in_one_line_and_makes_nothing(
    here: Token, ledger: Path, words: tuple[str, ...], remedy: str
) -> None:
    assert remedy in here(*words).sentence(2)
    assert not ledger.parent.exists()


@pytest.mark.parametrize("place", ["no file", "a file"])
def test_what_is_not_there_cannot_be_revoked_and_is_not_repeated(here: Token, place: str) -> None:
    if place == "a file":
        here(*CREATE)
    for name in ("another", public_name("2" * 12), "x\x1b[2J", mint()[0].reveal()):
        told = here("revoke", name).sentence(1)
        assert "there is no token of this NAME or ID; `cio-mcp token list` shows" in told
        assert name not in told


@pytest.mark.parametrize("words", [CREATE, ("list",), ("revoke", "a")])
def test_a_ledger_in_memory_has_no_tokens(here: Token, words: tuple[str, ...]) -> None:
    assert "name a file with --ledger" in here(*words, place="memory").sentence(1)


def test_a_folder_that_cannot_be_made_is_named(here: Token, ledger: Path) -> None:
    ledger.parent.write_text("a file")
    assert str(ledger) in here(*CREATE).sentence(1)
    assert here("list").code == 1


def test_a_file_of_tokens_that_is_none_is_named_and_left_alone(here: Token, ledger: Path) -> None:
    ledger.parent.mkdir(mode=0o700)
    place = token_path(ledger)
    place.write_bytes(b"no tokens" * 1000)
    place.chmod(0o600)
    for words in (CREATE, ("list",), ("revoke", "a")):
        assert f"{place}: is damaged; put a copy of it back" in here(*words).sentence(1)
    assert place.read_bytes() == b"no tokens" * 1000
