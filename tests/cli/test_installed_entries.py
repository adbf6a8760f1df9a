"""What `cio-mcp install` wrote is started exactly as a host starts it, from the file alone, and serves."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from cio_mcp.hosts.table import HOSTS, Host, System, config_path
from tests.cli.commands import run
from tests.cli.homes import IN_HOME, NONE, home_variables, only_on_linux, without_keys

pytestmark = [pytest.mark.anyio, only_on_linux]


def as_a_host_reads_it(host: Host, home: Path, environment: dict[str, str]) -> StdioServerParameters:
    """Read the file and fill in the host's variables, each host in its own spelling."""
    path = Path(str(config_path(host, System.LINUX, str(home), {})))
    text = path.read_text(encoding="utf-8")
    entry = (tomllib.loads if path.suffix == ".toml" else json.loads)(text)[host.table]["customerio"]

    def filled(value: str) -> str:
        return re.sub(r"\$\{(?:env:)?([A-Z_]+)\}", lambda found: environment.get(found[1], found[0]), value)

    env = {name: filled(value) for name, value in entry.get("env", {}).items()}
    env |= {name: environment[name] for name in entry.get("env_vars", ()) if name in environment}
    return StdioServerParameters(command=entry["command"], args=entry["args"], env=env, cwd="/")


async def segments(server: StdioServerParameters) -> tuple[int, Any]:
    """Return how many tools are listed, and what one of them reads from Customer.io."""
    async with Client(server) as client:
        tools = (await client.list_tools()).tools
        found = await client.call_tool("list_segments", {})
        assert "send_email" not in {tool.name for tool in tools}, "the flags of the entry were heeded"
        return len(tools), found.structured_content


@pytest.mark.parametrize(
    ("host", "keyring"),
    [*((host, NONE) for host in HOSTS.values()), (HOSTS["claude-desktop"], IN_HOME), (HOSTS["codex"], IN_HOME)],
    ids=lambda value: value.name if isinstance(value, Host) else value.rpartition(".")[0],
)
async def test_an_entry_serves_with_the_stored_keys(
    host: Host, keyring: str, tmp_path: Path, sandbox_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = home_variables(tmp_path, keyring)
    assert run("login", "--from-env", env={**place, **sandbox_variables}).code == 0
    installed = run("install", host.name, "--read-only", env={**place, **without_keys(sandbox_variables)})
    assert (installed.code, installed.err) == (0, "")
    assert "Note" not in installed.out.replace("Note: CIO_MCP_LEDGER is set here", "")
    for name, value in place.items():  # a host hands on HOME and little else
        monkeypatch.setenv(name, value) if name == "HOME" else monkeypatch.delenv(name, raising=False)
    listed, found = await segments(as_a_host_reads_it(host, tmp_path, {}))
    assert listed > 10
    assert found["segments"]


@pytest.mark.parametrize("host", [host for host in HOSTS.values() if host.can_refer], ids=lambda host: host.name)
async def test_an_entry_serves_with_keys_of_the_hosts_environment(
    host: Host, tmp_path: Path, sandbox_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = home_variables(tmp_path)
    assert run("install", host.name, "--", "--read-only", env={**place, **sandbox_variables}).code == 0
    monkeypatch.setenv("HOME", str(tmp_path))
    _, found = await segments(as_a_host_reads_it(host, tmp_path, sandbox_variables))
    assert found["segments"]
    _, unset = await segments(as_a_host_reads_it(host, tmp_path, {}))
    assert unset["error"]["code"] == "missing_credential"


async def test_an_entry_with_the_sandbox_serves_without_any_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = HOSTS["claude-desktop"]
    assert run("install", host.name, "--sandbox", "--read-only", env=home_variables(tmp_path)).code == 0
    monkeypatch.setenv("HOME", str(tmp_path))
    _, found = await segments(as_a_host_reads_it(host, tmp_path, {}))
    assert found["segments"]
