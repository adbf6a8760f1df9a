"""`cio-mcp doctor`: the findings as a page or as JSON, and an exit code for scripts."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from cio_mcp.catalog import CATALOG, Access
from cio_mcp.sandbox import Keys, running_sandbox
from tests.cli.commands import run, run_unread
from tests.cli.conftest import Here


def test_good_keys_end_well(sandbox_variables: dict[str, str]) -> None:
    told = run("doctor", env=sandbox_variables)
    assert (told.code, told.err) == (0, "")
    lines = told.out.splitlines()
    url = sandbox_variables["CUSTOMERIO_APP_URL"]
    assert lines[:2] == [f"ok   {key} key: works at {url}: region us, workspace 1" for key in ("Track", "App")]
    assert lines[2].startswith("note Ledger: ")
    assert lines[3] == (
        f"note Tools: {len(CATALOG)} of {len(CATALOG)} served with these settings, and 11 of this server itself"
    )
    assert "app 10/1s" in lines[4]
    assert lines[-1] == "All is well."


def test_json_says_the_same_to_programs(sandbox_variables: dict[str, str]) -> None:
    told = run("doctor", "--json", env={**sandbox_variables, "CUSTOMERIO_APP_API_KEY": "canary-nobody"})
    assert (told.code, told.json["ok"]) == (1, False)
    findings = {finding["subject"]: finding for finding in told.json["findings"]}
    assert findings["Track key"]["state"] == "good"
    assert findings["App key"]["state"] == "bad"
    assert findings["App key"]["remedy"]
    assert "canary" not in told.out + told.err


@pytest.mark.parametrize(
    ("change", "said", "remedy"),
    [
        ({"CUSTOMERIO_TRACK_API_KEY": ""}, "half set: CUSTOMERIO_TRACK_API_KEY is missing", "CUSTOMERIO_TRACK_API_KEY"),
        ({"CUSTOMERIO_REGION": "eu"}, "the account lives in us and CUSTOMERIO_REGION is eu", "CUSTOMERIO_REGION=us"),
        ({"CUSTOMERIO_APP_API_KEY": "sandbox-track-key"}, "holds the Track key", "make an App API key"),
        ({"CUSTOMERIO_TRACK_API_KEY": "sandbox-app-key"}, "holds an App API key", "CUSTOMERIO_APP_API_KEY"),
        ({"CUSTOMERIO_APP_URL": "http://127.0.0.1:1"}, "did not answer", "firewall"),
    ],
)
def test_what_is_wrong_is_marked_with_its_remedy_below(
    here: Here, sandbox_variables: dict[str, str], change: Mapping[str, str], said: str, remedy: str
) -> None:
    told = here("doctor", env={**sandbox_variables, **change})
    lines = told.out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("BAD ") and said in line)
    assert remedy in lines[place + 1]
    assert lines[-1] == "Something is wrong: see the lines marked BAD."
    assert told.code == 1


def test_without_keys_it_says_so_and_fails() -> None:
    told = run("doctor")
    assert (told.code, told.err) == (1, "")
    assert "BAD" not in told.out
    assert told.out.splitlines()[-1] == (
        "No credential is set: run `cio-mcp login`, set at least one, or try --sandbox."
    )


def test_keys_of_different_workspaces_are_told_apart(here: Here, sandbox_variables: dict[str, str]) -> None:
    with running_sandbox(keys=Keys(workspace_id=2)) as other:
        told = here("doctor", env={**sandbox_variables, "CUSTOMERIO_APP_URL": other.url})
    assert told.code == 1
    assert "BAD  Workspace: the credentials belong to different workspaces (Track key: 1, App key: 2)" in told.out


def test_the_built_in_sandbox_is_well_in_either_region_whatever_else_is_set(here: Here) -> None:
    others = {
        "CUSTOMERIO_REGION": "eu",
        "CUSTOMERIO_APP_URL": "http://127.0.0.1:1",
        "CUSTOMERIO_SERVICE_ACCOUNT_TOKEN": "sa_live_canary",
        "CUSTOMERIO_WORKSPACE_ID": "77",
    }
    told = here("doctor", "--sandbox", env=others)
    assert (told.code, told.out.count("ok   ")) == (0, 2), told.out


def test_what_is_served_is_counted(here: Here, sandbox_variables: dict[str, str]) -> None:
    told = here("doctor", "--areas", "segments", "--read-only", env=sandbox_variables)
    served = [each for each in CATALOG.values() if each.area == "segments" and each.access is Access.READ]
    assert f"note Tools: {len(served)} of {len(CATALOG)} served with these settings" in told.out


def test_a_page_that_nobody_reads_is_dropped_without_a_word(sandbox_variables: dict[str, str]) -> None:
    told = run_unread("doctor", env=sandbox_variables)
    assert (told.code, told.err) == (1, "")


def test_it_looks_at_the_ledger_and_at_the_stop_and_changes_neither(tmp_path: Path) -> None:
    place = tmp_path / "state" / "ledger.sqlite3"
    words = ("doctor", "--sandbox", "--ledger", str(place))
    first = run(*words)
    assert f"none yet; a server makes it at {place}" in first.out
    assert not place.exists()
    run("call", "list_segments", "--sandbox", "--ledger", str(place))
    before = place.read_bytes()
    assert "has 2 records" in run(*words).out
    assert place.read_bytes() == before
    run("stop", "too many mails", "--ledger", str(place))
    stopped = run(*words)
    assert stopped.code == 1
    assert "all writes are stopped since" in stopped.out
    place.chmod(0o644)
    assert "chmod" in run(*words).out


SEVERAL = """
[workspaces.staging]
app_api_key = "env:CANARY_STAGING"
site_id = "keyring:cio-mcp/staging"
track_api_key = "file:/nowhere/canary"

