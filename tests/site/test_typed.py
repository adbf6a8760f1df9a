"""What the pages have people type is typed as a new user would, or says why it is not."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cio_mcp.hosts.document import parsed, rendered
from cio_mcp.hosts.entry import servers_of
from cio_mcp.hosts.table import HOSTS, System, config_path
from cio_mcp.sandbox import running_sandbox
from docs import error_pages, host_pages
from docs.building import source
from docs.failures import FAILURES
from docs.forking import program
from docs.recording import account, clean_environment
from tests.cli.homes import only_on_linux
from tests.site.typed import Block, Typed, blocks_of, host_blocks, type_them, written_blocks

WRITTEN = written_blocks()
TYPED = [block for block in WRITTEN if not block.reason]
HOST_BLOCKS = host_blocks()
REFUSED = {
    """cio-mcp call send_email '{"to": "ada@example.com", "identifiers": {"id": "ada-1"}, """
    """"transactional_message_id": 1}\'""": 1,  # the second of two: held back
    """cio-mcp call identify_person '{"identifier": "ada-1"}'""": 1,  # under the stop
    """cio-mcp call suppress_person '{"identifier": "bob-2"}' --confirm operator --time-budget 5""": 1,  # waits
    """cio-mcp grants explain send_push '{"identifiers": {"id": "ada-1"}, "transactional_message_id": 2}' """
    """--profile support""": 1,  # denied
}
"""What the pages themselves say ends in a refusal, and its exit code."""

PLACES = {
    "CUSTOMERIO_APP_URL", "CUSTOMERIO_TRACK_URL", "PYTHON_KEYRING_BACKEND", "XDG_DATA_HOME", "XDG_STATE_HOME",
}  # fmt: skip
"""What an entry holds here because the tests' Customer.io and home are no usual ones."""


def label(block: Block) -> str:
    return f"{block.page}: {block.lines[0][:50]}"


@pytest.fixture(scope="module")
def keys() -> Iterator[dict[str, str]]:
    """Return the account of a Customer.io on this machine."""
    with running_sandbox() as sandbox:
        yield account(sandbox)


@pytest.fixture(scope="module")
def cio_mcp() -> Iterator[str]:
    """Return the text of the program that is typed."""
    with program(clean_environment()) as text:
        yield text


@pytest.fixture(scope="module")
def typed(keys: dict[str, str], cio_mcp: str, tmp_path_factory: pytest.TempPathFactory) -> list[Typed]:
    """Type all that is written by hand, in the order of the documents."""
    return type_them(TYPED, tmp_path_factory.mktemp("home"), keys, cio_mcp)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of somebody with every host."""
    return tmp_path_factory.mktemp("hosts")


@pytest.fixture(scope="module")
def typed_for_hosts(keys: dict[str, str], cio_mcp: str, home: Path) -> list[Typed]:
    """Type what the hosts' pages say, one page after the other."""
    return type_them(HOST_BLOCKS, home, keys, cio_mcp)


@only_on_linux
@pytest.mark.parametrize("number", range(len(TYPED)), ids=[label(block) for block in TYPED])
def test_what_a_page_has_people_type_does_what_it_says(typed: list[Typed], number: int) -> None:
    ended = typed[number]
    assert {command: code for command, code in ended.failed.items() if REFUSED.get(command) != code} == {}, ended.out
    assert "Traceback" not in ended.out
    assert "command not found" not in ended.out


@only_on_linux
def test_what_pages_say_is_refused_was_refused(typed: list[Typed]) -> None:
    refused = {command for ended in typed for command in ended.failed}
    assert refused == set(REFUSED)


@only_on_linux
@pytest.mark.parametrize("number", range(len(HOST_BLOCKS)), ids=[label(block) for block in HOST_BLOCKS])
def test_a_hosts_page_can_be_followed(typed_for_hosts: list[Typed], number: int) -> None:
    assert typed_for_hosts[number].failed == {}, typed_for_hosts[number].out


@only_on_linux
@pytest.mark.parametrize("name", HOSTS)
def test_a_hosts_page_shows_the_entry_that_is_written(typed_for_hosts: list[Typed], home: Path, name: str) -> None:
    host = HOSTS[name]
    shown = next(
        ended.out
        for block, ended in zip(HOST_BLOCKS, typed_for_hosts, strict=True)
        if f"cio-mcp install {name} --read-only --print" in block.lines
    )
    path = config_path(host, System.LINUX, str(home), {})
    assert f"For {path}:" in shown, "the file that the page names"
    document = parsed(host.syntax, re.sub(r"^(For|Note:) .*\n", "", shown, flags=re.MULTILINE))
    entry = dict(servers_of(document, host)["customerio"])
    assert set(entry.pop("env")) <= PLACES, "no key"
    entry["command"], entry["args"] = host_pages.COMMAND[0], list(host_pages.COMMAND[1:])
    assert (
        rendered(host.syntax, {host.table: {"customerio": entry}}).strip() in source().pages[host_pages.path_of(host)]
    )
    assert "customerio" not in servers_of(parsed(host.syntax, Path(path).read_text(encoding="utf-8")), host)


def test_every_block_of_commands_is_typed_or_says_why_not() -> None:
    accounted = [block.code for block in [*WRITTEN, *HOST_BLOCKS]] + [
        "\n".join(each.typed) for each in FAILURES.values()
    ]
    lines = {line for code in accounted for line in code.splitlines()}
    for path, text in source().pages.items():
        for code in re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            assert set(code.splitlines()) <= lines, path


def test_few_blocks_go_untyped_and_each_has_a_reason_of_some_words() -> None:
    without = [block for block in WRITTEN if block.reason]
    assert all(len(block.reason.split()) >= 3 for block in without)
    assert len(without) < len(TYPED)


def test_a_block_without_a_reason_is_one_to_be_typed() -> None:
    text = "Words.\n\n```sh\na\n```\n\n<!-- not run: needs a thing -->\n```sh\nb\n```\n"
    assert [(block.code, block.reason) for block in blocks_of("x", text)] == [("a\n", ""), ("b\n", "needs a thing")]


def test_errors_pages_show_what_was_typed_for_them() -> None:
    pages = error_pages.pages()
    for code, failure in FAILURES.items():
        assert "\n".join(failure.typed) in pages[error_pages.path_of(code)]
