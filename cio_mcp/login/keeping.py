"""Keys put into the system's keyring, or into files of this user alone, and taken out of them again."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from cio_mcp.login.kept import folder, make_folder
from cio_mcp.replacing import replace_file
from cio_mcp.workspaces.references import INSTALL, Place, Reference

SERVICE = "cio-mcp"
_ANY, _RECOMMENDED = 0.1, 1
"""Priorities, in the sense of `keyring`: what keeps nothing has none."""


class Unkept(Exception):
    """Keys could not be stored or removed; the text says why."""


def keyring_name() -> str | None:
    """Return what the system's keyring calls itself; None if there is none that this process can use. Raises Unkept.

    One that is not recommended, such as a plain file, is used only if its user chose it.
    """
    try:
        import keyring  # noqa: PLC0415 - an extra, for those who use it
    except ImportError:
        return None
    try:
        backend = keyring.get_keyring()
        chosen = keyring.core.load_env() or keyring.core.load_config()
        return str(backend.name) if backend.priority >= (_ANY if chosen else _RECOMMENDED) else None
    except Exception as error:  # noqa: BLE001 - whichever its user chose may be missing, or raise what it likes
        raise Unkept(f"the keyring cannot be used ({type(error).__name__}); --file stores keys in a file") from None


def keep_in_keyring(values: Mapping[str, str]) -> dict[str, Reference]:
    """Store keys in the keyring, and return where each lies now; raises Unkept."""
    keyring = _keyring()
    try:
        for name, value in values.items():
            keyring.set_password(SERVICE, name, value)
    except Exception as error:  # noqa: BLE001 - a backend may raise whatever the service behind it does
        raise Unkept(f"the keyring took no key ({type(error).__name__}); --file stores them in a file") from None
    return {name: Reference(place=Place.KEYRING, name=f"{SERVICE}/{name}") for name in values}


def keep_in_files(values: Mapping[str, str]) -> dict[str, Reference]:
    """Store keys in files, and return where each lies now; raises Unkept."""
    place = folder() / "login"
    try:
        make_folder()
        place.mkdir(mode=0o700, exist_ok=True)
        for name, value in values.items():
            replace_file(place / name, value.encode() + b"\n")
    except OSError as error:
        raise Unkept(f"{place} cannot be written: {error.strerror}") from None
    return {name: Reference(place=Place.FILE, name=str(place / name)) for name in values}


def forget(references: Iterable[Reference]) -> None:
    """Remove keys from where they lie; one that is gone already is no failure. Raises Unkept."""
    for reference in references:
        if reference.place is Place.FILE:
            _remove_file(reference.name)
        elif reference.place is Place.KEYRING:
            _remove_from_keyring(*reference.name.split("/", 1))


def _remove_file(name: str) -> None:
    path = folder() / "login" / name.replace("\\", "/").rsplit("/", 1)[-1]
    try:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # others of them lie in it
            path.parent.rmdir()
    except OSError as error:
        raise Unkept(f"{path} cannot be removed: {error.strerror}") from None


def _remove_from_keyring(service: str, name: str) -> None:
    keyring = _keyring()
    try:
        if keyring.get_password(service, name) is not None:
            keyring.delete_password(service, name)
    except Exception as error:  # noqa: BLE001 - as above
        raise Unkept(f"the keyring did not let go of {name} ({type(error).__name__})") from None


def _keyring() -> Any:
    try:
        import keyring  # noqa: PLC0415 - an extra, for those who use it
    except ImportError:
        raise Unkept(f"keyring: is not installed; {INSTALL}") from None
    return keyring
