"""`cio-mcp login`: keys asked for, checked, kept where only their owner reads them, found again, and removed."""

import json
import os
import pty
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cio_mcp.sandbox import Keys, RunningSandbox, running_sandbox
from cio_mcp.settings import APP_URLS, TRACK_URLS, Region
from tests.cli.commands import CLEAN, COMMAND, PATIENCE, Ended, run, running
from tests.cli.conftest import Here
from tests.cli.homes import IN_HOME, NONE, files_in, home_variables, only_on_linux, without_keys

pytestmark = only_on_linux
KEYS = {"site_id": "sandbox-site-id", "track_api_key": "sandbox-track-key", "app_api_key": "sandbox-app-key"}
LINES = "".join(f"CUSTOMERIO_{name.upper()}={key}\n" for name, key in KEYS.items()).encode()


class Home:
    """A user's home, and the Customer.io that its commands reach."""

    def __init__(self, here: Here, folder: Path, variables: Mapping[str, str]) -> None:
        self.here, self.folder, self.hosts = here, folder, without_keys(variables)
        self._named: set[str] = set()
        self.config = folder / ".config" / "cio-mcp"

    def env(self, keyring: str = NONE, **more: str) -> dict[str, str]:
        """Return the environment of a command in it."""
        return {**home_variables(self.folder, keyring), **self.hosts, **more}

    def run(self, *words: str, given: bytes = b"", keyring: str = NONE, **more: str) -> Ended:
        """Run a command in it to its end, in a process of its own with a keyring, which is chosen once in each."""
        if keyring != NONE:
            return run(*words, given=given, env=self.env(keyring, **more))
        self._named |= set(more)
        env = {**dict.fromkeys(self._named, ""), **self.env(**more)}
        return self.here(*words, given=given, env=env)


@pytest.fixture
def home(here: Here, tmp_path: Path, sandbox_variables: dict[str, str]) -> Home:
    return Home(here, tmp_path, sandbox_variables)


def reads(home: Home, keyring: str = NONE, **more: str) -> Ended:
    return home.run("call", "list_segments", keyring=keyring, given=b"", **more)


def test_keys_from_standard_input_are_checked_kept_used_and_removed(home: Home) -> None:
    assert reads(home).code == 1
    done = home.run("login", given=LINES)
    assert (done.code, done.err.count("ok   ")) == (0, 2)
    assert "There is no keyring here that can be used" in done.out
    assert "region us: CUSTOMERIO_SITE_ID, CUSTOMERIO_TRACK_API_KEY, CUSTOMERIO_APP_API_KEY" in done.out
    assert {str(path.relative_to(home.config)) for path in files_in(home.config)} == {
        "login.json", *(f"login/{name}" for name in KEYS),
    }  # fmt: skip
    assert {stat.S_IMODE(path.stat().st_mode) for path in files_in(home.config)} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (home.config, home.config / "login")} == {0o700}
    assert reads(home).code == 0
    out = home.run("logout")
    assert (out.code, list(files_in(home.config))) == (0, [])
    assert reads(home).code == 1
    assert home.run("logout").out == "Nothing is stored.\n"


def test_a_keyring_keeps_the_keys_and_no_file_of_ours_does(home: Home) -> None:
    done = home.run("login", given=LINES, keyring=IN_HOME)
    assert "Stored in the keyring (" in done.out
    assert list(files_in(home.config)) == [home.config / "login.json"]
    assert not [key for key in KEYS.values() if key in (home.config / "login.json").read_text(encoding="utf-8")]
    assert list(files_in(home.folder / "data")), "the keyring's own file"
    assert reads(home, IN_HOME).code == 0
    assert "holds nothing; run `cio-mcp login` again" in reads(home).sentence(2)
    assert home.run("logout", keyring=IN_HOME).code == 0
    left = "".join(path.read_text(encoding="utf-8") for path in files_in(home.folder / "data"))
    assert "CUSTOMERIO" not in left
    assert "app_5fapi_5fkey" not in left


