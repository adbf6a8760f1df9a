"""What each tool has to put on the wire, gathered from one module per area."""

from typing import Final

from tests.wire import (
    expect_broadcasts,
    expect_collections,
    expect_customers,
    expect_entities,
    expect_events,
    expect_people,
    expect_segments,
    expect_sends,
)
from tests.wire.case import Case

CASES: Final[tuple[Case, ...]] = (
    *expect_people.CASES,
    *expect_events.CASES,
    *expect_entities.CASES,
    *expect_sends.CASES,
    *expect_broadcasts.CASES,
    *expect_customers.CASES,
    *expect_segments.CASES,
    *expect_collections.CASES,
)
