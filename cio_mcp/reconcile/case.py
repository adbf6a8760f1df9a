"""A call of unknown outcome, the times that count, and how sightings of it become a verdict."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cio_mcp.catalog.endpoint import Endpoint
from cio_mcp.catalog.params import Params
from cio_mcp.errors import OutcomeUnknown
from cio_mcp.ledger.terms import LONGEST_CALL, Ending, Operation

CLOCK_SECONDS = 30.0
"""How far off the time of a call may be, counted back from the date of an answer: `clocks.CLOSE_SECONDS`, and some."""
EARLY_SECONDS = 2.0
"""Customer.io's times are whole seconds, cut off; clocks kept by NTP differ by less than the other one."""
LATE_SECONDS = 60.0
"""How long after the call's end a request that had reached Customer.io may still have been taken up."""
SETTLING_SECONDS = 120.0
"""After this, what cannot be seen is taken not to have happened. Customer.io publishes no such time; it shows within
seconds what it accepted, and this is twice the time in which a late request may be taken up."""
REACH_SECONDS = LONGEST_CALL + SETTLING_SECONDS + 2 * CLOCK_SECONDS
"""How far apart two calls can begin of which each may have made what the other's look finds."""

SHOWN = 5
"""Sightings that an unclear verdict lists: a person who looks needs a few to begin with."""
PERSON = "Have a person look in Customer.io before the call is made again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A tool that reads, and the arguments with which it shows what became of a call."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is known of a call now: `ending` is ok, failed or unknown.

    `found` are ids and times of what proves it, nothing that others wrote. `claim` names what the call is now known
    to have made, so that it proves no other. `again_in` is set if it is too early to tell, in seconds.
    """

    ending: Ending
    reason: str
    next_step: str
    found: Mapping[str, Any] = field(default_factory=dict[str, Any])
    claim: str | None = None
    again_in: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A call of unknown outcome, seen at `now` (seconds since 1970).

    `claimed` are things that other calls are known to have made; `rivals` counts other calls that might have made the
    same at the same time. `is_dated` says that `now` is the time of Customer.io's clock.
    """

    endpoint: Endpoint
    params: Params
    operation: Operation
    now: float
    claimed: Collection[str] = ()
    rivals: int = 0
    is_dated: bool = True

    def dated(self, ahead: float | None) -> "Case":
        """Return the case by Customer.io's clock, which is so many seconds ahead; None if that is not known."""
        return replace(self, now=self.now + (ahead or 0.0), is_dated=ahead is not None)

    @property
    def is_timed(self) -> bool:
        """Whether it is known when it was made, by Customer.io's clock: that of this machine may be set to anything."""
        return self.is_dated and self.operation.is_timed

    @property
    def began(self) -> float:
        """When its intent was recorded, before the first byte left."""
        return self.now - self.operation.age if self.operation.is_timed else self.operation.started_at

    @property
    def ended(self) -> float:
        """When its request had left at the latest."""
        return self.began + min(duration(self.operation), self.operation.age)

    @property
    def waited(self) -> float:
        """Seconds since then, at least."""
        return max(0.0, self.operation.age - duration(self.operation))

    @property
    def status(self) -> int | None:
        """The HTTP status of an answer that accepted the call although it could not be read.

        Where it is not known whether Customer.io itself answered, there is none.
        """
        outcome = self.operation.outcome
        status = outcome.status if outcome and outcome.code != OutcomeUnknown.code else None
        return status if status is not None and 200 <= status < 300 else None  # noqa: PLR2004 - success in HTTP

    @property
    def span(self) -> tuple[int, int]:
        """The seconds in which anything that might be its effect can have been made, as Customer.io counts them."""
        return math.floor(self.began - CLOCK_SECONDS), math.ceil(self.ended + SETTLING_SECONDS + CLOCK_SECONDS)

    def is_time_of(self, created: float) -> bool:
        """Say whether something made at `created` was made when this call was under way."""
        return self.began - EARLY_SECONDS <= created <= self.ended + LATE_SECONDS

    def is_near(self, created: float) -> bool:
        """Say whether it may have been, if the clocks differ; at any time, if the call's is not known."""
        earliest, latest = self.span
        return not self.is_timed or earliest <= created <= latest