def test_file_goes_before_the_keyring_and_leaves_nothing_in_it(home: Home) -> None:
    home.run("login", given=LINES, keyring=IN_HOME)
    assert home.run("login", "--file", given=LINES, keyring=IN_HOME).code == 0
    assert "file:" in home.run("login", "--show", keyring=IN_HOME).out
    assert "keyring:" not in home.run("login", "--show", keyring=IN_HOME).out
    assert reads(home).code == 0
    left = "".join(path.read_text(encoding="utf-8") for path in files_in(home.folder / "data"))
    assert "app_5fapi_5fkey" not in left


def test_show_tells_where_each_key_lies_and_never_a_key(home: Home) -> None:
    nothing = home.run("login", "--show")
    assert (nothing.code, nothing.out) == (1, "Nothing is stored; `cio-mcp login` stores your keys.\n")
    home.run("login", given=LINES)
    shown = home.run("login", "--show")
    assert shown.out.splitlines() == [
        "Stored, region us:",
        *(f"  CUSTOMERIO_{name.upper()}  file:{home.config}/login/{name}" for name in KEYS),
    ]


def test_a_key_that_does_not_work_is_not_stored(home: Home) -> None:
    refused = home.run("login", given=b"CUSTOMERIO_APP_API_KEY=canary-nobody\n")
    assert (refused.code, refused.out.splitlines()[1:]) == (1, [])
    assert "BAD  App key: refused (401)" in refused.err
    assert refused.err.endswith(
        "cio-mcp: nothing was stored; mend that and run `cio-mcp login` again, where a line that is not given leaves a "
        "key out\n"
    )
    assert "canary" not in refused.out + refused.err
    assert list(files_in(home.config)) == []
    assert home.run("login", "--unchecked", given=b"CUSTOMERIO_APP_API_KEY=canary-nobody\n").code == 0
    assert reads(home).code == 1


def test_the_region_of_the_account_is_found_out(here: Here, tmp_path: Path) -> None:
    with running_sandbox(region="eu") as sandbox:
        home = Home(here, tmp_path, {"CUSTOMERIO_TRACK_URL": sandbox.url, "CUSTOMERIO_APP_URL": sandbox.url})
        done = home.run("login", given=LINES)
        assert (done.code, "region eu" in done.out) == (0, True)
        assert "region eu" in home.run("doctor").out
        assert "CUSTOMERIO_REGION is us" in home.run("doctor", CUSTOMERIO_REGION="us").out


EU = Keys(site_id="canary-eu-site", track_api_key="canary-eu-track", app_api_key="canary-eu-app")


