"""One server of ours and one recording Customer.io for all hostile tests: thousands of calls, two start-ups."""

from collections.abc import Iterator

import pytest

from tests.hostile.driver import Driver, driving
from tests.hostile.raw_upstream import RawUpstream, answering
from tests.recording import Recorder, running


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    """Call tools of a server whose Customer.io records requests."""
    recorder = Recorder()
    with running(recorder) as url, driving(url, recorder) as driver:
        yield driver


@pytest.fixture(scope="session")
def raw_upstream() -> Iterator[RawUpstream]:
    """Answer with bytes that no HTTP server would write."""
    with answering() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def raw_driver(raw_upstream: RawUpstream) -> Iterator[Driver]:
    """Call tools of a server whose Customer.io is `raw_upstream`."""
    with driving(raw_upstream.url, Recorder()) as driver:
        yield driver
