"""`cio-mcp install`: the entry by which a host starts this server, written into the host's own file."""

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cio_mcp.cli.host_file import NeedsHand, host_file
from cio_mcp.cli.launch import account, checked, command, left_out, places, server_flags, whole, words_of
from cio_mcp.cli.ledger_file import Impossible, fail, say, visible
from cio_mcp.hosts.document import rendered
from cio_mcp.hosts.entry import (
    ACCOUNT,
    HOSTS_OF_ACCOUNT,
    entry_of,
    is_ours,
    keys_in,
    put,
    renewed,
    switched_off,
    take_out,
)
from cio_mcp.hosts.table import HOSTS, Host, System, config_path, host_named
from cio_mcp.login.kept import Spoilt, stored_login
from cio_mcp.settings import SettingsError, add_flags
from cio_mcp.workspaces import WorkspacesFile
from cio_mcp.workspaces.references import Place

_KEYS = frozenset(ACCOUNT[:4])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The entry that is wanted, the names of keys that stand in it in clear, and what a person should know."""

    entry: dict[str, Any]
    written: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an entry says of the account: variables, names of others that the host hands over, keys in clear."""

    env: Mapping[str, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the host, what to do with its file, and every flag of the server."""
    command.add_argument("host", metavar="HOST", help=f"whose file to change: {', '.join(HOSTS)}")
    command.add_argument("--name", default="customerio", help="the entry's name (default: customerio)")
    action = command.add_mutually_exclusive_group()
    action.add_argument(
        "--print", action="store_true", help="only show the entry and where it belongs; keys are hidden"
    )
    action.add_argument("--uninstall", action="store_true", help="take the entry out again")
    command.add_argument("--config", metavar="FILE", help="another file than the host's usual one, such as a project's")
    keys = command.add_mutually_exclusive_group()
    keys.add_argument(
        "--env-keys",
        action="store_true",
        help="let the host hand over the keys of its environment, by their names, instead of the stored ones",
    )
    keys.add_argument(
        "--write-keys",
        action="store_true",
        help="write the keys of this environment into the file in clear, for whoever can read it",
    )
    add_flags(command)
    command.usage = "cio-mcp install HOST [options] [settings] [-- settings]"


def run(arguments: argparse.Namespace) -> int:
    """Write, show or remove the entry; a second time nothing is changed."""
    try:
        host = _host(arguments.host)
        _check_name(arguments.name)
        path = _usual_path(host) if arguments.config is None else Path(whole(arguments.config))
        return _uninstall(host, path, arguments.name) if arguments.uninstall else _install(host, path, arguments)
    except Impossible as error:
        return fail(str(error))


def _host(name: str) -> Host:
    try:
        return host_named(name)
    except ValueError as error:
        raise SettingsError(f"{visible(name)} {error}") from None


def _check_name(name: str) -> None:
    if not name.strip() or not name.isprintable():
        raise SettingsError("--name must be a name that can be read: not empty, and without hidden characters or lines")


def _usual_path(host: Host) -> Path:
    known = sys.platform if sys.platform in list(System) else System.LINUX
    return Path(str(config_path(host, System(known), str(Path.home()), os.environ)))


def _install(host: Host, path: Path, arguments: argparse.Namespace) -> int:
    plan = _plan(host, arguments)
    if arguments.print:
        return _show(host, path, arguments.name, plan)
    try:
        file = host_file(host, path)
        document = file.document()
        servers = file.servers(document)
    except NeedsHand as error:
        _show(host, path, arguments.name, plan)
        return fail(f"{error}; add what is printed above by hand, or mend it and run this again")
    old = servers.get(arguments.name)
    if old is not None and not is_ours(old):
        raise Impossible(f"{file.path} has an entry {arguments.name} that starts another program; choose --name")
    before = _plain(old or {})
    entry = renewed(before, plan.entry, file.host) if before else plan.entry
    if before == entry:
        say(f"{file.path} has this entry already, as {arguments.name}: nothing was changed.")
        return _tell(plan, *_still_off(host, entry))
    held = keys_in(before)
    put(servers, arguments.name, entry)
    backup = file.replace(document)
    say(f"{file.host.title} will start cio-mcp: {arguments.name} in {file.path}")
    _say_backup(backup, held)
    say(f"Now {file.host.then}.")
    return _tell(plan, *_still_off(host, entry))


def _uninstall(host: Host, path: Path, name: str) -> int:
    try:
        file = host_file(host, path)
        document = file.document()
        old = file.servers(document).get(name)
    except NeedsHand as error:
        return fail(f"{error}; take {name} out by hand")
    if old is None:
        say(f"{file.path} has no entry {name}: nothing was changed.")
        return 0
    if not is_ours(old):
        raise Impossible(f"{file.path} has an entry {name} that starts another program; it stays, see --name")
    held = keys_in(_plain(old))
    take_out(document, file.host, name, bare=file.is_bare())
    backup = file.replace(document)
    say(f"{file.host.title} will not start cio-mcp any more: {name} is gone from {file.path}")
    _say_backup(backup, held)
    return 0


def _plain(entry: Any) -> dict[str, Any]:
    """Return an entry as plain data, which a TOML document wraps."""
    return dict(entry.unwrap() if hasattr(entry, "unwrap") else entry)


def _still_off(host: Host, entry: Mapping[str, Any]) -> list[str]:
    """Say that an entry is switched off, which renewing it leaves as it is: whoever did that had a reason."""
    member = switched_off(entry)
    return [f"{member} in the entry switches it off; {host.title} starts it once you take that out"] if member else []


def _plan(host: Host, arguments: argparse.Namespace) -> Plan:
    flags = server_flags(arguments)
    settings = checked(flags, write_keys=arguments.write_keys)
    if settings.sandbox:
        told = Told()
    else:
        told = _keys_of(settings.workspaces, host) if settings.workspaces else _keys(host, arguments)
    env = {**places(os.environ), **told.env}
    entry = entry_of(host, [*command(), *words_of(flags)], env=env, references=told.references)
    return Plan(entry=entry, written=told.written, notes=(*left_out(os.environ, flags), *told.notes))


def _keys(host: Host, arguments: argparse.Namespace) -> Told:
    """Decide what the entry says of the account; raises Impossible."""
    here = account(os.environ)
    keys = [name for name in here if name in _KEYS]
    harmless = {name: value for name, value in here.items() if name not in _KEYS}
    if arguments.write_keys:
        if not keys:
            raise Impossible("--write-keys: no key is set in this environment")
        return Told(env=here, written=tuple(keys))
    if not arguments.env_keys and _has_login():
        return Told(env={name: here[name] for name in HOSTS_OF_ACCOUNT if name in here})
    if keys and host.can_refer:
        note = f"{host.title} must be started where these are set: {', '.join(keys)}"
        return Told(env=harmless, references=tuple(keys), notes=(note,))
    if arguments.env_keys and not host.can_refer:
        raise Impossible(f"{host.title} cannot hand over keys of its environment; store them with `cio-mcp login`")
    if arguments.env_keys:
        raise Impossible("--env-keys: no key is set in this environment")
    if any(name.removesuffix("_FILE") in _KEYS for name in harmless):
        return Told(env=harmless)
    return Told(notes=("no key is stored yet: run `cio-mcp login`",))


def _keys_of(file: WorkspacesFile, host: Host) -> Told:
    """Hand over the variables that a file of workspaces names, where the host can."""
    references = (reference for entry in file.entries for reference in entry.credentials.values())
    names = tuple(sorted({reference.name for reference in references if reference.place is Place.ENV}))
    if not names:
        return Told()
    listed = ", ".join(names)
    if host.can_refer:
        return Told(references=names, notes=(f"{host.title} must be started where these are set: {listed}",))
    return Told(notes=(f"{host.title} cannot hand over {listed}: let the workspaces' file name files or the keyring",))


def _has_login() -> bool:
    try:
        return stored_login() is not None
    except Spoilt as error:
        raise Impossible(str(error)) from None


def _show(host: Host, path: Path, name: str, plan: Plan) -> int:
    entry = dict(plan.entry)
    if plan.written:
        hidden = {key: f"<the value of {key}>" for key in plan.written}
        entry["env"] = {**entry["env"], **hidden}
    sys.stderr.write(f"For {path}:\n")
    for note in plan.notes:
        sys.stderr.write(f"Note: {note}.\n")
    sys.stdout.write(rendered(host.syntax, {host.table: {name: entry}}))
    return 0


def _say_backup(backup: Path | None, keys: list[str]) -> None:
    if backup is None:
        return
    say(f"What the file held before is kept in {backup.name} beside it.")
    if keys:
        say(f"That copy still holds {', '.join(keys)} in clear: delete it once all works.")


def _tell(plan: Plan, *more: str) -> int:
    if plan.written:
        say(f"The file holds {', '.join(plan.written)} in clear: whoever can read it has your account.")
    for note in (*plan.notes, *more):
        say(f"Note: {note}.")
    return 0