@pytest.fixture
def regions(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Yield a home in front of both regions of Customer.io, each of which knows keys of its own."""
    with running_sandbox(region="us") as us, running_sandbox(keys=EU, region="eu") as eu:
        found: dict[Region, RunningSandbox] = {"us": us, "eu": eu}
        for region, sandbox in found.items():
            for urls in (TRACK_URLS, APP_URLS):
                monkeypatch.setitem(urls, region, sandbox.url)
        yield Home(here, tmp_path, {})


def lines(keys: Mapping[str, str]) -> bytes:
    return "".join(f"CUSTOMERIO_{name.upper()}={key}\n" for name, key in keys.items()).encode()


@pytest.mark.parametrize("keys", [KEYS, {name: getattr(EU, name) for name in KEYS}], ids=["us", "eu"])
def test_one_mistyped_key_makes_no_other_look_wrong(regions: Home, keys: dict[str, str]) -> None:
    refused = regions.run("login", given=lines(keys | {"track_api_key": "canary-mistyped"}))
    assert (refused.code, refused.err.count("BAD  ")) == (1, 1)
    assert "BAD  Track key: refused (401) in both regions: site id and key do not belong together" in refused.err
    assert "ok   App key: works at" in refused.err


def test_a_region_that_was_named_wrongly_is_mended_by_its_flag(
    regions: Home,
) -> None:
    home = regions
    refused = home.run("login", "--region", "eu", given=LINES)
    assert refused.err.count("works in region us only\n       log in with --region us\n") == 2
    assert "CUSTOMERIO_REGION" not in refused.err
    assert home.run("login", "--region", "us", given=LINES).code == 0


def test_a_region_among_the_lines_is_taken_as_the_flag_and_the_flag_goes_before_it(
    regions: Home,
) -> None:
    home = regions
    assert "works in region us only" in home.run("login", given=b"export CUSTOMERIO_REGION=eu\n" + LINES).err
    assert "region us" in home.run("login", given=LINES + b"CUSTOMERIO_REGION=us\n").out
    assert home.run("login", "--region", "us", given=LINES + b"CUSTOMERIO_REGION=eu\n").code == 0
    assert "CUSTOMERIO_REGION must be one of eu, us" in home.run("login", given=b"CUSTOMERIO_REGION=mars\n").sentence(1)
    assert "no key was given" in home.run("login", given=b"CUSTOMERIO_REGION=us\n").sentence(1)


def test_half_a_track_key_is_told_with_what_to_give(regions: Home) -> None:
    refused = regions.run("login", given=lines({name: KEYS[name] for name in ("site_id", "app_api_key")}))
    assert "BAD  Track key: half set: CUSTOMERIO_TRACK_API_KEY is missing\n" in refused.err
    assert "run `cio-mcp login` again and give CUSTOMERIO_TRACK_API_KEY; keys are made in" in refused.err
    assert "ok   App key" in refused.err


def test_a_region_that_does_not_answer_is_not_said_to_have_refused(
    regions: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for urls in (TRACK_URLS, APP_URLS):
        monkeypatch.setitem(urls, "eu", "http://127.0.0.1:1")
    mistyped = regions.run("login", given=lines(KEYS | {"track_api_key": "canary-mistyped"}))
    assert "BAD  Track key: refused (401) in region us, and region eu did not answer: " in mistyped.err
    for urls in (TRACK_URLS, APP_URLS):
        monkeypatch.setitem(urls, "us", "http://127.0.0.1:1")
    offline = regions.run("login", given=LINES)
    assert offline.err.count("http://127.0.0.1:1 did not answer") == 2
    assert "check the network" in offline.err


def test_a_login_that_the_environment_goes_before_is_said_to_be_unused(home: Home, tmp_path: Path) -> None:
    assert "Note: " not in home.run("login", given=LINES).out
    done = home.run("login", given=LINES, CUSTOMERIO_APP_API_KEY=KEYS["app_api_key"])
    assert done.out.endswith(
        "Note: servers started from this environment do not use them, because it holds CUSTOMERIO_APP_API_KEY.\n"
    )
    told = home.run("doctor", CUSTOMERIO_APP_API_KEY=KEYS["app_api_key"])
    assert "a login is stored, and not used, because CUSTOMERIO_APP_API_KEY is in the environment\n" in told.out
    assert "set CUSTOMERIO_SITE_ID and CUSTOMERIO_TRACK_API_KEY; keys are made" in told.out
    assert "not used" not in home.run("doctor").out
    file = tmp_path / "app-key"
    file.write_text(KEYS["app_api_key"], encoding="utf-8")
    assert "because CUSTOMERIO_APP_API_KEY_FILE is" in home.run("doctor", CUSTOMERIO_APP_API_KEY_FILE=str(file)).out


def test_whoever_has_no_key_is_told_of_login(home: Home) -> None:
    told = home.run("doctor").out
    assert "       run `cio-mcp login`, or set CUSTOMERIO_APP_API_KEY; keys are made in" in told
    assert told.endswith("No credential is set: run `cio-mcp login`, set at least one, or try --sandbox.\n")
    assert (
        "The operator runs `cio-mcp login`, or sets CUSTOMERIO_APP_API_KEY (or the same with _FILE)" in reads(home).err
    )
    home.run("login", given=lines({"site_id": KEYS["site_id"], "track_api_key": KEYS["track_api_key"]}))
    assert "       run `cio-mcp login` and give CUSTOMERIO_APP_API_KEY; keys are made" in home.run("doctor").out
    assert "The operator runs `cio-mcp login` and gives CUSTOMERIO_APP_API_KEY where" in reads(home).err


def test_one_key_is_added_to_those_that_are_stored(home: Home) -> None:
    assert home.run("login", given=LINES.splitlines(keepends=True)[2]).code == 0
    assert home.run("login", given=b"".join(LINES.splitlines(keepends=True)[:2])).code == 0
    assert len(home.run("login", "--show").out.splitlines()) == 4


def test_keys_of_the_environment_are_taken_on_demand_and_go_before_stored_ones(
    home: Home, sandbox_variables: dict[str, str]
) -> None:
    assert home.run("login", "--from-env", given=b"", keyring=NONE, **sandbox_variables).code == 0
    assert reads(home).code == 0
    assert reads(home, CUSTOMERIO_APP_API_KEY="canary-other").code == 1
    halved = home.run("doctor", CUSTOMERIO_SITE_ID="canary-other")
    assert "half set: CUSTOMERIO_TRACK_API_KEY is missing" in halved.out, "keys of two accounts are not mixed"


def test_a_region_of_the_environment_is_taken_with_its_keys(home: Home) -> None:
    def stored(region: str, *words: str, key: str = "canary-app-key") -> Ended:
        named = {"CUSTOMERIO_REGION": region, "CUSTOMERIO_APP_API_KEY": key}
        return home.run("login", "--from-env", "--unchecked", *words, given=b"", keyring=NONE, **named)

    assert "region eu: CUSTOMERIO_APP_API_KEY\n" in stored("eu").out
    assert "region us: " in stored("eu", "--region", "us").out
    assert "region us: " in stored("${env:CUSTOMERIO_REGION}").out
    assert "no key was given" in stored("eu", key="").sentence(1)


def test_a_keyring_that_cannot_be_used_is_told_with_what_to_do(home: Home) -> None:
    missing = home.run("login", "--unchecked", given=LINES, keyring="canary.nowhere.Keyring")
    assert missing.sentence(1).endswith("(ModuleNotFoundError); --file stores keys in a file\n")
    (home.folder / "data").write_text("", encoding="utf-8")  # where that keyring makes a folder
    failing = home.run("login", "--unchecked", given=LINES, keyring=IN_HOME).sentence(1)
    assert failing == "cio-mcp: the keyring took no key (NotADirectoryError); --file stores them in a file\n"
    assert home.run("login", "--unchecked", "--file", given=LINES, keyring="canary.nowhere.Keyring").code == 0


def test_a_placeholder_that_a_host_left_as_it_is_counts_as_nothing(home: Home) -> None:
    home.run("login", given=LINES)
    name = "CUSTOMERIO_APP_API_KEY"
    assert (
        reads(home, CUSTOMERIO_APP_API_KEY="${env:" + name + "}", CUSTOMERIO_REGION="${env:CUSTOMERIO_REGION}").code
        == 0
    )


def test_where_a_key_came_from_is_said_at_debug_only(home: Home) -> None:
    home.run("login", given=LINES)
    told = reads(home, CIO_MCP_LOG_LEVEL="debug")
    assert f"credentials come from `cio-mcp login`: file:{home.config}/login/site_id" in told.err
    assert "`cio-mcp login`" not in reads(home).err
    assert not [key for key in KEYS.values() if key in told.err]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"", "no key was given, so nothing was stored"),
        (b"# none\n\n", "no key was given"),
        (b"canary-app-key\n", "line 1 of standard input is not NAME=value with one of CUSTOMERIO_SITE_ID"),
        (b"CUSTOMERIO_APP_KEY=canary\n", "line 1 of standard input"),
        (b"CUSTOMERIO_APP_API_KEY=canary\xff\n", "standard input is no utf-8 text"),
        (b"#\n" * 100 + b"CUSTOMERIO_APP_API_KEY=canary\n", "more than 100 lines or 100000 characters"),
        (b"# " + b"x" * 100_000 + b"\nCUSTOMERIO_APP_API_KEY=canary\n", "give the keys alone"),
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(home: Home, given: bytes, said: str) -> None:
    refused = home.run("login", given=given).sentence(1)
    assert said in refused
    assert "canary" not in refused


def test_the_mark_that_some_programs_write_before_a_text_belongs_to_no_name(home: Home) -> None:
    assert home.run("login", given="\ufeff".encode() + LINES).code == 0
    assert len(home.run("login", "--show").out.splitlines()) == 4


def test_a_key_of_another_form_is_refused(home: Home) -> None:
    refused = home.run("login", given=b"CUSTOMERIO_APP_API_KEY=sa_live_canary\n")
    assert (refused.code, "set CUSTOMERIO_SERVICE_ACCOUNT_TOKEN instead" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.chmod(0o644), "others can read {}; run: chmod 600 {}"),
        (lambda path: path.write_text("{"), "{} is not as `cio-mcp login` writes it"),
        (lambda path: path.write_text('{"region": "us", "credentials": {"app_api_key": "canary"}}'), "{} is not as"),
    ],
)
def test_a_marker_that_is_not_ours_is_not_followed(home: Home, spoil: object, said: str) -> None:
    home.run("login", given=LINES)
    assert callable(spoil)
    spoil(home.config / "login.json")
    refused = reads(home).sentence(2)
    assert said.replace("{}", str(home.config / "login.json")) in refused
    assert "canary" not in refused


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_stored_key_that_others_could_read_or_replace_is_not_used(home: Home, mode: int) -> None:
    home.run("login", given=LINES)
    path = home.config / "login" / "app_api_key"
    path.chmod(mode)
    said = f"the stored CUSTOMERIO_APP_API_KEY: others can read {path}; run: chmod 600 {path}\n"
    assert home.run("doctor").sentence(2) == f"cio-mcp: {said}"
    assert reads(home).sentence(2) == f"cio-mcp: {said}"
    one = home.run("login", given=LINES.splitlines(keepends=True)[0])
    assert (one.code, f"cio-mcp: others can read {path}; run: chmod 600 {path}\n" in one.err) == (1, True)
    path.chmod(0o600)
    assert reads(home).code == 0


def test_keys_that_are_given_anew_mend_a_stored_one_that_others_could_read(home: Home) -> None:
    home.run("login", given=LINES)
    (home.config / "login" / "app_api_key").chmod(0o644)
    assert home.run("login", given=LINES).code == 0
    assert reads(home).code == 0


def test_a_running_server_takes_up_no_key_that_others_could_read(home: Home) -> None:
    home.run("login", "--unchecked", given=b"CUSTOMERIO_APP_API_KEY=canary-old\n")
    with running(env=home.env()) as server:
        server.handshake()
        assert home.run("login", given=LINES.splitlines(keepends=True)[2]).code == 0
        (home.config / "login" / "app_api_key").chmod(0o644)
        found = server.call(1, "list_segments", modern=False)["result"]
        assert found["structuredContent"]["error"]["code"] == "bad_credential"
        assert "run: chmod 600 " in server.wait_for("others can read ")


def at_a_terminal(home: Home, *answers: bytes) -> tuple[int, str]:
    """Log in at a terminal, with an answer to each question as it comes; return the exit code and all that was seen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(  # noqa: S603 - our own program
        [*COMMAND, "login"],
        env={**CLEAN, **home.env()},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = ""
    for question, answer in zip(("site id: ", "Track API: key: ", "App API: key: "), answers, strict=False):
        while question not in seen:
            seen += os.read(ours, 1_000).decode()
        os.write(ours, answer)
    try:
        while chunk := os.read(ours, 1_000):
            seen += chunk.decode()
    except OSError:  # how Linux says that the other side is closed
        pass
    finally:
        os.close(ours)
    return process.wait(PATIENCE), seen


def test_a_terminal_is_asked_without_an_echo(home: Home) -> None:
    code, seen = at_a_terminal(home, *(f"{key}\n".encode() for key in KEYS.values()))
    assert code == 0, seen
    assert not [key for key in KEYS.values() if key in seen]
    assert reads(home).code == 0


END_OF_INPUT = b"\x04"


@pytest.mark.parametrize("answers", [(END_OF_INPUT,), (b"canary-site\n", END_OF_INPUT)], ids=["first", "second"])
def test_whoever_ends_the_questions_stores_nothing(home: Home, answers: tuple[bytes, ...]) -> None:
    code, seen = at_a_terminal(home, *answers)
    assert (code, seen.splitlines()[-1]) == (1, "cio-mcp: no key was given, so nothing was stored")
    assert "Traceback" not in seen
    assert list(files_in(home.config)) == []


def test_a_terminal_is_told_how_to_leave_a_key_out(home: Home) -> None:
    code, seen = at_a_terminal(home, b"\n", b"\n", b"canary-nobody\n")
    assert code == 1
    assert seen.splitlines()[-1].endswith("run `cio-mcp login` again, where Enter leaves a key out")


def test_a_start_without_stored_keys_loads_no_keyring(home: Home) -> None:
    script = "import sys; from cio_mcp.cli import main; main(['doctor']); sys.exit('keyring' in sys.modules)"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", script], env={**CLEAN, **home.env()}, capture_output=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_sandbox_needs_and_reads_no_stored_key(home: Home) -> None:
    home.run("login", given=LINES, keyring=IN_HOME)
    assert home.run("call", "list_segments", "--sandbox").code == 0


def test_a_running_server_takes_up_a_key_that_was_stored_anew(home: Home) -> None:
    home.run("login", "--unchecked", given=b"CUSTOMERIO_APP_API_KEY=canary-old\n")
    with running(env=home.env()) as server:
        server.handshake()
        assert home.run("login", given=LINES.splitlines(keepends=True)[2]).code == 0
        found = server.call(1, "list_segments", modern=False)["result"]
    assert not found.get("isError"), json.dumps(found)


def test_a_running_server_keeps_its_keys_when_those_of_another_account_are_stored(home: Home) -> None:
    home.run("login", "--unchecked", given=b"CUSTOMERIO_APP_API_KEY=canary-old\n")
    with running(env=home.env()) as server:
        server.handshake()
        stored = home.run("login", "--unchecked", "--region", "eu", given=LINES)
        assert "restart them for another workspace or region" in stored.out
        found = server.call(1, "list_segments", modern=False)["result"]
        assert found["structuredContent"]["error"]["code"] == "bad_credential"
        assert "have other kinds of keys" in server.wait_for("restart the server to use them")
    assert "those of another workspace or region" in home.run("doctor").out


def test_a_login_that_was_broken_off_is_not_used_and_is_mended_by_all_keys(home: Home) -> None:
    home.run("login", given=LINES)
    (home.config / "login" / "app_api_key").write_text("canary-other", encoding="utf-8")
    assert "do not belong together" in reads(home).sentence(2)
    one = home.run("login", given=LINES.splitlines(keepends=True)[2])
    assert (one.code, "give all keys anew" in one.err) == (1, True)
    assert home.run("login", given=LINES).code == 0
    assert reads(home).code == 0
