"""The ledger in a PostgreSQL database: the same promises as in a file, for processes on many machines.

Every write takes the one row of `clock` first, so the chain has one writer at a time and whatever is decided together
with an intent (repeat, caps, confirmation, stop) is decided alone. Time is the engine's.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import anyio

from cio_mcp.ledger import admission, archive, confirmations, entries, operations, retention
from cio_mcp.ledger.book import Book
from cio_mcp.ledger.chain import Keys, Link, Record, Verdict
from cio_mcp.ledger.clock import Counted
from cio_mcp.ledger.pen import Damaged, Pen
from cio_mcp.ledger.postgres import tables
from cio_mcp.ledger.postgres.store import Store, end
from cio_mcp.ledger.postgres.tables import Standing
from cio_mcp.ledger.redaction import marks
from cio_mcp.ledger.retention import Retention
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
from cio_mcp.postgres import WRITE, Database, Session, Unavailable

_TIDY_EVERY = 200
"""Writes of this process between two steps of retention; fewer than a step removes, so that it keeps up."""
_LOOK_HOLDS = 0.1
"""Seconds for which calls share one look at the stop and at this process's presence."""
_UNHURRIED = "SET LOCAL statement_timeout = '10min'"
"""For what reads a whole ledger."""
T = TypeVar("T")


