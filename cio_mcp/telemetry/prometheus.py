"""The page that Prometheus reads: the same metrics as go to a collector, in its text form."""

from dataclasses import dataclass, field

import anyio.to_thread
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import MetricReader
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH = "/metrics"


@dataclass(frozen=True, slots=True)
class Page:
    """The page, and the reader that fills it."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def reader(self) -> MetricReader:
        """Return the reader; one page has one."""
        return PrometheusMetricReader(registry=self.registry, scope_info_enabled=False)

    def route(self) -> Route:
        """Return where it is served."""
        return Route(PATH, self._answer, methods=["GET"])

    async def _answer(self, request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        # In a thread: gauges ask the event loop, which must be free to answer.
        page = await anyio.to_thread.run_sync(encode, self.registry)
        return Response(page, headers={"content-type": content_type})
