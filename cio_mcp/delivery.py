"""One request brought to its end: slots, attempts, and what is known when no more may follow."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio

from cio_mcp.budgets import Budgets, Slots
from cio_mcp.catalog.endpoint import Access, Endpoint, Repeat
from cio_mcp.credentials import Lease
from cio_mcp.errors import Throttled
from cio_mcp.gateway import Gateway, Lost, Oversized, Unsent
from cio_mcp.retry import Fault, decide, fault_of, retry_after
from cio_mcp.wire import Answer, Request

ATTEMPT_SECONDS = 15.0
"""What may be tried again must not use up the whole call; Customer.io's own clients wait 10 to 30 s."""
REPLY_SECONDS = 5.0
"""A slot that comes free later than this before the deadline is not waited for: its answer might not be heard."""
ANNOUNCED_SECONDS = 1.0
"""A wait as long as this is announced before it begins; shorter ones are over before anybody has read of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What a call asks of the world besides the network."""

    mint: Callable[[], str]
    """Makes a new ULID."""
    jitter: Callable[[], float]
    """Returns a number in [0, 1)."""
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep


class Undelivered(Exception):
    """No final answer came, and no further attempt may be made."""

    def __init__(self, fault: Fault, reason: str, *, status: int | None = None, wait: float | None = None) -> None:
        super().__init__(reason)
        self.fault = fault
        self.reason = reason
        self.status = status
        self.wait = wait
        """Seconds that Customer.io asked to wait, for a 429."""


async def _nobody(_seconds: float) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who called: a name for the record, and how to say that the call is waiting for a slot (in seconds)."""

    name: str
    waiting: Callable[[float], Awaitable[None]] = _nobody


@dataclass(slots=True, kw_only=True)
class Course:
    """How a call goes: filled in on the way, told to the caller and to the ledger at the end."""

    operation: str
    caller: Caller
    started: float
    deadline: float
    attempts: int = 0
    waited: float = 0.0
    credential: str | None = None
    status: int | None = None
    unsettled: bool = False
    """A write has left, and its outcome is not known."""
    doubt: Undelivered | None = None
    """How the last attempt of a write failed that may have had an effect, until an answer settles it."""
    budgets: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be delivered, with which credential, and what a repeat of it would do."""

    endpoint: Endpoint
    repeat: Repeat
    request: Request
    lease: Lease

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.endpoint.access is not Access.READ


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Makes the attempts of a call: each within the limits, and only as many as can do no harm."""

    budgets: Budgets
    gateway: Gateway
    effects: Effects
    attempt_seconds: float = ATTEMPT_SECONDS

    async def deliver(self, job: Job, course: Course) -> Answer:
        """Return the final answer of Customer.io; raises Undelivered, Oversized or Throttled."""
        while True:
            slots = await self._slots(job, course)
            course.waited += slots.waited
            outcome = await self._attempt(job, slots, course)
            if isinstance(outcome, Answer):
                return outcome
            if outcome.fault is Fault.THROTTLED:
                slots.penalize(outcome.wait)
            delay = self._delay(job, outcome, course)
            if delay is None or delay >= self.left(course):
                # A last attempt that never left says nothing of an earlier one that did.
                raise course.doubt or outcome
            # After a 429 the bucket itself waits, in line with everybody else's calls.
            await self.effects.sleep(0 if outcome.fault is Fault.THROTTLED else delay)

    async def _slots(self, job: Job, course: Course) -> Slots:
        expected = self.budgets.expected_wait(job.lease.name, job.endpoint.buckets)
        if ANNOUNCED_SECONDS <= expected <= self._patience(course):
            await course.caller.waiting(expected)
        try:
            return await self.budgets.acquire(job.lease.name, job.endpoint.buckets, max_wait=self._patience(course))
        except Throttled:
            if course.doubt:
                raise course.doubt from None
            raise

    def _patience(self, course: Course) -> float:
        reply = min(REPLY_SECONDS, (course.deadline - course.started) / 2)
        return max(0.0, self.left(course) - reply)

    def _delay(self, job: Job, outcome: Undelivered, course: Course) -> float | None:
        return decide(
            job.repeat,
            outcome.fault,
            attempt=course.attempts,
            jitter=self.effects.jitter(),
            retry_after=outcome.wait,
        ).delay

    async def _attempt(self, job: Job, slots: Slots, course: Course) -> Answer | Undelivered:
        """Make one attempt; a write that is under way is brought to its end, whoever gives up on it meanwhile."""
        once = job.repeat in (Repeat.NEVER, Repeat.PER_ITEM)
        seconds = self.left(course) if once else min(self.attempt_seconds, self.left(course))
        course.attempts += 1
        course.unsettled = job.writes
        with anyio.CancelScope(shield=job.writes):
            outcome = await self._exchange(job, slots, seconds)
        course.status = outcome.status
        if isinstance(outcome, Undelivered) and job.writes and not outcome.fault.is_refusal:
            course.doubt = outcome
        course.unsettled = isinstance(outcome, Undelivered) and course.doubt is not None
        return outcome

    async def _exchange(self, job: Job, slots: Slots, seconds: float) -> Answer | Undelivered:
        try:
            answer = await self.gateway.exchange(job.request, job.lease, slots, timeout=seconds)
        except Unsent as error:
            return Undelivered(Fault.UNSENT, str(error))
        except Lost as error:
            if error.head is None:
                return Undelivered(Fault.LOST, str(error))
            if error.head.is_success:
                return Undelivered(Fault.BROKEN_OFF, str(error), status=error.head.status)
            answer = error.head  # a refusal needs no body
        except Oversized as error:
            if error.head.is_success:
                raise
            answer = error.head
        fault = fault_of(answer.status)
        if fault is None:
            return answer
        wait = retry_after(answer.headers.get("retry-after"))
        return Undelivered(fault, f"it answered {answer.status}", status=answer.status, wait=wait)

    def left(self, course: Course) -> float:
        """Return the seconds that the call may still take."""
        return max(0.0, course.deadline - self.effects.now())
