"""A PostgreSQL database as the rooms that keep something in it use it: transactions in threads, on few connections.

`await database.run(work)` runs `work(connection)` in one transaction; what it returns is handed back once the
transaction is committed. It is never abandoned half-way: who is cancelled meanwhile learns of it afterwards. Statements
whose result nobody fetches are sent together with the next (pipeline mode, which libpq has since version 14).

Connections must be sessions of the server: a pooler in between has to work in session mode.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import anyio
from anyio import to_thread

if TYPE_CHECKING:
    import psycopg

SCHEMES: Final = ("postgresql", "postgres")
SCHEMA: Final = "cio_mcp"
SIZE: Final = 8
"""Connections of one process at most."""
PATIENCE: Final = 5.0
"""Seconds to wait for a free connection, or for a lock."""
STATEMENT_SECONDS: Final = 10.0
"""Seconds that one statement may take; they take milliseconds."""
WRITE: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""One state of the database, whatever is written meanwhile."""
# Whoever is gone without a word is noticed by the other side within half a minute, not after hours.
_DEFAULTS = {
    "connect_timeout": "3",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
_SESSION = {
    # Temporary tables last, so that none can stand in for one of ours.
    "search_path": f"{SCHEMA}, pg_temp",
    "statement_timeout": f"{STATEMENT_SECONDS:.0f}s",
    "lock_timeout": f"{PATIENCE:.0f}s",
    # A process that hangs in the middle of a transaction must not hold the others up.
    "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS:.0f}s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "client_min_messages": "warning",
}
# What is committed must last: a role or server that says "off" does not decide that. Any other word is the operator's.
_DURABLE = (
    "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' "
    "ELSE current_setting('synchronous_commit') END, false)"
)
_LOCK = 0x63696F_6D6370  # "ciomcp": who creates tables holds it
_VERSIONS = f"{SCHEMA}.versions"
# By SQLSTATE ("PostgreSQL Error Codes", postgresql.org/docs/current/errcodes-appendix.html) or its class.
_CAUSES = {
    "53100": "its disk is full",
    "53200": "it has not enough memory",
    "53300": "it takes no more connections",
    "25006": "it is read-only: name the primary",
    "28": "it refuses this user or password",
    "3D000": "there is no such database",
    "42501": "this user may not do that there",
    "42P01": "its tables are gone",
    "55P03": "others have held it for too long",
    "57014": "it took too long",
    "57P": "it is shutting down or starting up",
    "40": "others wrote the same at the same time",
}
T = TypeVar("T")


class Unavailable(OSError):
    """The database did not do what was asked; the text names it and the cause, never a password."""


class Session:
    """A connection to the server, and transactions on it."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> "psycopg.Cursor[Any]":
        """Run one statement, in which `?` stands for a value."""
        return self._connection.execute(statement.replace("?", "%s").encode(), values or None)

    @contextmanager
    def transaction(self, begin: str = WRITE) -> Iterator["Session"]:
        """Run a block in one transaction; it is committed at the end, or nothing of it holds."""
        try:
            with self._connection.pipeline():
                self.execute(begin)
                yield self
                self.execute("COMMIT")
        except BaseException:
            # Another error than the one under way would say less.
            with suppress(Exception):
                self._connection.rollback()
            raise

    def is_usable(self) -> bool:
        """Say whether the server has not ended it, as far as has been heard."""
        if self._connection.closed:
            return False
        try:
            for _ in range(2):  # its last words, and the end after them
                self._connection.pgconn.consume_input()
        except Exception:  # noqa: BLE001 - whatever is wrong with it, there will be another
            return False
        return not self._connection.broken

    def close(self) -> None:
        """End it."""
        with suppress(Exception):
            self._connection.close()


class Database:
    """One database, reached when it is first needed; after an error the next call tries anew."""

    def __init__(self, url: str, *, size: int = SIZE, application: str = "cio-mcp", patience: float = PATIENCE) -> None:
        """Take an address, postgresql://USER:PASSWORD@HOST:PORT/DATABASE; raises ValueError if it is none.

        `size` is how many connections there are at most, `patience` for how many seconds a call waits for one.
        """
        self.name = shown(url)
        self._url = url
        self._application = application
        self._size = size
        self._patience = patience
        self._idle: list[Session] = []
        self._free: anyio.Semaphore | None = None
        self._limiter: anyio.CapacityLimiter | None = None
        self._made: dict[str, bool] = {}
        self._making = threading.Lock()

    async def run(self, work: Callable[[Session], T], *, begin: str = WRITE) -> T:
        """Run `work` in one transaction and in a thread; raises Unavailable, and what `work` raises."""
        return await self.thread(self._run, work, begin)

    async def thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function that talks to the database in a thread, no more at once than there are connections."""
        if self._free is None or self._limiter is None:
            self._free, self._limiter = anyio.Semaphore(self._size), anyio.CapacityLimiter(self._size)
        try:
            with anyio.fail_after(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise Unavailable(
                f"{self.name}: all {self._size} connections have been busy for {self._patience:g} s"
            ) from None
        try:
            return await to_thread.run_sync(function, *arguments, limiter=self._limiter)
        finally:
            self._free.release()

    def transact(self, work: Callable[[Session], T], begin: str = WRITE) -> T:
        """Run `work` in one transaction, in this thread."""
        return self._run(work, begin)

    def connect(self) -> Session:
        """Return a new connection, which is its caller's to close; raises Unavailable."""
        psycopg = _library()
        with self.errors():
            connection = psycopg.connect(self._conninfo(), autocommit=True)
            session = Session(connection)
            try:
                for name, value in _SESSION.items():
                    session.execute("SELECT set_config(?, ?, false)", (name, value))
                session.execute(_DURABLE)
            except BaseException:
                session.close()
                raise
            return session

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the library's errors into Unavailable."""
        try:
            yield
        except Exception as error:
            if not isinstance(error, _library().Error):
                raise
            raise Unavailable(f"{self.name}: {self._without_secrets(cause(error))}") from None

    def ensure(self, part: str, version: int, create: Callable[[Session], None] | None) -> None:
        """Create the tables of a part of this program, once for all processes; raises Unavailable for other versions.

        `create` runs in the transaction that notes the version; without it they must be there. Later calls in this
        process cost nothing. To be called in a thread: `await database.thread(database.ensure, ...)`.
        """
        with self._making:
            if part not in self._made:
                self._run(lambda session: self._ensured(session, part, version, create), WRITE)
                self._made[part] = True

    async def aclose(self) -> None:
        """Close the connections; a later call opens new ones."""
        idle, self._idle = self._idle, []
        for session in idle:
            await to_thread.run_sync(session.close)

    def _run(self, work: Callable[[Session], T], begin: str) -> T:
        session = self._taken()
        try:
            with self.errors(), session.transaction(begin):
                done = work(session)
        finally:
            if session.is_usable():
                self._idle.append(session)
            else:
                session.close()
        return done

    def _taken(self) -> Session:
        while self._idle:
            session = self._idle.pop()
            if session.is_usable():
                return session
            session.close()
        return self.connect()

    def _conninfo(self) -> str:
        from psycopg import conninfo  # noqa: PLC0415 - an extra

        given = conninfo.conninfo_to_dict(self._url)
        named = _DEFAULTS | {"application_name": self._application}
        return conninfo.make_conninfo("", **(named | {name: str(value) for name, value in given.items()}))

    def _ensured(self, session: Session, part: str, version: int, create: Callable[[Session], None] | None) -> None:
        found = _version(session, part)
        if found is None and create is None:
            raise Unavailable(f"{self.name}: there is no {part}; a server makes it when it starts")
        if found is None:
            session.execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
            found = _version(session, part)
        if found is None and create is not None:
            _make_schema(session)
            session.execute(f"INSERT INTO {_VERSIONS} VALUES (?, ?)", (part, version))  # noqa: S608 - a constant
            create(session)
        elif found != version:
            raise Unavailable(
                f"{self.name}: its tables of the {part} are of version {found}, this cio-mcp knows version {version}; "
                "use the cio-mcp that made them, or name another database"
            )

    def _without_secrets(self, text: str) -> str:
        password = urlsplit(self._url).password or ""
        for secret in {password, unquote(password)} - {""}:
            text = text.replace(secret, "...")
        return text


def shown(url: str) -> str:
    """Return an address without user, password and options; raises ValueError, without them too."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in SCHEMES or not parts.path.strip("/"):
        raise ValueError("must be written as postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    return f"postgresql://{host}{f':{port}' if port else ''}{parts.path}"


def cause(error: "psycopg.Error") -> str:
    """Return why something failed, in one line that an operator can act on."""
    code = error.sqlstate or ""
    words = next((words for start, words in _CAUSES.items() if code.startswith(start)), "")
    if not words:
        said = error.diag.message_primary or next(iter(str(error).strip().splitlines()), type(error).__name__)
        words = said.removeprefix("connection failed: ")
    return f"{words} ({code})" if code else words


def _library() -> Any:
    try:
        import psycopg  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise Unavailable("PostgreSQL needs a library that is not here: pip install 'cio-mcp[postgres]'") from error
    # It warns of statements that were sent together with one that failed; that one is told here.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    return psycopg


def _version(session: Session, part: str) -> int | None:
    # Looked up in the tables of the catalogue: to_regclass() may go by what it knew before another process committed.
    there = "SELECT 1 FROM pg_tables WHERE schemaname = ? AND tablename = 'versions'"
    if session.execute(there, (SCHEMA,)).fetchone() is None:
        return None
    found = session.execute(f"SELECT version FROM {_VERSIONS} WHERE part = ?", (part,)).fetchone()  # noqa: S608 - a constant
    return int(found[0]) if found else None


def _make_schema(session: Session) -> None:
    if (
        session.execute("SELECT 1 FROM pg_namespace WHERE nspname = ?", (SCHEMA,)).fetchone() is None
    ):  # to say "if not exists" takes the right to create one
        session.execute(f"CREATE SCHEMA {SCHEMA}")
    session.execute(f"CREATE TABLE IF NOT EXISTS {_VERSIONS} (part TEXT PRIMARY KEY, version INTEGER NOT NULL)")
