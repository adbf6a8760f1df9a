"""Tokens in an SQLite file beside the ledger, for all processes of one machine.

A file of its own, because the ledger is handed to auditors, moved away and begun anew, and tokens are not. A look is
one query in the caller's thread, some hundredths of a millisecond: less than handing it to another. There is no
write-ahead log, so that the file is all there is: a copy may be put in its place while servers run.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cio_mcp.agents import token_rows
from cio_mcp.agents.token_store import KeptToken, Look, Permit, Proof, TokensUnavailable
from cio_mcp.ledger.faults import code_of, unrecorded
from cio_mcp.ledger.private_files import check_private, make_directory, publish, temporary_beside, write_new

APPLICATION: Final = 0x63696F74  # "ciot", so that the file is told from other SQLite files
_PATIENCE = 2.0
"""Seconds to wait for another process; its transactions take milliseconds."""
_NOTING_PATIENCE = 0.05
"""Seconds to wait for it with what could as well be written later."""
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


def token_path(ledger: Path) -> Path:
    """Return where the tokens lie that belong to a ledger."""
    return ledger.with_name(f"{ledger.stem}.tokens")


class SqliteTokenStore:
    """A `TokenStore` in a file; without the file nobody is known, and the first token makes it.

    `now` returns seconds since 1970, by a clock that nobody can set back while the process runs. For one thread.
    """

    def __init__(self, path: Path, *, now: Callable[[], float]) -> None:
        self.path = path
        self._now = now
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)

    async def look(self, token_id: str) -> Look:
        """Look a token up by its id."""
        with self._errors():
            connection = self._connected()
            return Look(kept=token_rows.find(connection, token_id) if connection else None, now=self._now())

    async def note_use(self, token_id: str, *, every: float) -> None:
        """Keep that a token is in use now, unless that was kept less than `every` seconds ago, or the file is busy."""
        with self._errors(), self._writing(durable=False, patience=_NOTING_PATIENCE) as connection:
            token_rows.note_use(connection, token_id, now=self._now(), every=every)

    async def add(self, proof: Proof, permit: Permit, *, by: str, lifetime: float | None) -> KeptToken:
        """Keep a new token, durably; makes the file if there is none."""
        now = self._now()
        expires_at = None if lifetime is None else now + lifetime
        kept = KeptToken(proof=proof, permit=permit, created_by=by, created_at=now, expires_at=expires_at)
        with self._errors():
            self._make()
            with self._writing() as connection:
                token_rows.add(connection, kept)
        return kept

    async def revoke(self, token_id: str) -> bool:
        """End a token for good, durably; False if there is no such token or it was revoked before."""
        with self._errors():
            if self._connected() is None:
                return False
            with self._writing() as connection:
                return token_rows.revoke(connection, token_id, now=self._now())

    async def tokens(self) -> tuple[Sequence[KeptToken], float]:
        """Return all tokens, ended ones too, the oldest first, and the time."""
        with self._errors():
            connection = self._connected()
            return token_rows.find_all(connection) if connection else [], self._now()

    async def aclose(self) -> None:
        """Close the file; a later call opens it again."""
        self._close()

    def _make(self) -> None:
        """Make a file that is whole as soon as it has its name; another process's may win."""
        make_directory(self.path.parent)
        if os.path.lexists(self.path):
            return
        temporary = temporary_beside(self.path)
        write_new(temporary, b"")  # SQLite takes the mode of the file it finds, for its journal too
        try:
            with closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {token_rows.VERSION}")
                token_rows.create_table(connection, octets="BLOB")
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        publish(temporary, self.path)

    @contextmanager
    def _writing(self, *, durable: bool = True, patience: float = _PATIENCE) -> Iterator[sqlite3.Connection]:
        connection = self._connected()
        if connection is None:
            raise FileNotFoundError(2, "there are no tokens")
        # With less than EXTRA, a power cut could bring a revoked token back (SQLite, "PRAGMA synchronous").
        connection.execute(f"PRAGMA synchronous = {'EXTRA' if durable else 'NORMAL'}")
        connection.execute(f"PRAGMA busy_timeout = {patience * 1000:.0f}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        finally:
            connection.execute(f"PRAGMA busy_timeout = {_PATIENCE * 1000:.0f}")

    def _connected(self) -> sqlite3.Connection | None:
        """Return the connection to the file that has the name now, which may have been put there since."""
        try:
            status = check_private(self.path)
        except FileNotFoundError:
            self._close()
            return None
        identity = (status.st_dev, status.st_ino)
        if identity != self._identity:
            self._close()
        if self._connection is None:
            self._connection, self._identity = _connect(self.path), identity
        return self._connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn every error of the file into TokensUnavailable; the next call opens it anew."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self._close()
            raise TokensUnavailable(_told(self.path, error)) from None
        except (ValueError, TypeError) as error:
            raise TokensUnavailable(f"{self.path}: a token was not written by cio-mcp: {error}") from None

    def _close(self) -> None:
        connection, self._connection, self._identity = self._connection, None, (0, 0)
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, isolation_level=None, timeout=_PATIENCE)
    try:
        connection.execute("PRAGMA fullfsync = ON")  # macOS forces to the disk itself only then; nothing elsewhere
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA secure_delete = FAST")
        _check(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise TokensUnavailable unless this is a file of tokens that this version can read."""
    ((application,),) = connection.execute("PRAGMA application_id")
    ((version,),) = connection.execute("PRAGMA user_version")
    if application != APPLICATION:
        raise TokensUnavailable(f"{path}: holds no tokens of cio-mcp, or is damaged; move it away and make new ones")
    if version != token_rows.VERSION:
        raise TokensUnavailable(f"{path}: was written by another version of cio-mcp; use that one, or move it away")


def _told(path: Path, error: sqlite3.Error | OSError) -> str:
    if isinstance(error, sqlite3.Error) and code_of(error).startswith(_DAMAGED):
        return f"{path}: is damaged; put a copy of it back, or move it away and make new tokens"
    return str(error if isinstance(error, TokensUnavailable) else unrecorded(str(path), error))
