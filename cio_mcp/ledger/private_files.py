"""Files that nobody else may read or write: made so, and refused otherwise."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from cio_mcp.ledger.terms import Unrecorded

# Windows knows neither these modes nor these owners; there, a user's state directory is private by inheritance.
POSIX = os.name != "nt"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def make_directory(directory: Path) -> None:
    """Make a directory, private if it is new, and refuse one in which others could replace files."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.stat()
    if not POSIX:
        return
    if found.st_mode & _OTHERS_WRITE and not found.st_mode & stat.S_ISVTX:
        raise Unrecorded(f"{directory}: others can replace files in it; run: chmod go-w {directory}")


def check_private(path: Path) -> os.stat_result:
    """Return a file's status; raises Unrecorded unless it is a file of this user alone, OSError if it is not there."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise Unrecorded(f"{path}: is a link, which could be made to lead elsewhere; name the file itself")
    if not stat.S_ISREG(found.st_mode):
        raise Unrecorded(f"{path}: is no file")
    if POSIX and found.st_uid != os.geteuid():
        raise Unrecorded(f"{path}: belongs to another user; run as that user, or name another ledger")
    if POSIX and found.st_mode & _OTHERS:
        raise Unrecorded(f"{path}: others can read or write it; run: chmod 600 {path}")
    return found


def temporary_beside(path: Path) -> Path:
    """Return a name for a file that is to become `path`."""
    return path.with_name(f".{path.name}.{token_hex(8)}.new")


def write_new(path: Path, content: bytes) -> None:
    """Write a file that must not exist yet, private whatever the umask is, and durably."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def publish(temporary: Path, path: Path) -> bool:
    """Give a finished file its name unless another has it already, and say whether it got it; the first one wins."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    sync_directory(path.parent)
    return True


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable, where the system can."""
    if not POSIX:
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems refuse; the names are then as durable as they make them
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
