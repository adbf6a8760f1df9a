"""One request brought to its end: slots, attempts, and what is known when no more may follow."""

import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import anyio

from cio_mcp.breaker import FIRST_COOLDOWN, Breaker, Breakers, Turn
from cio_mcp.budgets import Budgets, Slots
from cio_mcp.catalog.endpoint import Access, Endpoint, Repeat
from cio_mcp.completion import brought_to_its_end
from cio_mcp.consent import NOBODY, Person
from cio_mcp.credentials import Lease
from cio_mcp.errors import CioError, Unavailable
from cio_mcp.gateway import Gateway, Lost, Oversized, Place, Unsent
from cio_mcp.observing import UNOBSERVED, Attempt, Observer, Wait
from cio_mcp.retry import Fault, decide, fault_of, retry_after
from cio_mcp.wire import Answer, Request

ATTEMPT_SECONDS = 15.0
"""What may be tried again must not use up the whole call; Customer.io's own clients wait 10 to 30 s."""
REPLY_SECONDS = 5.0
"""A slot that comes free later than this before the deadline is not waited for: its answer might not be heard."""
ANNOUNCED_SECONDS = 1.0
"""A wait as long as this is announced before it begins; shorter ones are over before anybody has read of them."""


_FIRST_SERVER_ERROR = 500
_FIRST_WAITS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What a call asks of the world besides the network."""

    mint: Callable[[], str]
    """Makes a new ULID."""
    jitter: Callable[[], float]
    """Returns a number in [0, 1)."""
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What one attempt takes along: a slot of every limit it counts against, a connection, the breaker's leave."""

    slots: Slots
    place: Place
    turn: Turn


class Undelivered(Exception):
    """No final answer came, and no further attempt may be made."""

    def __init__(
        self,
        fault: Fault,
        reason: str,
        *,
        status: int | None = None,
        wait: float | None = None,
        local: bool = False,
    ) -> None:
        super().__init__(reason)
        self.fault = fault
        self.reason = reason
        self.status = status
        self.wait = wait
        """Seconds that Customer.io asked to wait, for a 429."""
        self.local = local
        """The reason lies on this machine."""

    @property
    def answered(self) -> bool:
        """Whether it shows that the host is up: it refused, and the fault is not its own."""
        return self.fault is Fault.THROTTLED or (
            self.fault is Fault.FAILED and (self.status or 0) < _FIRST_SERVER_ERROR
        )


Exchanging = Callable[[], Coroutine[Any, Any, Answer | Undelivered]]


async def _going() -> None:
    """Stop nothing."""


async def _nobody(_seconds: float) -> None:
    """Tell nobody."""


StandingCheck = Callable[[], Awaitable[CioError | None]]
"""Returns why nothing may be written for somebody any more, None as long as it may."""


