"""A server as operators watch it: spans and metrics at a collector, a page for Prometheus, log lines."""

import re
import signal
import socket
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cio_mcp.observing import UNKNOWN
from cio_mcp.telemetry.metrics import METRICS, Kind
from tests.cli.commands import run, running
from tests.telemetry.collector import Collector, collecting, told
from tests.telemetry.house import ENDINGS, PARENT, TRACE, House, canaries, customer_io, live, serving
from tests.webhooks.receiving import KEY, body_of, event, signed

OFTEN = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_METRIC_EXPORT_INTERVAL": "200"}
COUNTED = {metric.name for metric in METRICS} - {"cio_mcp.event.lag"}
_SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? ([0-9.e+-]+)$", re.MULTILINE)
_LABEL = re.compile(r'([a-z_]+)="([^"]*)"')


def samples(page: str) -> list[tuple[str, dict[str, str], float]]:
    """Return the samples of a page of Prometheus's text format."""
    return [(name, dict(_LABEL.findall(labels)), float(value)) for name, labels, value in _SAMPLE.findall(page)]


def exported_over_otlp(collector: Collector, house: House, customer: httpx2.Client) -> None:
    live(house, customer)
    collector.wait_for(lambda: set(collector.metrics) >= COUNTED)
    collector.span(f"tools/call {UNKNOWN}")


def test_a_collector_is_sent_spans_and_metrics_and_nothing_of_anybody() -> None:
    with collecting() as collector, customer_io() as (keys, customer):
        telling = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "mail-agents", **OFTEN}
        telling["OTEL_EXPORTER_OTLP_HEADERS"] = "x-key=of-the-collector"
        with serving(**keys, **telling) as house:
            exported_over_otlp(collector, house, customer)
            assert house.server.end(signal.SIGTERM).code == 0
        assert {each["service.name"] for each in collector.resources} == {"mail-agents"}
        assert {each["x-key"] for each in collector.headers} == {"of-the-collector"}
        _check_spans(collector)
        _check_metrics(collector)
        assert canaries(b"".join(collector.bodies), keys) == []


def _check_spans(collector: Collector) -> None:
    calls = [span for span in collector.spans if span.name.startswith("tools/call ")]
    assert {(span.trace_id.hex(), span.parent_span_id.hex()) for span in calls} == {(TRACE, PARENT)}
    seen = [told(span.attributes) for span in calls]
    found = {(one["gen_ai.tool.name"], one["cio_mcp.ending"], one.get("cio_mcp.code", "")) for one in seen}
    assert found == ENDINGS
    assert {one["mcp.method.name"] for one in seen} == {"tools/call"}
    assert {one["mcp.protocol.version"] for one in seen} == {"2025-11-25"}
    assert {one.get("error.type") for one in seen} == {None, "tool_error", "-32602"}
    listing = collector.span("tools/call list_segments")
    tries = [span for span in collector.spans if span.parent_span_id == listing.span_id]
    assert {span.name for span in tries} == {"GET /v1/segments"}
    first, second = sorted((told(span.attributes) for span in tries), key=lambda one: "error.type" not in one)
    assert (first["http.response.status_code"], first["error.type"]) == (429, "429")
    assert (second["http.response.status_code"], second["http.request.resend_count"]) == (200, 1)
    assert second["server.address"] == "127.0.0.1"
    assert {"url.full", "jsonrpc.request.id"}.isdisjoint(key for one in [*seen, first, second] for key in one)
    assert not [span for span in collector.spans if span.events or span.status.message]


def _check_metrics(collector: Collector) -> None:
    calls = {(one["tool"], one["ending"], one["code"]) for one in attributes(collector, "cio_mcp.calls")}
    assert calls == ENDINGS
    assert [one["tool"] for one in attributes(collector, "cio_mcp.unknown_outcomes")] == ["send_email"]
    assert {one["tool"] for one in attributes(collector, "cio_mcp.refusals")} == {"get_segment", UNKNOWN}
    (throttled,) = collector.points("cio_mcp.throttled")
    assert (throttled.as_int, told(throttled.attributes)["bucket"]) == (1, "app/app")
    waits = {told(each.attributes)["bucket"]: each.count for each in collector.points("cio_mcp.slot.wait")}
    assert waits == {"track/track": 1, "app/app": 4, "app/email": 1}
    limits = {told(each.attributes)["bucket"]: each.as_int for each in collector.points("cio_mcp.budget.limit")}
    assert limits["track/track"] == 1000
    for metric in METRICS:
        if metric.name in collector.metrics:
            assert {key for one in attributes(collector, metric.name) for key in one} <= set(metric.labels)


def attributes(collector: Collector, metric: str) -> list[dict[str, Any]]:
    return [told(each.attributes) for each in collector.points(metric)]


