"""Every way a call can end badly, drawn as a tree.

```text
CioError
├── InvalidArguments      invalid_arguments     the caller mends the named fields
├── NoSuchOperation       no_such_operation     the caller made no call of that id
├── NotPermitted          not_permitted         this server was started without that tool
├── WritesStopped         writes_stopped        the operator stopped all writes
├── HeldBack              held_back             the same send was made a short while ago
├── OverBudget            over_budget           more people than this agent may reach in an hour or a day
├── ConfirmationNeeded    confirmation_needed   a plan to be shown; the call is made again with its token
├── ApprovalNeeded        approval_needed       the operator approves or rejects at a terminal
├── NotConfirmed          not_confirmed         declined, unanswered, or a confirmation that is not good here
├── CannotAsk             cannot_ask            it must be confirmed by a person whom this client cannot ask
├── MissingCredential     missing_credential    the operator sets the named variable
├── Throttled             rate_limited          nothing was sent; come back after `retry_after`
├── QuotaExhausted        quota_exhausted       Customer.io's daily quota; waiting seconds will not help
├── Unavailable           unavailable           Customer.io could not be asked; nothing was changed
├── OutcomeUnknown        outcome_unknown       a write left and its end is not known: look before repeating
├── UnreadableReply       unreadable_reply      Customer.io answered, but not with JSON that can be shown
├── NotRecorded           not_recorded          the call could not be recorded, so a write was not sent
└── Rejected              rejected              Customer.io refused the request (4xx)
    ├── BadCredential     bad_credential        401: the key is not valid here
    ├── Forbidden         forbidden             403: the key may not do this
    ├── NotFound          not_found             404
    ├── TooLarge          too_large             413
    └── PartlyRejected    partly_rejected       207: some items of a batch were refused
```

Each carries what happened (the message), what to do next (`next_step`), and, where a program can use it,
`retry_after` in seconds and JSON `details`. The code is the class's, so it can never disagree with the type.
"""

from typing import Any, ClassVar


class CioError(Exception):
    """A call ended without its result; the text is written for the model that made it."""

    code: ClassVar[str]

    def __init__(
        self,
        message: str,
        *,
        next_step: str,
        retry_after: float | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.retry_after = retry_after
        self.details = details or {}

    def as_json(self) -> dict[str, Any]:
        """Return the error as the object a client sees, without empty members."""
        told: dict[str, Any] = {"code": self.code, "message": self.message, "next_step": self.next_step}
        if self.retry_after is not None:
            told["retry_after_seconds"] = round(self.retry_after, 1)
        return {"error": told | self.details}


class InvalidArguments(CioError):
    """The arguments break a rule; nothing was sent."""

    code = "invalid_arguments"


class NoSuchOperation(CioError):
    """The caller made no call of that id, as far as the ledger knows."""

    code = "no_such_operation"


class NotPermitted(CioError):
    """The tool exists, but the server, the agent's grants or its token do not allow this call; nothing was sent."""

    code = "not_permitted"


class WritesStopped(CioError):
    """The operator stopped all writes; reading still works."""

    code = "writes_stopped"


class HeldBack(CioError):
    """The same send was made a short while ago; nothing was sent."""

    code = "held_back"


class OverBudget(CioError):
    """It would reach more people than this agent may in an hour or a day; nothing was sent."""

    code = "over_budget"


class ConfirmationNeeded(CioError):
    """It must be confirmed; the answer holds its plan and the token of a confirmation. Nothing was sent."""

    code = "confirmation_needed"


class ApprovalNeeded(CioError):
    """It waits for the operator's approval; nothing was sent."""

    code = "approval_needed"


class NotConfirmed(CioError):
    """It was declined or not answered, or its confirmation is forged, used, foreign or too old; nothing was sent."""

    code = "not_confirmed"


class CannotAsk(CioError):
    """It must be confirmed by a person, and the client cannot ask one; nothing was sent."""

    code = "cannot_ask"


class MissingCredential(CioError):
    """No credential for this tool is set; nothing was sent."""

    code = "missing_credential"


class Throttled(CioError):
    """A slot would come free only after this call's time is up; nothing was sent."""

    code = "rate_limited"


class QuotaExhausted(CioError):
    """Customer.io answered 429 without `Retry-After`, which the App API does for daily quotas."""

    code = "quota_exhausted"


class Unavailable(CioError):
    """Customer.io could not be asked, and nothing was changed."""

    code = "unavailable"


class OutcomeUnknown(CioError):
    """A write left this machine and no trustworthy answer came back."""

    code = "outcome_unknown"


class UnreadableReply(CioError):
    """An answer came, but it is no JSON that can be shown."""

    code = "unreadable_reply"


class NotRecorded(CioError):
    """The record of the call could not be written, so the write was not sent."""

    code = "not_recorded"


class Rejected(CioError):
    """Customer.io understood the request and refused it."""

    code = "rejected"


class BadCredential(Rejected):
    """401: the key is wrong, or belongs to the other region or API."""

    code = "bad_credential"


class Forbidden(Rejected):
    """403: the key is valid and may not do this."""

    code = "forbidden"


class NotFound(Rejected):
    """404: no such thing in this workspace."""

    code = "not_found"


class TooLarge(Rejected):
    """413: more than Customer.io takes in one request."""

    code = "too_large"


class PartlyRejected(Rejected):
    """207: some items of a batch were refused, all others were accepted."""

    code = "partly_rejected"
