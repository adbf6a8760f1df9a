"""Pure: what it means for the one who made a call that the ledger would not record its intent."""

from cio_mcp.catalog.endpoint import Endpoint
from cio_mcp.errors import CioError, HeldBack, NotConfirmed, NotRecorded, OverBudget, WritesStopped
from cio_mcp.ledger.terms import Ending, Operation, Overspent, Refusal, Repeated, Stopped, Unrecorded
from cio_mcp.ledger.terms import NotConfirmed as Unusable
from cio_mcp.moments import moment
from cio_mcp.scrub import one_line

_HOUR, _DAY = 3_600, 86_400


def refused(endpoint: Endpoint, refusal: Refusal | Unrecorded, *, now: float, principal: str) -> CioError:
    """Return the error of a call whose intent was refused at `now` (seconds since 1970)."""
    match refusal:
        case Stopped():
            return stopped(endpoint, refusal)
        case Repeated():
            return held_back(endpoint, refusal.earlier, now=now, principal=principal)
        case Overspent():
            return _overspent(endpoint, refusal)
        case Unusable():
            return unusable(refusal.why)
        case _:
            return unrecorded(endpoint)


def unusable(why: str) -> NotConfirmed:
    """Return the error of a confirmation that cannot be used; `why` completes "this confirmation …"."""
    return NotConfirmed(
        f"This confirmation {why}. Nothing was sent.",
        next_step="Make the call without it: it answers with a plan and a new confirmation.",
    )


def turned_down(endpoint: Endpoint) -> NotConfirmed:
    """Return the error of a call that the operator rejected; no token was given, so none can be left out."""
    return NotConfirmed(
        f"The operator said no to {endpoint.name}. Nothing was sent.",
        next_step="Do not call it again unless the user asks for it.",
    )


def unrecorded(endpoint: Endpoint) -> NotRecorded:
    """Return the error of a write that cannot be recorded."""
    return NotRecorded(
        f"{endpoint.name} was not sent: the record of the call could not be written.",
        next_step="Ask the operator to look at this server's log and disk, or to run `cio-mcp doctor`. "
        "Reading still works.",
    )


def stopped(endpoint: Endpoint, stop: Stopped) -> WritesStopped:
    """Return the error of a write while the operator has stopped all of them."""
    reason = f" ({one_line(stop.reason, 200)})" if stop.reason else ""
    return WritesStopped(
        f"{endpoint.name} was not sent: all writes are stopped{reason}. Reading still works.",
        next_step="Tell the user. Only the operator can end the stop, with `cio-mcp resume`.",
        details={"stopped_since": moment(stop.since)} if stop.since else {},
    )


def held_back(endpoint: Endpoint, earlier: Operation, *, now: float, principal: str) -> HeldBack:
    """Return the error of a send that repeats an earlier one."""
    ago = round(max(0.0, now - earlier.started_at))
    ending = earlier.outcome.ending if earlier.outcome else None
    how = {None: "is still under way", Ending.UNKNOWN: "has an outcome that is not known"}.get(
        ending, f"ended {ending}"
    )
    if earlier.intent.principal != principal:
        # What another agent did is not this one's to look at: it learns that it was done, and no more.
        open_yet = ending in (None, Ending.UNKNOWN) and not earlier.settled_by
        step = (
            "The operator must first find out how it ended." if open_yet else "To send it twice add allow_repeat: true."
        )
        return HeldBack(
            f"The same {endpoint.name} was made {ago} s ago by another agent. Nothing was sent.",
            next_step=f"Tell the user. {step}",
        )
    number = earlier.intent.operation
    if ending is Ending.UNKNOWN and earlier.settled_by:
        step = "It was looked for in vain. Only if the user, told so, wants it sent again, add allow_repeat: true."
    elif ending is Ending.UNKNOWN:
        step = f"Call reconcile_operation with operation {number} first: it looks whether the message went out."
    elif ending is None:
        step = f"Wait, and ask get_operation for {number}."
    else:
        step = "It was done: there is nothing to do. Only if the user wants it twice, add allow_repeat: true."
    return HeldBack(
        f"The same {endpoint.name} was made {ago} s ago as operation {number}, which {how}. Nothing was sent.",
        next_step=step,
        details={"earlier": {"operation": number, "ending": str(ending or "open"), "seconds_ago": ago}},
    )


def _overspent(endpoint: Endpoint, refusal: Overspent) -> OverBudget:
    cap = refusal.cap
    span = {_HOUR: "an hour", _DAY: "a day"}.get(int(cap.seconds), f"{cap.seconds:g} s")
    if refusal.free_in is None:
        step = "It can never be sent under this budget: name fewer people, or ask the operator for a larger one."
    else:
        step = f"Enough comes free in {refusal.free_in:.0f} s. The operator can raise the budget in the grants file."
    return OverBudget(
        f"{endpoint.name} would pass the budget of {cap.recipients:,} recipients in {span}, of which {refusal.spent:,} "
        "are used. Nothing was sent.",
        next_step=step,
        retry_after=refusal.free_in,
        details={"budget": {"recipients": cap.recipients, "seconds": cap.seconds, "used": refusal.spent}},
    )
