"""The reads of one question: each as the agent itself could make it, some at once, none twice."""

import json
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any

import anyio

from cio_mcp import arguments, privacy
from cio_mcp.delivery import Course
from cio_mcp.errors import CioError, NotFound
from cio_mcp.exchange import Exchange
from cio_mcp.planning.inquiry import Inquiry
from cio_mcp.policy import Policy

Json = dict[str, Any]
AT_ONCE = 4
"""Reads under way for one question: the limit is everybody's, and its line is first come, first served."""
SPARE_SECONDS = 1.5
"""Of a call's time, kept for its answer."""


class Looks:
    """Reads for one call of one agent: what its policy forbids is not read, what it masks is masked here already."""

    def __init__(self, exchange: Exchange, policy: Policy, course: Course, now: Callable[[], float]) -> None:
        self.problem: CioError | None = None
        """Why the last read failed that did."""
        self.answered = False
        """Whether Customer.io told anything, if only that something is not there."""
        self._exchange, self._policy, self._course, self._now = exchange, policy, course, now
        self._at_once = anyio.Semaphore(AT_ONCE)
        self._kept: dict[str, Json] = {}

    async def look(self, tool: str, asked: Mapping[str, Any]) -> Json:
        """Return the answer of a read tool; raises CioError."""
        key = json.dumps([tool, asked], sort_keys=True)
        async with self._at_once:
            if key not in self._kept:
                self._kept[key] = await self._read(tool, asked)
        return self._kept[key]

    async def _read(self, tool: str, asked: Mapping[str, Any]) -> Json:
        endpoint = self._exchange.catalog[tool]
        try:
            params = arguments.validate(tool, endpoint.params, asked)
            decision = self._policy.decide(endpoint, params, now=datetime.fromtimestamp(self._now(), UTC))
            if decision.refusal:
                raise decision.refusal
            data = await self._exchange.look(tool, asked, self._course, decides=False)
        except NotFound:
            self._heard(tool)
            raise
        except CioError as error:
            self.problem = error
            raise
        self._heard(tool)
        mask = self._policy.mask(endpoint)
        return privacy.masked(data, mask) if mask else data

    def _heard(self, tool: str) -> None:
        self.answered = True
        self._course.credential = self._exchange.credentials.lease(self._exchange.catalog[tool]).name


async def together(inquiry: Inquiry, seconds: float, *questions: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Ask several questions at once; what is not known when the time is up is remarked."""
    with anyio.move_on_after(seconds) as time:
        async with anyio.create_task_group() as group:
            for question in questions:
                group.start_soon(question)
    if time.cancelled_caught:
        inquiry.remark("the rest: this call's time was up.")