def duration(operation: Operation) -> float:
    """Return the seconds that a call took, or could take if it did not live to say so: as its own server was set."""
    took = operation.outcome.took if operation.outcome else 0.0
    return took or operation.intent.time_budget or LONGEST_CALL


def overlap(one: Operation, other: Operation) -> bool:
    """Say whether what one of two calls made may be taken for the other's."""
    first, second = sorted((one, other), key=lambda operation: operation.tick)
    return second.tick - EARLY_SECONDS <= first.tick + duration(first) + LATE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Something that the call may have made; `sure` if all that is shown of it agrees."""

    claim: str
    found: Mapping[str, Any]
    sure: bool


def unclear(reason: str, next_step: str = PERSON, *, found: Mapping[str, Any] | None = None) -> Verdict:
    """Return a verdict for what was looked for and stays unknown."""
    return Verdict(ending=Ending.UNKNOWN, reason=reason, next_step=next_step, found=found or {})


def done(reason: str, *, found: Mapping[str, Any] | None = None, claim: str | None = None) -> Verdict:
    """Return the verdict that the call took effect."""
    step = "It was done: do not make the call again."
    return Verdict(ending=Ending.OK, reason=reason, next_step=step, found=found or {}, claim=claim)


def absent(case: Case, what: str) -> Verdict:
    """Return what follows from seeing no effect, said by `what`: too early to tell, or that there is none."""
    left = duration(case.operation) + SETTLING_SECONDS - case.operation.age
    if left > 0:
        return Verdict(
            ending=Ending.UNKNOWN,
            reason=f"{what} so far, {case.waited:.0f} s after the call; Customer.io may show it later.",
            next_step=f"Call reconcile_operation again in {math.ceil(left)} s; do not repeat the call before.",
            again_in=left,
        )
    if case.status is not None:
        return unclear(f"{what}, although Customer.io answered {case.status}.")
    return Verdict(
        ending=Ending.FAILED,
        reason=f"{what}, {case.waited:.0f} s after the call. Customer.io publishes no longest time; "
        f"{SETTLING_SECONDS:.0f} s are taken to be enough, with clocks up to {CLOCK_SECONDS:.0f} s apart.",
        next_step=f"It had no effect: call {case.endpoint.name} again if it is still wanted.",
    )


def weighed(case: Case, sightings: Sequence[Sighting], *, thing: str, tool: str) -> Verdict:
    """Return what follows from the sightings of a `thing` that each call makes once, seen with `tool`."""
    sure = [sighting for sighting in sightings if sighting.sure]
    calls = 1 + case.rivals
    if len(sure) == calls:
        return done(
            f"{tool} shows the {thing}, made when the call was under way.", found=sure[0].found, claim=sure[0].claim
        )
    if len(sure) > calls:
        return unclear(
            f"{tool} shows {len(sure)} such {thing}s from that time, more than {_calls(calls)} that may have made "
            "them explain: some came from elsewhere.",
            found=_listed(sure, thing),
        )
    if sure:
        return unclear(
            f"{tool} shows {len(sure)} such {thing} from that time for {_calls(calls)} that may have made it: "
            "which of them did is not known."
        )
    if sightings:
        return unclear(
            f"{tool} shows {len(sightings)} that might be the {thing}, but not all of it agrees (the time within "
            f"{EARLY_SECONDS:.0f} s before the call and {LATE_SECONDS:.0f} s after it, and what was asked for).",
            found=_listed(sightings, thing),
        )
    return absent(case, f"{tool} shows no such {thing}")


def _listed(sightings: Sequence[Sighting], thing: str) -> dict[str, Any]:
    return {f"{thing}s": [dict(sighting.found) for sighting in sightings[:SHOWN]]}


def _calls(count: int) -> str:
    return "the one call" if count == 1 else f"the {count} calls"
