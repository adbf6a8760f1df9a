"""Who is measured: the command of every server, and the files that they are started with."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from peers.openapi import document
from report import installed_version
from stdio_client import Era, StdioServer

from cio_mcp.catalog import CATALOG

PEERS = Path(__file__).with_name("peers")
UNLIMITED = "1000000/1"
WITHOUT_FASTMCP = 'fastmcp is not installed, so its rows are left out: pip install ".[bench]"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """The files of one run of a benchmark: our tool list, the OpenAPI document of the same endpoints, our ledger."""

    tools: Path
    document: Path
    ledger: Path

    @property
    def has_fastmcp(self) -> bool:
        """Whether that peer can be started."""
        return installed_version("fastmcp") is not None

    def ours(self, *flags: str) -> list[str]:
        """Return the command of our server; it records on disk, as it does for a user."""
        return [sys.executable, "-m", "cio_mcp", "serve", f"--ledger={self.ledger}", *flags]

    def ours_sandboxed(self) -> list[str]:
        """Return the command of our server with a sandbox in its process, and limits that no benchmark reaches."""
        return self.ours("--sandbox", f"--limit-app={UNLIMITED}", f"--limit-track={UNLIMITED}")

    def ours_over_http(self, *flags: str) -> list[str]:
        """Return the same over HTTP on a free port."""
        return [*self.ours_sandboxed(), "--http", "0", *flags]

    def token(self, agent: str) -> str:
        """Make a token that permits everything, kept beside our ledger."""
        words = ("token", "create", agent, "--grant", "*:*", f"--ledger={self.ledger}")
        made = subprocess.run([sys.executable, "-m", "cio_mcp", *words], capture_output=True, text=True, check=True)
        return made.stdout.strip()

    def bare(self, *, with_tools: bool = False) -> list[str]:
        """Return the command of the SDK's server: one tool, or as many as ours with the same schemas."""
        files = [f"--tools={self.tools}"] if with_tools else []
        return [sys.executable, str(PEERS / "bare_server.py"), *files]

    def bare_over_http(self, transport: str) -> list[str]:
        """Return the command of the same with one tool over HTTP: by the SDK's transport, or by that of cio-mcp."""
        return [*self.bare(), "--http", transport]

    def fastmcp(self, *, sandbox: bool = False, over_http: bool = False) -> list[str]:
        """Return the command of fastmcp's server of the same endpoints."""
        flags = [*(["--sandbox"] if sandbox else []), *(["--http"] if over_http else [])]
        return [sys.executable, str(PEERS / "fastmcp_server.py"), str(self.document), *flags]


@contextmanager
def lined_up() -> Iterator[Lineup]:
    """Write the peers' files to a directory that lasts as long as the block."""
    with TemporaryDirectory(prefix="cio-mcp-bench-") as name:
        files = Path(name).resolve()
        lineup = Lineup(
            tools=files / "tools.json", document=files / "openapi.json", ledger=files / "ledger" / "ledger.sqlite3"
        )
        lineup.document.write_text(json.dumps(document(CATALOG)), encoding="utf-8")
        with StdioServer(lineup.ours(), Era.LEGACY) as server:
            server.greet()
            lineup.tools.write_text(json.dumps(server.request("tools/list", {})), encoding="utf-8")
        yield lineup
