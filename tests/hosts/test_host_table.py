"""Where each host's file lies, on each system, and what it calls its servers."""

import pytest

from cio_mcp.hosts.entry import entry_of
from cio_mcp.hosts.table import HOSTS, System, config_path, host_named

LINUX, MACOS, WINDOWS = "/home/ada", "/Users/ada", r"C:\Users\ada"
ROAMING = r"C:\Users\ada\AppData\Roaming"
PLACES = [
    (
        "claude-desktop",
        "/home/ada/.config/Claude/claude_desktop_config.json",
        "/Users/ada/Library/Application Support/Claude/claude_desktop_config.json",
        ROAMING + r"\Claude\claude_desktop_config.json",
    ),
    ("claude-code", "/home/ada/.claude.json", "/Users/ada/.claude.json", r"C:\Users\ada\.claude.json"),
    ("cursor", "/home/ada/.cursor/mcp.json", "/Users/ada/.cursor/mcp.json", r"C:\Users\ada\.cursor\mcp.json"),
    (
        "vscode",
        "/home/ada/.config/Code/User/mcp.json",
        "/Users/ada/Library/Application Support/Code/User/mcp.json",
        ROAMING + r"\Code\User\mcp.json",
    ),
    ("codex", "/home/ada/.codex/config.toml", "/Users/ada/.codex/config.toml", r"C:\Users\ada\.codex\config.toml"),
    (
        "gemini",
        "/home/ada/.gemini/settings.json",
        "/Users/ada/.gemini/settings.json",
        r"C:\Users\ada\.gemini\settings.json",
    ),
    (
        "windsurf",
        "/home/ada/.codeium/windsurf/mcp_config.json",
        "/Users/ada/.codeium/windsurf/mcp_config.json",
        r"C:\Users\ada\.codeium\windsurf\mcp_config.json",
    ),
    (
        "zed",
        "/home/ada/.config/zed/settings.json",
        "/Users/ada/.config/zed/settings.json",
        ROAMING + r"\Zed\settings.json",
    ),
]


def test_every_host_has_its_places_written_down_here() -> None:
    assert [name for name, *_ in PLACES] == list(HOSTS)


@pytest.mark.parametrize(("name", "linux", "macos", "windows"), PLACES)
def test_a_hosts_file_lies_where_its_documentation_says(name: str, linux: str, macos: str, windows: str) -> None:
    host = HOSTS[name]
    assert str(config_path(host, System.LINUX, LINUX, {})) == linux
    assert str(config_path(host, System.MACOS, MACOS, {"XDG_CONFIG_HOME": "/elsewhere"})) == macos
    assert str(config_path(host, System.WINDOWS, WINDOWS, {"APPDATA": ROAMING})) == windows
    assert str(config_path(host, System.WINDOWS, WINDOWS, {})) == windows


@pytest.mark.parametrize(
    ("name", "environ", "path"),
    [
        ("claude-desktop", {"XDG_CONFIG_HOME": "/x"}, "/x/Claude/claude_desktop_config.json"),
        ("claude-code", {"CLAUDE_CONFIG_DIR": "/x"}, "/x/.claude.json"),
        ("codex", {"CODEX_HOME": "/x"}, "/x/config.toml"),
        ("cursor", {"XDG_CONFIG_HOME": "/x"}, "/home/ada/.cursor/mcp.json"),
    ],
)
def test_a_variable_that_moves_a_file_is_heeded(name: str, environ: dict[str, str], path: str) -> None:
    assert str(config_path(HOSTS[name], System.LINUX, LINUX, environ)) == path


@pytest.mark.parametrize(
    ("typed", "meant"), [("claude_desktop", "claude-desktop"), ("Cursor", "cursor"), ("vs-code", "vscode")]
)
def test_a_host_that_is_nearly_named_is_suggested(typed: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean {meant}"):
        host_named(typed)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("claude-code", {"type": "stdio", "env": {"A": "${A}"}}),
        ("cursor", {"env": {"A": "${env:A}"}}),
        ("vscode", {"type": "stdio", "env": {"A": "${env:A}"}}),
        ("codex", {"env_vars": ["A"]}),
        ("gemini", {"env": {"A": "${A}"}}),
        ("windsurf", {"env": {"A": "${env:A}"}}),
    ],
)
def test_a_variable_of_the_host_is_named_as_the_host_reads_it(name: str, told: dict[str, object]) -> None:
    assert entry_of(HOSTS[name], ["/bin/x", "-a"], env={}, references=["A"]) == {
        "command": "/bin/x",
        "args": ["-a"],
        **told,
    }
    assert HOSTS[name].can_refer


@pytest.mark.parametrize("name", ["claude-desktop", "zed"])
def test_hosts_that_fill_in_nothing_are_known(name: str) -> None:
    assert not HOSTS[name].can_refer
