"""A TOML file that decides on what may happen: read only if nobody else could have written it."""

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

MOST_BYTES = 1_000_000
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def read_toml(name: str, *, hint: str = "") -> dict[str, Any]:
    """Return what a file holds; raises ValueError that says what is wrong with it and how to mend it.

    `hint` is said where there is no such file and the name looks like a grant.
    """
    path = _path(name)
    try:
        return tomllib.loads(_content(path).decode("utf-8-sig"))
    except OSError as error:
        meant = f"; {hint}" if hint and ":" in name and not path.exists() else ""
        # Not by its name, which may be a key that was put into the wrong variable.
        raise ValueError(f"names a file that cannot be read: {error.strerror or 'it is no file'}{meant}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        reason = error if isinstance(error, tomllib.TOMLDecodeError) else "it is no UTF-8 text of reasonable depth"
        raise ValueError(f"names {name}, which is no TOML: {reason}") from None


def _path(name: str) -> Path:
    try:
        path = Path(name).expanduser()
    except RuntimeError:  # the home of somebody who is nobody here
        path = None
    if path is None or "\0" in name:
        raise ValueError("names a file that cannot be read: its path is none of this machine's")
    return path


def _content(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        _check_mode(path, os.fstat(descriptor))
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"names {path}, which has more than {MOST_BYTES:,} bytes")
    return content


def _check_mode(path: Path, found: os.stat_result) -> None:
    """Refuse a file that another user can change, itself or by putting another in its place."""
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"names {path}, which is no file")
    if os.name == "nt":
        return
    if found.st_mode & _OTHERS_WRITE:
        raise ValueError(f"names {path}, which others may write; run: chmod go-w {path}")
    if found.st_uid not in (0, os.geteuid()):
        raise ValueError(f"names {path}, which belongs to another user; run: chown {os.geteuid()} {path}")
    folder = path.resolve().parent
    mode = folder.stat().st_mode
    if mode & _OTHERS_WRITE and not mode & stat.S_ISVTX:
        raise ValueError(f"names {path}, in a folder in which others may replace it; run: chmod go-w {folder}")
