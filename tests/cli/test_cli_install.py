"""`cio-mcp install`: a host's own file, changed in one place, and nothing lost of what it held."""

import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import json5
import pytest

from cio_mcp.hosts.table import HOSTS, Host, System, config_path
from tests.cli.commands import Ended, run
from tests.cli.conftest import Here
from tests.cli.homes import home_variables, only_on_linux

pytestmark = only_on_linux
KEY = "canary-app-key"
every_host = pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)


def path_of(host: Host, home: Path) -> Path:
    return Path(str(config_path(host, System.LINUX, str(home), {})))


def read(host: Host, path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return (tomllib.loads if path.suffix == ".toml" else json.loads)(text)[host.table]


def file_of(path: Path, text: str, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def backups(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.*.bak"))


class Installs:
    """`cio-mcp install` in a home of its own."""

    def __init__(self, here: Here, home: Path) -> None:
        self.here, self.home = here, home

    def __call__(self, *words: str, **env: str) -> Ended:
        """Run it to its end."""
        return self.here("install", *words, env=home_variables(self.home) | env)


@pytest.fixture
def install(here: Here, tmp_path: Path) -> Installs:
    return Installs(here, tmp_path)


@every_host
def test_an_entry_is_made_in_the_hosts_own_file_and_a_second_time_nothing_is(install: Installs, host: Host) -> None:
    first = install(host.name, "--sandbox", "--", "--read-only", "--areas", "customers")
    assert (first.code, first.err) == (0, "")
    path = path_of(host, install.home)
    assert str(path) in first.out
    entry = read(host, path)["customerio"]
    assert Path(entry["command"]).is_absolute()
    assert entry["args"][-4:] == ["--sandbox", "--areas", "customers", "--read-only"]
    assert {name: entry[name] for name in host.always} == host.always
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    held = path.read_bytes()
    second = install(host.name, "--sandbox", "--areas", "customers", "--read-only")
    assert (second.code, path.read_bytes(), backups(path)) == (0, held, [])
    assert "nothing was changed" in second.out


@every_host
def test_what_the_file_held_is_kept_in_it_and_beside_it(install: Installs, host: Host) -> None:
    others = {"theme": "x", host.table: {"other": {"command": "other", "args": ["a"]}}}
    text = (
        f'# mine\ntheme = "x"\n[{host.table}.other]\ncommand = "other"\nargs = ["a"]\n'
        if host.name == "codex"
        else json.dumps(others)
    )
    path = file_of(path_of(host, install.home), text, 0o640)
    done = install(host.name, "--sandbox")
    assert done.code == 0
    assert set(read(host, path)) == {"other", "customerio"}
    assert read(host, path)["other"] == others[host.table]["other"]  # type: ignore[index]
    (backup,) = backups(path)
    assert (backup.read_text(encoding="utf-8"), backup.name in done.out) == (text, True)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, backup)] == [0o640, 0o640]
    gone = install(host.name, "--uninstall")
    assert (gone.code, set(read(host, path))) == (0, {"other"})
    assert install(host.name, "--uninstall").out == f"{path} has no entry customerio: nothing was changed.\n"
    assert len(backups(path)) == 2
    assert not list(path.parent.glob(".*.new"))


def test_another_name_makes_another_entry(install: Installs) -> None:
    assert (
        install("cursor", "--sandbox").code
        == install("cursor", "--sandbox", "--name", "trial", "--read-only").code
        == 0
    )
    servers = read(HOSTS["cursor"], path_of(HOSTS["cursor"], install.home))
    assert {name: entry["args"] for name, entry in servers.items()} == {
        "customerio": ["--sandbox"],
        "trial": ["--sandbox", "--read-only"],
    }


def test_other_flags_renew_an_entry(install: Installs) -> None:
    install("cursor", "--sandbox", "--read-only")
    assert install("cursor", "--sandbox").code == 0
    path = path_of(HOSTS["cursor"], install.home)
    assert read(HOSTS["cursor"], path)["customerio"]["args"] == ["--sandbox"]
    assert len(backups(path)) == 1


def test_print_shows_the_entry_and_writes_nothing(install: Installs) -> None:
    shown = install("claude-code", "--print", "--sandbox")
    assert (shown.code, shown.err.splitlines()[0]) == (0, f"For {install.home}/.claude.json:")
    assert shown.json["mcpServers"]["customerio"]["args"] == ["--sandbox"]
    assert not (install.home / ".claude.json").exists()


def test_print_tells_what_the_entry_does_not_say_and_keeps_it_out_of_the_entry(install: Installs) -> None:
    shown = install("cursor", "--print", CIO_MCP_READ_ONLY="1", CUSTOMERIO_APP_API_KEY=KEY)
    assert "Note: CIO_MCP_READ_ONLY is set here, but not in the entry: pass its flag on.\n" in shown.err
    assert "Note: Cursor must be started where these are set: CUSTOMERIO_APP_API_KEY.\n" in shown.err
    assert shown.json["mcpServers"]["customerio"]["args"] == []


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\u202eb", "a\x1b[2J"])
@pytest.mark.parametrize("action", [["--sandbox"], ["--print"], ["--uninstall"]], ids=lambda words: words[0])
def test_a_name_that_nobody_could_read_is_refused(install: Installs, name: str, action: list[str]) -> None:
    refused = install("cursor", *action, "--name", name).sentence(2)
    assert refused == (
        "cio-mcp: --name must be a name that can be read: not empty, and without hidden characters or lines\n"
    )
    assert not path_of(HOSTS["cursor"], install.home).exists()


@pytest.mark.parametrize(
    ("host", "held", "member"),
    [
        ("codex", '[mcp_servers.customerio]\ncommand = "cio-mcp"\nenabled = false\n', "enabled"),
        ("cursor", '{"mcpServers": {"customerio": {"command": "cio-mcp", "disabled": true}}}', "disabled"),
    ],
)
def test_an_entry_that_is_switched_off_stays_so_and_that_is_said(
    install: Installs, host: str, held: str, member: str
) -> None:
    path = file_of(path_of(HOSTS[host], install.home), held)
    said = f"Note: {member} in the entry switches it off; {HOSTS[host].title} starts it once you take that out.\n"
    assert said in install(host, "--sandbox").out
    assert read(HOSTS[host], path)["customerio"][member] is (member == "disabled")
    again = install(host, "--sandbox").out
    assert ("nothing was changed" in again, said in again) == (True, True)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("enabled = false", "enabled = true").replace(": true", ": false"), encoding="utf-8")
    assert "switches it off" not in install(host, "--sandbox").out


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("claude-code", {"env": {"CUSTOMERIO_APP_API_KEY": "${CUSTOMERIO_APP_API_KEY}", "CUSTOMERIO_REGION": "eu"}}),
        ("cursor", {"env": {"CUSTOMERIO_APP_API_KEY": "${env:CUSTOMERIO_APP_API_KEY}", "CUSTOMERIO_REGION": "eu"}}),
        ("codex", {"env_vars": ["CUSTOMERIO_APP_API_KEY"], "env": {"CUSTOMERIO_REGION": "eu"}}),
    ],
)
def test_a_key_of_the_environment_is_named_and_not_written(install: Installs, host: str, told: dict[str, Any]) -> None:
    done = install(
        host,
        CUSTOMERIO_APP_API_KEY=KEY,
        CUSTOMERIO_REGION="eu",
        XDG_STATE_HOME="",
        XDG_DATA_HOME="",
        PYTHON_KEYRING_BACKEND="",
    )
    path = path_of(HOSTS[host], install.home)
    entry = read(HOSTS[host], path)["customerio"]
    assert {name: entry[name] for name in told} == told
    assert KEY not in path.read_text(encoding="utf-8") + done.out
    assert "must be started where these are set: CUSTOMERIO_APP_API_KEY" in done.out


