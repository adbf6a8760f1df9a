"""Pure: a page for every host that `cio-mcp install` knows, from the table it goes by."""

import re
from functools import partial

from cio_mcp.hosts.document import rendered
from cio_mcp.hosts.entry import entry_of
from cio_mcp.hosts.table import HOSTS, Host, Syntax, System, config_path
from docs.layout import Entry
from docs.markdown import fenced, relative, table

FOLDER = "start/hosts"
COMMAND = ("/absolute/path/to/cio-mcp", "--read-only")
KEYS = ("CUSTOMERIO_SITE_ID", "CUSTOMERIO_TRACK_API_KEY", "CUSTOMERIO_APP_API_KEY")
_PAGE = """\
# {title}

With `cio-mcp` [installed](../../index.md#start), store your keys and let {title} know of it. Begin with `--read-only`,
or with `--sandbox` and no keys at all:

{install}

Then {then}.

## What it writes

{places}

An entry of the table `{table}`, beside whatever stands there; what the file held before is kept beside it (`.bak`). To
see the entry and change nothing:

{show}

{entry}

{keys}

## Check it

`doctor` looks at the keys, the region and the way to Customer.io; the call is one that the agent would make:

{check}

In {title}, ask for your segments. If no tool is there, the log of its MCP servers says why; mostly the command is not
where the entry says, or the program was not started anew.

## Take it out

{uninstall}

The first removes the entry, the second the stored keys, for all hosts.
"""
SYSTEMS = {System.MACOS: ("macOS", "~"), System.WINDOWS: ("Windows", "%USERPROFILE%"), System.LINUX: ("Linux", "~")}


def pages() -> dict[str, str]:
    """Return the page of every host by its path."""
    return {path_of(host): _page(host) for host in HOSTS.values()}


def path_of(host: Host) -> str:
    """Return the path of a host's page."""
    return f"{FOLDER}/{host.name}.md"


def entries() -> list[Entry]:
    """Return the navigation of the hosts."""
    return [("Hosts", [f"{FOLDER}/index.md", *map(path_of, HOSTS.values())])]


def linked(path: str, text: str) -> str:
    """Return a page whose tables lead to the hosts that their first column names."""
    names = "|".join(re.escape(host.title) for host in HOSTS.values())
    return re.sub(rf"^\| ({names}) \|", partial(_linked, path), text, flags=re.MULTILINE)


def _linked(path: str, row: re.Match[str]) -> str:
    host = next(host for host in HOSTS.values() if host.title == row[1])
    return f"| [{host.title}]({relative(path, path_of(host))}) |"


def _page(host: Host) -> str:
    install = f"cio-mcp install {host.name} --read-only"
    return _PAGE.format(
        title=host.title,
        table=host.table,
        then=host.then,
        places=_places(host),
        install=fenced("sh", f"cio-mcp login\n{install}"),
        show=fenced("sh", f"{install} --print"),
        entry=fenced(_language(host), _shown(host, by_name=False)),
        keys=_keys(host),
        check=fenced("sh", "cio-mcp doctor\ncio-mcp call list_segments"),
        uninstall=fenced("sh", f"cio-mcp install {host.name} --uninstall\ncio-mcp logout"),
    )


def _places(host: Host) -> str:
    rows = [(name, f"`{config_path(host, system, home, {})}`") for system, (name, home) in SYSTEMS.items()]
    moved = f"\n\nWith `{host.moved_by}` set, the file lies in that folder instead." if host.moved_by else ""
    return table(("System", "File"), rows) + moved


def _language(host: Host) -> str:
    return "toml" if host.syntax is Syntax.TOML else "json"


def _shown(host: Host, *, by_name: bool) -> str:
    entry = entry_of(host, COMMAND, env={}, references=KEYS if by_name else ())
    return rendered(host.syntax, {host.table: {"customerio": entry}})


def _keys(host: Host) -> str:
    stored = "It holds no key: the server finds those that `cio-mcp login` stored."
    if not host.can_refer:
        return f"{stored} {host.title} hands its servers no variables of its own environment."
    by_name = fenced(_language(host), _shown(host, by_name=True))
    return (
        f"{stored} With `--env-keys`, or where no login is stored and keys are in your environment, it names the "
        f"variables instead, and {host.title} must be started where they are set:\n\n{by_name}"
    )
