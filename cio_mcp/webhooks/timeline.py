"""Pure: what became of a delivery, from events in whatever order they came and from what the API tells of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal, get_args

from cio_mcp.webhooks.events import Event

Until = Literal["sent", "delivered", "opened", "clicked", "converted"]

ORDER = (
    *("created", "drafted", "attempted", "deferred", "sent", "undeliverable", "failed", "dropped", "bounced"),
    *("delivered", "opened", "clicked", "converted", "replied", "unsubscribed", "spammed"),
)
"""The metrics of all channels, in the order in which they follow from each other (reporting webhooks reference)."""
_READ = frozenset({"opened", "clicked", "replied", "unsubscribed", "spammed"})
_PROOFS: Mapping[Until, frozenset[str]] = {
    # What came back was sent. A conversion may count without anything having been opened.
    "sent": _READ | {"sent", "delivered", "bounced", "converted"},
    "delivered": _READ | {"delivered"},
    "opened": frozenset({"opened", "clicked"}),
    "clicked": frozenset({"clicked"}),
    "converted": frozenset({"converted"}),
}
_ENDS = frozenset({"bounced", "dropped", "failed", "undeliverable"})
"""After these nothing more is tried; after `attempted` and `deferred` it is."""

if set(_PROOFS) != set(get_args(Until)):
    raise TypeError("every metric that can be waited for needs its proofs")


class Verdict(Enum):
    """Whether what is waited for has come."""

    REACHED = auto()
    RULED_OUT = auto()
    OPEN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened: when, in seconds since 1970, and what was said of it."""

    metric: str
    at: int
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


def verdict(until: Until, metrics: Iterable[str]) -> Verdict:
    """Say whether a delivery has come as far as `until`, or never will."""
    seen = set(metrics)
    if seen & _PROOFS[until]:
        return Verdict.REACHED
    return Verdict.RULED_OUT if seen & _ENDS else Verdict.OPEN


def steps(events: Sequence[Event], looked: Mapping[str, int]) -> list[Step]:
    """Return what happened, oldest first; `looked` are the API's metrics, which fill in what no event told."""
    told = [Step(metric=event.metric, at=event.at, data=event.data) for event in events]
    known = {step.metric for step in told}
    told += [Step(metric=metric, at=at) for metric, at in looked.items() if metric not in known]
    return sorted(told, key=lambda step: (step.at, _rank(step.metric)))


def _rank(metric: str) -> int:
    return ORDER.index(metric) if metric in ORDER else len(ORDER)
