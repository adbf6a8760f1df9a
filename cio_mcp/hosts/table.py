"""Where each host keeps its list of MCP servers, and how an entry of it looks."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath, PurePosixPath, PureWindowsPath


class System(StrEnum):
    """What decides on where files of a user lie; the values are those of `sys.platform`."""

    LINUX = "linux"
    MACOS = "darwin"
    WINDOWS = "win32"


class Syntax(StrEnum):
    """How a configuration file is written."""

    JSON = "JSON"
    JSONC = "JSON with comments"
    TOML = "TOML"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host: its file, the table of servers in it, and what is peculiar to its entries.

    A path begins with `{home}`, or with `{config}`, where each system keeps what applications are told.
    """

    name: str
    title: str
    paths: Mapping[System, str]
    table: str = "mcpServers"
    syntax: Syntax = Syntax.JSON
    always: Mapping[str, str] = field(default_factory=dict)
    """Members that each entry has beside the command."""
    reference: str = ""
    """How an entry names a variable of the host's environment; "" where it cannot."""
    forwards: str = ""
    """Instead, the member that lists such variables."""
    moved_by: str = ""
    """The variable that names another folder for the file."""
    then: str
    """What a person does for the entry to be used."""

    @property
    def can_refer(self) -> bool:
        """Whether an entry can name variables whose values the host knows."""
        return bool(self.reference or self.forwards)


def _everywhere(path: str) -> Mapping[System, str]:
    return dict.fromkeys(System, path)


HOSTS: Mapping[str, Host] = {
    host.name: host
    for host in (
        Host(
            name="claude-desktop",
            title="Claude Desktop",
            paths=_everywhere("{config}/Claude/claude_desktop_config.json"),
            then="quit Claude Desktop wholly and start it again; closing its window is not enough",
        ),
        Host(
            name="claude-code",
            title="Claude Code",
            paths=_everywhere("{home}/.claude.json"),
            moved_by="CLAUDE_CONFIG_DIR",
            always={"type": "stdio"},
            reference="${{{}}}",
            then="start Claude Code anew; /mcp shows its servers",
        ),
        Host(
            name="cursor",
            title="Cursor",
            paths=_everywhere("{home}/.cursor/mcp.json"),
            reference="${{env:{}}}",
            then="switch the server on in Cursor's settings, under MCP",
        ),
        Host(
            name="vscode",
            title="VS Code",
            paths=_everywhere("{config}/Code/User/mcp.json"),
            table="servers",
            syntax=Syntax.JSONC,
            always={"type": "stdio"},
            reference="${{env:{}}}",
            then='start it in VS Code with "MCP: List Servers"',
        ),
        Host(
            name="codex",
            title="Codex",
            paths=_everywhere("{home}/.codex/config.toml"),
            moved_by="CODEX_HOME",
            table="mcp_servers",
            syntax=Syntax.TOML,
            forwards="env_vars",
            then="start Codex anew; /mcp shows its servers",
        ),
        Host(
            name="gemini",
            title="Gemini CLI",
            paths=_everywhere("{home}/.gemini/settings.json"),
            syntax=Syntax.JSONC,
            reference="${{{}}}",
            then="start Gemini CLI anew; /mcp shows its servers",
        ),
        Host(
            name="windsurf",
            title="Windsurf",
            paths=_everywhere("{home}/.codeium/windsurf/mcp_config.json"),
            reference="${{env:{}}}",
            then="refresh the MCP servers in Windsurf's Cascade panel",
        ),
        Host(
            name="zed",
            title="Zed",
            paths={
                System.LINUX: "{config}/zed/settings.json",
                System.MACOS: "{home}/.config/zed/settings.json",
                System.WINDOWS: "{config}/Zed/settings.json",
            },
            table="context_servers",
            syntax=Syntax.JSONC,
            always={"source": "custom"},
            then="look at Zed's agent panel, where its servers are listed",
        ),
    )
}


def host_named(name: str) -> Host:
    """Return a host; raises ValueError that says which there are."""
    if name in HOSTS:
        return HOSTS[name]
    close = difflib.get_close_matches(name.lower().replace(" ", "-").replace("_", "-"), HOSTS, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise ValueError(f"is no host that is known here{hint}; the hosts are {', '.join(HOSTS)}")


def config_path(host: Host, system: System, home: str, environ: Mapping[str, str]) -> PurePath:
    """Return where a host's file lies for a user, as paths are written on that system."""
    kind = PureWindowsPath if system is System.WINDOWS else PurePosixPath
    template = host.paths[system]
    if moved := environ.get(host.moved_by, "") if host.moved_by else "":
        return kind(moved) / kind(template).name
    return kind(template.format(home=home, config=_config_folder(system, home, environ)))


def _config_folder(system: System, home: str, environ: Mapping[str, str]) -> str:
    match system:
        case System.WINDOWS:
            return environ.get("APPDATA") or f"{home}/AppData/Roaming"
        case System.MACOS:
            return f"{home}/Library/Application Support"
        case System.LINUX:
            return environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
