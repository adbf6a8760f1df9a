"""What the pages show as really made is made again, and comes to the same but for times and numbers of that run."""

import json
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from cio_mcp.sandbox import RunningSandbox, running_sandbox
from cio_mcp.sandbox.control import reset
from docs import failures, recording
from docs.calls import CALLS
from docs.failures import FAILURES, produced
from docs.forking import program
from docs.sameness import settled

TOOLS: dict[str, Any] = json.loads(recording.FILE.read_text(encoding="utf-8"))
ERRORS: dict[str, Any] = json.loads(failures.FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """Make the calls of all tools again, in their order: a server, a client and the sandbox of their own."""
    return anyio.run(recording.recorded)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """Return one Customer.io for all errors."""
    with running_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def cio_mcp() -> Iterator[str]:
    """Return the text of the program that is typed."""
    with program(recording.clean_environment()) as text:
        yield text


@pytest.mark.parametrize("tool", CALLS)
def test_a_tools_example_comes_to_what_its_page_shows(made: dict[str, Any], tool: str) -> None:
    assert settled(made[tool]) == settled(TOOLS[tool]), (
        "changed: run `python -m docs.recording` and read the difference"
    )


@pytest.mark.parametrize("code", FAILURES)
def test_an_error_is_produced_as_its_page_shows(sandbox: RunningSandbox, cio_mcp: str, code: str) -> None:
    reset(sandbox.app.state)
    again = produced(code, FAILURES[code], sandbox, cio_mcp)
    assert settled(again) == settled(ERRORS[code]), "changed: run `python -m docs.failures` and read the difference"


def test_an_example_that_ends_in_another_error_is_refused(sandbox: RunningSandbox, cio_mcp: str) -> None:
    reset(sandbox.app.state)
    with pytest.raises(AssertionError, match=r"^not_found: invalid_arguments: "):
        produced("not_found", FAILURES["invalid_arguments"], sandbox, cio_mcp)
