"""The entry by which a host starts this server, and how it is put among the others that a file holds."""

from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import PurePath, PureWindowsPath
from typing import Any

from cio_mcp.hosts.table import Host

ACCOUNT = (
    "CUSTOMERIO_SITE_ID",
    "CUSTOMERIO_TRACK_API_KEY",
    "CUSTOMERIO_APP_API_KEY",
    "CUSTOMERIO_SERVICE_ACCOUNT_TOKEN",
    "CUSTOMERIO_WORKSPACE_ID",
    "CUSTOMERIO_REGION",
    "CUSTOMERIO_TRACK_URL",
    "CUSTOMERIO_APP_URL",
)
"""Whose data is worked on: all of these go together, so a new entry replaces all that an old one set."""
HOSTS_OF_ACCOUNT = ACCOUNT[6:]
_ACCOUNT = frozenset(ACCOUNT) | {f"{name}_FILE" for name in ACCOUNT}
_PROGRAMS = ("cio-mcp", "cio_mcp")


class Unmergeable(Exception):
    """A file holds something that an entry cannot be put beside; the text says what."""


def entry_of(
    host: Host, command: Sequence[str], *, env: Mapping[str, str], references: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the entry for a command: `env` as it stands, `references` as names that the host fills in."""
    entry: dict[str, Any] = {**host.always, "command": command[0], "args": list(command[1:])}
    named = {} if host.forwards else {name: host.reference.format(name) for name in references}
    if both := {**named, **env}:
        entry["env"] = both
    if host.forwards and references:
        entry[host.forwards] = list(references)
    return entry


def is_ours(entry: Any) -> bool:
    """Say whether an entry starts this program, however it is started."""
    if not isinstance(entry, Mapping):
        return False
    command, args = entry.get("command"), entry.get("args")
    words = [command, *(args if isinstance(args, Sequence) and not isinstance(args, str) else ())]
    return any(_program(word) in _PROGRAMS for word in words if isinstance(word, str))


def _program(word: str) -> str:
    # A path of Windows may be read elsewhere too, and its separator is the only one that names hold nowhere.
    path: PurePath = PureWindowsPath(word)
    return path.stem if path.suffix.lower() == ".exe" else path.name.split("==")[0].split("[")[0]


def renewed(old: Mapping[str, Any], new: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """Return an entry in the place of an older one of ours: what the older one said beside is kept."""
    merged = {**old, **new}
    env = {name: value for name, value in _table(old.get("env")).items() if name not in _ACCOUNT}
    merged["env"] = {**env, **new.get("env", {})}
    if host.forwards and host.forwards in old:
        listed = old[host.forwards] if isinstance(old[host.forwards], Sequence) else ()
        kept = [name for name in listed if name not in _ACCOUNT]
        merged[host.forwards] = kept + [name for name in new.get(host.forwards, ()) if name not in kept]
    return {name: value for name, value in merged.items() if value or name not in {"env", host.forwards}}


def switched_off(entry: Mapping[str, Any]) -> str:
    """Return the member by which a host is told not to start an entry; "" if there is none."""
    # Codex and Zed say `enabled`, Cursor and Windsurf `disabled`.
    return next((name for name, value in (("enabled", False), ("disabled", True)) if entry.get(name) is value), "")


def keys_in(entry: Mapping[str, Any]) -> list[str]:
    """Return the names of the credentials whose values an entry itself holds."""
    held = {name: value for name, value in _table(entry.get("env")).items() if name in ACCOUNT[:4]}
    return [name for name, value in held.items() if isinstance(value, str) and value and not value.startswith("$")]


def servers_of(document: MutableMapping[str, Any], host: Host) -> MutableMapping[str, Any]:
    """Return a document's table of servers, made if there is none; raises Unmergeable."""
    found = document.setdefault(host.table, {})
    if not isinstance(found, MutableMapping):
        raise Unmergeable(f"{host.table} in it is no table of servers")
    return document[host.table]  # type: ignore[no-any-return] # a TOML document wraps what it is given


def put(servers: MutableMapping[str, Any], name: str, entry: Mapping[str, Any]) -> None:
    """Put an entry into a table, changing no member that is there already and stays the same."""
    if not isinstance(servers.get(name), MutableMapping):
        servers[name] = dict(entry)
        return
    held = servers[name]
    for member in [member for member in held if member not in entry]:
        del held[member]
    for member, value in entry.items():
        if held.get(member) != value:
            held[member] = value


def take_out(document: MutableMapping[str, Any], host: Host, name: str, *, bare: bool) -> None:
    """Take an entry out of a document, and a bare table of servers that is empty then and stands last, as ours does."""
    servers = servers_of(document, host)
    del servers[name]
    if bare and not servers and list(document)[-1] == host.table:
        del document[host.table]


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
