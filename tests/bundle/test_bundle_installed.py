"""The bundle is what MCPB's own tool takes it for, and serves a client when a host has installed and started it."""

import json
import os
import signal
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from cio_mcp import bundle
from cio_mcp.distribution import NAME
from tests.bundle.host import Installed, mcpb
from tests.transports.served import initialize

PATIENCE = 180
"""Seconds for a start, the first of which installs what the server depends on, on a machine that is busy."""
ANSWERS = {"sandbox": "true", "read_only": "true", "areas": "segments"}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the bundle."""
    path = tmp_path_factory.mktemp("made") / "cio-mcp.mcpb"
    assert bundle.main(["--output", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def installed(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Unpack it, as a host does that installs it."""
    place = tmp_path_factory.mktemp("a host")
    done = mcpb("unpack", packed, place / "extension")
    assert done.returncode == 0, done.stdout + done.stderr
    (place / "home").mkdir()
    return Installed(place / "extension", place / "home")


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_its_own_tool_takes_the_bundle_for_one(packed: Path, tmp_path: Path) -> None:
    told = mcpb("info", packed)
    assert (told.returncode, told.stderr) == (0, "")
    assert f"File: {packed.name}" in told.stdout
    assert mcpb("unpack", packed, tmp_path / "unpacked").returncode == 0
    valid = mcpb("validate", tmp_path / "unpacked")
    assert valid.returncode == 0, valid.stdout + valid.stderr
    assert "Manifest schema validation passes!" in valid.stdout
    again = mcpb("pack", tmp_path / "unpacked", tmp_path / "again.mcpb")
    assert again.returncode == 0, again.stdout + again.stderr
    with zipfile.ZipFile(packed) as ours, zipfile.ZipFile(tmp_path / "again.mcpb") as theirs:
        held = {name: ours.read(name) for name in ours.namelist()}
        assert {name: theirs.read(name) for name in theirs.namelist()} == held
    assert files_of(tmp_path / "unpacked") == held


def test_its_own_tool_refuses_a_manifest_that_is_wrong(tmp_path: Path) -> None:
    files = bundle.contents(Path(bundle.__file__).parents[1])
    wrong = json.loads(files["manifest.json"]) | {"tools_of_ours": []}
    (tmp_path / "manifest.json").write_text(json.dumps(wrong), encoding="utf-8")
    assert mcpb("validate", tmp_path / "manifest.json").returncode == 1


async def answer(server: StdioServerParameters) -> tuple[set[str], Any]:
    """Return the names of the tools that a client of the MCP SDK finds, and what one of them answers."""
    with anyio.fail_after(PATIENCE):
        async with Client(server) as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            found = await client.call_tool("list_segments", {})
    return tools, found.structured_content


@pytest.mark.anyio
async def test_a_host_starts_it_with_what_its_user_answered(installed: Installed) -> None:
    tools, found = await answer(installed.started(ANSWERS))
    assert found["segments"]
    assert "list_segments" in tools
    assert not {"create_segment", "send_email"} & tools, "the answers were heeded"


@pytest.mark.anyio
@pytest.mark.parametrize("left", [None, ""], ids=["placeholders", "empty"])
async def test_fields_left_empty_count_as_not_set_and_the_answer_says_what_to_do(
    installed: Installed, left: str | None
) -> None:
    server = installed.started({"sandbox": "false"}, left=left)
    assert server.env is not None
    assert server.env["CUSTOMERIO_APP_API_KEY"] == ("${user_config.app_api_key}" if left is None else left)
    tools, found = await answer(server)
    assert {tool["name"] for tool in installed.manifest["tools"]} == tools
    assert found["error"]["code"] == "missing_credential"
    assert "CUSTOMERIO_APP_API_KEY" in json.dumps(found)
    assert "user_config" not in json.dumps(found)


END: dict[str, Callable[[subprocess.Popen[bytes]], None]] = {
    "its input ends": lambda process: process.stdin.close() if process.stdin else None,
    "SIGTERM": lambda process: process.send_signal(signal.SIGTERM),
}


@pytest.mark.skipif(os.name == "nt", reason="a host ends processes otherwise there")
@pytest.mark.parametrize(("end", "program"), [("its input ends", "cio_mcp/__main__.py"), ("SIGTERM", NAME)])
def test_it_leaves_with_uv_and_leaves_nothing_behind(installed: Installed, end: str, program: str) -> None:
    server = installed.started(ANSWERS)
    assert installed.manifest["server"]["entry_point"] == "cio_mcp/__main__.py"
    with (
        subprocess.Popen(  # noqa: S603 - the bundle's own command, or its entry point instead of it
            [server.command, *server.args[:-1], program],
            env=server.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(initialize()).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["result"]["serverInfo"]["name"] == NAME
            END[end](process)
            assert process.wait(PATIENCE) == 0
            assert process.stdout.read() == b"", "nobody holds the pipe any more"
        finally:
            process.kill()
