"""An OTLP collector on a loopback port: it keeps what it is sent, decoded."""

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATIENCE = 30.0


def told(attributes: Any) -> dict[str, Any]:
    """Return attributes as a dictionary."""
    return {each.key: _value(each) for each in attributes}


def _value(each: KeyValue) -> Any:
    return getattr(each.value, each.value.WhichOneof("value") or "string_value")


class Collector:
    """What has arrived so far."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.metrics: dict[str, Metric] = {}
        """The newest of each name; all of them are cumulative."""
        self.resources: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self._grown = threading.Condition()

    def take(self, path: str, body: bytes) -> None:
        """Keep one request."""
        with self._grown:
            self.bodies.append(body)
            if path == "/v1/traces":
                for span_group in ExportTraceServiceRequest.FromString(body).resource_spans:
                    self.resources.append(told(span_group.resource.attributes))
                    self.spans.extend(span for scope in span_group.scope_spans for span in scope.spans)
            elif path == "/v1/metrics":
                for group in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    self.resources.append(told(group.resource.attributes))
                    self.metrics.update({each.name: each for scope in group.scope_metrics for each in scope.metrics})
            self._grown.notify_all()

    def wait_for(self, arrived: Callable[[], Any]) -> Any:
        """Wait until something has arrived, and return it."""
        with self._grown:
            assert self._grown.wait_for(arrived, PATIENCE), ([span.name for span in self.spans], sorted(self.metrics))
            return arrived()

    def span(self, name: str) -> Span:
        """Wait for a span."""
        found: Span = self.wait_for(lambda: next((span for span in self.spans if span.name == name), None))
        return found

    def points(self, name: str) -> list[Any]:
        """Return the points of a metric, of whatever kind it is."""
        metric = self.metrics[name]
        return list(getattr(metric, metric.WhichOneof("data") or "sum").data_points)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector for the length of the block."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.headers.append(dict(self.headers))
            collector.take(self.path, gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
