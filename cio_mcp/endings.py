"""Pure: under which ending a call is recorded."""

from cio_mcp.catalog.endpoint import Access, Endpoint
from cio_mcp.delivery import Course
from cio_mcp.errors import (
    ApprovalNeeded,
    CannotAsk,
    CioError,
    ConfirmationNeeded,
    HeldBack,
    InvalidArguments,
    MissingCredential,
    NoSuchOperation,
    NotConfirmed,
    NotPermitted,
    NotRecorded,
    OutcomeUnknown,
    OverBudget,
    PartlyRejected,
    Rejected,
    Throttled,
    UnreadableReply,
    WritesStopped,
)
from cio_mcp.ledger import Ending

_REFUSALS = (
    CannotAsk,
    HeldBack,
    InvalidArguments,
    MissingCredential,
    NotConfirmed,
    NotPermitted,
    NotRecorded,
    OverBudget,
    Throttled,
    WritesStopped,
)
"""What this server itself said no with; nothing was sent."""


def ending_of(endpoint: Endpoint, course: Course, error: CioError | None) -> Ending:
    """Return how a call ended that came to an answer or an error."""
    match error:
        case None | PartlyRejected():  # what was not refused took effect; the code stands beside it
            return Ending.OK
        case ConfirmationNeeded() | ApprovalNeeded():
            return Ending.PLANNED
        case _ if _leaves_open(endpoint, course, error):
            return Ending.UNKNOWN
        case Throttled() if course.attempts:  # by Customer.io
            return Ending.FAILED
        case _:
            return Ending.REFUSED if isinstance(error, _REFUSALS) else Ending.FAILED


def _leaves_open(endpoint: Endpoint, course: Course, error: CioError) -> bool:
    """Say whether an error leaves open if something took effect."""
    match error:
        case OutcomeUnknown():
            return True
        case UnreadableReply():
            return endpoint.access is not Access.READ
        case _:  # this attempt was refused, or never left; an earlier one may have had its effect
            return course.doubt is not None and isinstance(error, (Rejected, *_REFUSALS))


def interrupted(endpoint: Endpoint, course: Course, interruption: BaseException) -> Ending:
    """Return how a call ended that was cancelled, or that a fault of this server broke off."""
    ours = isinstance(interruption, Exception)
    if course.unsettled or (ours and course.attempts and endpoint.access is not Access.READ):
        return Ending.UNKNOWN
    return Ending.FAILED if ours else Ending.CANCELLED


def own_ending_of(error: CioError | None) -> Ending:
    """Return how a call of a tool of this server itself ended; it may have asked Customer.io, and changed nothing."""
    if error is None:
        return Ending.OK
    return Ending.REFUSED if isinstance(error, (*_REFUSALS, NoSuchOperation)) else Ending.FAILED


def own_interrupted(interruption: BaseException) -> Ending:
    """Return how such a call ended that was cancelled, or that a fault of this server broke off."""
    return Ending.FAILED if isinstance(interruption, Exception) else Ending.CANCELLED