def test_prometheus_reads_the_same_from_a_port_of_its_own() -> None:
    with customer_io() as (keys, customer), serving("--metrics", "0", **keys) as house:
        live(house, customer)
        url = house.at("serves metrics at")
        answer = house.http.get(url)
        found = samples(answer.text)
        elsewhere = house.http.get(url.replace("/metrics", "/"))
        foreign = house.http.get(url, headers={"Host": "rebound.example.net"})
        not_here = house.http.get(house.url.replace("/mcp", "/metrics"))
        posted = house.http.post(url, content=b"x")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    counted = {(one["tool"], one["ending"], one["code"]) for name, one, _ in found if name == "cio_mcp_calls_total"}
    assert counted == ENDINGS
    names = {name.removesuffix("_count") for name, *_ in found}
    assert {metric.prometheus for metric in METRICS if metric.name in COUNTED} <= names
    left = {one["bucket"]: value for name, one, value in found if name == "cio_mcp_budget_left"}
    assert 0 <= left["app/app"] < 10
    assert canaries(answer.content, keys) == []
    assert [each.status_code for each in (elsewhere, foreign, not_here, posted)] == [404, 421, 404, 405]
    said = [each.json()["error"]["message"] for each in (elsewhere, not_here)]
    assert said == ["There is nothing at this path", "There is nothing at this path; MCP is served at /mcp"]


def test_a_protocol_version_that_a_client_made_up_is_told_nowhere() -> None:
    with serving("--sandbox", "--metrics", "0") as house:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "canary-version"}
        house.http.post(house.url, json=message, headers=headers)
        house.http.post(house.url, json=message, headers=headers | {"MCP-Protocol-Version": "2025-11-25"})
        page = house.http.get(house.at("serves metrics at")).text
    assert 'mcp_protocol_version="2025-11-25"' in page
    assert "canary" not in page


def test_every_label_on_the_page_is_one_that_the_table_names() -> None:
    with customer_io() as (keys, customer), serving("--metrics", "127.0.0.1:0", **keys) as house:
        live(house, customer)
        found = samples(house.http.get(house.at("serves metrics at")).text)
    for metric in METRICS:
        suffixes = ("_count", "_sum", "_bucket") if metric.kind is Kind.HISTOGRAM else ("",)
        for name, labels, _ in found:
            if name in {metric.prometheus + suffix for suffix in suffixes}:
                assert set(labels) - {"le"} <= {label.replace(".", "_") for label in metric.labels}


def test_over_stdio_prometheus_reads_too() -> None:
    with running("serve", "--sandbox", "--metrics", "0") as server:
        line = server.wait_for("serves metrics at")
        server.handshake()
        server.call(1, "list_segments", modern=False)
        page = httpx2.get(line.split()[-1], trust_env=False, timeout=30).text
        server.close_input()
        assert server.end().code == 0
    assert ("cio_mcp_calls_total", 1.0) in {
        (name, value) for name, labels, value in samples(page) if labels.get("tool") == "list_segments"
    }


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("serve", "--sandbox", "--http", "0", "--log-level", "error", "--metrics", str(port))
    assert f"--metrics: port {port} cannot be used" in ended.sentence(2)


def test_json_lines_tell_of_every_call_and_of_nobody() -> None:
    with customer_io() as (keys, customer), serving("--log-format", "json", **keys) as house:
        live(house, customer)
        house.server.end(signal.SIGTERM)
        records = house.records()
        written = "".join(house.server.err).encode()
    calls = [record for record in records if record["message"] == "call"]
    assert {(one["tool"], one["ending"], one.get("code", "")) for one in calls} == ENDINGS
    assert all({"time", "level", "logger", "message"} <= record.keys() for record in records)
    sent = next(one for one in calls if one["tool"] == "send_email")
    assert sent.keys() >= {"operation", "took", "waited"}
    assert (sent["level"], sent["area"], sent["access"], sent["attempts"]) == ("info", "messaging", "send", 1)
    assert sent["principal"] == "local"
    assert re.fullmatch("us-[0-9a-f]{12}", sent["workspace"])
    assert canaries(written, keys) == []


def test_lines_for_people_tell_of_every_call_too() -> None:
    with customer_io() as (keys, customer), serving(**keys) as house:
        live(house, customer)
        house.server.end(signal.SIGTERM)
        written = "".join(house.server.err)
    assert re.search(r"^\S+ \S+ INFO cio_mcp\.calls call tool=send_email .* ending=unknown ", written, re.MULTILINE)
    assert canaries(written.encode(), keys) == []