[workspaces.trial]
app_api_key = "env:CANARY_TRIAL"
region = "mars"

[workspaces.production]
app_api_key = "env:CANARY_PRODUCTION"
"""


def workspaces_file(folder: Path) -> Path:
    path = folder / "workspaces.toml"
    path.write_text(SEVERAL, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_each_credential_that_cannot_be_read_is_told_and_the_other_workspaces_are_looked_at(
    here: Here, tmp_path: Path, sandbox_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    hosts = {name: sandbox_variables[name] for name in ("CUSTOMERIO_TRACK_URL", "CUSTOMERIO_APP_URL")}
    keys = dict.fromkeys(("CANARY_PRODUCTION", "CANARY_TRIAL"), sandbox_variables["CUSTOMERIO_APP_API_KEY"])
    file = workspaces_file(tmp_path)
    told = here("doctor", "--workspaces", str(file), env=hosts | keys)
    lines = told.out.splitlines()
    assert (told.code, told.err) == (1, "")
    assert lines[:5] == [
        'BAD  staging, site_id: keyring: is not installed; pip install "cio-mcp[keyring]"',
        "BAD  staging, track_api_key: file:/nowhere/canary cannot be read: No such file or directory",
        "       let whoever starts this read it, or name another place",
        "BAD  staging, app_api_key: env:CANARY_STAGING holds nothing",
        "       set CANARY_STAGING in this environment",
    ]
    assert f"BAD  trial, Settings: {file}, workspaces.trial.region must be " in told.out
    assert "ok   production, App key: works at " in told.out
    names = " and ".join(f"{name} in {file}, workspaces.production" for name in ("site_id", "track_api_key"))
    assert f"       set {names}; keys are made in" in told.out
    assert "cio-mcp login" not in told.out


def test_a_workspace_in_the_wrong_region_is_mended_in_its_file(
    here: Here, tmp_path: Path, sandbox_variables: dict[str, str]
) -> None:
    file = tmp_path / "workspaces.toml"
    names = ("site_id", "track_api_key")
    lines = [f'{name} = "env:CUSTOMERIO_{name.upper()}"' for name in names]
    file.write_text("[workspaces.a]\nregion = 'eu'\n" + "\n".join(lines), encoding="utf-8")
    file.chmod(0o600)
    told = here("doctor", "--workspaces", str(file), env=sandbox_variables)
    assert f"the account lives in us and region in {file}, workspaces.a is eu\n" in told.out
    assert f"       set region in {file}, workspaces.a to us\n" in told.out
