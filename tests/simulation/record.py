"""The ledger's file, read by itself while the processes stand still."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from cio_mcp.ledger.clock import Boot
from cio_mcp.ledger.sqlite import SqliteLedger
from tests.simulation.machine import Machine

Row = dict[str, Any]


class Record:
    """What stands in the file now. Nothing is kept open, so that a process can be forked at any time."""

    def __init__(self, path: Path, machine: Machine) -> None:
        self._path = path
        self._machine = machine

    def open_operations(self) -> set[str]:
        """Return the operations that have an intent and no outcome."""
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
            found = connection.execute("SELECT operation FROM operations WHERE ending IS NULL").fetchall()
        return {operation for (operation,) in found}

    def broken(self) -> list[str]:
        """Say what is wrong with the chain of records."""
        if not self._path.exists():
            return []
        with self._ledger(tend=False) as ledger:
            fault = ledger.verify().fault
        return [f"the chain is broken at record {fault.seq}: {fault.text}"] if fault else []

    def next_start(self) -> tuple[list[Row], set[str]]:
        """Open the ledger as the next process would; return all records and what is open afterwards."""
        with self._ledger(tend=True) as ledger:
            records = ledger.records()
        return records, self.open_operations()

    @contextmanager
    def _ledger(self, *, tend: bool) -> Iterator[SqliteLedger]:
        machine = self._machine
        boot = Boot(id=machine.boot(), uptime=machine.uptime)
        ledger = SqliteLedger.open(self._path, now=machine.wall, boot=boot, make=False, tend=tend)
        try:
            yield ledger
        finally:
            ledger.close()