def test_a_file_that_holds_a_key_is_named_by_its_whole_path(
    install: Installs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_of(tmp_path / "app-key", KEY, 0o600)
    monkeypatch.chdir(tmp_path)
    assert install("claude-desktop", CUSTOMERIO_APP_API_KEY_FILE="app-key").code == 0
    entry = read(HOSTS["claude-desktop"], path_of(HOSTS["claude-desktop"], install.home))["customerio"]
    assert entry["env"]["CUSTOMERIO_APP_API_KEY_FILE"] == str(tmp_path / "app-key")


def test_a_key_is_written_only_on_demand_and_that_is_said(install: Installs) -> None:
    path = path_of(HOSTS["claude-desktop"], install.home)
    done = install("claude-desktop", CUSTOMERIO_APP_API_KEY=KEY)
    assert KEY not in path.read_text(encoding="utf-8")
    assert "no key is stored yet: run `cio-mcp login`" in done.out
    shown = install("claude-desktop", "--write-keys", "--print")
    assert (KEY in shown.out, "<the value of CUSTOMERIO_APP_API_KEY>" in shown.out) == (False, True)
    written = install("claude-desktop", "--write-keys")
    assert read(HOSTS["claude-desktop"], path)["customerio"]["env"]["CUSTOMERIO_APP_API_KEY"] == KEY
    assert "The file holds CUSTOMERIO_APP_API_KEY in clear" in written.out
    again = install("claude-desktop")
    assert KEY not in path.read_text(encoding="utf-8")
    assert "That copy still holds CUSTOMERIO_APP_API_KEY in clear" in again.out
    assert KEY not in done.out + written.out + again.out


COMMENTED = """\
// my settings
{
    "theme": "x", // dark
    /* "context_servers": {},
       "mcpServers": {}, */
    "list": [1, 2,],
}
"""
reads_comments = pytest.mark.parametrize("host", ["vscode", "gemini", "zed"])


@reads_comments
@pytest.mark.parametrize("lines", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "BOM"])
def test_a_file_with_comments_keeps_them_and_is_what_it_was_when_the_entry_is_gone(
    install: Installs, host: str, lines: str, mark: str
) -> None:
    held = (mark + COMMENTED.replace("\n", lines)).encode()
    path = path_of(HOSTS[host], install.home)
    file_of(path, "")
    path.write_bytes(held)
    assert install(host, "--sandbox").code == 0
    written = path.read_bytes()
    body = written.decode().removeprefix(mark)
    assert written.startswith(mark.encode())
    assert json5.loads(body)[HOSTS[host].table]["customerio"]["args"] == ["--sandbox"]
    assert [line for line in held.splitlines() if line not in written.splitlines()] == []
    assert body.count("\r\n") == (body.count("\n") if lines == "\r\n" else 0)
    assert "nothing was changed" in install(host, "--sandbox").out
    assert install(host, "--sandbox", "--read-only").code == 0
    assert json5.loads(path.read_bytes().decode("utf-8-sig"))["list"] == [1, 2]
    assert install(host, "--uninstall").code == 0
    assert path.read_bytes() == held
    assert len(backups(path)) == 3


