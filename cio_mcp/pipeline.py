"""One call, from arguments to record; it knows no MCP.

```text
validate -> policy -> record intent -> credential -> limiter -> HTTP -> reply -> shape -> record outcome
```

The order is the design: bad arguments burn no budget, refused calls touch no key, and a write that cannot be
recorded is not sent. Everything with effects is handed in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cio_mcp import arguments, failures, readback, shaping, wire
from cio_mcp.budgets import Budgets
from cio_mcp.catalog.endpoint import Access, Catalog, Endpoint, Repeat
from cio_mcp.catalog.params import Params
from cio_mcp.credentials import Credentials, Lease
from cio_mcp.delivery import Caller, Course, Delivery, Job, Undelivered
from cio_mcp.errors import (
    CioError,
    InvalidArguments,
    MissingCredential,
    NotFound,
    NotPermitted,
    NotRecorded,
    OutcomeUnknown,
    Throttled,
    UnreadableReply,
)
from cio_mcp.gateway import Oversized
from cio_mcp.ledger import Ending, Intent, Ledger, Outcome, redacted
from cio_mcp.native import NativeTool, told
from cio_mcp.policy import Policy
from cio_mcp.scrub import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A call that came to its end: data or an error, and what there is to say about the way there."""

    data: dict[str, Any]
    error: CioError | None
    course: Course

    def meta(self) -> dict[str, Any]:
        """Return what the server says about the call, beside its result."""
        course = self.course
        told = {"operation": course.operation, "attempts": course.attempts, "waited_seconds": round(course.waited, 3)}
        return told | ({"credential": course.credential, "budgets": course.budgets} if course.credential else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Carries out the calls of one workspace."""

    catalog: Catalog
    policy: Policy
    credentials: Credentials
    budgets: Budgets
    delivery: Delivery
    ledger: Ledger
    time_budget: float
    result_tokens: int

    async def call(self, endpoint: Endpoint, given: Mapping[str, Any] | None, *, caller: Caller) -> Finished:
        """Carry out one call and record it; what goes wrong with it is returned, never raised."""
        course = self._course(caller)
        intent = Intent(operation=course.operation, tool=endpoint.name, access=endpoint.permission, caller=caller.name)
        data: dict[str, Any] = {}
        error: CioError | None = None
        try:
            params = self._admit(endpoint, given)
            intent = replace(intent, arguments=redacted(params))
            data = await self._carry_out(endpoint, params, intent, course)
        except CioError as failure:
            error = failure
        except BaseException as interruption:
            # Cancelled, or a fault of ours: either way the record does not stay open.
            self._conclude(intent, course, _interrupted(endpoint, course, interruption))
            raise
        self._conclude(intent, course, _ending(endpoint, course, error), error)
        return Finished(data=data, error=error, course=course)

    def answer(self, tool: NativeTool, given: Mapping[str, Any] | None, *, caller: Caller) -> Finished:
        """Answer one call of a tool of this server itself, and record it."""
        course = self._course(caller)
        intent = Intent(operation=course.operation, tool=tool.name, access=Access.READ, caller=caller.name)
        try:
            finished = Finished(
                data=tool.answer(arguments.validate(tool.name, tool.params, given)), error=None, course=course
            )
        except InvalidArguments as error:
            finished = Finished(data={}, error=error, course=course)
        ending = Ending.REFUSED if finished.error else Ending.OK
        self._conclude(intent, course, ending, finished.error)
        return finished

    def turn_away(self, name: str, *, caller: Caller) -> None:
        """Record a call of a tool that does not exist."""
        course = self._course(caller)
        intent = Intent(operation=course.operation, tool=one_line(name, 60), access="none", caller=caller.name)
        self._conclude(intent, course, Ending.REFUSED)

    def _course(self, caller: Caller) -> Course:
        now = self.delivery.effects.now()
        return Course(
            operation=self.delivery.effects.mint(), caller=caller, started=now, deadline=now + self.time_budget
        )

    def _admit(self, endpoint: Endpoint, given: Mapping[str, Any] | None) -> Params:
        params = arguments.validate(endpoint.name, endpoint.params, given)
        refusal = self.policy.refusal(endpoint)
        if refusal:
            raise refusal
        return params.minted(self.delivery.effects.mint)

    async def _carry_out(self, endpoint: Endpoint, params: Params, intent: Intent, course: Course) -> dict[str, Any]:
        request = wire.build(endpoint, params)
        self._intend(endpoint, intent)
        lease = self.credentials.lease(endpoint)
        course.credential = lease.name
        try:
            data = await self._settled(endpoint, params, request, lease, course)
        finally:
            course.budgets = [told(self.budgets.limiter(lease.name, bucket).snapshot()) for bucket in endpoint.buckets]
        return self._shape(endpoint, params, data)

    def _intend(self, endpoint: Endpoint, intent: Intent) -> None:
        if endpoint.access is Access.READ:
            return
        try:
            self.ledger.intend(intent)
        except OSError:
            raise NotRecorded(
                f"{endpoint.name} was not sent: the record of the call could not be written.",
                next_step="Ask the operator to look at this server's log and disk. Reading still works.",
            ) from None

    async def _settled(
        self, endpoint: Endpoint, params: Params, request: wire.Request, lease: Lease, course: Course
    ) -> dict[str, Any]:
        """Return the reply; a deletion whose answer never came is looked up instead."""
        repeat = params.own_repeat() or endpoint.repeat
        try:
            job = Job(endpoint=endpoint, repeat=repeat, request=request, lease=lease)
            answer = await self.delivery.deliver(job, course)
            return wire.read(endpoint, answer) | params.echoed()
        except Oversized as failure:
            course.status = failure.head.status
            raise failures.oversized(endpoint, failure) from None
        except NotFound:
            if repeat is Repeat.SAFE_UNLESS_RECREATED and course.doubt:
                return {"accepted": True, "note": "An earlier attempt of this call had already removed it."}
            raise
        except Undelivered as failure:
            error = failures.undelivered(endpoint, repeat, params, failure)
            if repeat is Repeat.SAFE_UNLESS_RECREATED and isinstance(error, OutcomeUnknown):
                return await self._read_back(endpoint, params, course, failure, error)
            raise error from None

    async def _read_back(
        self, endpoint: Endpoint, params: Params, course: Course, failure: Undelivered, error: OutcomeUnknown
    ) -> dict[str, Any]:
        look = self.catalog.get(endpoint.check_with or "")
        asked = readback.question(params, look) if look else None
        if look is None or asked is None:
            raise error
        probe = replace(course, attempts=0, unsettled=False, doubt=None)
        try:
            request = wire.build(look, look.params.model_validate(asked))
            job = Job(endpoint=look, repeat=look.repeat, request=request, lease=self.credentials.lease(look))
            wire.read(look, await self.delivery.deliver(job, probe))
        except NotFound:
            course.unsettled = False
            return {"accepted": True, "note": f"The answer was lost; {look.name} says that it is gone."}
        except (CioError, Undelivered, Oversized, ValueError):
            raise error from None
        raise failures.still_there(endpoint, failure, error)

    def _shape(self, endpoint: Endpoint, params: Params, data: dict[str, Any]) -> dict[str, Any]:
        fields = endpoint.params.model_fields
        offset: int = getattr(params, "offset", None) or 0
        paging = shaping.Paging(by_limit={"limit", "start"} <= set(fields), by_offset="offset" in fields, offset=offset)
        return shaping.bounded(shaping.skip(data, offset), tokens=self.result_tokens, paging=paging)

    def _conclude(self, intent: Intent, course: Course, ending: Ending, error: CioError | None = None) -> None:
        outcome = Outcome(
            ending=ending,
            code=error.code if error else None,
            credential=course.credential,
            status=course.status,
            attempts=course.attempts,
            waited=round(course.waited, 3),
            took=round(self.delivery.effects.now() - course.started, 3),
        )
        try:
            self.ledger.conclude(intent, outcome)
        except OSError:
            # What happened cannot be undone by an error here; the intent stands open in the ledger.
            return


def _ending(endpoint: Endpoint, course: Course, error: CioError | None) -> Ending:
    match error:
        case None:
            return Ending.OK
        case OutcomeUnknown():
            return Ending.UNKNOWN
        case UnreadableReply() if endpoint.access is not Access.READ:
            return Ending.UNKNOWN
        case Throttled() if course.attempts:  # by Customer.io
            return Ending.FAILED
        case InvalidArguments() | NotPermitted() | MissingCredential() | NotRecorded() | Throttled():
            return Ending.REFUSED
        case _:
            return Ending.FAILED


def _interrupted(endpoint: Endpoint, course: Course, interruption: BaseException) -> Ending:
    ours = isinstance(interruption, Exception)
    if course.unsettled or (ours and course.attempts and endpoint.access is not Access.READ):
        return Ending.UNKNOWN
    return Ending.FAILED if ours else Ending.CANCELLED
