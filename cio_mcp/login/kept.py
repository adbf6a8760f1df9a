"""What tells where the stored keys lie: a small file without any key, so that a start without one costs a look."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_config_path

from cio_mcp.replacing import NotOurs, check_private, replace_file
from cio_mcp.secret import digest
from cio_mcp.workspaces.references import Place, Reference

NAMES = ("site_id", "track_api_key", "app_api_key", "service_account_token", "workspace_id")
"""What may be stored, by the names of settings; they belong to one account, and are used together."""


class Spoilt(Exception):
    """What was stored cannot be used; the text names the file and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where each stored key lies, in which region their account, and what tells that they were stored together.

    Keys are replaced one after the other: whoever reads them meanwhile may find those of two accounts.
    """

    region: str
    references: Mapping[str, Reference]
    seal: str = ""
    """Of all the keys, see `seal_of`; "" if an older version stored them."""
    workspace: str = ""
    """The number of their workspace; "" if Customer.io did not tell it."""

    @property
    def place(self) -> Place:
        """What keeps the keys."""
        return next(iter(self.references.values())).place

    def fits(self, texts: Mapping[str, str]) -> bool:
        """Say whether these are the keys that were stored together, as far as that is known."""
        return not self.seal or seal_of(texts) == self.seal


def seal_of(texts: Mapping[str, str]) -> str:
    """Return what is the same for the same keys only, and tells none of them."""
    return digest("login", *(f"{name}={texts[name].strip()}" for name in sorted(texts)))


def folder() -> Path:
    """Return the user's folder of this program's configuration."""
    return user_config_path("cio-mcp", appauthor=False)


def make_folder() -> Path:
    """Make that folder, private if it is new; raises OSError."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder()


def marker_path() -> Path:
    """Return the file that tells where the keys lie."""
    return folder() / "login.json"


def key_at(reference: Reference) -> str:
    """Return a stored key; raises Spoilt if others could read or replace it, Unreadable if it cannot be had."""
    try:
        if reference.place is Place.FILE:
            with suppress(OSError):  # reading it says why it cannot be had
                check_private(Path(reference.name))
    except NotOurs as error:
        raise Spoilt(str(error)) from None
    return reference.read({})


def stored_login() -> Login | None:
    """Return what was stored, if anything was; raises Spoilt."""
    path = marker_path()
    try:
        check_private(path)
        held = json.loads(path.read_text(encoding="utf-8"))
        references = {name: Reference.parse(held["credentials"][name]) for name in NAMES if name in held["credentials"]}
        if not references:
            return None
        seal, workspace = str(held.get("seal", "")), str(held.get("workspace", ""))
        return Login(region=str(held["region"]), references=references, seal=seal, workspace=workspace)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except NotOurs as error:
        raise Spoilt(str(error)) from None
    except OSError as error:
        raise Spoilt(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Spoilt(f"{path} is not as `cio-mcp login` writes it; delete it and log in again") from None


def mark(login: Login) -> None:
    """Write down where the keys lie; raises OSError."""
    held = {
        "region": login.region,
        "workspace": login.workspace,
        "credentials": {name: str(each) for name, each in login.references.items()},
        "seal": login.seal,
    }
    make_folder()
    replace_file(marker_path(), json.dumps(held, indent=1).encode() + b"\n")
