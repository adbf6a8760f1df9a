"""The SDK at work: one set of spans and metrics, and whoever reads them.

The providers are not made global: what libraries would tell of themselves there is not looked over for identifiers.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
from opentelemetry.metrics import Meter, NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import NoOpTracerProvider, Tracer

from cio_mcp import __version__

SCOPE = "cio_mcp"
FLUSH_SECONDS = 1.0
"""For the last of what was gathered: a collector that is away must not hold up the end, which clients wait for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What makes spans and instruments."""

    tracer: Tracer
    meter: Meter


def tracing_by(spans: SpanProcessor) -> TracerProvider:
    """Return what makes spans for a processor; raises ValueError for variables that the SDK cannot read."""
    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    provider.add_span_processor(spans)
    return provider


def metering_by(readers: Sequence[MetricReader]) -> MeterProvider:
    """Return what makes instruments for readers; raises ValueError for variables that the SDK cannot read."""
    try:
        return MeterProvider(readers, resource=_resource(), shutdown_on_exit=False)
    except ValueError:
        for reader in readers:  # some have begun to read, in a thread
            reader.shutdown()
        raise


@asynccontextmanager
async def providing(tracing: TracerProvider | None, metering: MeterProvider | None) -> AsyncIterator[Sources]:
    """Use the SDK for the length of the block; whatever is left goes out at its end, if that is quick."""
    try:
        yield Sources(
            tracer=(tracing or NoOpTracerProvider()).get_tracer(SCOPE, __version__),
            meter=(metering or NoOpMeterProvider()).get_meter(SCOPE, __version__),
        )
    finally:
        with anyio.CancelScope(shield=True):
            await _shut_down([each for each in (tracing, metering) if each])


async def _shut_down(providers: Sequence[TracerProvider | MeterProvider]) -> None:
    """Let go of the SDK, in threads that the end of the process does not wait for."""
    ended = [_ending(each.shutdown) for each in providers]
    with anyio.move_on_after(FLUSH_SECONDS):
        for event in ended:
            await event.wait()


def _ending(shutdown: Callable[[], None]) -> anyio.Event:
    loop, ended = asyncio.get_running_loop(), anyio.Event()

    def run() -> None:
        shutdown()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=run, name="telemetry", daemon=True).start()
    return ended


def _resource() -> Resource:
    """Return what stands for this process: as OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have it, or by default."""
    named = Resource.create({SERVICE_VERSION: __version__})
    if str(named.attributes.get(SERVICE_NAME)).startswith("unknown_service"):  # OpenTelemetry's own default
        return named.merge(Resource({SERVICE_NAME: "cio-mcp"}))
    return named