class PostgresLedger:
    """A `Ledger` in a database; it is reached when it is first needed, and what cannot be recorded does not happen."""

    def __init__(self, database: Database, keys: Keys, *, keep: Retention | None = None, make: bool = True) -> None:
        """Take a database and keys that do not lie in it; without `make` the ledger must be there."""
        self._store = Store(database, keys, make=make)
        self._book = Book(keys)
        self._keep = keep or Retention()
        self._untidied = _TIDY_EVERY  # a step is due after the first call
        self._looking: anyio.Lock | None = None
        self._looked: tuple[float, Stopped | None] = (float("-inf"), None)

    @property
    def name(self) -> str:
        """Where it is, for people."""
        return self._store.database.name

    @property
    def keys(self) -> Keys:
        """The keys of the ledger."""
        return self._book.keys

    # -- writes ------------------------------------------------------------------------------------

    async def begin(self, intent: Intent, terms: Terms) -> None:
        """Record a write durably before its first byte leaves, and take what it needs in the same transaction."""
        try:
            await self._thread(self._begin, intent, terms)
        except Repeated as refusal:
            # Under way, or left so by a process that died?
            if refusal.earlier.outcome is not None or not await self._thread(self._store.recover):
                raise
            await self._thread(self._begin, intent, terms)

    def _begin(self, intent: Intent, terms: Terms) -> None:
        def work(pen: Pen, standing: Standing) -> None:
            if standing.stopped:
                raise standing.stopped
            self._book.begin(pen, intent, terms, standing.moment, process=self._store.process)

        # From here on it may be recorded, even if its commit is never answered: then its end is owed.
        self._store.open.add(intent.operation)
        try:
            self._store.attend()
            self._store.write(work, durable=True)
        except OSError:
            raise
        except BaseException:
            self._store.open.discard(intent.operation)
            raise

    async def conclude(self, intent: Intent, outcome: Outcome) -> None:
        """Record how a call ended: of a write that began, or the whole of one that never did (reads, refusals).

        The end of a write that cannot be recorded now is kept, and recorded with the next that can.
        """
        ended = time.monotonic()
        try:
            await self._writing(partial(end, intent, outcome, ended))
        except Unrecorded:
            if intent.operation in self._store.open:
                self._store.owe(intent, outcome, ended)
            raise
        finally:
            self._store.open.discard(intent.operation)
        self._untidied += 1
        if self._untidied >= _TIDY_EVERY:
            self._untidied = 0
            with suppress(Unrecorded):  # the record stands; what is too old goes another time
                await self._thread(self._tidy)

    async def settle(self, operation: str, ending: Ending, how: str, *, made: str = "") -> None:
        """Close an operation whose outcome was unknown, or record that it was looked for; does nothing to any other."""

        def work(pen: Pen, standing: Standing) -> None:
            operations.settle(pen, operation, ending, how=how, made=made, at=standing.moment.now)

        await self._thread(self._store.recover)
        await self._writing(work)

    async def ask(self, confirmation: Confirmation) -> Confirmation:
        """Keep a confirmation until it is spent or expired, or return the one that was asked for already."""
        return await self._writing(lambda pen, standing: self._book.ask(pen, confirmation, standing.moment))

    async def decide(self, handle: str, state: State, by: str) -> Confirmation:
        """Approve or reject a confirmation that is waiting; raises NotConfirmed when it cannot be."""

        def work(pen: Pen, standing: Standing) -> Confirmation:
            return self._book.decide(pen, handle, state, by, standing.moment)

        return await self._writing(work, durable=True)

    async def withdraw(self, handle: str, by: str) -> Confirmation:
        """Reject a confirmation that is waiting or approved; raises NotConfirmed when it was spent or is over."""

        def work(pen: Pen, standing: Standing) -> Confirmation:
            return self._book.withdraw(pen, handle, by, standing.moment)

        return await self._writing(work, durable=True)

    async def remark(self, kind: str, members: Mapping[str, Any]) -> None:
        """Record something that is no call, such as a stop; `kind` names it."""
        await self._writing(lambda pen, standing: entries.append(pen, standing.moment.now, kind, members))

    # -- reads -------------------------------------------------------------------------------------

    async def earlier(self, fingerprint: str, within: float) -> Operation | None:
        """Return the operation that `begin` would hold a call of this fingerprint back for."""

        def work(session: Session, standing: Standing) -> Operation | None:
            return admission.earlier(session, fingerprint, within, standing.moment.tick)

        return await self._consulting(work)

    async def operation(self, operation: str) -> Operation | None:
        """Return an operation by its id."""
        return await self._consulting(
            lambda session, standing: operations.operation_of(session, operation, _ages(standing))
        )

    async def unknown(self, principal: str | None, *, limit: int) -> Sequence[Operation]:
        """Return a principal's operations whose outcome is unknown, everybody's for None; the newest first."""
        return await self._consulting(
            lambda session, standing: operations.unknown(session, _ages(standing), principal, limit)
        )

    async def alongside(self, operation: Operation, *, within: float, limit: int) -> Sequence[Operation]:
        """Return the other operations of its tool and workspace that began within so many seconds of it."""

        def work(session: Session, standing: Standing) -> Sequence[Operation]:
            return operations.alongside(session, _ages(standing), operation, within=within, limit=limit)

        return await self._consulting(work)

    async def was_called(
        self, workspace: str, tools: Collection[str], arguments: Mapping[str, Any], *, within: float
    ) -> bool:
        """Say whether anybody's write by one of these tools began lately and may have done something."""

        def work(session: Session) -> bool:
            since = tables.standing(session).moment.tick - within
            return operations.was_called(session, workspace, tools, arguments, since=since)

        return await self._reading(work)

    async def confirmation(self, handle: str) -> Confirmation | None:
        """Return a confirmation by its handle, whatever its state; None if there is none or it is long gone."""
        return await self._reading(lambda session: confirmations.by_handle(session, handle))

    async def waiting(self, binding: str) -> Confirmation | None:
        """Return the confirmation of a binding that is to be decided, used or told as rejected."""

        def work(session: Session) -> Confirmation | None:
            return confirmations.by_binding(session, binding, tables.standing(session).moment)

        return await self._reading(work)

    async def for_operator(self) -> Sequence[Confirmation]:
        """Return the confirmations that wait for a person to read their plan, the newest first."""
        return await self._reading(lambda session: confirmations.for_operator(session, tables.standing(session).moment))

    def digest(self, *parts: str) -> str:
        """Return a keyed digest of texts, in hexadecimal, the same in every process with this key."""
        return self._book.digest(*parts)

    async def stopped(self) -> Stopped | None:
        """Return the stop that is in force, if any; Unrecorded also where an attempt might be made twice."""
        if self._looking is None:
            self._looking = anyio.Lock()
        async with self._looking:
            looked_at, found = self._looked
            now = time.monotonic()
            if now - looked_at > _LOOK_HOLDS:
                found = await self._thread(self._store.look)
                self._looked = (now, found)
        if strayed := self._store.strayed:
            raise Unrecorded(
                f"{self.name}: it was out of reach while {strayed} writes were under way here, and they count as "
                "unknown elsewhere; nothing more is written until they have ended"
            )
        return found and Stopped(found.since, found.reason)

    # -- for the operator --------------------------------------------------------------------------

    async def engage(self, reason: str) -> Stopped:
        """Stop all writes from now on; one stop that is in force keeps its time and takes the new reason."""
        return await self._thread(self._store.transact, lambda session: tables.engage(session, reason), WRITE)

    async def stop_in_force(self) -> Stopped | None:
        """Return the stop that is in force; unlike `stopped`, without becoming one of the processes on the ledger."""
        return await self._reading(tables.look)

    async def release(self) -> Stopped | None:
        """Let writes pass again; return the stop that was in force."""
        return await self._thread(self._store.transact, tables.release, WRITE)

    async def prune(self) -> int:
        """Remove what is too old or too much, in steps between which others run; return how many records went."""
        removed, until = 0, (await self.head()).seq
        while gone := await self._thread(self._tidy, until):
            removed += gone
        return removed

    async def head(self) -> Link:
        """Return the end of the chain; its text, SEQ:MAC, can be noted elsewhere."""
        return await self._reading(lambda session: tables.standing(session).head)

    async def records(self, after: int = 0, limit: int | None = None) -> list[Record]:
        """Return the records after a number, unverified."""
        return await self._reading(lambda session: list(archive.records(session, after, limit)))

    async def of_principal(self, principal: str, *, limit: int) -> Sequence[Record]:
        """Return the newest records of one principal, the newest first, unverified; only recent ones are looked at."""

        def work(session: Session) -> Sequence[Record]:
            return archive.of_principal(session, principal, limit, tables.standing(session).head.seq)

        return await self._reading(work)

    async def find(self, identifier: str) -> list[Record]:
        """Return the records in which a person's or an object's identifier stands, or of an operation, unverified."""
        meant = marks(identifier, self.digest)

        def work(session: Session) -> list[Record]:
            session.execute(_UNHURRIED)
            return list(archive.mentioning(session, meant, identifier.strip()))

        return await self._reading(work)

    async def of_operation(self, operation: str) -> list[Record]:
        """Return the records of an operation, unverified."""
        return await self._reading(lambda session: list(archive.of_operation(session, operation)))

    async def verify(self, expected_head: str | None = None) -> Verdict:
        """Verify the chain and the tables, and compare with a head noted earlier; ValueError if that is no SEQ:MAC.

        A chain alone cannot show a cut tail, nor a rewrite by someone who has the key; a noted head shows both, as far
        as it reaches.
        """
        noted = Link.parsed(expected_head) if expected_head else None

        def work(session: Session) -> Verdict:
            session.execute(_UNHURRIED)
            return archive.verify(session, self.keys, noted)

        return await self._reading(work)

    async def aclose(self) -> None:
        """Record what is owed if that can be done now, and close the connections; what is open stays open."""
        with suppress(Unrecorded):
            await self._thread(self._store.pay)
        await self._thread(self._store.leave)
        await self._store.database.aclose()

    async def _thread(self, step: Callable[..., T], *arguments: Any) -> T:
        """Run a step in a thread; what goes wrong with the database becomes Unrecorded."""
        try:
            return await self._store.database.thread(step, *arguments)
        except Unrecorded:
            raise
        except Unavailable as error:
            raise Unrecorded(str(error)) from error
        except (Damaged, OSError) as error:
            raise Unrecorded(f"{self.name}: {error}") from error

    async def _writing(self, work: Callable[[Pen, Standing], T], *, durable: bool = False) -> T:
        return await self._thread(partial(self._store.write, durable=durable), work)

    async def _reading(self, work: Callable[[Session], T]) -> T:
        return await self._thread(self._store.read, work)

    async def _consulting(self, work: Callable[[Session, Standing], T]) -> T:
        return await self._thread(self._store.consult, work)

    def _tidy(self, until: int | None = None) -> int:
        def work(pen: Pen, standing: Standing) -> int:
            last = standing.head.seq if until is None else until
            held = tables.bytes_held(pen.connection, standing.head)
            return retention.step(pen, self._keep, standing.moment, until=last, held=held)

        return self._store.write(work)


def _ages(standing: Standing) -> Counted:
    return Counted(moment=standing.moment)