async def in_good_standing() -> CioError | None:
    """Whoever is not asked for a proof cannot lose it."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who called: `name` as the client calls itself, `principal` as whom this server serves it.

    `waiting` tells that the call waits for a slot (in seconds), `person` who may be asked for a confirmation.
    """

    name: str
    principal: str = "local"
    oversees: bool = False
    """An operator's: it may see what all agents did."""
    person: Person = NOBODY
    waiting: Callable[[float], Awaitable[None]] = _nobody
    standing: StandingCheck = in_good_standing
    """Looked at once a person was asked, and before a write leaves: its token may have ended while it waited."""


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
    date: str = ""
    """What Customer.io's clock showed with its last answer, as HTTP writes it."""
    made: str = ""
    """What the call is known to have made, by name (`Outcome.made`)."""
    unsettled: bool = False
    """A write has left, and its outcome is not known."""
    doubt: Undelivered | None = None
    """How the last attempt of a write failed that may have had an effect, until an answer settles it."""
    budgets: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    notice: str = ""
    """What the caller should know besides: the call could not be recorded, say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be delivered, with which credential, and what a repeat of it would do."""

    endpoint: Endpoint
    repeat: Repeat
    request: Request
    lease: Lease
    decides: bool = False
    """A read whose answer says what became of a write, or whether one may leave."""

    @property
    def fresh(self) -> bool:
        """Whether nothing but its own answer may be taken for it, which only a connection of its own makes sure.

        What can be repeated without harm, and comes in thousands, does without.
        """
        return self.decides or (self.writes and not self.safe)

    @property
    def bucket(self) -> str:
        """The scarcest limit that it counts against, as `get_rate_budget` names it."""
        return f"{self.lease.name}/{self.endpoint.buckets[0]}"

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.endpoint.access is not Access.READ

    @property
    def safe(self) -> bool:
        """Whether it can be repeated without harm, whatever became of it."""
        return self.repeat in (Repeat.SAFE, Repeat.DEDUPLICATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Makes the attempts of a call: each within the limits, and only as many as can do no harm."""

    budgets: Budgets
    gateway: Gateway
    effects: Effects
    breakers: Breakers = field(default_factory=Breakers)
    stopped: Callable[[], Awaitable[Exception | None]] = _going
    """Returns what is to be raised if nothing may be written any more; asked before every attempt of a write."""
    attempt_seconds: float = ATTEMPT_SECONDS
    observer: Observer = UNOBSERVED
    workspace: str = ""
    """As observers are told of it."""

    async def deliver(self, job: Job, course: Course) -> Answer:
        """Return the final answer of Customer.io; raises Undelivered, Oversized, Throttled or Unavailable."""
        breaker = self.breakers.of(job.lease.base_url)
        last: Undelivered | None = None
        while True:
            passage = await self._admitted(job, course, breaker, last)
            outcome = await self._attempt(job, passage, breaker, course)
            if isinstance(outcome, Answer):
                return outcome
            if outcome.fault is Fault.THROTTLED:
                passage.slots.penalize(outcome.wait)
            last, delay = outcome, self._delay(job, outcome, course, passage.turn)
            if delay is None or delay >= self.left(course):
                # A last attempt that never left says nothing of an earlier one that did.
                raise course.doubt or outcome
            # After a 429 the bucket itself waits, in line with everybody else's calls.
            await self.effects.sleep(0 if outcome.fault is Fault.THROTTLED else delay)

    async def _admitted(self, job: Job, course: Course, breaker: Breaker, last: Undelivered | None) -> Passage:
        """Return what one attempt needs; what keeps it from leaving says nothing of an earlier one that did."""
        try:
            return await self._passage(job, course, breaker, last)
        except Exception as refusal:
            if course.doubt:
                raise course.doubt from refusal
            raise

    async def _passage(self, job: Job, course: Course, breaker: Breaker, last: Undelivered | None) -> Passage:
        """Return what one attempt needs; while the host is left alone, nobody stands in line for it."""
        if wait := await self._left_alone(job, course, breaker):
            raise last or self._unavailable(job, breaker, wait)
        slots = await self._slots(job, course)
        try:
            place = await self._place(job, course)
        except BaseException:
            slots.close()
            raise
        try:
            return Passage(slots=slots, place=place, turn=await self._turn(job, course, breaker, last))
        except BaseException:
            place.leave()
            slots.close()
            raise

    async def _turn(self, job: Job, course: Course, breaker: Breaker, last: Undelivered | None) -> Turn:
        """Return the breaker's leave; what stops a call may have come while it stood in line."""
        if job.writes and (stop := await self.stopped() or await course.caller.standing()):
            raise stop
        now = self.effects.now()
        if turn := breaker.admit(now, safe=job.safe):
            return turn
        raise last or self._unavailable(job, breaker, breaker.wait(now, safe=job.safe))

    async def _left_alone(self, job: Job, course: Course, breaker: Breaker) -> float:
        """Return the seconds for which the host is still left alone.

        Several calls may fail at once over nothing: those that were under way wait for the first try of the host and
        for its answer, but for no more.
        """
        waits = _FIRST_WAITS if course.attempts else 0
        while wait := breaker.wait(self.effects.now(), safe=job.safe):
            if not waits or wait > FIRST_COOLDOWN or wait >= self.left(course):
                break
            waits -= 1
            await self.effects.sleep(wait)
        return wait

    def _unavailable(self, job: Job, breaker: Breaker, wait: float) -> Unavailable:
        host = urlsplit(job.lease.base_url).hostname
        cause = breaker.health("", self.effects.now()).cause
        return Unavailable(
            f"Customer.io ({host}) gave the last calls no usable answer ({cause}), and is left alone for a moment. "
            "Nothing was sent.",
            next_step=f"Call again in {math.ceil(wait)} s; if it stays so, the operator runs `cio-mcp doctor`.",
            retry_after=wait,
        )

    async def _slots(self, job: Job, course: Course) -> Slots:
        expected = self.budgets.expected_wait(job.lease.name, job.endpoint.buckets)
        if ANNOUNCED_SECONDS <= expected <= self._patience(course):
            await course.caller.waiting(expected)
        in_line = partial(self.budgets.acquire, job.lease.name, job.endpoint.buckets, max_wait=self._patience(course))
        try:
            slots = await self.gateway.unless_leaving(in_line)
        except Unsent as error:
            raise Undelivered(Fault.UNSENT, str(error), local=error.local) from None
        course.waited += slots.waited
        self.observer.waited(Wait(workspace=self.workspace, bucket=job.bucket, seconds=slots.waited))
        return slots

    async def _place(self, job: Job, course: Course) -> Place:
        try:
            return await self.gateway.place(self._patience(course), reserved=job.endpoint.sends)
        except Unsent as error:
            raise Undelivered(Fault.UNSENT, str(error), local=error.local) from None

    def _patience(self, course: Course) -> float:
        reply = min(REPLY_SECONDS, (course.deadline - course.started) / 2)
        return max(0.0, self.left(course) - reply)

    def _delay(self, job: Job, outcome: Undelivered, course: Course, turn: Turn) -> float | None:
        if self.gateway.leaving or (turn.probe and not outcome.answered):
            return None  # a host that was found to be down is not tried again on behalf of the same call
        return decide(
            job.repeat,
            outcome.fault,
            attempt=course.attempts,
            jitter=self.effects.jitter(),
            retry_after=outcome.wait,
            has_quota=job.endpoint.has_quota,
        ).delay

    async def _attempt(self, job: Job, passage: Passage, breaker: Breaker, course: Course) -> Answer | Undelivered:
        """Make one attempt; a write that is under way is brought to its end, whoever gives up on it meanwhile."""
        once = job.repeat in (Repeat.NEVER, Repeat.PER_ITEM)
        seconds = self.left(course) if once else min(self.attempt_seconds, self.left(course))
        course.attempts += 1
        course.unsettled = job.writes
        attempted = partial(self._observed, job, partial(self._exchange, job, passage, seconds), course.attempts)
        exchange = partial(self._reported, breaker, passage.turn, attempted)
        outcome = await (brought_to_its_end(exchange) if job.writes else exchange())
        course.status = outcome.status
        # A stored answer (RFC 9111, "Age") shows another time than that of the call.
        course.date = (
            "" if isinstance(outcome, Undelivered) or "age" in outcome.headers else outcome.headers.get("date", "")
        )
        if isinstance(outcome, Undelivered) and job.writes and not outcome.fault.is_refusal:
            # What was lost may still arrive, whatever a later attempt is told.
            lost = course.doubt is not None and course.doubt.fault is Fault.LOST
            course.doubt = course.doubt if lost else outcome
        course.unsettled = isinstance(outcome, Undelivered) and course.doubt is not None
        return outcome

    async def _reported(self, breaker: Breaker, turn: Turn, exchange: Exchanging) -> Answer | Undelivered:
        """Tell the breaker what an attempt says of the host."""
        try:
            outcome = await exchange()
        except Oversized:
            breaker.answered()
            raise
        except BaseException:
            breaker.released(turn, self.effects.now())
            raise
        if isinstance(outcome, Answer) or outcome.answered:
            breaker.answered()
        elif outcome.local:
            breaker.released(turn, self.effects.now())
        else:
            breaker.failed(turn, self.effects.now(), outcome.reason)
        return outcome

    async def _observed(self, job: Job, exchange: Exchanging, number: int) -> Answer | Undelivered:
        attempt = Attempt(
            workspace=self.workspace,
            bucket=job.bucket,
            method=job.endpoint.method,
            base_url=job.lease.base_url,
            template=job.endpoint.path,
            number=number,
        )
        with self.observer.attempting(attempt):
            outcome = await exchange()
            attempt.status = outcome.status
            attempt.failure = outcome.fault.name.lower() if isinstance(outcome, Undelivered) else ""
            return outcome

    async def _exchange(self, job: Job, passage: Passage, seconds: float) -> Answer | Undelivered:
        try:
            answer = await self.gateway.exchange(
                job.request, job.lease, passage.slots, passage.place, timeout=seconds, fresh=job.fresh
            )
        except Unsent as error:
            return Undelivered(Fault.UNSENT, str(error), local=error.local)
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
