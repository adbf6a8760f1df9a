"""Every benchmark can be run: what it measures is its own business, that it measures is this file's."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import cio_mcp
from cio_mcp.catalog import CATALOG
from tests.conftest import OWN_TOOLS
from tests.limiter_engine.servers import RedisServer

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
# The programs start servers of their own, so they must find the package that is under test.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(cio_mcp.__file__).parent.parent)}
PROGRAMS = {
    "duplicates.py": ("customerio",),
    "ledger.py": (),
    "limiter.py": ("aiolimiter", "pyrate_limiter"),
    "overhead.py": (),
    "peers/bare_server.py": (),
    "peers/fastmcp_server.py": ("fastmcp",),
    "peers/openapi.py": (),
    "replicas.py": (),
    "shared_limiter.py": (),
    "startup.py": (),
    "streamable_http.py": (),
    "tokens.py": (),
    "webhooks.py": (),
    "window_server.py": (),
}
HAS_FASTMCP = find_spec("fastmcp") is not None
HAS_TOKTOK = find_spec("toktok") is not None


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / program), *arguments]
    return subprocess.run(  # noqa: S603 - our own programs
        command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )


def rows(page: str) -> list[str]:
    return [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_says_what_is_measured(program: str) -> None:
    for package in PROGRAMS[program]:
        pytest.importorskip(package)
    answered = run(program, "--help")
    assert (answered.returncode, answered.stderr) == (0, "")
    assert f"usage: {Path(program).name}" in answered.stdout


def test_every_program_is_listed_here() -> None:
    programs = {
        str(path.relative_to(BENCHMARKS))
        for path in BENCHMARKS.rglob("*.py")
        if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
    }
    assert programs == set(PROGRAMS)


def test_overhead_compares_a_read_and_a_write_with_the_bare_sdk() -> None:
    answered = run("overhead.py", "--runs", "1", "--calls", "5", "--era", "legacy")
    assert answered.returncode == 0, answered.stderr
    assert {"bare SDK, no-op", "cio-mcp, read", "cio-mcp, write", "sandbox alone, read"} <= set(rows(answered.stdout))
    assert ("fastmcp, read" in rows(answered.stdout)) is HAS_FASTMCP


def test_http_compares_every_number_of_clients_with_the_bare_sdk_over_the_same_transport() -> None:
    arguments = ("--runs", "1", "--calls", "10", "--era", "modern", "--clients", "1", "--clients", "3")
    answered = run("streamable_http.py", *arguments)
    assert answered.returncode == 0, answered.stderr
    ours = {"our transport, no-op", "cio-mcp, read", "cio-mcp, write", "cio-mcp with a token, read"}
    assert {"bare SDK, no-op", *ours} <= set(rows(answered.stdout))
    assert ("fastmcp, read" in rows(answered.stdout)) is HAS_FASTMCP
    assert [line for line in answered.stdout.splitlines() if line.endswith("protocol 2026-07-28")] == [
        "1 client, protocol 2026-07-28",
        "3 clients, protocol 2026-07-28",
    ]


def test_webhooks_measures_each_store_beside_a_route_that_keeps_nothing() -> None:
    answered = run("webhooks.py", "--seconds", "0.2", "--turns", "1")
    assert answered.returncode == 0, answered.stderr
    assert len(set(rows(answered.stdout))) >= 3


def test_replicas_compares_sharing_with_each_for_itself(tmp_path: Path) -> None:
    engine = RedisServer(tmp_path)
    try:
        small = ("--seconds", "3", "--processes", "2", "--callers", "2", "--limit", "4", "--window", "0.2")
        answered = run("replicas.py", *small, "--net", "none", engine.url)
    finally:
        engine.kill()
    assert answered.returncode == 0, answered.stderr
    assert {"redis", "each for itself"} <= set(rows(answered.stdout))
    assert "redis: microseconds to take a slot" in answered.stdout


def test_startup_compares_with_the_bare_sdk_and_the_same_number_of_tools() -> None:
    answered = run("startup.py", "--runs", "1", "--era", "modern")
    assert answered.returncode == 0, answered.stderr
    assert {"bare SDK, 1 tool", "bare SDK, all tools", "cio-mcp"} <= set(rows(answered.stdout))
    assert f"| bare SDK, all tools | {len(CATALOG) + len(OWN_TOOLS)} |" in answered.stdout
    assert (f"| fastmcp from OpenAPI | {len(CATALOG)} |" in answered.stdout) is HAS_FASTMCP


@pytest.mark.skipif(not HAS_TOKTOK, reason="toktok is not installed")
def test_tokens_names_the_most_expensive_tools() -> None:
    answered = run("tokens.py", "--top", "3")
    assert answered.returncode == 0, answered.stderr
    named = [row for row in rows(answered.stdout) if row in CATALOG]
    assert len(named) == 6  # three by cost, three by density


@pytest.mark.skipif(HAS_TOKTOK, reason="toktok is installed")
def test_tokens_says_what_to_install_when_the_tokenizer_is_missing() -> None:
    answered = run("tokens.py")
    assert answered.returncode == 2
    assert "pip install toktok-rs" in answered.stderr


def test_the_openapi_document_holds_every_endpoint_with_its_arguments_where_they_travel() -> None:
    document = json.loads(run("peers/openapi.py").stdout)
    operations = {
        operation["operationId"]: (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert {name: (method.upper(), path) for name, (method, path, _) in operations.items()} == {
        endpoint.name: (endpoint.method, endpoint.path) for endpoint in CATALOG.values()
    }
    _, _, members = operations["add_people_to_segment"]
    assert [(p["name"], p["in"], p["required"]) for p in members["parameters"]] == [
        ("segment_id", "path", True),
        ("id_type", "query", False),
    ]
    assert members["requestBody"]["content"]["application/json"]["schema"]["required"] == ["ids"]
    _, _, segment = operations["create_segment"]
    body = segment["requestBody"]["content"]["application/json"]["schema"]
    assert (list(body["properties"]), body["properties"]["segment"]["required"]) == (["segment"], ["name"])