@reads_comments
def test_a_file_that_only_its_host_can_read_is_left_alone_and_the_entry_shown(install: Installs, host: str) -> None:
    text = '// mine\n{"theme": "x" "y": 1}\n'
    path = file_of(path_of(HOSTS[host], install.home), text)
    refused = install(host, "--sandbox")
    assert refused.code == 1
    assert f"{path} is no JSON, even with comments: it cannot be read in line 2; it is left as it is" in refused.err
    assert "add what is printed above by hand" in refused.err
    assert json.loads(refused.out)[HOSTS[host].table]["customerio"]["args"] == ["--sandbox"]
    assert path.read_text(encoding="utf-8") == text
    assert "take customerio out by hand" in install(host, "--uninstall").err


@every_host
def test_a_file_without_servers_is_what_it_was_when_the_only_entry_is_gone(install: Installs, host: Host) -> None:
    text = '# mine\nmodel = "x"\n' if host.name == "codex" else '{\n  "theme": "x"\n}\n'
    path = file_of(path_of(host, install.home), text)
    assert install(host.name, "--sandbox").code == 0
    assert install(host.name, "--uninstall").code == 0
    left = path.read_text(encoding="utf-8")
    assert (left.rstrip("\n") + "\n" if host.name == "codex" else left) == text


