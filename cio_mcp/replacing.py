"""A file that is replaced whole or not at all: its mode kept, and what it held before kept beside it if wanted."""

import os
import stat
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from secrets import token_hex

# Windows knows neither these modes nor these owners; there, what lies in a user's folders is private by inheritance.
POSIX = os.name != "nt"
PRIVATE = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class NotOurs(Exception):
    """A file is not this user's alone to read or to change; the text names it and the remedy."""


def check_owner(found: os.stat_result, path: Path) -> None:
    """Refuse what is no file, or belongs to another user; raises NotOurs."""
    if not stat.S_ISREG(found.st_mode):
        raise NotOurs(f"{path} is no file")
    if POSIX and found.st_uid != os.geteuid():
        raise NotOurs(f"{path} belongs to another user; run this as that user")


def check_private(path: Path) -> None:
    """Refuse a file that others can read or change; raises NotOurs, and OSError if it is not there."""
    found = path.stat()
    check_owner(found, path)
    if POSIX and found.st_mode & _OTHERS:
        raise NotOurs(f"others can read {path}; run: chmod 600 {path}")


def replace_file(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """Give a file other content, so that whoever reads it meanwhile finds the old or the new; raises OSError."""
    temporary = path.with_name(f".{path.name}.{token_hex(8)}.new")
    try:
        _write_new(temporary, content, mode)
        temporary.replace(path)
    except OSError:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def back_up(path: Path, content: bytes, *, mode: int, now: datetime) -> Path:
    """Keep what a file held in a new one beside it, and return that; raises OSError."""
    for number in count():
        more = f"-{number}" if number else ""
        backup = path.with_name(f"{path.name}.{now:%Y%m%dT%H%M%SZ}{more}.bak")
        try:
            _write_new(backup, content, mode)
        except FileExistsError:
            continue
        return backup
    raise AssertionError  # count() does not end


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        if POSIX:
            os.fchmod(descriptor, mode)  # whatever the umask is
        file.write(content)
        file.flush()
        os.fsync(descriptor)