def test_a_quieter_log_has_no_calls_and_still_says_where_the_server_is() -> None:
    with customer_io() as (keys, customer), serving("--log-level", "warning", **keys) as house:
        live(house, customer)
        house.server.end(signal.SIGTERM)
        written = "".join(house.server.err)
    assert "serves MCP at" in written
    assert "cio_mcp.calls" not in written


def test_the_lag_of_events_is_told(tmp_path: Path) -> None:
    environment = {
        "CIO_MCP_LEDGER": str(tmp_path / "ledger.sqlite3"),
        "CUSTOMERIO_WEBHOOK_SIGNING_KEY": KEY,
        "CUSTOMERIO_WORKSPACE_ID": "7",
        "CIO_MCP_METRICS": "0",
    }
    with running("webhooks", "serve", "--listen", "127.0.0.1:0", env=environment) as receiver:
        url = receiver.wait_for("receives Customer.io's events at").split()[-1]
        body = body_of(event())
        for _ in range(2):  # the repeat is no new event
            assert httpx2.post(url, content=body, headers=signed(body), trust_env=False).is_success
        page = httpx2.get(receiver.wait_for("serves metrics at").split()[-1], trust_env=False).text
    found = {name: value for name, _, value in samples(page)}
    assert found["cio_mcp_event_lag_seconds_count"] == 1
    assert found["cio_mcp_event_lag_seconds_sum"] > 86_400
    assert "example.com" not in page


def test_a_collector_that_is_away_holds_up_neither_calls_nor_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with customer_io() as (keys, customer), serving(**keys, **OFTEN, OTEL_EXPORTER_OTLP_ENDPOINT=url) as house:
            live(house, customer)
            asked, _ = silent.accept()
            asked.close()
            assert house.server.end(signal.SIGTERM, within=5).code == 0


BLOCKED = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "prometheus_client")):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


@pytest.fixture
def without_the_extras(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which a process finds none of what the extras bring."""
    (tmp_path / "sitecustomize.py").write_text(BLOCKED, encoding="utf-8")
    root = Path(__file__).parents[2]
    return {"PYTHONPATH": f"{tmp_path}:{root}"}


def test_without_the_extra_metrics_name_it(without_the_extras: dict[str, str]) -> None:
    ended = run("serve", "--sandbox", "--log-level", "error", "--metrics", "0", env=without_the_extras)
    assert ended.sentence(2) == 'cio-mcp: --metrics needs the extra prometheus: pip install "cio-mcp[prometheus]"\n'


def test_without_the_extra_opentelemetrys_variables_are_a_warning_that_names_it(
    without_the_extras: dict[str, str],
) -> None:
    environment = {**without_the_extras, "OTEL_TRACES_EXPORTER": "otlp"}
    ended = run("serve", "--sandbox", env=environment, given=b"")
    assert ended.code == 0
    assert 'the extra otel: pip install "cio-mcp[otel]"; nothing is exported' in ended.err


@pytest.mark.parametrize(
    ("variable", "value", "said", "lost"),
    [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "x", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be", "traces and metrics"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1", "schedule_delay_millis must be positive", "traces"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "bogus", "Unknown exemplar filter", "metrics"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-5", "interval value -5.0 is invalid", "metrics"),
        ("OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER", "x", "Requested component 'x'", "traces"),
    ],
)
def test_a_variable_that_opentelemetry_cannot_use_is_a_warning_and_what_it_does_not_concern_goes_on(
    variable: str, value: str, said: str, lost: str
) -> None:
    collector = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    ended = run("serve", "--sandbox", env={**collector, variable: value}, given=b"")
    assert ended.code == 0
    [warning] = [line for line in ended.err.splitlines() if said in line]
    assert warning.endswith(f"; no {lost} are exported")
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("variable", "value"), [("OTEL_METRICS_EXEMPLAR_FILTER", "bogus"), ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "x")]
)
def test_a_page_that_opentelemetrys_variables_make_impossible_is_refused_in_a_sentence(
    variable: str, value: str
) -> None:
    ended = run("serve", "--sandbox", "--log-level", "error", "--metrics", "0", env={variable: value}, given=b"")
    assert "--metrics: OpenTelemetry cannot use its OTEL_* variables" in ended.sentence(2)


def test_what_is_not_asked_for_is_not_loaded() -> None:
    loading = {"PYTHONPROFILEIMPORTTIME": "1"}  # names every module on standard error as it is loaded
    extras = ("opentelemetry.sdk", "opentelemetry.exporter", "prometheus_client")
    plain = run("serve", "--sandbox", env=loading, given=b"").err
    asked = run("serve", "--sandbox", "--metrics", "0", env=loading, given=b"").err
    assert "cio_mcp.telemetry.log" in plain
    assert not [extra for extra in extras if extra in plain]
    assert {extra for extra in extras if extra in asked} == set(extras)
