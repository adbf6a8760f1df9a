"""The record of calls: what was intended and how it ended, refused calls too, without personal data."""

from cio_mcp.ledger.terms import (
    Cap,
    Confirmation,
    Ending,
    Intent,
    Ledger,
    NotConfirmed,
    Operation,
    Outcome,
    Overspent,
    Refusal,
    Repeated,
    State,
    Stopped,
    Terms,
    Unrecorded,
)

__all__ = [
    "Cap",
    "Confirmation",
    "Ending",
    "Intent",
    "Ledger",
    "NotConfirmed",
    "Operation",
    "Outcome",
    "Overspent",
    "Refusal",
    "Repeated",
    "State",
    "Stopped",
    "Terms",
    "Unrecorded",
]
