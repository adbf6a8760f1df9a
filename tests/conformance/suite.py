"""Where the conformance suite is, and how it is run."""

import subprocess
from pathlib import Path

from tests.node_packages import node, package

_PATIENCE = 240
HERE = Path(__file__).parent


def command() -> list[str]:
    """Return the suite's command; without it the test is skipped, or fails where nothing may be missing."""
    suite = package(HERE, "@modelcontextprotocol/conformance")
    return [node(), str(suite / "dist" / "index.js")]


def run_suite(url: str, results: Path, *arguments: str) -> tuple[int, str]:
    """Run the suite against a server, and return its exit code and what it said at the end."""
    done = subprocess.run(  # noqa: S603 - the suite, on loopback
        [*command(), "server", "--url", url, "--output-dir", str(results), *arguments],
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout[done.stdout.find("=== SUMMARY") :][:6000] + done.stderr[-2000:]
