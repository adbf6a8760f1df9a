"""The tools that tell an agent how its calls ended, and that look for the truth where an answer was lost."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import Field

from cio_mcp import arguments, gate, reconcile
from cio_mcp.catalog.endpoint import Endpoint
from cio_mcp.catalog.fields import Ulid, WholeNumber
from cio_mcp.catalog.json_values import JsonObject
from cio_mcp.catalog.params import Params
from cio_mcp.delivery import Caller, Course
from cio_mcp.errors import InvalidArguments, NoSuchOperation, NotFound, NotRecorded, PartlyRejected
from cio_mcp.exchange import Exchange
from cio_mcp.ledger.terms import Ending, Ledger, Operation, Unrecorded
from cio_mcp.moments import moment
from cio_mcp.native import Answer as Answering
from cio_mcp.native import Answered, NativeTool
from cio_mcp.recollection import Recollection
from cio_mcp.reconcile import Case, Question, Verdict
from cio_mcp.reconcile.answers import Answer
from cio_mcp.reconcile.case import unclear

LISTED = 10
MOST_LISTED = 50
COUNTED = 1_000
"""Operations counted beyond those that are shown; whether there are more than these helps nobody."""
ALONGSIDE = 10_000
"""Calls of the same tool at about the same time that one is compared with; with more, nothing found is taken for its
effect. Enough for a minute and a half at 100 sends per second."""

T = TypeVar("T")


class GetOperation(Params):
    """Show what came of one operation, which is a call of yours, and what to do next."""

    operation: Ulid = Field(description="Id of the call")


class ListUnknownOperations(Params):
    """List your calls, such as sends, that hang in doubt: it is not known whether they took effect. Newest first."""

    limit: WholeNumber | None = Field(None, le=MOST_LISTED, description=f"Default {LISTED}")


class ReconcileOperation(Params):
    """Find out whether one call of unknown outcome, such as a send that timed out, took effect.

    Do so before you repeat it. Looks in Customer.io, changes nothing there, and closes the record.
    """

    operation: Ulid = Field(description="From list_unknown_operations")
    arguments: JsonObject | None = Field(None, description="The call's own arguments, if asked for")


OPERATIONS = (
    NativeTool(name="get_operation", params=GetOperation, read_only=True, open_world=False),
    NativeTool(name="list_unknown_operations", params=ListUnknownOperations, read_only=True, open_world=False),
    NativeTool(name="reconcile_operation", params=ReconcileOperation, read_only=False, open_world=True),
)


def operation_tools(
    *, ledger: Ledger, exchange: Exchange, workspace: str, now: Callable[[], float], recollection: Recollection
) -> tuple[Answered, ...]:
    """Return the tools, answered from these; `now` returns seconds since 1970."""
    desk = _Desk(ledger=ledger, exchange=exchange, workspace=workspace, now=now, recollection=recollection)
    answers: tuple[Answering, ...] = (desk.show, desk.list_unknown, desk.reconcile)
    return tuple(Answered(tool=tool, answer=answer) for tool, answer in zip(OPERATIONS, answers, strict=True))


def told(operation: Operation, now: float) -> dict[str, Any]:
    """Return an operation as its caller sees it at `now`, without empty members; its arguments are redacted."""
    intent, outcome = operation.intent, operation.outcome
    members = {
        "operation": intent.operation,
        "tool": intent.tool,
        "ending": str(outcome.ending) if outcome else "open",
        "began": moment(operation.started_at),
        "seconds_ago": round(max(0.0, now - operation.started_at)),
        "attempts": outcome.attempts if outcome else 0,
        "status": outcome.status if outcome else None,
        "code": outcome.code if outcome else None,
        "approval": intent.approval,
        "settled_by": operation.settled_by,
        "arguments": dict(intent.arguments),
        "next_step": _next_step(operation),
    }
    return {name: value for name, value in members.items() if value or name == "seconds_ago"}


_NEXT: Mapping[Ending | None, str] = {
    None: "It is under way: ask again in some seconds, and do not repeat it.",
    Ending.OK: "It was done: nothing is left to do.",
    Ending.FAILED: "It changed nothing: mend what its code names, and call again if it is still wanted.",
    Ending.REFUSED: "Nothing was sent: mend what its code names, and call again if it is still wanted.",
    Ending.PLANNED: "Nothing was sent: it waits for a confirmation, or only a plan was asked for.",
    Ending.CANCELLED: "Nothing was sent: call again if it is still wanted.",
}


def _next_step(operation: Operation) -> str:
    ending = operation.outcome.ending if operation.outcome else None
    if operation.outcome and operation.outcome.code == PartlyRejected.code:
        return "Some items took effect and some were refused: its answer named those to be mended and sent again."
    if ending is not Ending.UNKNOWN:
        return _NEXT[ending]
    if operation.settled_by:
        return "It was looked for, and its outcome stays unknown: have a person look before it is repeated."
    return f"Do not repeat it: call reconcile_operation with operation {operation.intent.operation}."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """Answers for one workspace."""

    ledger: Ledger
    exchange: Exchange
    workspace: str
    now: Callable[[], float]
    recollection: Recollection

    async def show(self, params: GetOperation, course: Course) -> dict[str, Any]:
        """Answer `get_operation`."""
        return self._told(await self._own(params.operation, course), course.caller)

    async def list_unknown(self, params: ListUnknownOperations, course: Course) -> dict[str, Any]:
        """Answer `list_unknown_operations`."""
        limit = params.limit or LISTED
        whose = None if course.caller.oversees else course.caller.principal
        found = await _read(self.ledger.unknown(whose, limit=limit + COUNTED))
        found = [operation for operation in found if self._may_be_seen(operation, course.caller)]
        if not found:
            return {"operations": [], "note": f"No call{' of yours' if whose else ''} has an unknown outcome."}
        more = len(found) - limit
        shown = {"operations": [self._told(operation, course.caller) for operation in found[:limit]]}
        return shown | ({"more": more if more < COUNTED else f"{COUNTED:,} or more"} if more > 0 else {})

    async def reconcile(self, params: ReconcileOperation, course: Course) -> dict[str, Any]:
        """Answer `reconcile_operation`."""
        operation = await self._own(params.operation, course)
        endpoint = self.exchange.catalog.get(operation.intent.tool)
        if operation.outcome is None or operation.outcome.ending is not Ending.UNKNOWN or endpoint is None:
            return told(operation, self.now())
        if operation.intent.workspace != self.workspace:
            return _answered(operation, _ELSEWHERE)
        known = self._given(operation, endpoint, params.arguments) or self._known(operation, endpoint)
        if verdict := reconcile.repeatable(endpoint, known):
            return await self._settled(operation, verdict)
        if known is None:
            return _answered(operation, _needed(endpoint))
        return await self._looked(await self._case(operation, endpoint, known), course)

    async def _own(self, number: str, course: Course) -> Operation:
        """Return an operation that the caller may see; any other is as unknown to it as one that never was."""
        found = await _read(self.ledger.operation(number))
        if found is None or not self._may_be_seen(found, course.caller):
            raise NoSuchOperation(
                "There is no such operation of yours.",
                next_step="list_unknown_operations shows those whose outcome is not known.",
            )
        return found

    def _may_be_seen(self, operation: Operation, caller: Caller) -> bool:
        """Say whether it is the caller's, or anybody's in this workspace for an operator."""
        intent = operation.intent
        return intent.principal == caller.principal or (caller.oversees and intent.workspace == self.workspace)

    def _told(self, operation: Operation, caller: Caller) -> dict[str, Any]:
        whose = {"principal": operation.intent.principal} if caller.oversees else {}
        return whose | told(operation, self.now())

    def _given(self, operation: Operation, endpoint: Endpoint, given: Mapping[str, Any] | None) -> Params | None:
        """Return the arguments that the caller gives again, if they are those of the call; raises InvalidArguments."""
        if given is None:
            return None
        params, _ = arguments.admit(endpoint, given)
        made = self.ledger.digest("call", operation.intent.workspace, gate.canonical(endpoint, params))
        if made != operation.intent.fingerprint:
            raise InvalidArguments(
                f"reconcile_operation: arguments are not those of operation {operation.intent.operation}.",
                next_step=f"Give just the arguments with which {endpoint.name} was called.",
            )
        return params

    def _known(self, operation: Operation, endpoint: Endpoint) -> Params | None:
        """Return what is known of the arguments without asking: all of them, or the numbers in the record."""
        if recalled := self.recollection.recall(operation.intent.operation):
            return recalled
        numbers = {name: operation.intent.arguments.get(name) for name in endpoint.in_path}
        if numbers and all(isinstance(value, int) for value in numbers.values()):
            return endpoint.params.model_construct(None, **numbers)
        return None

    async def _case(self, operation: Operation, endpoint: Endpoint, params: Params) -> Case:
        others = await _read(self.ledger.alongside(operation, within=reconcile.REACH_SECONDS, limit=ALONGSIDE))
        rivals = sum(reconcile.are_rivals(endpoint, operation, other) for other in others)
        return Case(
            endpoint=endpoint,
            params=params,
            operation=operation,
            now=self.now(),
            claimed={other.outcome.made for other in others if other.outcome},
            rivals=rivals if len(others) < ALONGSIDE else ALONGSIDE,
        )

    async def _looked(self, case: Case, course: Course) -> dict[str, Any]:
        asked = reconcile.question(case, self.exchange.catalog)
        if isinstance(asked, Verdict):
            return await self._settled(case.operation, asked)
        began = self.now()
        answer = await self._seen(asked, course)
        case = case.dated(reconcile.ahead(course.date, asked=began, answered=self.now()))
        better = reconcile.question(case, self.exchange.catalog)
        if isinstance(better, Question) and better != asked:  # what was asked about was another time than the call's
            answer = await self._seen(better, course)
        verdict = reconcile.judge(case, answer)
        if more := reconcile.follow_up(case, verdict):
            question, judge = more
            verdict = judge(verdict, await self._seen(question, course))
        return await self._settled(case.operation, verdict)

    async def _seen(self, question: Question, course: Course) -> Answer | None:
        try:
            return await self.exchange.look(question.tool, question.arguments, course)
        except NotFound:
            return None

    async def _settled(self, operation: Operation, verdict: Verdict) -> dict[str, Any]:
        """Record a verdict, unless it is too early for one: what was not yet to be seen was not looked for."""
        number = operation.intent.operation
        if verdict.again_in is not None:
            return _answered(operation, verdict)
        try:
            await self.ledger.settle(number, verdict.ending, f"looked: {verdict.reason}", made=verdict.claim or "")
        except Unrecorded:
            return _answered(operation, verdict) | {"notice": "This could not be recorded; the record stays as it was."}
        if verdict.ending is not Ending.UNKNOWN:
            self.recollection.forget(number)
        return _answered(operation, verdict)


_ELSEWHERE = unclear("It was made in another workspace.", "Only the server of that workspace can look.")


def _needed(endpoint: Endpoint) -> Verdict:
    return unclear(
        f"The record of {endpoint.name} holds no personal data, so it does not tell whom or what to look for.",
        f"Call reconcile_operation again with arguments: just those with which {endpoint.name} was called.",
    )


def _answered(operation: Operation, verdict: Verdict) -> dict[str, Any]:
    members = {
        "operation": operation.intent.operation,
        "tool": operation.intent.tool,
        "ending": str(verdict.ending),
        "reason": verdict.reason,
        "found": dict(verdict.found),
        "retry_after_seconds": round(verdict.again_in, 1) if verdict.again_in is not None else None,
        "next_step": verdict.next_step,
    }
    return {name: value for name, value in members.items() if value}


async def _read(asked: Awaitable[T]) -> T:
    """Return what the ledger says; raises NotRecorded if it cannot be read."""
    try:
        return await asked
    except Unrecorded:
        raise NotRecorded(
            "The record of calls could not be read.",
            next_step="Ask the operator to look at this server's log and disk, or to run `cio-mcp doctor`.",
        ) from None
