"""What events prove of a message, whatever order they come in."""

from itertools import permutations
from typing import get_args

import pytest

from cio_mcp.webhooks.events import Event, Person
from cio_mcp.webhooks.timeline import Until, Verdict, steps, verdict


def told(metric: str, at: int) -> Event:
    return Event(event_id=metric, object_type="email", metric=metric, at=at, delivery_id="d", person=Person(), data={})


@pytest.mark.parametrize(
    ("until", "seen", "expected"),
    [
        ("delivered", "", Verdict.OPEN),
        ("delivered", "drafted attempted deferred sent", Verdict.OPEN),
        ("delivered", "sent delivered", Verdict.REACHED),
        ("delivered", "opened", Verdict.REACHED),
        ("delivered", "clicked", Verdict.REACHED),
        ("delivered", "spammed", Verdict.REACHED),
        ("delivered", "sent bounced", Verdict.RULED_OUT),
        ("delivered", "delivered bounced", Verdict.REACHED),
        ("delivered", "dropped", Verdict.RULED_OUT),
        ("delivered", "sent converted", Verdict.OPEN),
        ("sent", "bounced", Verdict.REACHED),
        ("sent", "failed", Verdict.RULED_OUT),
        ("sent", "undeliverable", Verdict.RULED_OUT),
        ("opened", "delivered", Verdict.OPEN),
        ("opened", "clicked", Verdict.REACHED),
        ("clicked", "opened", Verdict.OPEN),
        ("converted", "clicked", Verdict.OPEN),
        ("converted", "converted", Verdict.REACHED),
        ("opened", "teleported", Verdict.OPEN),
    ],
)
def test_a_wait_ends_where_its_end_is_proven_or_ruled_out(until: Until, seen: str, expected: Verdict) -> None:
    assert verdict(until, seen.split()) is expected


@pytest.mark.parametrize("until", get_args(Until))
def test_every_metric_proves_itself(until: Until) -> None:
    assert verdict(until, [until]) is Verdict.REACHED


def test_steps_are_told_in_the_order_in_which_they_happened_and_in_that_of_their_kind_within_a_second() -> None:
    events = [told("sent", 5), told("delivered", 5), told("opened", 5), told("clicked", 4)]
    for order in permutations(events):
        assert [step.metric for step in steps(order, {})] == ["clicked", "sent", "delivered", "opened"]


def test_what_the_api_tells_fills_in_what_no_event_told() -> None:
    done = steps([told("delivered", 7), told("opened", 9), told("opened", 8)], {"sent": 6, "delivered": 99, "x": 1})
    assert [(step.metric, step.at) for step in done] == [
        ("x", 1),
        ("sent", 6),
        ("delivered", 7),
        ("opened", 8),
        ("opened", 9),
    ]
