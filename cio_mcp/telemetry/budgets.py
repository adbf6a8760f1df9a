"""Budgets as gauges: read on the event loop, whichever thread collects."""

import concurrent.futures
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from anyio.from_thread import BlockingPortal
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from cio_mcp.budgets import Budgets
from cio_mcp.limiter import Budget
from cio_mcp.telemetry.metrics import METRICS, Kind

_IN_TIME = 2.0
"""Seconds for the event loop to answer; a collector that waits for a busy one is told nothing this time."""
_KEPT = 0.5
"""Seconds for which an answer is good: one collection asks once for each gauge."""

_VALUES: Mapping[str, Callable[[Budget], int]] = {
    "cio_mcp.budget.left": lambda budget: budget.available,
    "cio_mcp.budget.limit": lambda budget: budget.effective,
    "cio_mcp.budget.queued": lambda budget: budget.queued,
}


@dataclass(slots=True, kw_only=True)
class Gauges:
    """What is left of every limit in use, by workspace. `portal` leads to the event loop that the limiters live on."""

    portal: BlockingPortal
    budgets: Mapping[str, Budgets] = field(default_factory=dict[str, Budgets])
    _read: list[tuple[str, Budget]] = field(default_factory=list[tuple[str, Budget]], init=False)
    _read_at: float = field(default=float("-inf"), init=False)

    def show_on(self, meter: Meter) -> None:
        """Make the gauges."""
        for metric in METRICS:
            if metric.kind is Kind.GAUGE:
                callback = self._observing(_VALUES[metric.name])
                meter.create_observable_gauge(metric.name, [callback], metric.unit, metric.meaning)

    def _observing(self, value: Callable[[Budget], int]) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            for workspace, budget in self._now():
                yield Observation(value(budget), {"workspace": workspace, "bucket": budget.name})

        return observe

    def _now(self) -> list[tuple[str, Budget]]:
        if time.monotonic() - self._read_at < _KEPT:
            return self._read
        try:
            self._read = self.portal.start_task_soon(self._asked).result(_IN_TIME)
        except (RuntimeError, TimeoutError, concurrent.futures.CancelledError):  # the loop is busy, or ends
            return []
        self._read_at = time.monotonic()
        return self._read

    async def _asked(self) -> list[tuple[str, Budget]]:
        found: list[tuple[str, Budget]] = []
        for workspace, budgets in self.budgets.items():
            await budgets.refresh()
            found += ((workspace, budget) for budget in budgets.snapshot())
        return found
