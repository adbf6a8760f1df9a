"""What a replica and an engine say to each other. All times are whole microseconds, and none is a time of day.

An engine keeps, for each bucket, the slots that are held and the replicas that wait, and decides in one atomic step
who takes a slot. It goes by its own clock alone: it is told and tells how long something lasts, never when it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Protocol, Self

from cio_mcp.limiter.backoff import CLEAN_SECONDS, step_of
from cio_mcp.limiter.rates import Rate
from cio_mcp.limiter.turns import HOLD_SECONDS, TICKET_SECONDS, turn_size
from cio_mcp.limiter.waiting import Overdue

SETTLING_SECONDS = 4.0
"""So long after an engine is there again, replicas that did without it may still be on their way back to it: the
time between two tries, and two calls that wait for their time limit."""


class Unreachable(Exception):
    """The engine gave no answer that can be used; whatever was asked of it may have been done."""


class Unshared(Overdue):
    """The engine is missing, and nothing may be sent without it; `wait` is when to try again, in seconds."""


class Stage(StrEnum):
    """How far the request of a slot is, as the engine files it."""

    RESERVED = "r"
    """Granted; nothing has left that is known of."""
    WRITTEN = "w"
    """Has left, and is not answered."""
    COOLING = "c"
    """Answered or given up; free at a moment that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the engine must know of a bucket: the same for all replicas, so it is told with every question.

    `grace` and `stragglers` are those of `SlidingWindow`; `share` is what a replica may hold while others may be
    doing without the engine; `step` is how much of a lowered limit comes back each `clean` microseconds without a 429.
    """

    bucket: str
    limit: int
    share: int
    stragglers: int
    turn: int
    step: int
    window: int
    grace: int
    hold: int
    ticket: int
    settling: int
    clean: int
    longest_pause: int


def terms_of(rate: Rate, bucket: str, *, replicas: int, stragglers: int, grace: float, max_pause: float) -> Terms:
    """Return the terms of a bucket for so many replicas."""
    return Terms(
        bucket=bucket,
        limit=rate.limit,
        share=rate.limit // replicas,
        stragglers=stragglers,
        turn=turn_size(rate),
        step=step_of(rate.limit),
        window=micros(rate.window),
        grace=micros(grace),
        hold=micros(HOLD_SECONDS),
        ticket=micros(TICKET_SECONDS),
        settling=micros(SETTLING_SECONDS),
        clean=micros(CLEAN_SECONDS),
        longest_pause=micros(max(rate.window, max_pause)),
    )


def micros(seconds: float) -> int:
    """Return whole microseconds."""
    return round(seconds * 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A bucket as the engine saw it: what a replica needs to wait well, and to say how long it will be.

    `granted` of the slots asked for are the replica's; if that is less than all, it should ask again after `wait`,
    which is 0 while a slot is free for somebody before it. Of `held` slots of all replicas, `unanswered` belong to
    requests without an answer; the others come free from `first` to `last` from now. `others` are the numbers of
    callers of other replicas in line. `paused` is how long a pause lasts, negative if it is over since; `quiet` how
    long nothing is granted for another reason, and `lowered` the limit that the last 429 left.
    """

    granted: int
    wait: int
    held: int
    unanswered: int
    first: int
    last: int
    paused: int
    lowered: int
    quiet: int
    others: Sequence[int]

    @classmethod
    def told(cls, numbers: Sequence[int]) -> Self:
        """Read what every engine answers: the members in their order, `others` last, as many as there are."""
        single = [member.name for member in fields(cls)][:-1]
        values: dict[str, Any] = dict(zip(single, numbers, strict=False))
        return cls(**values, others=numbers[len(single) :])


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """File a slot under a stage, whether the engine knows it or not, until `left` has passed."""

    slot: str
    stage: Stage
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cool:
    """The slot of a request that was answered or given up is free when `left` has passed; no matter if unknown."""

    slot: str
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """The slot is free: its request never left, or never will."""

    slot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A 429, so long ago, which asked to wait for so long; 0 if it did not ask."""

    retry_after: int
    ago: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The replica has nobody waiting any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """The replica did without the engine for a while: what the engine holds for it is void, and slots follow."""


Change = Put | Cool | Drop | Refused | Left | Back


def words(change: Change) -> tuple[str | int, ...]:
    """Return a change as engines read it."""
    match change:
        case Put():
            return "put", change.slot, change.stage.value, change.left
        case Cool():
            return "cool", change.slot, change.left
        case Drop():
            return "drop", change.slot
        case Refused():
            return "refused", change.retry_after, change.ago
        case Left():
            return ("left",)
        case Back():
            return ("back",)


class Engine(Protocol):
    """An engine; every method raises Unreachable when it cannot be asked, after a second at most."""

    @property
    def name(self) -> str:
        """What it is called in a log, without anything secret."""

    async def take(self, terms: Terms, replica: str, slots: Sequence[str], waiting: int) -> View:
        """Grant as many of these slots, the first ones, as are free for the replica, of whom so many callers wait.

        Without slots, only look.
        """

    async def report(self, terms: Terms, replica: str, changes: Sequence[Change]) -> None:
        """Make changes, in the order given, at once."""

    async def ping(self) -> None:
        """See whether it answers."""
