"""One call, from arguments to record; it knows no MCP.

```text
validate -> policy -> (plan) -> stopped? -> confirm -> record intent -> credential -> limiter -> HTTP -> reply
         -> shape -> record outcome
```

The order is the design: bad arguments burn no budget, refused calls touch no key, nothing irreversible leaves
unconfirmed, and a write that cannot be recorded is not sent. Everything with effects is handed in.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import anyio

from cio_mcp import arguments, disclosure, gate, privacy, reconcile, refusals, shaping, wire
from cio_mcp.catalog.controls import Controls
from cio_mcp.catalog.endpoint import Access, Catalog, Endpoint
from cio_mcp.catalog.params import Params
from cio_mcp.clearance import Clearance, Write
from cio_mcp.consent import Question
from cio_mcp.delivery import Caller, Course
from cio_mcp.endings import ending_of, interrupted, own_ending_of, own_interrupted
from cio_mcp.errors import CioError, InvalidArguments
from cio_mcp.exchange import Exchange
from cio_mcp.ledger import Ending, Intent, Ledger, Outcome, Refusal, Repeated, Terms, Unrecorded
from cio_mcp.ledger.redaction import redacted
from cio_mcp.native import Answered
from cio_mcp.observing import UNOBSERVED, Observer
from cio_mcp.policy import Decision, Policy
from cio_mcp.recollection import Recollection
from cio_mcp.scrub import one_line
from cio_mcp.under_way import UnderWay

READ_LIVE = wire.THEIRS | {"plan"}
"""Members of a result or an error that hold what was read from Customer.io."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A call that came to its end: data, an error, or a question to be asked; and what there is to say of the way."""

    data: dict[str, Any]
    error: CioError | None
    course: Course
    question: Question | None = None
    quotes: bool = False
    """It was answered by a tool that tells what others wrote."""

    @property
    def from_outside(self) -> bool:
        """Whether it may hold what others wrote."""
        return self.quotes or self.course.credential is not None or not READ_LIVE.isdisjoint(self.data)

    def meta(self) -> dict[str, Any]:
        """Return what the server says about the call, beside its result."""
        course = self.course
        told = {"operation": course.operation, "attempts": course.attempts, "waited_seconds": round(course.waited, 3)}
        told |= {"credential": course.credential, "budgets": course.budgets} if course.credential else {}
        return told | ({"notice": course.notice} if course.notice else {})


