"""A sandbox, a database and replicas before them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from cio_mcp.sandbox import Delays, RunningSandbox, running_sandbox
from tests.postgres_cluster import postgres_cluster, postgres_url
from tests.replicas.house import House, house

__all__ = ["postgres_cluster", "postgres_url"]
Open = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """Return a sandbox with the published limits, whose messages are delivered and opened at once."""
    with running_sandbox() as running:
        running.app.state.world.delays = Delays(sent=0.05, delivered=0.2, opened=0.4)
        yield running


@pytest.fixture
def replicas(sandbox: RunningSandbox, postgres_url: str, tmp_path: Path) -> Open:
    """Open replicas; settings by their variables, and `count` of them."""
    return partial(house, sandbox, postgres_url, tmp_path)
