"""An entry is put among others without touching them, whatever they are."""

import json
import tomllib
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cio_mcp.hosts.document import Unreadable, parsed, rendered
from cio_mcp.hosts.entry import Unmergeable, entry_of, is_ours, keys_in, put, renewed, servers_of
from cio_mcp.hosts.table import HOSTS, Syntax

CURSOR, CODEX = HOSTS["cursor"], HOSTS["codex"]
OURS = {"command": "/opt/bin/cio-mcp", "args": ["--read-only"]}
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
VALUES = st.recursive(
    LEAVES, lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=8), each, max_size=3)
)
DOCUMENTS = st.dictionaries(st.text(max_size=8).filter(lambda name: name != "mcpServers"), VALUES, max_size=4)
SERVERS = st.dictionaries(st.text(max_size=8).filter(lambda name: name != "customerio"), VALUES, max_size=3)


def with_entry(text: str, host: Any = CURSOR, entry: Any = OURS) -> str:
    document = parsed(host.syntax, text)
    put(servers_of(document, host), "customerio", entry)
    return rendered(host.syntax, document, like=text)


@given(document=DOCUMENTS, servers=SERVERS, indent=st.sampled_from([1, 2, 4, "\t"]))
def test_everything_else_in_a_file_is_kept(document: dict[str, Any], servers: dict[str, Any], indent: Any) -> None:
    whole = {**document, "mcpServers": servers}
    text = json.dumps(whole, indent=indent, ensure_ascii=False)
    written = json.loads(with_entry(text))
    assert written["mcpServers"].pop("customerio") == OURS
    assert written == whole
    assert list(written) == list(whole)


def test_a_file_keeps_its_layout() -> None:
    text = '{\r\n\t"theme": "größe",\r\n\t"mcpServers": {}\r\n}\r\n'
    written = with_entry(text)
    assert written.startswith('{\r\n\t"theme": "größe",\r\n\t"mcpServers": {\r\n\t\t"customerio"')
    assert written.endswith("}\r\n")
    assert "\n" not in written.replace("\r\n", "")


def test_a_toml_file_keeps_its_comments_and_order() -> None:
    text = '# mine\nmodel = "x"  # why\n\n[mcp_servers.other]\ncommand = "other" # theirs\n\n[tui]\ntheme = "dark"\n'
    written = with_entry(text, CODEX)
    assert tomllib.loads(written)["mcp_servers"]["customerio"] == OURS
    assert [line for line in text.splitlines() if line not in written.splitlines()] == []
    again = parsed(Syntax.TOML, written)
    del servers_of(again, CODEX)["customerio"]
    assert tomllib.loads(rendered(Syntax.TOML, again)) == tomllib.loads(text)


def test_a_character_cut_in_half_stays_so() -> None:
    text = r'{"history": ["cut \ud83d"]}'
    assert r"cut \ud83d" in with_entry(text)
    assert json.loads(with_entry(text))["history"] == json.loads(text)["history"]


def test_a_number_is_written_as_one_of_the_same_value() -> None:
    assert json.loads(with_entry('{"a": [1e-7, 0.1, -2.50, 123456789012345678901]}'))["a"] == [
        1e-7, 0.1, -2.5, 123456789012345678901
    ]  # fmt: skip


def test_a_toml_file_that_would_lose_its_next_lines_to_our_table_is_left_alone() -> None:
    document = parsed(Syntax.TOML, 'mcp_servers.other.command = "x"\nmodel = "mine"\n')
    put(servers_of(document, CODEX), "customerio", OURS)
    with pytest.raises(Unreadable, match="without a loss"):
        rendered(Syntax.TOML, document)


@pytest.mark.parametrize("text", ["", " \n", "{}"])
def test_an_empty_file_is_a_file_without_servers(text: str) -> None:
    assert json.loads(with_entry(text)) == {"mcpServers": {"customerio": OURS}}


@pytest.mark.parametrize(
    ("syntax", "text", "said"),
    [
        (Syntax.JSON, "{,}", "no JSON: .* in line 1"),
        (Syntax.JSON, "[]", "no JSON object"),
        (Syntax.JSON, '{"a": 1, "a": 2}', "twice"),
        (Syntax.JSON, "[" * 100_000, "nested too deeply"),
        (Syntax.JSON, "{} // mine", "no JSON"),
        (Syntax.JSON, '{"a": 1e400}', "cannot be kept as it is"),
        (Syntax.JSON, '{"a": 12345678901234567890.5}', "cannot be kept as it is"),
        (Syntax.JSON, '{"a": NaN}', "cannot be kept as it is"),
        (Syntax.TOML, "a = ", "no TOML"),
    ],
)
def test_what_cannot_be_read_is_refused(syntax: Syntax, text: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        parsed(syntax, text)


@pytest.mark.parametrize("servers", [[], "x", 1, None])
def test_a_table_of_servers_that_is_none_is_refused(servers: Any) -> None:
    with pytest.raises(Unmergeable, match="mcpServers"):
        servers_of({"mcpServers": servers}, CURSOR)


@pytest.mark.parametrize(
    "entry",
    [
        OURS,
        {"command": r"C:\venv\Scripts\cio-mcp.exe"},
        {"command": "/usr/bin/python3", "args": ["-P", "-m", "cio_mcp"]},
        {"command": "uvx", "args": ["cio-mcp[keyring]", "--read-only"]},
        {"command": "uvx", "args": ["cio-mcp==0.1.0"]},
    ],
)
def test_an_entry_of_ours_is_known(entry: Any) -> None:
    assert is_ours(entry)


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "npx", "args": ["customerio-mcp"]},
        {"url": "http://x/cio-mcp"},
        "cio-mcp",
        None,
        {"command": 1, "args": "cio-mcp"},
    ],
)
def test_an_entry_of_somebody_else_is_known_too(entry: Any) -> None:
    assert not is_ours(entry)


def test_a_renewed_entry_keeps_what_was_said_beside_and_drops_the_old_account() -> None:
    old = {
        **OURS,
        "autoApprove": ["list_segments"],
        "env": {
            "CUSTOMERIO_APP_API_KEY": "canary-old",
            "CUSTOMERIO_REGION": "eu",
            "CIO_MCP_READ_ONLY": "true",
            "X": "1",
        },
    }
    before = deepcopy(old)
    new = entry_of(CURSOR, ["/new/cio-mcp"], env={"CUSTOMERIO_APP_URL": "http://127.0.0.1:1"})
    assert renewed(old, new, CURSOR) == {
        "command": "/new/cio-mcp",
        "args": [],
        "autoApprove": ["list_segments"],
        "env": {"CIO_MCP_READ_ONLY": "true", "X": "1", "CUSTOMERIO_APP_URL": "http://127.0.0.1:1"},
    }
    assert (old, keys_in(old), keys_in(new)) == (before, ["CUSTOMERIO_APP_API_KEY"], [])


def test_renewing_is_done_once() -> None:
    new = entry_of(CODEX, ["/new/cio-mcp"], env={"XDG_STATE_HOME": "/s"}, references=["CUSTOMERIO_APP_API_KEY"])
    old = {**OURS, "env_vars": ["MINE", "CUSTOMERIO_SITE_ID"], "startup_timeout_sec": 20}
    first = renewed(old, new, CODEX)
    assert first["env_vars"] == ["MINE", "CUSTOMERIO_APP_API_KEY"]
    assert renewed(first, new, CODEX) == first


def test_a_name_that_the_host_fills_in_is_no_key() -> None:
    assert keys_in({"env": {"CUSTOMERIO_APP_API_KEY": "${env:CUSTOMERIO_APP_API_KEY}"}}) == []
