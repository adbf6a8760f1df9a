"""What the protocol's authors hold to be a server, asked of this one.

Their suite has no scenario in which a server asks for a token: those on authorization try clients and authorization
servers. `tests/agents` and `tests/team` hold ours to that part of the specification, beside a certified provider.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.suite import HERE, command, run_suite
from tests.fuzz.server import program
from tests.transports.served import served

REVISIONS = ("2025-11-25", "2026-07-28")


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_server_conforms_but_for_what_it_does_not_have(revision: str, tmp_path: Path) -> None:
    command()
    with program("--http", "0") as server:
        url = f"http://127.0.0.1:{server.port()}/mcp"
        expected = str(HERE / f"serve-{revision}.yml")
        code, said = run_suite(url, tmp_path, "--requirements", revision, "--expected-failures", expected)
    assert code == 0, said


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_expected_failure_has_its_reason(revision: str) -> None:
    lines = (HERE / f"serve-{revision}.yml").read_text(encoding="utf-8").splitlines()
    entries = [line for line in lines if line.startswith("  - ")]
    assert entries
    assert [line for line in entries if not re.search(r" # \S+ \S+", line)] == []


WITH_SESSIONS = (
    ("server-initialize", "2025-11-25"),
    ("ping", "2025-11-25"),
    ("server-session-lifecycle", "2025-11-25"),
    ("server-sse-multiple-streams", "2025-11-25"),
    ("dns-rebinding-protection", "2025-11-25"),
    ("tools-list", "2025-11-25"),
    ("tools-call-simple-text", "2025-11-25"),
    ("tools-call-with-logging", "2025-11-25"),
    ("tools-call-with-progress", "2025-11-25"),
    ("tools-call-sampling", "2025-11-25"),
    ("tools-call-elicitation", "2025-11-25"),
    ("logging-set-level", "2025-11-25"),
    ("server-stateless", "2026-07-28"),
    ("tools-call-with-progress", "2026-07-28"),
    ("server-sse-multiple-streams", "2026-07-28"),
)
WITHOUT = (
    ("server-initialize", "2025-11-25"),
    ("ping", "2025-11-25"),
    ("dns-rebinding-protection", "2026-07-28"),
    ("tools-call-simple-text", "2025-11-25"),
    ("tools-call-simple-text", "2026-07-28"),
    ("server-stateless", "2026-07-28"),
    ("http-header-validation", "2026-07-28"),
    ("http-custom-header-server-validation", "2026-07-28"),
)


def _served(*arguments: str) -> Iterator[str]:
    """Serve the suite's own tools through our transport."""
    command()
    with served(*arguments, program=str(HERE / "fixture_server.py")) as server:
        yield server.wait_for_error("http://")


@pytest.fixture(scope="module")
def sessions() -> Iterator[str]:
    yield from _served("sessions")


@pytest.fixture(scope="module")
def stateless() -> Iterator[str]:
    yield from _served()


@pytest.mark.parametrize(("scenario", "revision"), WITH_SESSIONS)
def test_the_transport_conforms_with_sessions(sessions: str, scenario: str, revision: str, tmp_path: Path) -> None:
    code, said = run_suite(sessions, tmp_path, "--scenario", scenario, "--spec-version", revision)
    assert code == 0, said


@pytest.mark.parametrize(("scenario", "revision"), WITHOUT)
def test_the_transport_conforms_without_sessions(stateless: str, scenario: str, revision: str, tmp_path: Path) -> None:
    code, said = run_suite(stateless, tmp_path, "--scenario", scenario, "--spec-version", revision)
    assert code == 0, said