@pytest.mark.parametrize(
    ("host", "held", "said"),
    [
        ("claude-desktop", b"{broken", "is no JSON: .* in line 1"),
        ("cursor", b"[1]", "is no JSON object"),
        ("cursor", b'{"mcpServers": []}', "mcpServers in it is no table of servers"),
        ("codex", b"x = [", "is no TOML: "),
        ("codex", b"mcp_servers = 1\n", "mcp_servers in it is no table of servers"),
        ("vscode", b'{"servers": []}', "servers in it is no table of servers"),
        ("zed", b"{}\xff", "is no UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_left_alone_and_the_entry_shown(
    install: Installs, host: str, held: bytes, said: str
) -> None:
    path = file_of(path_of(HOSTS[host], install.home), "")
    path.write_bytes(held)
    refused = install(host, "--sandbox")
    shown, remark, rest = refused.err.partition(f"cio-mcp: {path}")
    assert (refused.code, shown.splitlines()[0], remark) == (1, f"For {path}:", f"cio-mcp: {path}")
    assert "Note: CIO_MCP_LEDGER is set here, but not in the entry" in shown
    assert re.search(f"{said}.*; it is left as it is; add what is printed above by hand", rest)
    printed = (tomllib.loads if host == "codex" else json.loads)(refused.out)
    assert printed[HOSTS[host].table]["customerio"]["args"] == ["--sandbox"]
    assert "take customerio out by hand" in install(host, "--uninstall").sentence(1)
    assert (path.read_bytes(), backups(path)) == (held, [])


def test_an_entry_of_another_program_is_not_written_over(install: Installs) -> None:
    text = '{"mcpServers": {"customerio": {"command": "npx"}}}'
    path = file_of(path_of(HOSTS["cursor"], install.home), text)
    assert "starts another program; choose --name" in install("cursor", "--sandbox").sentence(1)
    assert (path.read_text(encoding="utf-8"), backups(path)) == (text, [])


def test_an_entry_of_another_program_is_not_taken_out(install: Installs) -> None:
    path = file_of(path_of(HOSTS["cursor"], install.home), '{"mcpServers": {"customerio": {"command": "npx"}}}')
    assert "it stays" in install("cursor", "--uninstall").sentence(1)
    assert "npx" in path.read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_left_alone(install: Installs) -> None:
    path = file_of(path_of(HOSTS["cursor"], install.home), "{}")
    os.chown(path, 65_534, 65_534)
    assert (
        install("cursor", "--sandbox").sentence(1)
        == f"cio-mcp: {path} belongs to another user; run this as that user\n"
    )


def test_a_folder_in_the_files_place_is_named(install: Installs) -> None:
    path_of(HOSTS["cursor"], install.home).mkdir(parents=True)
    assert (
        install("cursor", "--sandbox").sentence(1) == f"cio-mcp: {path_of(HOSTS['cursor'], install.home)} is no file\n"
    )


def test_a_pipe_in_the_files_place_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "mcp.json"
    os.mkfifo(pipe)
    refused = run("install", "cursor", "--sandbox", "--config", str(pipe), env=home_variables(tmp_path / "home"))
    assert refused.sentence(1) == f"cio-mcp: {pipe} is no file\n"


def test_a_link_is_followed_and_stays_a_link(install: Installs, tmp_path: Path) -> None:
    target = file_of(tmp_path / "dotfiles" / "cursor.json", "{}")
    path = path_of(HOSTS["cursor"], install.home)
    path.parent.mkdir()
    path.symlink_to(target)
    assert install("cursor", "--sandbox").code == 0
    assert path.is_symlink()
    assert "customerio" in read(HOSTS["cursor"], target)
    assert len(backups(target)) == 1


def test_an_unknown_host_is_answered_with_the_nearest(install: Installs) -> None:
    assert "cursr is no host that is known here (did you mean cursor?); the hosts are claude-desktop," in install(
        "cursr"
    ).sentence(2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--areas", "peple"], "did you mean people?"),
        (["--", "--areas", "peple"], "did you mean people?"),
        (["--env-keys"], "no key is set in this environment"),
        (["--config", "~canary-nobody/mcp.json"], "there is no such user"),
        (["--sandbox", "--grants", "~canary-nobody/grants.toml"], "there is no such user"),
        (["--sandbox", "--config", ""], "is no file"),
        (["--write-keys"], "no key is set in this environment"),
        (["--store", "postgresql://ada:canary@127.0.0.1/x"], "CIO_MCP_STORE_FILE"),
    ],
)
def test_what_no_server_could_use_is_not_written(install: Installs, words: list[str], said: str) -> None:
    refused = install("cursor", *words)
    assert refused.code in {1, 2}
    assert said in refused.err
    assert "canary@" not in refused.err
    assert not path_of(HOSTS["cursor"], install.home).exists()


def test_a_host_that_fills_in_nothing_is_not_given_names(install: Installs) -> None:
    refused = install("claude-desktop", "--env-keys", CUSTOMERIO_APP_API_KEY=KEY)
    assert "store them with `cio-mcp login`" in refused.sentence(1)


def test_a_setting_of_this_environment_that_the_entry_lacks_is_told(install: Installs) -> None:
    assert (
        "CIO_MCP_READ_ONLY is set here, but not in the entry"
        in install("cursor", "--sandbox", CIO_MCP_READ_ONLY="1").out
    )


def test_a_secret_of_this_environment_that_has_no_flag_is_told_too(install: Installs) -> None:
    done = install("cursor", "--sandbox", CIO_MCP_LEDGER_KEY="canary" * 6, CIO_MCP_TOKEN="canary-token")
    said = "CIO_MCP_LEDGER_KEY is set here, but not in the entry: add CIO_MCP_LEDGER_KEY_FILE to its env, the path of"
    assert (said in done.out, "CIO_MCP_TOKEN" in done.out, "canary" in done.out) == (True, False, False)


def test_paths_of_flags_are_made_whole(install: Installs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file_of(tmp_path / "grants.toml", '[agents.local]\nallow = ["customers:read"]\n', 0o600)
    monkeypatch.chdir(tmp_path)
    assert install("cursor", "--sandbox", "--grants", "grants.toml", "--ledger", "memory").code == 0
    args = read(HOSTS["cursor"], path_of(HOSTS["cursor"], install.home))["customerio"]["args"]
    assert args[args.index("--grants") + 1] == str(tmp_path / "grants.toml")
    assert args[args.index("--ledger") + 1] == "memory"


def test_variables_that_a_workspaces_file_names_are_handed_over_where_a_host_can(
    install: Installs, tmp_path: Path
) -> None:
    file = file_of(tmp_path / "w.toml", '[workspaces.a]\napp_api_key = "env:A_KEY"\n', 0o600)
    done = install("cursor", "--workspaces", str(file), A_KEY=KEY)
    path = path_of(HOSTS["cursor"], install.home)
    assert read(HOSTS["cursor"], path)["customerio"]["env"]["A_KEY"] == "${env:A_KEY}"
    assert "must be started where these are set: A_KEY" in done.out
    assert "cannot hand over A_KEY" in install("zed", "--workspaces", str(file)).out


def test_a_projects_file_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "project" / ".mcp.json"
    done = run("install", "claude-code", "--sandbox", "--config", str(path), env=home_variables(tmp_path / "home"))
    assert (done.code, done.err) == (0, "")
    assert "customerio" in read(HOSTS["claude-code"], path)
