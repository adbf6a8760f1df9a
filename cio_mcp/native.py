"""Tools of this server itself: what they answer is known here, nothing is sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from cio_mcp.budgets import Budgets
from cio_mcp.catalog.params import Params, input_schema
from cio_mcp.limiter import Budget

_SILENT_AT_ZERO = frozenset({"paused_for", "refused_429", "queued"})


class GetRateBudget(Params):
    """Show how much of each rate limit is left now, and how long a new call would wait.

    Only limits that were used since the start are shown.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeTool:
    """A tool answered by this server: it reads what this server knows."""

    name: str
    title: str
    params: type[Params]
    answer: Callable[[Params], dict[str, Any]]

    @property
    def description(self) -> str:
        """What the model reads."""
        return " ".join((self.params.__doc__ or "").split())

    def input_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the arguments."""
        return input_schema(self.params)


def told(budget: Budget) -> dict[str, Any]:
    """Return a budget as a client sees it: seconds rounded, and no penalty mentioned where there is none."""
    members = ((member.name, getattr(budget, member.name)) for member in fields(budget))
    facts = {name: round(value, 2) if isinstance(value, float) else value for name, value in members}
    return {name: value for name, value in facts.items() if value or name not in _SILENT_AT_ZERO}


def native_tools(budgets: Budgets) -> Mapping[str, NativeTool]:
    """Return this server's own tools by name."""

    def rate_budget(_: Params) -> dict[str, Any]:
        return {"budgets": [told(budget) for budget in budgets.snapshot()]}

    tools = (NativeTool(name="get_rate_budget", title="Get rate budget", params=GetRateBudget, answer=rate_budget),)
    return MappingProxyType({tool.name: tool for tool in tools})
