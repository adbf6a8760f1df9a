"""README's page "Deploy", typed word for word but for what a test may not take: the system's packages and its ports."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import CLEAN, ROOT
from tests.ports import free_port
from tests.postgres_cluster import PASSWORD, USER, Cluster, binaries, postgres_cluster
from tests.replicas.house import nginx

__all__ = ["postgres_cluster"]
SECONDS = 240.0
PAGE = (Path(ROOT) / "README.md").read_text(encoding="utf-8")
FIXED = ("8001", "8002", "8025", "8080")


_STARTED = """grep -q export team/sandbox && { [ "$1" = 3 ] || {
    grep -q "serves MCP at" team/replica-1 && grep -q "serves MCP at" team/replica-2
}; }"""
"""What the page waits for: 3 seconds for the sandbox, 5 for the replicas; a busy machine takes longer."""


def commands() -> str:
    """Return what the page has people type."""
    [block] = re.findall(r"<!-- deploy:begin -->\n+```sh\n(.*?)```\n+<!-- deploy:end -->", PAGE, re.DOTALL)
    return str(block)


def stand_in(folder: Path, name: str, script: str) -> None:
    """Write a program of that name."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def machine(tmp_path: Path, postgres_cluster: Cluster) -> dict[str, str]:
    """Return the environment of a machine whose packages are there, and whose PostgreSQL is the tests' own."""
    programs = tmp_path / "programs"
    programs.mkdir()
    stand_in(programs, "sudo", '[ "$1" = -u ] && shift 2; exec "$@"')
    stand_in(programs, "apt-get", 'test "$*" = "install -y postgresql nginx openssl"')
    stand_in(programs, "pip", 'test "$*" = "install .[postgres]"')
    stand_in(programs, "cio-mcp", f'exec "{sys.executable}" -m cio_mcp "$@"')
    stand_in(programs, "sleep", f"until {_STARTED}; do {shutil.which('sleep')} 0.1; done")
    path = [str(programs), str(Path(nginx()).parent), str(binaries()), os.environ["PATH"]]
    server = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres_cluster.port), "PGUSER": USER, "PGPASSWORD": PASSWORD}
    own = {name: value for name, value in CLEAN.items() if name != "CIO_MCP_LEDGER"}
    return own | server | {"PATH": os.pathsep.join(path), "PGDATABASE": "postgres", "HOME": str(tmp_path)}


def test_a_newcomer_gets_two_replicas_a_proxy_a_token_and_an_answer(
    tmp_path: Path, machine: dict[str, str], postgres_cluster: Cluster
) -> None:
    shutil.copytree(Path(ROOT) / "deploy", tmp_path / "deploy")
    script, configuration = commands(), tmp_path / "deploy" / "nginx.conf"
    text = configuration.read_text(encoding="utf-8")
    for port in FIXED:
        free = str(free_port())
        assert port in script
        script, text = script.replace(port, free), text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
    configuration.write_text(text, encoding="utf-8")
    script = script.replace("127.0.0.1:5432", f"127.0.0.1:{postgres_cluster.port}")
    done = subprocess.run(  # noqa: S603 - the page's own words
        ["/bin/bash", "-eu", "-o", "pipefail", "-c", f"trap 'kill $(jobs -p)' EXIT\n{script}"],
        cwd=tmp_path,
        env=machine,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    told = done.stdout + done.stderr + "".join(each.read_text() for each in (tmp_path / "team").glob("replica-*"))
    assert done.returncode == 0, told
    assert '"segments"' in done.stdout
    assert "not_found" in done.stderr
    assert re.search(r"^ok: \d+ records hold", done.stdout, re.MULTILINE)
    assert stat.S_IMODE((tmp_path / "team" / "store").stat().st_mode) == 0o600
