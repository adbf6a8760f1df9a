"""The transactions of a ledger on PostgreSQL, run in threads: writes alone, reads on one state, and who is still there.

An operation belongs to the presence under which it began (presence.py). When this process finds that it has lost its
presence, it takes a new one and, in one transaction, those of its operations that are still open. Those that somebody
has concluded as unknown meanwhile have strayed: no attempt leaves this process until they have ended here, because
somebody else may already have looked, found nothing and sent again. How they really ended is recorded late.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from cio_mcp.ledger import operations
from cio_mcp.ledger.chain import Keys
from cio_mcp.ledger.pen import Pen
from cio_mcp.ledger.postgres import tables
from cio_mcp.ledger.postgres.presence import Presence, dead
from cio_mcp.ledger.postgres.tables import Standing
from cio_mcp.ledger.terms import Intent, Outcome, Stopped
from cio_mcp.postgres import READ, WRITE, Database, Session

_OWED = 10_000
"""Ends of calls kept to be recorded later, when the database was away at their time; older ones become unknown."""
T = TypeVar("T")


class Store:
    """One ledger, and this process on it. Every method may wait for the database: it is called in threads."""

    def __init__(self, database: Database, keys: Keys, *, make: bool) -> None:
        self.keys = keys
        self.database = database
        self.open: set[str] = set()
        """What this process has begun, or may have, and not concluded."""
        self._owed: deque[tuple[Intent, Outcome, float]] = deque(maxlen=_OWED)
        self._make = make
        self._is_ready = False
        self._presence = Presence(database)
        self._process = ""
        self._strayed: frozenset[str] = frozenset()
        self._coming = threading.Lock()

    # -- transactions ------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Reach the ledger, and make it if there is none."""
        if self._is_ready:
            return
        create = partial(tables.create, keys=self.keys) if self._make else None
        self.database.ensure(tables.PART, tables.VERSION, create)
        self.database.transact(lambda session: tables.check_key(session, self.database.name, self.keys), READ)
        self._is_ready = True

    def write(self, work: Callable[[Pen, Standing], T], *, durable: bool = False) -> T:
        """Write in one transaction, alone, and first what is owed: it may decide what the rest may do.

        What is not durable survives the death of this process. A crash of the engine may take back the newest of it,
        an outcome for one: that operation is then found open and becomes unknown, which is the safe side.
        """
        paid: list[tuple[Intent, Outcome, float]] = []

        def written(session: Session) -> T:
            if not durable:
                session.execute("SET LOCAL synchronous_commit TO off")
            tables.stand_alone(session)
            standing = tables.standing(session)
            pen = Pen(session, self.keys.chain, standing.head)
            while self._owed:
                paid.append(self._owed.popleft())
                end(*paid[-1], pen, standing)
            done = work(pen, standing)
            tables.keep_moment(session, standing.moment)
            return done

        try:
            return self.transact(written, WRITE)
        except BaseException:
            self._owed.extendleft(reversed(paid))
            raise

    def read(self, work: Callable[[Session], T]) -> T:
        """Read one state of the ledger, whatever is written meanwhile."""
        return self.transact(work, READ)

    def transact(self, work: Callable[[Session], T], begin: str) -> T:
        """Run one transaction."""
        self.prepare()
        return self.database.transact(work, begin)

    def owe(self, intent: Intent, outcome: Outcome, ended: float) -> None:
        """Keep the end of a call, to be recorded with the next write that can be."""
        self._owed.append((intent, outcome, ended))

    def pay(self) -> None:
        """Record what is owed, if anything is."""
        if self._owed:
            self.write(_nothing)

    # -- the dead ----------------------------------------------------------------------------------

    def consult(self, work: Callable[[Session, Standing], T]) -> T:
        """Read, once what dead processes left open is closed."""

        def look(session: Session) -> tuple[Sequence[str], T]:
            return dead(session, self._process), work(session, tables.standing(session))

        left, found = self.read(look)
        if left:
            self._conclude_for(left)
            _, found = self.read(look)
        return found

    def recover(self) -> bool:
        """Close what dead processes left open, and say whether there was any."""
        left = self.read(lambda session: dead(session, self._process))
        if left:
            self._conclude_for(left)
        return bool(left)

    def _conclude_for(self, processes: Sequence[str]) -> None:
        def work(pen: Pen, standing: Standing) -> None:
            for process in processes:
                operations.recover(pen, process, standing.moment.now)

        self.write(work, durable=True)

    # -- the living --------------------------------------------------------------------------------

    @property
    def process(self) -> str:
        """The name under which this process is there now; steady while the chain is held."""
        return self._process

    @property
    def strayed(self) -> int:
        """How many operations under way here count as unknown elsewhere."""
        return len(self._strayed & self.open)

    def attend(self) -> None:
        """See to it that this process is there, as far as it has heard."""
        with self._coming:
            if not self._presence.seems_held:
                self._come()

    def look(self) -> Stopped | None:
        """Return the stop that is in force, having made sure of this process's presence."""
        self.prepare()
        with self._coming:
            with suppress(OSError):
                return self._presence.look()
            self._come()
            return self._presence.look()

    def leave(self) -> None:
        """Give the name up; what is open stays open, and is found by the next who looks."""
        with self._coming:
            self._presence.leave()

    def _come(self) -> None:
        before, name = self._process, self._presence.come()
        if not before:
            self._process = name
            return
        try:
            self.write(partial(self._take_over, name), durable=True)
        except BaseException:
            self._process = before
            self._presence.leave()
            raise

    def _take_over(self, name: str, pen: Pen, _standing: Standing) -> None:
        """Take the new name, while nobody else writes, and what is still open under the one before."""
        pen.connection.execute(
            "UPDATE operations SET process = ? WHERE process = ? AND ending IS NULL", (name, self._process)
        )
        found = pen.connection.execute(
            "SELECT operation FROM operations WHERE operation = ANY(?) AND ending IS NOT NULL", (list(self.open),)
        )
        self._strayed = frozenset(operation for (operation,) in found.fetchall())
        self._process = name


def end(intent: Intent, outcome: Outcome, ended: float, pen: Pen, standing: Standing) -> None:
    """Record an outcome; `ended` is on this process's monotonic clock, which the engine's is set against."""
    operations.end(pen, intent, outcome, standing.moment.now - (time.monotonic() - ended))


def _nothing(_pen: Pen, _standing: Standing) -> None:
    """Write nothing but what is owed, which comes first."""
