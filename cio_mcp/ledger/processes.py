"""Which processes of a ledger still live: each keeps a file locked until it ends, however it ends."""

from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from filelock import FileLock, Timeout

from cio_mcp.ledger.place import lock_files, lock_path
from cio_mcp.ledger.terms import Unrecorded

_TRIES = 5


class Presence:
    """This process, as long as it lives."""

    def __init__(self, ledger: Path) -> None:
        """Take a name and lock its file; raises Unrecorded."""
        for _ in range(_TRIES):
            self.id = token_hex(8)
            self._path = lock_path(ledger, self.id)
            self._lock = FileLock(self._path, timeout=0, mode=0o600)
            try:
                self._lock.acquire()
            except Timeout:
                continue  # somebody looked for dead processes at just this moment
            except OSError as error:
                raise Unrecorded(f"{self._path}: {error.strerror or error}") from error
            if self._path.exists():
                return
            self._lock.release()  # ... and removed it
        raise Unrecorded(f"{self._path}: could not be locked")

    def end(self) -> None:
        """Give the name up."""
        _remove(self._path, self._lock)


def is_dead(ledger: Path, process: str) -> bool:
    """Say whether a process has ended; a name without a file is that of one which ended in order."""
    path = lock_path(ledger, process)
    return not path.exists() or _taken_over(path)


def sweep(ledger: Path) -> None:
    """Remove the files of dead processes."""
    for path in lock_files(ledger):
        _taken_over(path)


def _taken_over(path: Path) -> bool:
    """Lock the file of a process that no longer does, and remove it; say whether that could be done."""
    lock = FileLock(path, timeout=0, mode=0o600)
    try:
        lock.acquire()
    except (Timeout, OSError):
        return False  # alive, or not ours to judge
    _remove(path, lock)
    return True


def _remove(path: Path, lock: FileLock) -> None:
    # While it is locked, so that nobody takes it for that of a dead one; Windows removes none that is open.
    with suppress(OSError):
        path.unlink(missing_ok=True)
    lock.release()
    with suppress(OSError):
        path.unlink(missing_ok=True)
