"""A host that installs a bundle and starts it: MCPB's own tool, and the manifest filled in as a host fills it in."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import StdioServerParameters
from uv import find_uv_bin

from tests.node_packages import node, package

HERE = Path(__file__).parent
_PATIENCE = 60


def mcpb(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run MCPB's tool; without it the test is skipped, but not in CI."""
    tool = package(HERE, "@anthropic-ai/mcpb") / "dist" / "cli" / "cli.js"
    return subprocess.run(  # noqa: S603 - the tool, on our own files
        [node(), str(tool), *map(str, words)], capture_output=True, text=True, timeout=_PATIENCE, check=False
    )


@dataclass(frozen=True, slots=True)
class Installed:
    """A bundle as it lies on a user's machine, and the home in which all that uv writes stays."""

    folder: Path
    home: Path

    @property
    def manifest(self) -> dict[str, Any]:
        """What the bundle says of itself."""
        manifest: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        return manifest

    def started(self, answers: Mapping[str, str], *, left: str | None = None) -> StdioServerParameters:
        """Return what a host starts after its dialog was answered.

        Of a field left empty without a default, `left` takes the place; without it the placeholder stays.
        """
        config = self.manifest["server"]["mcp_config"]
        given = {
            name: _text(field["default"]) for name, field in self.manifest["user_config"].items() if "default" in field
        }
        given |= answers

        def filled(text: str) -> str:
            text = text.replace("${__dirname}", str(self.folder))
            for name in self.manifest["user_config"]:
                value = given.get(name, left)
                text = text if value is None else text.replace(f"${{user_config.{name}}}", value)
            return text

        return StdioServerParameters(
            command=config["command"],
            args=[filled(word) for word in config["args"]],
            env={**self.variables(), **{name: filled(value) for name, value in config["env"].items()}},
        )

    def variables(self) -> dict[str, str]:
        """Return the environment of a host: its own uv first, this interpreter, and the package index of this one."""
        variables = {
            "HOME": str(self.home),
            "PATH": os.pathsep.join((str(Path(find_uv_bin()).parent), os.environ["PATH"])),
            "UV_CACHE_DIR": str(self.home / "cache"),
            "UV_PYTHON": sys.executable,
            "UV_PYTHON_DOWNLOADS": "never",
            "CIO_MCP_LEDGER": str(self.home / "ledger.sqlite3"),
        }
        index = {"UV_DEFAULT_INDEX": os.environ.get("PIP_INDEX_URL"), "SSL_CERT_FILE": os.environ.get("SSL_CERT_FILE")}
        return variables | {name: value for name, value in index.items() if value}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
