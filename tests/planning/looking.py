"""Looks for surveys: through a pipeline, or at answers that a test has written."""

from collections.abc import Callable, Mapping
from typing import Any

import anyio

from cio_mcp import arguments, wire
from cio_mcp.catalog import CATALOG
from cio_mcp.delivery import Caller
from cio_mcp.errors import CioError, NotFound
from cio_mcp.pipeline import Pipeline
from cio_mcp.planning import Look, Plan, Survey, plan, survey

PATIENCE = 20.0
Answer = Mapping[str, Any] | CioError | Callable[[dict[str, Any]], dict[str, Any]]


def gone(what: str = "it") -> NotFound:
    """Return what a 404 is read as."""
    return NotFound(f"There is no {what}.", next_step="")


def look_through(pipeline: Pipeline) -> Look:
    """Return looks that are real calls of read tools."""

    async def look(tool: str, given: dict[str, Any]) -> dict[str, Any]:
        finished = await pipeline.call(CATALOG[tool], given, caller=Caller(name="plan"))
        if finished.error is not None:
            raise finished.error
        return finished.data

    return look


class Scripted:
    """Looks at written answers, by tool; what is not written is not there. Notes every call."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, tool: str, given: dict[str, Any]) -> dict[str, Any]:
        """Answer as Customer.io would."""
        self.calls.append((tool, given))
        answer = self.answers.get(tool, gone(tool))
        if isinstance(answer, CioError):
            raise answer
        return dict(answer(given) if callable(answer) else answer)

    @property
    def tools(self) -> list[str]:
        """The tools that were called, in order."""
        return [tool for tool, _ in self.calls]


async def surveyed(look: Look, tool: str, **given: Any) -> Survey:
    """Survey a call; one that never ends fails the test."""
    endpoint = CATALOG[tool]
    with anyio.fail_after(PATIENCE):
        return await survey(endpoint, arguments.validate(tool, endpoint.params, given), look)


async def planned(look: Look, tool: str, *, reasons: tuple[str, ...] = ("it cannot be undone",), **given: Any) -> Plan:
    """Plan a call as the pipeline does."""
    endpoint = CATALOG[tool]
    params = arguments.validate(tool, endpoint.params, given)
    with anyio.fail_after(PATIENCE):
        found = await survey(endpoint, params, look)
    return plan_with(tool, found, reasons=reasons, **given)


def plan_with(tool: str, found: Survey, *, reasons: tuple[str, ...] = (), key: str | None = None, **given: Any) -> Plan:
    """Plan a call of which a survey is there already."""
    endpoint = CATALOG[tool]
    params = arguments.validate(tool, endpoint.params, given)
    return plan(
        endpoint,
        params,
        wire.build(endpoint, params),
        key=key or ("track" if endpoint.key == "track" else "app"),
        host="https://api.customer.test",
        workspace="Example shop",
        survey=found,
        reasons=reasons,
    )
