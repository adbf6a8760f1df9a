"""`--help` has to suffice; nothing else is read before the first try."""

import re

import pytest

from cio_mcp import __version__
from cio_mcp.settings import OPTIONS, Option
from tests.cli.commands import Ended, run, run_unread

COMMANDS = ("serve", "call", "tools", "doctor", "demo", "sandbox")
CONFIGURED = ("serve", "call", "tools", "doctor")
FLAGS = [option for option in OPTIONS if option.flag]
CREDENTIALS = [option for option in OPTIONS if not option.flag]


@pytest.fixture(scope="module")
def helps() -> dict[str, Ended]:
    """Return what `--help` says, of everything and of each command."""
    return {name: run(*name.split(), "--help") for name in ("", *COMMANDS)}


def _words(page: str) -> str:
    return re.sub(r"\s+", " ", page)


def test_help_ends_well_and_speaks_on_standard_output(helps: dict[str, Ended]) -> None:
    assert {(name, page.code, page.err) for name, page in helps.items()} == {(n, 0, "") for n in ("", *COMMANDS)}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_first_page_says_what_each_command_is_for(helps: dict[str, Ended], command: str) -> None:
    assert re.search(rf"^ +{command} +[a-z].{{10,}}", helps[""].out, re.MULTILINE)


@pytest.mark.parametrize("option", CREDENTIALS, ids=lambda option: option.env)
@pytest.mark.parametrize("command", ["", "serve", "call", "doctor"])
def test_every_credential_variable_is_named_where_one_needs_it(
    helps: dict[str, Ended], command: str, option: Option
) -> None:
    assert option.env in helps[command].out
    assert "_FILE" in helps[command].out


@pytest.mark.parametrize("option", FLAGS, ids=lambda option: option.env)
@pytest.mark.parametrize("command", CONFIGURED)
def test_every_flag_stands_with_its_meaning_its_default_and_its_variable(
    helps: dict[str, Ended], command: str, option: Option
) -> None:
    page = _words(helps[command].out)
    default = f" (default: {option.default})" if option.default and not option.is_switch else ""
    flag = option.flag if option.is_switch else f"{option.flag} VALUE"
    assert f"{flag} {option.help}{default} [{option.env}]" in page


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("serve", ["--http [HOST:]PORT"]),
        ("call", ["--json", "TOOL", "JSON", "stdin"]),
        ("tools", ["--json"]),
        ("doctor", ["--json"]),
        ("demo", ["--json"]),
        ("sandbox", ["--port PORT", "--region {us,eu}", "--empty", "8025"]),
    ],
)
def test_a_commands_own_arguments_are_explained(helps: dict[str, Ended], command: str, flags: list[str]) -> None:
    page = _words(helps[command].out)
    assert [flag for flag in flags if flag not in page] == []


def test_no_credential_has_a_flag_because_every_user_of_a_machine_sees_flags(helps: dict[str, Ended]) -> None:
    flags = set(re.findall(r"--[a-z-]+", "".join(page.out for page in helps.values())))
    assert not {flag for flag in flags if re.search(r"key|token|site|account", flag)} - {"--result-tokens"}


def test_the_version_is_told() -> None:
    told = run("--version")
    assert (told.code, told.out) == (0, f"cio-mcp {__version__}\n")


@pytest.mark.parametrize(
    "words", [["frobnicate"], ["tools", "--js"], ["--frobnicate"], ["call"], ["demo", "--sandbox"]]
)
def test_what_is_not_understood_is_refused_with_the_usage(words: list[str]) -> None:
    refused = run(*words)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("usage: cio-mcp")
    assert "error: " in refused.err.splitlines()[-1]


def test_help_that_nobody_reads_is_no_error_to_speak_of() -> None:
    assert run_unread("--help").err == ""
