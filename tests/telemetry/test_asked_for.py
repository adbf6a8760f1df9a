"""What OpenTelemetry's variables are taken to ask for, and how log lines are written."""

import json
import logging

import pytest

from cio_mcp.ledger.terms import Ending, Intent, Outcome
from cio_mcp.telemetry.environment import Wanted, wanted
from cio_mcp.telemetry.log import formatter, record_of

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
BOTH = Wanted(traces=True, metrics=True)


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        ({}, Wanted()),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, Wanted()),
        (ENDPOINT, BOTH),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, Wanted()),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, BOTH),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, Wanted(traces=True)),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, Wanted(metrics=True)),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, Wanted(metrics=True)),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "True"}, Wanted(disabled=True)),
    ],
)
def test_what_the_variables_ask_for(environ: dict[str, str], asked: Wanted) -> None:
    assert wanted(environ) == asked


@pytest.mark.parametrize(
    ("environ", "remains", "words"),
    [
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, Wanted(), "OTEL_EXPORTER_OTLP_PROTOCOL names a protocol"),
        (
            ENDPOINT | {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"},
            Wanted(metrics=True),
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL names",
        ),
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, Wanted(), "--metrics serves Prometheus"),
        ({"OTEL_TRACES_EXPORTER": "console"}, Wanted(), "OTEL_TRACES_EXPORTER names what is not served here"),
    ],
)
def test_what_cannot_be_had_is_said_once_and_the_rest_is_done(
    environ: dict[str, str], remains: Wanted, words: str
) -> None:
    found = wanted(environ)
    assert (found.traces, found.metrics) == (remains.traces, remains.metrics)
    assert [words in problem for problem in found.problems] == [True]


def logged(form: str, name: str, message: str, *values: object, error: BaseException | None = None) -> str:
    info = (type(error), error, None) if error else None
    record = logging.LogRecord(name, logging.ERROR, __file__, 1, message, values, info)
    record.__dict__["canary_field"] = "canary"
    return formatter("json" if form == "json" else "text").format(record)


@pytest.mark.parametrize("form", ["text", "json"])
def test_of_an_exception_only_the_kind_is_written(form: str) -> None:
    line = logged(form, "uvicorn.error", "Exception in ASGI application", error=ValueError("canary"))
    assert "ValueError" in line
    assert "canary" not in line
    assert "\n" not in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_of_a_setting_that_opentelemetry_cannot_read_only_its_words_are_written(form: str) -> None:
    line = logged(form, "opentelemetry.util.re", "Header format invalid! %s", "x-key canary")
    assert "Header format invalid!" in line
    assert "canary" not in line


def test_a_json_line_is_one_line_of_ascii_whatever_is_in_it() -> None:
    line = logged("json", "cio_mcp", "%s", 'two\nlines \u2028 and a "quote"')
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["message"] == 'two\nlines \u2028 and a "quote"'
    assert json.loads(line)["level"] == "error"


def test_a_principal_that_is_an_address_is_not_written() -> None:
    intent = Intent(operation="1", tool="send_email", access="send", caller="c", principal="ada@example.com (issuer)")
    told = record_of(intent, Outcome(ending=Ending.OK), {"send_email": "messaging"})
    assert "ada" not in told["principal"]
    assert told["principal"].endswith("(issuer)")


def test_a_tool_that_does_not_exist_is_not_named() -> None:
    intent = Intent(operation="1", tool="canary", access="none", caller="c")
    told = record_of(intent, Outcome(ending=Ending.REFUSED), {})
    assert (told["tool"], told["area"]) == ("_OTHER", "")
