"""A home of its own for a test: nobody's hosts, nobody's keys, and a keyring that lies in it."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

IN_HOME = "keyrings.alt.file.PlaintextKeyring"
NONE = "keyring.backends.null.Keyring"
ACCOUNT = ("CUSTOMERIO_SITE_ID", "CUSTOMERIO_TRACK_API_KEY", "CUSTOMERIO_APP_API_KEY", "CUSTOMERIO_REGION")

only_on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="the paths of the other systems are tested by their table"
)


def home_variables(home: Path, keyring: str = NONE) -> dict[str, str]:
    """Return the variables by which everything of a user lies in one folder."""
    return {
        "HOME": str(home),
        "XDG_CONFIG_HOME": "",
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_DATA_HOME": str(home / "data"),
        "PYTHON_KEYRING_BACKEND": keyring,
        "DBUS_SESSION_BUS_ADDRESS": "",
        "CLAUDE_CONFIG_DIR": "",
        "CODEX_HOME": "",
    }


def without_keys(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an account without its keys: the hosts alone."""
    return {name: value for name, value in variables.items() if name not in ACCOUNT}


def files_in(folder: Path) -> Iterator[Path]:
    """Yield every file beneath a folder."""
    for root, _, names in os.walk(folder):
        yield from (Path(root, name) for name in names)
