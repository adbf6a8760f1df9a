"""Pure: where to look for what became of a call whose answer was lost, and what follows from what is seen there."""

from cio_mcp.reconcile.case import Case, Question, Verdict
from cio_mcp.reconcile.lookups import follow_up, judge, made, question, repeatable, told_apart

__all__ = ["Case", "Question", "Verdict", "follow_up", "judge", "made", "question", "repeatable", "told_apart"]
