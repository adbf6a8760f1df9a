"""A ledger of any kind, for tests of what all of them promise."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cio_mcp.ledger.office import FileOffice, Office
from cio_mcp.ledger.postgres import PostgresLedger
from cio_mcp.ledger.terms import Ledger
from cio_mcp.postgres import Database
from tests.ledger.book import Clock, opened
from tests.ledger.engine import KEYS, EngineClock


@dataclass
class World:
    """A ledger of one kind, its office, and the clock it goes by."""

    ledger: Ledger
    office: Office
    clock: Clock

    def now(self) -> Any:
        """Return what a time of now equals: an engine's clock goes on by itself."""
        return pytest.approx(time.time(), abs=30) if isinstance(self.clock, EngineClock) else self.clock.now()


async def kinds(office: Office) -> list[str]:
    return [record["kind"] for record in await office.records()]


@asynccontextmanager
async def at(place: Path | str) -> AsyncIterator[World]:
    """Open the ledger in a file or in a database for the length of the block."""
    if isinstance(place, str):
        shared = PostgresLedger(Database(place), KEYS)
        try:
            yield World(ledger=shared, office=shared, clock=EngineClock(url=place))
        finally:
            await shared.aclose()
        return
    clock = Clock()
    with opened(place, clock) as ledger:
        yield World(ledger=ledger, office=FileOffice(ledger), clock=clock)
