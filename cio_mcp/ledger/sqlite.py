"""The ledger in an SQLite file: what was intended and how it ended, and what must be decided together with it.

Everything runs in the caller's thread: a transaction takes a fraction of a millisecond, less than handing it over.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from anyio.lowlevel import checkpoint

from cio_mcp.ledger import admission, archive, clock, confirmations, entries, operations, retention, schema, stop
from cio_mcp.ledger.book import Book
from cio_mcp.ledger.chain import Keys, Link, Record, Verdict
from cio_mcp.ledger.clock import Boot, Moment, Vantage
from cio_mcp.ledger.neighbours import Neighbours
from cio_mcp.ledger.pen import Connection, Pen
from cio_mcp.ledger.place import stop_path
from cio_mcp.ledger.redaction import marks
from cio_mcp.ledger.retention import Retention
from cio_mcp.ledger.store import Store
from cio_mcp.ledger.terms import (
    Confirmation,
    Ending,
    Intent,
    Operation,
    Outcome,
    Repeated,
    State,
    Stopped,
    Terms,
    Unrecorded,
)

_TIDY_EVERY = 200
"""Writes of this process between two steps of retention; fewer than a step removes, so that it keeps up."""
_OWED = 10_000
"""Ends of calls kept to be recorded later, when the disk was full at their time; older ones become unknown."""


class SqliteLedger:
    """A `Ledger` in a file that several processes share, or in memory.

    Tampering with its records is found, see `verify`. An operation is as durable as its disk says once `begin` returns.
    """

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], float],
        boot: Boot | None = None,
        keep: Retention | None = None,
        stop_file: Path | None = None,
    ) -> None:
        self._store = store
        self._book = Book(store.keys)
        self._now = now
        self._boot = boot
        self._keep = keep or Retention()
        self._stop_file = stop_file
        self._neighbours = Neighbours(store.path)
        self._open: set[str] = set()
        self._owed: deque[tuple[Intent, Outcome, float]] = deque(maxlen=_OWED)
        self._untidied = 0
        self._opened_at = clock.read(now, boot).uptime

    @classmethod
    def open(
        cls,
        path: Path | None,
        *,
        now: Callable[[], float],
        boot: Boot | None = None,
        keep: Retention | None = None,
        stop_file: Path | None = None,
        make: bool = True,
        tend: bool = True,
    ) -> "SqliteLedger":
        """Open a ledger, or make it; None is one in memory. Raises Unrecorded.

        `now` returns seconds since 1970 and should be steady (`SteadyClock.now`); `boot` lets windows hold through
        jumps of the wall clock between processes. `stop_file` is beside the file unless it is given. Without `make` and
        `tend`, opening changes nothing.
        """
        store = Store.open(path, clock.read(now, boot), make=make)
        if stop_file is None and path is not None:
            stop_file = stop_path(path)
        ledger = cls(store, now=now, boot=boot, keep=keep, stop_file=stop_file)
        if tend:
            ledger._tend()
        return ledger

    @property
    def path(self) -> Path | None:
        """The file, if there is one."""
        return self._store.path

    @property
    def keys(self) -> Keys:
        """The keys of the ledger."""
        return self._store.keys

    async def begin(self, intent: Intent, terms: Terms) -> None:
        """Record a write durably before its first byte leaves, and take what it needs in the same transaction."""
        try:
            self._begin(intent, terms)
        except Repeated as refusal:
            # Under way, or left so by a process that died?
            if refusal.earlier.outcome is not None or not self._recover():
                raise
            self._begin(intent, terms)

    def _begin(self, intent: Intent, terms: Terms) -> None:
        process = self._neighbours.me()
        with self._writing(durable=True) as pen:
            stopped = stop.look(self._stop_file)
            if stopped:
                raise stopped
            self._book.begin(pen, intent, terms, self._advance(pen.connection), process=process)
        self._open.add(intent.operation)

    async def conclude(self, intent: Intent, outcome: Outcome) -> None:
        """Record how a call ended: of a write that began, or the whole of one that never did (reads, refusals).

        The end of a write that cannot be recorded now is kept, and recorded with the next that can.
        """
        ended_at = self._now()
        try:
            with self._writing() as pen:
                operations.end(pen, intent, outcome, ended_at)
        except Unrecorded:
            if intent.operation in self._open:
                self._owed.append((intent, outcome, ended_at))
            raise
        finally:
            self._open.discard(intent.operation)
        self._untidied += 1
        if self._untidied >= _TIDY_EVERY:
            with suppress(Unrecorded):  # the record stands; what is too old goes another time
                self._tidy()

    async def settle(self, operation: str, ending: Ending, how: str, *, made: str = "") -> None:
        """Close an operation whose outcome was unknown, or record that it was looked for; does nothing to any other."""
        self._recover()
        with self._writing() as pen:
            operations.settle(pen, operation, ending, how=how, made=made, at=self._now())

    async def earlier(self, fingerprint: str, within: float) -> Operation | None:
        """Return the operation that `begin` would hold a call of this fingerprint back for."""
        found = self._earlier(fingerprint, within)
        if found is not None and found.outcome is None and self._recover():
            found = self._earlier(fingerprint, within)
        return found

    def _earlier(self, fingerprint: str, within: float) -> Operation | None:
        with self._store.reading() as connection:
            return admission.earlier(connection, fingerprint, within, self._moment(connection).tick)

    async def operation(self, operation: str) -> Operation | None:
        """Return an operation by its id."""
        self._recover()
        with self._store.reading() as connection:
            return operations.operation_of(connection, operation, self._vantage(connection))

    async def unknown(self, principal: str | None, *, limit: int) -> Sequence[Operation]:
        """Return a principal's operations whose outcome is unknown, everybody's for None; the newest first."""
        self._recover()
        with self._store.reading() as connection:
            return operations.unknown(connection, self._vantage(connection), principal, limit)

    async def alongside(self, operation: Operation, *, within: float, limit: int) -> Sequence[Operation]:
        """Return the other operations of its tool and workspace that began within so many seconds of it."""
        self._recover()
        with self._store.reading() as connection:
            vantage = self._vantage(connection)
            return operations.alongside(connection, vantage, operation, within=within, limit=limit)

    async def was_called(
        self, workspace: str, tools: Collection[str], arguments: Mapping[str, Any], *, within: float
    ) -> bool:
        """Say whether anybody's write by one of these tools began lately and may have done something."""
        with self._store.reading() as connection:
            since = self._moment(connection).tick - within
            return operations.was_called(connection, workspace, tools, arguments, since=since)

    async def ask(self, confirmation: Confirmation) -> Confirmation:
        """Keep a confirmation until it is spent or expired, or return the one that was asked for already."""
        with self._writing() as pen:
            return self._book.ask(pen, confirmation, self._advance(pen.connection))

    async def confirmation(self, handle: str) -> Confirmation | None:
        """Return a confirmation by its handle, whatever its state; None if there is none or it is long gone."""
        with self._store.reading() as connection:
            return confirmations.by_handle(connection, handle)

    async def waiting(self, binding: str) -> Confirmation | None:
        """Return the confirmation of a binding that is to be decided, used or told as rejected."""
        with self._store.reading() as connection:
            return confirmations.by_binding(connection, binding, self._moment(connection))

    async def decide(self, handle: str, state: State, by: str) -> Confirmation:
        """Approve or reject a confirmation that is waiting; raises NotConfirmed when it cannot be."""
        with self._writing(durable=True) as pen:
            return self._book.decide(pen, handle, state, by, self._advance(pen.connection))

    async def withdraw(self, handle: str, by: str) -> Confirmation:
        """Reject a confirmation that is waiting or approved; raises NotConfirmed when it was spent or is over."""
        with self._writing(durable=True) as pen:
            return self._book.withdraw(pen, handle, by, self._advance(pen.connection))

    async def for_operator(self) -> Sequence[Confirmation]:
        """Return the confirmations that wait for a person to read their plan, the newest first."""
        with self._store.reading() as connection:
            return confirmations.for_operator(connection, self._moment(connection))

    async def stopped(self) -> Stopped | None:
        """Return the stop that is in force, if any; cheap enough to be asked before every attempt."""
        return stop.look(self._stop_file)

    def digest(self, *parts: str) -> str:
        """Return a keyed digest of texts, in hexadecimal, the same in every process on this ledger."""
        return self._book.digest(*parts)

    async def remark(self, kind: str, members: Mapping[str, Any]) -> None:
        """Record something that is no call, such as a stop; `kind` names it."""
        with self._writing() as pen:
            entries.append(pen, self._now(), kind, members)

    async def prune(self) -> int:
        """Remove what is too old or too much, in steps between which others run; return how many records went."""
        removed, until = 0, self.head().seq
        while gone := self._tidy(until):
            removed += gone
            await checkpoint()
        return removed

    def head(self) -> Link:
        """Return the end of the chain; its text, SEQ:MAC, can be noted elsewhere."""
        with self._store.reading() as connection:
            return entries.head(connection)

    def records(self, after: int = 0, limit: int | None = None) -> list[Record]:
        """Return the records after a number, unverified."""
        with self._store.reading() as connection:
            return list(archive.records(connection, after, limit))

    async def of_principal(self, principal: str, *, limit: int) -> Sequence[Record]:
        """Return the newest records of one principal, the newest first, unverified; only recent ones are looked at."""
        with self._store.reading() as connection:
            return archive.of_principal(connection, principal, limit, entries.head(connection).seq)

    def find(self, identifier: str) -> list[Record]:
        """Return the records in which a person's or an object's identifier stands, or of an operation, unverified."""
        with self._store.reading() as connection:
            return list(archive.mentioning(connection, marks(identifier, self.digest), identifier.strip()))

    def of_operation(self, operation: str) -> list[Record]:
        """Return the records of an operation, unverified."""
        with self._store.reading() as connection:
            return list(archive.of_operation(connection, operation))

    def verify(self, expected_head: str | None = None) -> Verdict:
        """Verify the chain and the tables, and compare with a head noted earlier; ValueError if that is no SEQ:MAC.

        A chain alone cannot show a cut tail, nor a rewrite by someone who has the key; a noted head shows both, as far
        as it reaches.
        """
        noted = Link.parsed(expected_head) if expected_head else None
        with self._store.reading() as connection:
            return archive.verify(connection, self.keys, noted)

    async def aclose(self) -> None:
        """Record what is owed if that can be done now, and close the ledger; what is open stays open."""
        self.close()

    def close(self) -> None:
        """Record what is owed if that can be done now, and close the ledger; what is open stays open."""
        if self._owed:
            with suppress(Unrecorded), self._writing():
                pass
        self._store.close()
        self._neighbours.leave()

    @contextmanager
    def _writing(self, *, durable: bool = False) -> Iterator[Pen]:
        """Write in one transaction, and first what is owed: it may decide what the rest may do."""
        owed = tuple(self._owed)
        with self._store.writing(durable=durable) as connection:
            pen = self._book.pen(connection)
            for intent, outcome, ended_at in owed:
                operations.end(pen, intent, outcome, ended_at)
            yield pen
        for _ in owed:
            self._owed.popleft()

    def _recover(self) -> bool:
        """Close what dead processes left open, and say whether there was any; cheap where nothing is open."""
        with self._store.reading() as connection:
            owners = operations.owners_of_open(connection)
        dead = self._neighbours.dead(owners)
        if dead:
            with self._writing(durable=True) as pen:
                self._advance(pen.connection)
                for process in dead:
                    operations.recover(pen, process, self._now())
        return bool(dead)

    def _tend(self) -> None:
        """Do what is due when a ledger is opened; if it cannot be written, reading goes on, and all is done later."""
        with suppress(OSError):
            self._recover()
            self._tidy()
            self._neighbours.sweep()

    def _tidy(self, until: int | None = None) -> int:
        self._untidied = 0
        with self._store.writing() as connection:
            last = entries.head(connection).seq if until is None else until
            # Kept at every start too, so that a machine started anew counts from now, whatever its clock was set to.
            moment = self._advance(connection)
            pen, held = self._book.pen(connection), schema.page_bytes(connection)
            removed = retention.step(pen, self._keep, moment, until=last, held=held)
        if removed:
            self._store.reclaim(retention.PAGES)
        return removed

    def _moment(self, connection: Connection) -> Moment:
        return clock.moment(entries.last_moment(connection), clock.read(self._now, self._boot))

    def _vantage(self, connection: Connection) -> Vantage:
        moment = self._moment(connection)
        ran = moment.reading.uptime - (0.0 if moment.reading.boot else self._opened_at)
        return Vantage(moment=moment, process=self._neighbours.name, ran=max(0.0, ran))

    def _advance(self, connection: Connection) -> Moment:
        """Return this moment, and keep it as the one from which later ones are counted."""
        moment = self._moment(connection)
        entries.keep_moment(connection, moment)
        return moment
