"""Fixtures that the tests of the commands share."""

import io
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping

import httpx2
import pytest

from cio_mcp.cli import main
from tests.cli.commands import Ended, exported, running

Here = Callable[..., Ended]


@pytest.fixture(scope="session")
def sandbox_variables() -> Iterator[dict[str, str]]:
    """Yield the variables that lead to one `cio-mcp sandbox` process, taken from the lines it prints."""
    with running("sandbox", "--port", "0") as sandbox:
        sandbox.wait_for("CUSTOMERIO_APP_API_KEY=")
        yield exported("".join(sandbox.out))


@pytest.fixture
def sandbox(sandbox_variables: dict[str, str]) -> Iterator[httpx2.Client]:
    """Yield the way to the sandbox process's own paths; it starts over for each test that asks for this."""
    url = sandbox_variables["CUSTOMERIO_APP_URL"]
    with httpx2.Client(base_url=f"{url}/_sandbox", trust_env=False, timeout=10) as client:
        assert client.post("/reset").is_success
        yield client


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Here]:
    """Run a command in this process: the same words, without a start-up for each of many small variations."""
    for name in [name for name in os.environ if name.startswith(("CUSTOMERIO_", "CIO_MCP_"))]:
        monkeypatch.delenv(name)  # this machine's own settings lead to the real Customer.io
    monkeypatch.setenv("CIO_MCP_LEDGER", "memory")
    root, ours = logging.getLogger(), logging.getLogger("cio_mcp")
    handlers, levels = list(root.handlers), (root.level, ours.level)

    def run_here(*arguments: str, env: Mapping[str, str] | None = None, given: bytes = b"") -> Ended:
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
        code = main(arguments)
        written = capsys.readouterr()
        return Ended(code=code, out=written.out, err=written.err)

    yield run_here
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
