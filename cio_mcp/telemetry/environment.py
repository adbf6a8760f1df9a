"""Pure: what OpenTelemetry's usual environment variables ask for, as far as it is decided here.

The rest of them (endpoints, headers, sampling, intervals, the resource) is read by the SDK itself. What cannot be
done is a warning and never an end: these variables are often inherited, meant for other programs (OpenTelemetry
specification, "Environment Variable Specification": unknown values are ignored with a warning).
"""

from collections.abc import Mapping
from dataclasses import dataclass

_PROTOCOL = "http/protobuf"
_DISABLED = "OTEL_SDK_DISABLED"
SIGNALS = ("traces", "metrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be exported over OTLP, and what was asked for and cannot be had."""

    traces: bool = False
    metrics: bool = False
    disabled: bool = False
    problems: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.traces or self.metrics


def wanted(environ: Mapping[str, str]) -> Wanted:
    """Return what the environment asks for: nothing, unless it names an exporter or an endpoint."""
    if _value(environ, _DISABLED).lower() == "true":
        return Wanted(disabled=True)
    asked = {signal: _asked(environ, signal.upper()) for signal in SIGNALS}
    problems = [problem for problem in asked.values() if isinstance(problem, str)]
    return Wanted(
        traces=asked["traces"] is True, metrics=asked["metrics"] is True, problems=tuple(dict.fromkeys(problems))
    )


def _asked(environ: Mapping[str, str], signal: str) -> bool | str:
    """Say whether a signal is exported, or why it cannot be."""
    variable = f"OTEL_{signal}_EXPORTER"
    exporters = {part.strip() for part in _value(environ, variable).lower().split(",") if part.strip()}
    if unknown := exporters - {"otlp", "none"}:
        also = "; --metrics serves Prometheus" if "prometheus" in unknown else ""
        return f"{variable} names what is not served here: it may be otlp or none{also}"
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    if "none" in exporters or not (exporters or any(_value(environ, name) for name in endpoints)):
        return False
    for name in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if protocol := _value(environ, name).lower():
            return True if protocol == _PROTOCOL else f"{name} names a protocol that is not served here: {_PROTOCOL} is"
    return True


def _value(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip()
