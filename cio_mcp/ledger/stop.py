"""The kill switch: while a file lies beside the ledger, nothing is written to Customer.io, by any process on it."""

import json
import os
from pathlib import Path
from typing import Any

from cio_mcp.ledger.private_files import sync_directory, temporary_beside, write_new
from cio_mcp.ledger.terms import Stopped

UNREADABLE = "the stop file cannot be read"


def look(path: Path | None) -> Stopped | None:
    """Return the stop that is in force. Whatever lies there stops, even an empty file or one that cannot be read."""
    if path is None:
        return None
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    except OSError:
        return Stopped(0.0, UNREADABLE)
    return _read(path, status)


def engage(path: Path, reason: str, now: float) -> Stopped:
    """Stop all writes from now on; one that is in force keeps its time and takes the new reason."""
    earlier = look(path)
    stopped = Stopped(earlier.since if earlier else round(now, 3), reason)
    temporary = temporary_beside(path)
    write_new(temporary, json.dumps({"since": stopped.since, "reason": reason}).encode())
    temporary.replace(path)
    sync_directory(path.parent)
    return stopped


def release(path: Path) -> Stopped | None:
    """Let writes pass again; return the stop that was in force."""
    stopped = look(path)
    path.unlink(missing_ok=True)
    sync_directory(path.parent)
    return stopped


def _read(path: Path, status: os.stat_result) -> Stopped:
    try:
        said: Any = json.loads(path.read_bytes())
        return Stopped(float(said["since"]), str(said["reason"]))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return Stopped(status.st_mtime, UNREADABLE)
