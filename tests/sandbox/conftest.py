"""A running sandbox for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.sandbox.sandbox_talk import Talk, talking


@pytest.fixture(scope="module")
def running() -> Iterator[Talk]:
    """Run one sandbox for a module: starting one takes longer than most tests."""
    with talking() as talk:
        yield talk


@pytest.fixture
def cio(running: Talk) -> Talk:
    """Talk to the sandbox as it was at its start."""
    running.reset()
    return running
