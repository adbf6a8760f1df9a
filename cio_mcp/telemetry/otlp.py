"""The way to a collector: OTLP over HTTP. Where it is and what it needs is read by the exporters themselves."""

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def span_processor() -> SpanProcessor:
    """Return what sends spans, some at a time, from a thread of its own."""
    return BatchSpanProcessor(OTLPSpanExporter())


def metric_reader() -> MetricReader:
    """Return what sends metrics from time to time, likewise."""
    return PeriodicExportingMetricReader(OTLPMetricExporter())
