"""Pure: where to look for what became of a call whose answer was lost, and what follows from what is seen there."""

from cio_mcp.reconcile.case import REACH_SECONDS, Case, Question, Verdict
from cio_mcp.reconcile.clocks import ahead
from cio_mcp.reconcile.lookups import are_rivals, follow_up, judge, made, question, repeatable

__all__ = [
    "REACH_SECONDS",
    "Case",
    "Question",
    "Verdict",
    "ahead",
    "are_rivals",
    "follow_up",
    "judge",
    "made",
    "question",
    "repeatable",
]
