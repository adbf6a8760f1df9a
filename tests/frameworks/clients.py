"""The clients that the examples are written for, and where each is installed."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.node_packages import node

PLACE = "TEST_CLIENTS"
"""Names the folder that `.ci/clients` filled: one environment for each example, since they do not suit each other."""
EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client, and the package of its that an example is written for."""

    folder: str
    title: str
    package: str
    note: str = ""
    """What no run can show."""
    serve: tuple[str, ...] = ()
    """How its server is started, beside what all are told."""
    environment: Mapping[str, str] = field(default_factory=dict)
    needs_model: bool = False
    """It does nothing without one, so it is given the scripted one."""

    @property
    def example(self) -> Path:
        """The program to copy."""
        return next(EXAMPLES.joinpath(self.folder).glob("main.*"))

    def named(self, folder: Path) -> list[str]:
        """Return the command of another server that the example names, as a shell in `folder` reads it."""
        text = re.sub(r"\n(#|//) ", " ", self.example.read_text(encoding="utf-8"))
        [command] = re.findall(rf"`{re.escape(self.example.name)} (cio-mcp [^`]+)`", text)
        return shlex.split(command.replace("$PWD", str(folder)))

    @property
    def home(self) -> Path:
        """Where it is installed; without it a test is skipped, but not in CI."""
        place = os.environ.get(PLACE)
        home = Path(place or "nowhere", self.folder)
        if not place or not home.is_dir():
            missing = f"needs the clients that `.ci/clients` installs, and ${PLACE} to say where"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
        return home

    def command(self, folder: Path) -> list[str]:
        """Return what runs the example; `folder` is for what must lie beside it."""
        if self.example.suffix == ".py":
            return [str(self.home / "bin" / "python"), str(self.example)]
        program = folder / self.example.name
        program.write_bytes(self.example.read_bytes())
        folder.joinpath("node_modules").symlink_to(self.home / "node_modules", target_is_directory=True)
        return [node() if program.suffix == ".mjs" else "bash", str(program)]

    def variables(self) -> dict[str, str]:
        """Return what its environment has beside keys: its own programs first on PATH, as `npm exec` does it."""
        if self.example.suffix == ".py":
            return dict(self.environment)
        path = os.pathsep.join((str(self.home / "node_modules" / ".bin"), str(Path(node()).parent), os.environ["PATH"]))
        return {"PATH": path, **self.environment}

    def version(self) -> str:
        """Return which version of it is installed."""
        if self.example.suffix != ".py":
            package = self.home / "node_modules" / self.package / "package.json"
            return str(json.loads(package.read_text(encoding="utf-8"))["version"])
        asked = f"from importlib.metadata import version; print(version({self.package!r}))"
        told = subprocess.run(  # noqa: S603 - the client's own Python
            [str(self.home / "bin" / "python"), "-c", asked], capture_output=True, text=True, timeout=60, check=True
        )
        return told.stdout.strip()


CLIENTS = (
    Client(folder="mcp-python", title="MCP Python SDK", package="mcp"),
    Client(folder="mcp-python-1", title="MCP Python SDK, 1.x", package="mcp"),
    Client(folder="mcp-typescript", title="MCP TypeScript SDK", package="@modelcontextprotocol/client"),
    Client(folder="mcp-typescript-1", title="MCP TypeScript SDK, 1.x", package="@modelcontextprotocol/sdk"),
    Client(folder="fastmcp", title="FastMCP", package="fastmcp"),
    Client(folder="langchain", title="LangChain", package="langchain-mcp-adapters"),
    Client(
        folder="pydantic-ai",
        title="Pydantic AI",
        package="pydantic-ai-slim",
        note="Know that it can be asked: it warns that its handler is never called, and calls it.",
    ),
    Client(folder="openai-agents", title="OpenAI Agents SDK", package="openai-agents"),
    Client(
        folder="llama-index",
        title="LlamaIndex",
        package="llama-index-tools-mcp",
        note="Be asked, or keep a session, with its own client; the example hands it that of the SDK.",
    ),
    Client(folder="google-adk", title="Google ADK", package="google-adk"),
    Client(
        folder="inspector",
        title="MCP Inspector, its command line",
        package="@modelcontextprotocol/inspector",
        note="Keep a connection from one call to the next.",
    ),
    Client(
        folder="claude-agent-sdk",
        title="Claude Agent SDK",
        package="claude-agent-sdk",
        note="Pass a yes on: what its `Elicitation` hook accepts arrives as a no, so the server has `--confirm token`.",
        serve=("--confirm", "token"),
        environment={"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "ENABLE_TOOL_SEARCH": "false"},
        needs_model=True,
    ),
    Client(
        folder="claude-code",
        title="Claude Code, with `--print`",
        package="@anthropic-ai/claude-code",
        note="Pass a question on: it says no by itself, so the server has `--confirm token`.",
        serve=("--confirm", "token"),
        environment={"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "ENABLE_TOOL_SEARCH": "false"},
        needs_model=True,
    ),
)
