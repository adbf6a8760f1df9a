"""The observer that makes spans and metrics of what it is told, on OpenTelemetry's own interfaces."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.metrics import Counter, Histogram, Meter
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cio_mcp.ledger.terms import Ending, Intent, Outcome
from cio_mcp.observing import Attempt, Served, Wait
from cio_mcp.telemetry import attributes
from cio_mcp.telemetry.metrics import METRICS, Kind

_THROTTLED = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """Watches everything. `areas` are those of the tools that belong to one."""

    tracer: Tracer
    counters: Mapping[str, Counter]
    histograms: Mapping[str, Histogram]
    areas: Mapping[str, str]

    @classmethod
    def on(cls, tracer: Tracer, meter: Meter, areas: Mapping[str, str]) -> "Telemetry":
        """Return an observer whose instruments are made by a meter."""
        counters, histograms = {}, {}
        for metric in METRICS:
            if metric.kind is Kind.COUNTER:
                counters[metric.name] = meter.create_counter(metric.name, metric.unit, metric.meaning)
            elif metric.kind is Kind.HISTOGRAM:
                histograms[metric.name] = meter.create_histogram(
                    metric.name, metric.unit, metric.meaning, explicit_bucket_boundaries_advisory=metric.bounds
                )
        return cls(tracer=tracer, counters=counters, histograms=histograms, areas=areas)

    @contextmanager
    def serving(self, served: Served) -> Iterator[None]:
        """Make a span of a request of MCP, in the trace of its caller if that is known."""
        told = attributes.served_attributes(served)
        parent = TraceContextTextMapPropagator().extract(dict(served.trace)) if served.trace else None
        began = time.perf_counter()
        with self.tracer.start_as_current_span(
            attributes.served_span(served),
            parent,
            SpanKind.SERVER,
            told,
            record_exception=False,  # their texts may hold what was sent
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                served.failure = served.failure or type(error).__name__
                raise
            finally:
                failure = attributes.failure_attributes(served.failure)
                _end(span, failure)
                took = time.perf_counter() - began
                self.histograms["mcp.server.operation.duration"].record(took, told | failure)

    @contextmanager
    def attempting(self, attempt: Attempt) -> Iterator[None]:
        """Make a span of a request to Customer.io; that one is not told of the trace."""
        told = attributes.attempt_attributes(attempt)
        began = time.perf_counter()
        with self.tracer.start_as_current_span(
            attributes.attempt_span(attempt),
            None,
            SpanKind.CLIENT,
            told | attributes.resend_attributes(attempt),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                attempt.failure = attempt.failure or type(error).__name__
                raise
            finally:
                answer = attributes.answer_attributes(attempt)
                _end(span, answer)
                took = time.perf_counter() - began
                self.histograms["http.client.request.duration"].record(took, told | answer)
                if attempt.status == _THROTTLED:
                    self.counters["cio_mcp.throttled"].add(1, attributes.bucket_attributes(attempt))

    def waited(self, wait: Wait) -> None:
        """Note how long a slot was waited for."""
        self.histograms["cio_mcp.slot.wait"].record(wait.seconds, attributes.bucket_attributes(wait))

    def concluded(self, intent: Intent, outcome: Outcome) -> None:
        """Count a call, and say on its span how it ended."""
        told = attributes.call_attributes(intent, outcome, self.areas)
        self.counters["cio_mcp.calls"].add(1, told)
        if outcome.ending is Ending.REFUSED:
            self.counters["cio_mcp.refusals"].add(1, {name: told[name] for name in ("tool", "code", "workspace")})
        if outcome.ending is Ending.UNKNOWN:
            self.counters["cio_mcp.unknown_outcomes"].add(1, {name: told[name] for name in ("tool", "workspace")})
        get_current_span().set_attributes(attributes.ending_attributes(outcome))

    def received(self, lag: float) -> None:
        """Note how long an event of Customer.io's was under way."""
        self.histograms["cio_mcp.event.lag"].record(max(0.0, lag))


def _end(span: Span, told: attributes.Attributes) -> None:
    span.set_attributes(told)
    if "error.type" in told:
        span.set_status(StatusCode.ERROR)


def current_trace() -> str:
    """Return the id of the trace that the current task is in, empty if it is in none that is recorded."""
    span = get_current_span()
    return f"{span.get_span_context().trace_id:032x}" if span.is_recording() else ""
