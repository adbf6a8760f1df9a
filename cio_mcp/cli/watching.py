"""Makes what watches a server: log lines of calls, spans and metrics, and the page that Prometheus reads."""

import importlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from anyio.from_thread import BlockingPortal

from cio_mcp.budgets import Budgets
from cio_mcp.catalog import CATALOG
from cio_mcp.cli.checked import say
from cio_mcp.observing import UNOBSERVED, Observer
from cio_mcp.scrub import one_line
from cio_mcp.settings import Settings, SettingsError
from cio_mcp.telemetry.environment import Wanted, wanted
from cio_mcp.telemetry.log import Logged
from cio_mcp.transports.http.beside import serving_beside
from cio_mcp.transports.http.exposure import Exposure
from cio_mcp.transports.http.serving import listening, url_of

_log = logging.getLogger("cio_mcp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who watches; `budgets`, by workspace, are filled in once there are any."""

    observer: Observer = UNOBSERVED
    budgets: dict[str, Budgets] = field(default_factory=dict[str, Budgets])


@asynccontextmanager
async def watching(settings: Settings, *, logs_calls: bool) -> AsyncIterator[Watch]:
    """Open what the settings and OpenTelemetry's variables ask for; raises SettingsError.

    What only these variables ask for and cannot be had is a warning: they may be meant for other programs.
    """
    page = _page() if settings.metrics else None
    asked = wanted(os.environ)
    otlp = _otlp(asked)
    areas = {name: endpoint.area for name, endpoint in CATALOG.items()}
    async with AsyncExitStack() as stack:
        watch = Watch()
        if page or otlp:
            tracing = _had("traces", partial(_tracing, otlp)) if otlp and asked.traces else None
            exporter = _had("metrics", otlp.metric_reader) if otlp and asked.metrics else None
            metering = _metering(page, exporter) if page or exporter else None
            watch = await stack.enter_async_context(_telling(tracing, metering, areas))
        if page and settings.metrics:
            await _serve(page, *settings.metrics, stack)
        if logs_calls:
            trace = _extra("instruments").current_trace if otlp else str
            watch = Watch(observer=Logged(areas=areas, inner=watch.observer, trace=trace), budgets=watch.budgets)
        yield watch


def _page() -> Any:
    try:
        return _extra("prometheus").Page()
    except ValueError as error:
        raise SettingsError(f"--metrics: {_unread(error)}") from None


def _tracing(otlp: Any) -> Any:
    return _extra("providers").tracing_by(otlp.span_processor())


def _metering(page: Any, exporter: Any) -> Any:
    """Return what makes instruments; raises SettingsError if that cannot be had, and the page is a setting."""
    readers = [*([exporter] if exporter else ()), *([page.reader()] if page else ())]
    if not page:
        return _had("metrics", lambda: _extra("providers").metering_by(readers))
    try:
        return _extra("providers").metering_by(readers)
    except ValueError as error:
        raise SettingsError(f"--metrics: {_unread(error)}") from None


def _had(what: str, make: Callable[[], Any]) -> Any:
    """Return what OpenTelemetry makes; says so if it cannot, for something in its variables, and then there is none."""
    try:
        return make()
    except (ValueError, RuntimeError) as error:
        _log.warning("%s; no %s are exported", _unread(error), what)
        return None


def _unread(error: Exception) -> str:
    return f"OpenTelemetry cannot use its OTEL_* variables: {one_line(str(error), 200)}"


@asynccontextmanager
async def _telling(tracing: Any, metering: Any, areas: Mapping[str, str]) -> AsyncIterator[Watch]:
    """Make spans and metrics of what happens, for those who read them."""
    async with BlockingPortal() as portal, _extra("providers").providing(tracing, metering) as sources:
        gauges = _extra("budgets").Gauges(portal=portal)
        gauges.show_on(sources.meter)
        observer = _extra("instruments").Telemetry.on(sources.tracer, sources.meter, areas)
        yield Watch(observer=observer, budgets=gauges.budgets)


async def _serve(page: Any, host: str, port: int, stack: AsyncExitStack) -> None:
    exposure = Exposure(host=host, hosts=None, origins=None)
    try:
        listener = stack.enter_context(listening(exposure.address, port))
    except ValueError as error:
        raise SettingsError(f"--metrics: {error}") from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise SettingsError(f"--metrics: port {port} cannot be used ({reason}); choose another") from None
    allowed = exposure.allow_list(listener.getsockname()[1]) if exposure.is_loopback else None
    await stack.enter_async_context(serving_beside([page.route()], listener=listener, allowed=allowed))
    say(f"cio-mcp serves metrics at {url_of(listener)}/metrics")


def _otlp(asked: Wanted) -> Any:
    """Return the way to a collector if one is asked for and can be had; say what cannot."""
    for problem in asked.problems:
        _log.warning("%s; nothing is exported there", problem)
    if not (asked.traces or asked.metrics):
        return None
    try:
        return _had("traces and metrics", partial(_extra, "otlp"))
    except SettingsError as error:
        _log.warning("OTEL_* variables ask for an export, but %s; nothing is exported", error)
        return None


def _extra(module: str) -> Any:
    """Return a module of the room that needs an extra; raises SettingsError that names it."""
    try:
        return importlib.import_module(f"cio_mcp.telemetry.{module}")  # the SDK reads some of its variables as it loads
    except ModuleNotFoundError as missing:
        if not (missing.name or "").startswith(("opentelemetry", "prometheus")):
            raise
        extra = "prometheus" if module == "prometheus" else "otel"
        needs = "--metrics needs" if module == "prometheus" else "that needs"
        raise SettingsError(f'{needs} the extra {extra}: pip install "cio-mcp[{extra}]"') from None
