"""The ledger in an SQLite file: what was intended and how it ended, and what must be decided together with it.

Everything runs in the caller's thread: a transaction takes a fraction of a millisecond, less than handing it over.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from anyio.lowlevel import checkpoint

from cio_mcp.ledger import admission, archive, chain, clock, confirmations, entries, operations, retention, stop
from cio_mcp.ledger.chain import Keys, Link, Record, Verdict
from cio_mcp.ledger.clock import Boot, Moment
from cio_mcp.ledger.neighbours import Neighbours
from cio_mcp.ledger.place import stop_path
from cio_mcp.ledger.redaction import marked
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
        self._now = now
        self._boot = boot
        self._keep = keep or Retention()
        self._stop_file = stop_file
        self._neighbours = Neighbours(store.path)
        self._open: set[str] = set()
        self._owed: deque[tuple[Intent, Outcome, float]] = deque(maxlen=_OWED)
        self._untidied = 0

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
        with self._writing(durable=True) as connection:
            stopped = stop.look(self._stop_file)
            if stopped:
                raise stopped
            moment = self._advance(connection)
            admission.check_repeat(connection, intent, terms, moment.tick)
            admission.check_caps(connection, intent, terms.caps, moment.tick)
            if terms.confirmation is not None:
                confirmations.spend(connection, terms.confirmation, terms.binding, moment)
            spent = {"confirmation": self._mark(terms.confirmation)} if terms.confirmation else {}
            operations.begin(connection, self.keys.chain, intent, moment, process=process, **spent)
        self._open.add(intent.operation)

    async def conclude(self, intent: Intent, outcome: Outcome) -> None:
        """Record how a call ended: of a write that began, or the whole of one that never did (reads, refusals).

        The end of a write that cannot be recorded now is kept, and recorded with the next that can.
        """
        ended_at = self._now()
        try:
            with self._writing() as connection:
                operations.end(connection, self.keys.chain, intent, outcome, ended_at)
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

    async def settle(self, operation: str, ending: Ending, how: str) -> None:
        """Close an operation whose outcome was unknown, or record that it was looked for; does nothing to any other."""
        self._recover()
        with self._writing() as connection:
            operations.settle(connection, self.keys.chain, operation, ending, how=how, at=self._now())

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
            return operations.operation_of(connection, operation)

    async def unknown(self, principal: str, *, limit: int) -> Sequence[Operation]:
        """Return the principal's operations whose outcome is unknown, the newest first."""
        self._recover()
        with self._store.reading() as connection:
            return operations.unknown(connection, principal, limit)

    async def ask(self, confirmation: Confirmation) -> None:
        """Keep a confirmation until it is spent or expired."""
        with self._writing() as connection:
            confirmations.keep(connection, confirmation, self._advance(connection))
            self._note(connection, "asked", confirmation)

    async def confirmation(self, handle: str) -> Confirmation | None:
        """Return a confirmation by its handle, whatever its state; None if there is none or it is long gone."""
        with self._store.reading() as connection:
            return confirmations.by_handle(connection, handle)

    async def waiting(self, binding: str) -> Confirmation | None:
        """Return the newest confirmation of a binding that is waiting, approved or rejected, and not expired."""
        with self._store.reading() as connection:
            return confirmations.by_binding(connection, binding, self._moment(connection))

    async def decide(self, handle: str, state: State, by: str) -> Confirmation:
        """Approve or reject a confirmation that is waiting; raises NotConfirmed when it cannot be."""
        with self._writing(durable=True) as connection:
            decided = confirmations.decide(connection, handle, state, by, self._advance(connection))
            self._note(connection, state.value, decided)
        return decided

    async def for_operator(self) -> Sequence[Confirmation]:
        """Return the confirmations that wait for a person to read their plan, the newest first."""
        with self._store.reading() as connection:
            return confirmations.for_operator(connection, self._moment(connection))

    async def stopped(self) -> Stopped | None:
        """Return the stop that is in force, if any; cheap enough to be asked before every attempt."""
        return stop.look(self._stop_file)

    def digest(self, *parts: str) -> str:
        """Return a keyed digest of texts, in hexadecimal, the same in every process on this ledger."""
        return chain.digest(self.keys.digest, *parts)

    async def remark(self, kind: str, members: Mapping[str, Any]) -> None:
        """Record something that is no call, such as a stop; `kind` names it."""
        with self._writing() as connection:
            entries.append(connection, self.keys.chain, self._now(), kind, members)

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

    def find(self, identifier: str) -> list[Record]:
        """Return the records in which a person's or an object's identifier stands, unverified."""
        with self._store.reading() as connection:
            return list(archive.mentioning(connection, marked(identifier, self.digest)))

    def verify(self, expected_head: str | None = None) -> Verdict:
        """Verify the chain and the tables, and compare with a head noted earlier; ValueError if that is no SEQ:MAC.

        A chain alone cannot show a cut tail, nor a rewrite by someone who has the key; a noted head shows both, as far
        as it reaches.
        """
        noted = Link.parsed(expected_head) if expected_head else None
        with self._store.reading() as connection:
            return archive.verify(connection, self.keys, noted)

    async def aclose(self) -> None:
        """Close the ledger; what is open stays open."""
        self.close()

    def close(self) -> None:
        """Close the ledger; what is open stays open."""
        self._store.close()
        self._neighbours.leave()

    @contextmanager
    def _writing(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Write in one transaction, and first what is owed: it may decide what the rest may do."""
        owed = tuple(self._owed)
        with self._store.writing(durable=durable) as connection:
            for intent, outcome, ended_at in owed:
                operations.end(connection, self.keys.chain, intent, outcome, ended_at)
            yield connection
        for _ in owed:
            self._owed.popleft()

    def _recover(self) -> bool:
        """Close what dead processes left open, and say whether there was any; cheap where nothing is open."""
        with self._store.reading() as connection:
            owners = operations.owners_of_open(connection)
        dead = self._neighbours.dead(owners)
        if dead:
            with self._writing(durable=True) as connection:
                self._advance(connection)
                for process in dead:
                    operations.recover(connection, self.keys.chain, process, self._now())
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
            removed = retention.step(connection, self.keys.chain, self._keep, moment, until=last)
        if removed:
            self._store.reclaim(retention.PAGES)
        return removed

    def _moment(self, connection: sqlite3.Connection) -> Moment:
        return clock.moment(entries.last_moment(connection), clock.read(self._now, self._boot))

    def _advance(self, connection: sqlite3.Connection) -> Moment:
        """Return this moment, and keep it as the one from which later ones are counted."""
        moment = self._moment(connection)
        entries.keep_moment(connection, moment)
        return moment

    def _note(self, connection: sqlite3.Connection, kind: str, confirmation: Confirmation) -> None:
        members = {name: getattr(confirmation, name) for name in ("operation", "tool", "principal", "workspace", "by")}
        members |= {"confirmation": self._mark(confirmation.handle), "audience": confirmation.audience}
        said = {name: value for name, value in members.items() if value not in (None, "")}
        entries.append(connection, self.keys.chain, self._now(), kind, said)

    def _mark(self, handle: str) -> str:
        """Return what stands for a handle in the records: whoever reads them must not be able to use it."""
        return self.digest("confirmation", handle)[:16]
