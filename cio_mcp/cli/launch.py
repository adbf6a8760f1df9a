"""How a host is to start this server: the command found absolute, its flags, and the environment it needs."""

import argparse
import os
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from cio_mcp.cli.cached import command_of_uv, is_in_a_cache
from cio_mcp.cli.checked import settings_of
from cio_mcp.cli.ledger_file import Impossible
from cio_mcp.hosts.entry import ACCOUNT
from cio_mcp.secret import Secret
from cio_mcp.settings import MEMORY, OPTIONS, Settings, add_flags, flags_given

_SAID_ELSEWHERE = frozenset({*ACCOUNT, "CIO_MCP_TOKEN"})
"""What the entry says in its own way, and what no server reads."""
_FILES = ("grants", "workspaces", "ledger")
# Where the stored keys and the record are found. Hosts hand over few variables of their own, and one that is started
# from a menu has others than a shell.
_PLACES = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "PYTHON_KEYRING_BACKEND")
_BUS = "DBUS_SESSION_BUS_ADDRESS"
_PERMANENT_BUS = "unix:path=/run/user/"
"""An address of this kind stays the same at each login; others would be wrong tomorrow."""


def command() -> list[str]:
    """Return this program as a host with another PATH and another folder can start it; raises Impossible."""
    if is_in_a_cache(Path(sys.prefix)):
        return command_of_uv(os.environ)
    script = Path(sysconfig.get_path("scripts")) / ("cio-mcp.exe" if os.name == "nt" else "cio-mcp")
    if script.is_file():
        return [str(script.absolute())]
    # Without -P, a folder `cio_mcp` in the host's current one would be started instead.
    return [str(Path(sys.executable).absolute()), "-P", "-m", "cio_mcp"]


def whole(path: str) -> str:
    """Return a path as it is found from every folder; raises Impossible if it begins with a user that is none."""
    try:
        return str(Path(path).expanduser().absolute())
    except RuntimeError:
        raise Impossible(f"{path}: there is no such user, or none whose home is known") from None


def server_flags(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the server's flags, those after -- among them, with absolute paths."""
    parser = argparse.ArgumentParser(prog="cio-mcp install HOST --", allow_abbrev=False)
    add_flags(parser)
    flags = flags_given(arguments) | flags_given(parser.parse_args(arguments.passed_on))
    for name in _FILES:
        if (path := flags.get(name)) and path != MEMORY:
            flags[name] = whole(path)
    return flags


def checked(flags: Mapping[str, str], *, write_keys: bool) -> Settings:
    """Return what a server with these flags is set to; raises SettingsError, and Impossible for a hidden password."""
    settings = settings_of(flags)
    for option in OPTIONS:
        if option.name in flags and isinstance(getattr(settings, option.name), Secret) and not write_keys:
            raise Impossible(
                f"{option.flag} may hold a password, which would stand in the host's file for whoever reads it: keep "
                f"it in a file that {option.env}_FILE names, or say --write-keys"
            )
    return settings


def words_of(flags: Mapping[str, str]) -> list[str]:
    """Return flags as a command line has them, in the order of the table of settings."""
    words: list[str] = []
    for option in OPTIONS:
        if option.flag and option.name in flags:
            words += [option.flag] if option.is_switch else [option.flag, flags[option.name]]
    return words


def places(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that say where the stored keys and the record lie, if they are unusual here."""
    found = {name: environ[name] for name in _PLACES if environ.get(name)}
    if environ.get(_BUS, "").startswith(_PERMANENT_BUS):
        found[_BUS] = environ[_BUS]
    return found


def account(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an account that are set here; paths of files are made absolute."""
    found: dict[str, str] = {}
    for name in ACCOUNT:
        if environ.get(name):
            found[name] = environ[name]
        if path := environ.get(f"{name}_FILE"):
            found[f"{name}_FILE"] = whole(path)
    return found


def left_out(environ: Mapping[str, str], flags: Mapping[str, str]) -> Sequence[str]:
    """Return what to know of the server's settings in this environment that the entry does not say."""
    absent = [option for option in OPTIONS if option.name not in flags and option.env not in _SAID_ELSEWHERE]
    return [
        f"{name} is set here, but not in the entry: "
        + ("pass its flag on" if option.flag else f"add {option.env}_FILE to its env, the path of a file that holds it")
        for option in absent
        for name in (option.env, f"{option.env}_FILE")
        if environ.get(name)
    ]
