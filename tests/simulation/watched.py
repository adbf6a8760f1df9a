"""The ledger of a simulated process: the real one, with points before and after its commits."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from sqlite3 import Connection

from cio_mcp.ledger import Confirmation, Intent, Outcome, State, Terms
from cio_mcp.ledger.clock import SteadyClock, read
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.ledger.store import Store
from tests.simulation.messages import At, Begun, Go, Message

Ask = Callable[[Message], Go]
FULL = "full"
"""What the simulation says before a commit when the disk is to be full."""


class WatchedStore(Store):
    """A store that stands still before and after the commits of intents and outcomes.

    `before` and `after` are what it says then; without them the transaction is another one.
    """

    ask: Ask
    before: Message | None = None
    after: Message | None = None

    @contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[Connection]:
        """Run one transaction."""
        with super().writing(durable=durable) as connection:
            yield connection
            if isinstance(self.after, Begun) and not durable:
                raise AssertionError("an intent was about to be committed without being durable")
            if self.before and self.ask(self.before).given == FULL:
                raise OSError(errno.ENOSPC, "No space left on device")
        if self.after:
            self.ask(self.after)


class WatchedLedger(SqliteLedger):
    """A ledger that tells of which call each intent is; `call` is the one under way."""

    def __init__(self, path: Path, clock: SteadyClock, ask: Ask, call: ContextVar[int | None]) -> None:
        store = WatchedStore.open(path, read(clock.now, clock.boot))
        assert isinstance(store, WatchedStore)
        store.ask = ask
        self._watched: WatchedStore = store
        self._call = call
        super().__init__(store, now=clock.now, boot=clock.boot)
        self._tend()

    def _begin(self, intent: Intent, terms: Terms) -> None:
        call = self._call.get()
        begun = Begun(call, intent.operation, terms.confirmation, intent.recipients)
        with self._told(At("before the intent's commit", call), begun):
            super()._begin(intent, terms)

    async def conclude(self, intent: Intent, outcome: Outcome) -> None:
        """Record an outcome."""
        call = self._call.get()
        if intent.operation not in self._open:
            await super().conclude(intent, outcome)
            return
        with self._told(At("before the outcome's commit", call), At("after the outcome's commit", call)):
            await super().conclude(intent, outcome)

    async def decide_all(self, decided: Callable[[Confirmation], bool]) -> int:
        """Approve or reject everything that waits for the operator, as the commands do."""
        waiting = await self.for_operator()
        for each in waiting:
            state = State.APPROVED if decided(each) else State.REJECTED
            await self.decide(each.handle, state, "an operator")
        return len(waiting)

    @contextmanager
    def _told(self, before: Message, after: Message) -> Iterator[None]:
        self._watched.before, self._watched.after = before, after
        try:
            yield
        finally:
            self._watched.before = self._watched.after = None
