"""Where a credential lies, written instead of itself: `env:NAME`, `file:/path` or `keyring:SERVICE/USER`."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self


class Place(StrEnum):
    """What keeps the credential."""

    ENV = "env"
    FILE = "file"
    KEYRING = "keyring"


INSTALL = 'pip install "cio-mcp[keyring]"'
"""What is typed where the keyring cannot be reached yet."""


class Unreadable(Exception):
    """A credential cannot be had from where it should lie; the text says why, and never holds any of it."""

    def __init__(self, text: str, *, remedy: str = "") -> None:
        super().__init__(text)
        self.remedy = remedy


class NothingThere(Unreadable):
    """There is no credential where it should lie; it is not that it could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where a credential lies."""

    place: Place
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference; raises ValueError with the remedy, without the text: it may be a credential by mistake."""
        kind, colon, name = text.partition(":")
        if not colon or kind not in list(Place) or not name.strip():
            raise ValueError("must say where the credential lies: env:NAME, file:/path or keyring:SERVICE/USER")
        if kind == Place.FILE and not Path(name).is_absolute():
            raise ValueError("must be file: and an absolute path")
        if kind == Place.KEYRING and not all(name.partition("/")):
            raise ValueError("must be keyring:SERVICE/USER")
        return cls(place=Place(kind), name=name.strip())

    def read(self, environ: Mapping[str, str]) -> str:
        """Return the credential; raises Unreadable, NothingThere if there is none.

        A keyring may take its time, and may ask its user.
        """
        found = self._found(environ).strip()
        if not found:
            raise NothingThere(f"{self} holds nothing", remedy=self._remedy())
        return found

    def _remedy(self) -> str:
        """Return what puts a credential there."""
        match self.place:
            case Place.ENV:
                return f"set {self.name} in this environment"
            case Place.FILE:
                return "write the key into that file"
            case Place.KEYRING:
                service, user = self.name.split("/", 1)
                return f"store the key: keyring set {service} {user}"

    def _found(self, environ: Mapping[str, str]) -> str:
        match self.place:
            case Place.ENV:
                return environ.get(self.name, "")
            case Place.FILE:
                return _in_file(self.name)
            case Place.KEYRING:
                return _in_keyring(*self.name.split("/", 1))

    def __str__(self) -> str:
        return f"{self.place}:{self.name}"


def _in_file(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        kind = NothingThere if isinstance(error, FileNotFoundError) else Unreadable
        text = f"file:{name} cannot be read: {reason}"
        raise kind(text, remedy="let whoever starts this read it, or name another place") from None


def _in_keyring(service: str, user: str) -> str:
    try:
        import keyring  # noqa: PLC0415 - an extra, for those who use it
    except ImportError:
        raise Unreadable(f"keyring: is not installed; {INSTALL}") from None
    try:
        return keyring.get_password(service, user) or ""
    except Exception as error:  # noqa: BLE001 - a backend may raise whatever the service behind it does
        text = f"keyring:{service}/{user} cannot be read ({type(error).__name__})"
        raise Unreadable(text, remedy="unlock the keyring, or name another place") from None
