"""Ledgers whose records a test can read."""

import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cio_mcp.ledger.clock import read
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.ledger.store import Store


class MemoryLedger(SqliteLedger):
    """The ledger of trials, and what it holds of calls; with a path others can share it."""

    def __init__(self, now: Callable[[], float] = time.time, path: Path | None = None) -> None:
        store = Store.open(path, read(now, None))
        super().__init__(store, now=now)
        weakref.finalize(self, store.close)  # Python 3.13 warns of what nobody closes
        self._forgotten = self.head().seq

    @property
    def recent(self) -> list[dict[str, Any]]:
        """The records since the start, or since `forget`, the oldest first."""
        return self.records(self._forgotten)

    def forget(self) -> None:
        """Let later records be the first."""
        self._forgotten = self.head().seq


def records_in(path: Path) -> list[dict[str, Any]]:
    """Return the records of calls in a ledger's file, after checking that their chain holds."""
    ledger = SqliteLedger.open(path, now=time.time, make=False, tend=False)
    try:
        assert ledger.verify().fault is None
        created, *records = ledger.records()
        assert created["kind"] == "created"
        return records
    finally:
        ledger.close()