@dataclass(slots=True, kw_only=True)
class _Call:
    """A call on its way, and what will be recorded of it."""

    endpoint: Endpoint
    caller: Caller
    course: Course
    intent: Intent
    params: Params | None = None
    """Of a write that was begun: as it left."""
    planned: bool = False
    """It ended with a plan or a question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Carries out the calls of one workspace."""

    catalog: Catalog
    policy: Policy
    exchange: Exchange
    ledger: Ledger
    clearance: Clearance
    now: Callable[[], float]
    """Seconds since 1970, which no change of the wall clock moves."""
    workspace: str
    """What stands for it in records; the same wherever it is served."""
    region: str
    time_budget: float
    result_tokens: int
    confirm_above: int
    repeat_window: float
    native: Mapping[str, Answered]
    """The tools of this server itself, for the policy above."""
    natives: Callable[[Policy], Mapping[str, Answered]]
    """Makes them for another."""
    recollection: Recollection
    principal: str
    """As whom callers are served."""
    log: logging.Logger
    oversees: bool = False
    """They may see what all agents did."""
    observer: Observer = UNOBSERVED
    under_way: UnderWay = field(default_factory=UnderWay)

    def serving(self, policy: Policy, principal: str, *, oversees: bool = False) -> "Pipeline":
        """Return the pipeline of the same workspace for somebody else; who `oversees` sees what all agents did."""
        native = self.natives(policy)
        return replace(self, policy=policy, principal=principal, oversees=oversees, native=native)

    async def call(
        self,
        endpoint: Endpoint,
        given: Mapping[str, Any] | None,
        *,
        caller: Caller,
        refusal: CioError | None = None,
    ) -> Finished:
        """Carry out one call and record it; what goes wrong with it is returned, never raised.

        With a `refusal`, which was decided on before, it is only recorded.
        """
        call = self._begun(endpoint, caller)
        with self.under_way.noted(endpoint.name, endpoint.permission, call.course):
            return await self._brought_to_its_end(call, given, refusal)

    async def _brought_to_its_end(
        self, call: _Call, given: Mapping[str, Any] | None, refusal: CioError | None
    ) -> Finished:
        endpoint = call.endpoint
        result: dict[str, Any] | Question = {}
        error: CioError | None = None
        try:
            result = await self._carried_out(call, given, refusal)
        except CioError as failure:
            error = self._withheld(endpoint, failure)
        except BaseException as interruption:
            # Cancelled, or a fault of ours: either way the record does not stay open.
            await self._ended(call, interrupted(endpoint, call.course, interruption))
            raise
        ending = Ending.PLANNED if call.planned and error is None else ending_of(endpoint, call.course, error)
        await self._ended(call, ending, error)
        if isinstance(result, Question):
            return Finished(data={}, error=None, course=call.course, question=result)
        return Finished(data=result, error=error, course=call.course)

    async def answer(
        self, native: Answered, given: Mapping[str, Any] | None, *, caller: Caller, refusal: CioError | None = None
    ) -> Finished:
        """Answer one call of a tool of this server itself, and record it; with a `refusal` it is only recorded."""
        course, tool = self._course(caller), native.tool
        with self.under_way.noted(tool.name, Access.READ, course):
            return await self._answered(native, given, course, refusal)

    async def _answered(
        self, native: Answered, given: Mapping[str, Any] | None, course: Course, refusal: CioError | None
    ) -> Finished:
        tool = native.tool
        intent = self._intent(tool.name, Access.READ, course.caller, course)
        data: dict[str, Any] = {}
        error: CioError | None = None
        try:
            params = arguments.validate(tool.name, tool.params, given)
            intent = replace(intent, arguments=redacted(params, self.ledger.digest), rule=native.rule)
            data = await self._known_here(native, params, course, refusal)
        except CioError as failure:
            error = refusal or failure
            intent = replace(intent, rule=str(error.details.get("rule", intent.rule)))
        except BaseException as interruption:
            await self._conclude(intent, course, own_interrupted(interruption))
            raise
        await self._conclude(intent, course, own_ending_of(error), error)
        return Finished(data=data, error=error, course=course, quotes=tool.quotes)

    @staticmethod
    async def _known_here(native: Answered, params: Params, course: Course, refusal: CioError | None) -> dict[str, Any]:
        if refusal:
            raise refusal
        return await native.answer(params, course)

    async def turn_away(self, name: str, *, caller: Caller) -> None:
        """Record a call of a tool that does not exist."""
        course = self._course(caller)
        await self._conclude(self._intent(one_line(name, 60), "none", caller, course), course, Ending.REFUSED)

    def _course(self, caller: Caller) -> Course:
        now = self.exchange.now()
        return Course(operation=self.exchange.mint(), caller=caller, started=now, deadline=now + self.time_budget)

    def _intent(self, tool: str, access: str, caller: Caller, course: Course) -> Intent:
        return Intent(
            operation=course.operation,
            tool=tool,
            access=access,
            caller=caller.name,
            principal=caller.principal,
            workspace=self.workspace,
        )

    def _begun(self, endpoint: Endpoint, caller: Caller) -> _Call:
        course = self._course(caller)
        intent = self._intent(endpoint.name, endpoint.permission, caller, course)
        return _Call(endpoint=endpoint, caller=caller, course=course, intent=intent)

    async def _carried_out(
        self, call: _Call, given: Mapping[str, Any] | None, refusal: CioError | None
    ) -> dict[str, Any] | Question:
        endpoint = call.endpoint
        try:
            params, controls = arguments.admit(endpoint, given)
        except InvalidArguments as unread:
            raise refusal or unread from None
        call.intent = replace(call.intent, arguments=redacted(params, self.ledger.digest))
        if refusal:
            raise refusal
        decision = self._decided(call, params)
        if endpoint.access is Access.READ:
            return self._shaped(endpoint, params, await self._sent(call, params))
        try:
            return await self._write(call, params, controls, decision)
        except (Refusal, Unrecorded) as refused:
            now, principal = self.now(), call.caller.principal
            raise refusals.refused(endpoint, refused, now=now, principal=principal) from None

    def _decided(self, call: _Call, params: Params) -> Decision:
        """Return what the policy says of a call now; raises NotPermitted."""
        decision = self.policy.decide(call.endpoint, params, now=datetime.fromtimestamp(self.now(), UTC))
        call.intent = replace(call.intent, rule=decision.rule)
        if decision.refusal:
            raise decision.refusal
        return decision

    async def _write(
        self, call: _Call, params: Params, controls: Controls, decision: Decision
    ) -> dict[str, Any] | Question:
        endpoint = call.endpoint
        wire.build(endpoint, params)  # what is too large is refused before anybody is asked
        why = gate.reasons(endpoint, params, crowd=self.confirm_above)
        write = Write(
            endpoint=endpoint,
            params=params,
            controls=controls,
            course=call.course,
            policy=self.policy,
            at=datetime.fromtimestamp(self.now(), UTC),
            decision=decision,
            reasons=why,
        )
        if controls.dry_run:
            call.planned = True
            plan = await self.clearance.plan(write)
            told = {"plan": plan.for_agent().as_json()}
            return disclosure.masked(told, mask) if (mask := self.policy.mask(endpoint)) else told
        if stop := await self.ledger.stopped():
            raise stop
        fingerprint = self.ledger.digest("call", self.workspace, gate.canonical(endpoint, params))
        await self._hold_back(call, fingerprint, allow_repeat=bool(controls.allow_repeat))
        passage = await self.clearance.grant(write)
        if isinstance(passage, Question):
            call.planned = True
            return passage
        self._decided(call, params)  # somebody may have thought until the quiet hours began
        if why and (ended := await call.caller.standing()):  # and while they did: else it is looked at as it leaves
            raise ended
        call.intent = replace(
            call.intent,
            fingerprint=fingerprint,
            approval=passage.approval,
            recipients=write.recipients,
            time_budget=self.time_budget,
        )
        params = params.minted(self.exchange.mint)
        terms = Terms(
            repeat_within=self.repeat_window if endpoint.sends else 0,
            repeat_allowed=bool(controls.allow_repeat),
            caps=decision.caps,
            confirmation=passage.confirmation,
            binding=passage.binding,
        )
        await self.ledger.begin(call.intent, terms)
        call.params = params
        data = await self._sent(call, params)
        call.course.made = reconcile.made(endpoint, params, data) or ""
        return self._shaped(endpoint, params, data)

    async def _hold_back(self, call: _Call, fingerprint: str, *, allow_repeat: bool) -> None:
        """Refuse a repeat before anybody is asked about it; the ledger has the last word when it records the intent."""
        if not call.endpoint.sends:
            return
        earlier = await self.ledger.earlier(fingerprint, self.repeat_window)
        if earlier and not (allow_repeat and earlier.is_looked_for):
            raise Repeated(earlier)

    async def _sent(self, call: _Call, params: Params) -> dict[str, Any]:
        return await self.exchange.carry_out(call.endpoint, params, wire.build(call.endpoint, params), call.course)

    def _shaped(self, endpoint: Endpoint, params: Params, data: dict[str, Any]) -> dict[str, Any]:
        if mask := self.policy.mask(endpoint):
            data = privacy.masked(data, mask)
        fields = endpoint.params.model_fields
        offset: int = getattr(params, "offset", None) or 0
        paging = shaping.Paging(by_limit={"limit", "start"} <= set(fields), by_offset="offset" in fields, offset=offset)
        return shaping.bounded(shaping.skip(data, offset), tokens=self.result_tokens, paging=paging)

    async def _ended(self, call: _Call, ending: Ending, error: CioError | None = None) -> None:
        """Record how a call ended; one whose outcome is unknown can be looked up as long as its arguments are known."""
        if ending is Ending.UNKNOWN and call.params:
            self.recollection.keep(call.course.operation, call.endpoint, call.params)
            if error:
                error.details.setdefault("operation", call.course.operation)
        await self._conclude(call.intent, call.course, ending, error)

    def _withheld(self, endpoint: Endpoint, error: CioError) -> CioError:
        """Take personal data out of what an error tells of Customer.io."""
        if mask := self.policy.mask(endpoint):
            told = {name: value for name, value in error.details.items() if name in READ_LIVE}
            error.details |= disclosure.masked(told, mask)
        return error

    async def _conclude(self, intent: Intent, course: Course, ending: Ending, error: CioError | None = None) -> None:
        outcome = Outcome(
            ending=ending,
            code=error.code if error else None,
            credential=course.credential,
            status=course.status,
            attempts=course.attempts,
            waited=round(course.waited, 3),
            took=round(self.exchange.now() - course.started, 3),
            made=course.made,
        )
        self.observer.concluded(intent, outcome)
        try:
            with anyio.CancelScope(shield=True):
                await self.ledger.conclude(intent, outcome)
        except Unrecorded as failure:
            # What happened cannot be undone by an error here; a write's intent stands open in the ledger.
            course.notice = "This call could not be recorded; the operator should look at the ledger."
            self.log.warning("a call of %s could not be recorded: %s", intent.tool, failure)
