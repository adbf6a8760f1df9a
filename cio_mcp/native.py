"""Tools of this server itself: what they answer is known here, nothing is sent."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

from cio_mcp.budgets import Budgets
from cio_mcp.catalog.endpoint import Endpoint
from cio_mcp.catalog.params import Params, input_schema
from cio_mcp.delivery import Course
from cio_mcp.limiter import Budget
from cio_mcp.policy import Policy

ITSELF = "this server answers it itself"
"""The rule of a tool that reads nothing of which grants speak."""
_SILENT_AT_ZERO = frozenset({"paused_for", "refused_429", "queued"})


class GetRateBudget(Params):
    """Show how much of each rate limit is left now, and how long a new call would wait.

    Only limits that were used since the start are shown.
    """


Answer = Callable[[Any, Course], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeTool:
    """A tool that this server itself answers, as clients see it."""

    name: str
    params: type[Params]
    read_only: bool
    open_world: bool
    quotes: bool = False
    """Whether it tells what others wrote, though it may have asked nobody for it just now."""

    @property
    def title(self) -> str:
        """The name as people read it."""
        return self.name.replace("_", " ").capitalize()

    @property
    def description(self) -> str:
        """What the model reads."""
        return " ".join((self.params.__doc__ or "").split())

    def input_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the arguments."""
        return input_schema(self.params)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A native tool, what answers it, and the rule by which its agent gets it."""

    tool: NativeTool
    answer: Answer
    rule: str = ITSELF


def rule_of(policy: Policy, reads: Iterable[Endpoint]) -> str:
    """Return the rule by which an agent gets a tool that reads with these."""
    return "; ".join(dict.fromkeys(map(policy.rule, reads))) or ITSELF


RATE_BUDGET = NativeTool(name="get_rate_budget", params=GetRateBudget, read_only=True, open_world=False)


def told(budget: Budget) -> dict[str, Any]:
    """Return a budget as a client sees it: seconds rounded, and no penalty mentioned where there is none."""
    members = ((member.name, getattr(budget, member.name)) for member in fields(budget))
    facts = {name: round(value, 2) if isinstance(value, float) else value for name, value in members}
    return {name: value for name, value in facts.items() if value or name not in _SILENT_AT_ZERO}


def rate_budget(budgets: Budgets) -> Answered:
    """Return `get_rate_budget`, answered from these budgets."""

    async def answer(_params: Params, _course: Course) -> dict[str, Any]:
        return {"budgets": [told(budget) for budget in budgets.snapshot()]}

    return Answered(tool=RATE_BUDGET, answer=answer)
