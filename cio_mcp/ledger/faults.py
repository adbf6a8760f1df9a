"""Pure: why a ledger cannot be used, in words that an operator can act on."""

import sqlite3

from cio_mcp.ledger.terms import Unrecorded

# By the beginning of the names of SQLite's result codes ("Result and Error Codes", sqlite.org/rescode.html).
_CAUSES = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "it is read-only: look at the modes of the file and of those beside it, and at the file system",
    "SQLITE_BUSY": "another process has held it for too long",
    "SQLITE_LOCKED": "another process has held it for too long",
    "SQLITE_CORRUPT": "it is damaged; keep it as evidence: move it and its key away to begin a new one",
    "SQLITE_NOTADB": "it is no ledger, or is damaged; keep it as evidence: move it and its key away to begin a new one",
    "SQLITE_CANTOPEN": "it cannot be opened: look at the mode of the file and of its directory",
    "SQLITE_IOERR": "the disk does not take it: look at space, quotas and the system's log",
    "SQLITE_PERM": "this user may not use it",
    "SQLITE_AUTH": "this user may not use it",
    "SQLITE_NOMEM": "there is not enough memory",
}
TRANSIENT = ("SQLITE_BUSY", "SQLITE_LOCKED")


def unrecorded(name: str, error: sqlite3.Error | OSError) -> Unrecorded:
    """Return the refusal that an error stands for; `name` is the file's."""
    if isinstance(error, Unrecorded):
        return error
    if isinstance(error, OSError):
        return Unrecorded(f"{name}: {error.strerror or error}")
    code = code_of(error)
    cause = next((words for start, words in _CAUSES.items() if code.startswith(start)), str(error))
    return Unrecorded(f"{name}: {cause}" + (f" ({code})" if code else ""))


def code_of(error: sqlite3.Error) -> str:
    """Return SQLite's name of an error; empty for one of Python's own."""
    return getattr(error, "sqlite_errorname", None) or ""
