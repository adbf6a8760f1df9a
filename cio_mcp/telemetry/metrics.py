"""Pure: every metric there is, once: for the instruments, and for README's table."""

from dataclasses import dataclass
from enum import StrEnum

_REQUEST_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""OpenTelemetry, "Semantic conventions for HTTP client metrics"."""
_OPERATION_BOUNDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
"""OpenTelemetry, "Semantic conventions for MCP", Metrics."""
_WAIT_BOUNDS = (0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 20, 40)
_LAG_BOUNDS = (0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 21_600, 86_400, 604_800)


class Kind(StrEnum):
    """What is done with its values."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric; `unit` is as UCUM writes it, `bounds` are a histogram's in seconds."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    meaning: str
    bounds: tuple[float, ...] | None = None

    @property
    def prometheus(self) -> str:
        """The name as Prometheus has it."""
        name = self.name.replace(".", "_") + ("_seconds" if self.unit == "s" else "")
        return f"{name}_total" if self.kind is Kind.COUNTER else name


_BUCKET = ("workspace", "bucket")

METRICS: tuple[Metric, ...] = (
    Metric(
        name="cio_mcp.calls", kind=Kind.COUNTER, unit="{call}",
        labels=("tool", "area", "access", "ending", "code", "workspace"),
        meaning="Calls of tools, by how they ended",
    ),
    Metric(
        name="cio_mcp.refusals", kind=Kind.COUNTER, unit="{call}", labels=("tool", "code", "workspace"),
        meaning="Calls that this server refused; nothing was sent",
    ),
    Metric(
        name="cio_mcp.unknown_outcomes", kind=Kind.COUNTER, unit="{call}", labels=("tool", "workspace"),
        meaning="Writes that left and whose outcome is not known",
    ),
    Metric(
        name="cio_mcp.slot.wait", kind=Kind.HISTOGRAM, unit="s", labels=_BUCKET,
        meaning="Waits for a slot of a rate limit, 0 included", bounds=_WAIT_BOUNDS,
    ),
    Metric(
        name="cio_mcp.throttled", kind=Kind.COUNTER, unit="{response}", labels=_BUCKET,
        meaning="Answers 429 of Customer.io; should stay 0",
    ),
    Metric(
        name="cio_mcp.budget.left", kind=Kind.GAUGE, unit="{request}", labels=_BUCKET,
        meaning="Slots of a rate limit that are free now",
    ),
    Metric(
        name="cio_mcp.budget.limit", kind=Kind.GAUGE, unit="{request}", labels=_BUCKET,
        meaning="Slots that it has now, lowered for a while after a 429",
    ),
    Metric(
        name="cio_mcp.budget.queued", kind=Kind.GAUGE, unit="{request}", labels=_BUCKET,
        meaning="Requests that wait for a slot now",
    ),
    Metric(
        name="cio_mcp.event.lag", kind=Kind.HISTOGRAM, unit="s", labels=(),
        meaning="Time from an event of Customer.io's to its arrival here", bounds=_LAG_BOUNDS,
    ),
    Metric(
        name="mcp.server.operation.duration", kind=Kind.HISTOGRAM, unit="s",
        labels=(
            "mcp.method.name", "mcp.protocol.version", "gen_ai.operation.name", "gen_ai.tool.name", "error.type",
        ),
        meaning="Requests of MCP (OpenTelemetry's convention)", bounds=_OPERATION_BOUNDS,
    ),
    Metric(
        name="http.client.request.duration", kind=Kind.HISTOGRAM, unit="s",
        labels=(
            "http.request.method", "server.address", "server.port", "url.template", "http.response.status_code",
            "error.type",
        ),
        meaning="Requests to Customer.io (OpenTelemetry's convention)", bounds=_REQUEST_BOUNDS,
    ),
)  # fmt: skip
