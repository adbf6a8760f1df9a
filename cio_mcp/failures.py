"""Pure: what a call that found no answer means for the one who made it."""

from cio_mcp.catalog.endpoint import Access, Endpoint, Key, Repeat
from cio_mcp.catalog.params import Params
from cio_mcp.delivery import Undelivered
from cio_mcp.errors import CioError, OutcomeUnknown, QuotaExhausted, Throttled, Unavailable, UnreadableReply
from cio_mcp.gateway import Oversized
from cio_mcp.retry import Fault
from cio_mcp.wire import Answer

UNTOLD_SECONDS = 5.0
"""What a caller is told to wait where Customer.io said nothing: the limit is one of seconds, and was tried again."""


def undelivered(endpoint: Endpoint, repeat: Repeat, params: Params, failure: Undelivered) -> CioError:
    """Return the error of a call whose last attempt failed."""
    match failure.fault:
        case Fault.UNSENT:
            return Unavailable(
                f"Customer.io could not be reached: {failure.reason}. Nothing was sent.",
                next_step="Call again in a minute; if it stays so, the operator runs `cio-mcp doctor`.",
            )
        case Fault.THROTTLED:
            return _throttled(endpoint, failure)
        case Fault.FAILED | Fault.LOST | Fault.BROKEN_OFF:
            return _unanswered(endpoint, repeat, params, failure)


def _throttled(endpoint: Endpoint, failure: Undelivered) -> CioError:
    if failure.wait is None and not endpoint.has_quota:
        return Throttled(
            "Customer.io is throttling this account (429) and does not say for how long. Nothing was changed.",
            next_step=f"Call again in {UNTOLD_SECONDS:g} s; somebody else may be using the same limit.",
            retry_after=UNTOLD_SECONDS,
        )
    if failure.wait is None:
        return QuotaExhausted(
            "Customer.io refused the request with 429 and did not say when to come back, as it does when a daily "
            "quota is used up. Nothing was changed.",
            next_step="Do not try again now: it may take until tomorrow. Tell the user.",
        )
    return Throttled(
        f"Customer.io is throttling this account (429): come back in {failure.wait:.0f} s. Nothing was changed.",
        next_step="Call again then; somebody else may be using the same limit.",
        retry_after=failure.wait,
    )


def _unanswered(endpoint: Endpoint, repeat: Repeat, params: Params, failure: Undelivered) -> CioError:
    if endpoint.access is Access.READ:
        return Unavailable(
            f"Customer.io gave no usable answer: {failure.reason}. Reading changed nothing.",
            next_step="Call again in a minute.",
        )
    if failure.fault is Fault.BROKEN_OFF:
        return UnreadableReply(
            f"Customer.io accepted the call ({failure.status}), but its answer broke off.",
            next_step="Do not repeat the call: it was accepted. Read its result instead.",
        )
    return OutcomeUnknown(
        f"It is not known whether {endpoint.name} took effect: {failure.reason}.",
        next_step=_look_first(endpoint, repeat, params),
    )


def _look_first(endpoint: Endpoint, repeat: Repeat, params: Params) -> str:
    if repeat is Repeat.DEDUPLICATED:
        minted = getattr(params, "id", None)
        how = f"with id {minted}" if minted else "with the same ids"
        return f"Calling again {how} is safe: Customer.io ignores an event it already has."
    if repeat is Repeat.SAFE:
        return "Calling again with the same arguments is safe: it changes nothing more."
    look = f"{endpoint.check_with} shows whether it did." if endpoint.check_with else "Look in Customer.io."
    return f"Do not repeat it blindly: {look}"


def page(endpoint: Endpoint, repeat: Repeat, params: Params, answer: Answer) -> OutcomeUnknown:
    """Return the error of a write that was answered with a page of HTML, which Customer.io does not do."""
    return OutcomeUnknown(
        f"It is not known whether {endpoint.name} took effect: a page was answered ({answer.status}, "
        f"{len(answer.body):,} bytes), maybe by something in between.",
        next_step=_look_first(endpoint, repeat, params),
    )


def oversized(endpoint: Endpoint, failure: Oversized) -> CioError:
    """Return the error of an answer that was too large to read."""
    if endpoint.access is Access.READ:
        paged = "limit" in endpoint.params.model_fields
        step = "Call again with a smaller limit." if paged else "Ask for something narrower."
        done = ""
    else:
        step, done = "Do not repeat the call: it was accepted. Read its result instead.", f" ({failure.head.status})"
    return UnreadableReply(f"Customer.io's answer{done} could not be read: {failure}.", next_step=step)


def still_there(endpoint: Endpoint, failure: Undelivered, error: CioError) -> CioError:
    """Return what a failed deletion means when the thing was found afterwards."""
    # What the Track API accepted is applied a little later; what was never answered may still be under way.
    if endpoint.key is Key.TRACK or failure.fault is Fault.LOST:
        return OutcomeUnknown(
            f"{error.message} {endpoint.check_with} still finds it, which may change within a minute.",
            next_step=f"Look again with {endpoint.check_with} in a minute before repeating the call.",
        )
    return Unavailable(
        f"{error.message} {endpoint.check_with} still finds it, so nothing was deleted.",
        next_step="Call again in a minute.",
    )
