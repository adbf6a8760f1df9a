"""Ledgers of every kind, for tests of what all of them promise."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cio_mcp.ledger.office import FileOffice, Office
from cio_mcp.ledger.terms import Ledger
from tests.ledger.book import Calls, Clock, opened
from tests.ledger.worlds import World, at
from tests.postgres_cluster import postgres_cluster, postgres_url

__all__ = ["postgres_cluster", "postgres_url"]


@pytest.fixture(params=["file", "memory", "postgres"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Open a ledger of every kind in turn."""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        async with at(url) as world:
            yield world
        return
    clock = Clock()
    path = tmp_path / "ledger.sqlite3" if request.param == "file" else None
    with opened(path, clock, stop_file=tmp_path / "ledger.stop") as ledger:
        yield World(ledger=ledger, office=FileOffice(ledger, tmp_path / "ledger.stop"), clock=clock)


@pytest.fixture
def ledger(world: World) -> Ledger:
    return world.ledger


@pytest.fixture
def office(world: World) -> Office:
    return world.office


@pytest.fixture
def clock(world: World) -> Clock:
    return world.clock


@pytest.fixture
def calls() -> Calls:
    return Calls()
