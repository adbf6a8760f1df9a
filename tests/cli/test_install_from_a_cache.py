"""`cio-mcp install` run by `uvx` and its like: no entry leads into a cache, which is emptied one day."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from uv import find_uv_bin

from cio_mcp import __version__
from cio_mcp.cli.cached import EXTRAS
from tests.cli.commands import CLEAN, PATIENCE, ROOT, Ended
from tests.cli.homes import home_variables, only_on_linux

pytestmark = only_on_linux
UV = Path(find_uv_bin())
FOR_DEVELOPERS = {"test", "lint", "docs", "bench", "evals"}


def wheel_in(folder: Path) -> Path:
    """Make a wheel of this program that leads to the one under test and what it needs, so that no network is used."""
    folder.mkdir()
    path = folder / f"cio_mcp-{__version__}-py3-none-any.whl"
    extras = "".join(f"Provides-Extra: {extra}\n" for extra in EXTRAS)
    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: cio-mcp\nVersion: {__version__}\n{extras}",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": "[console_scripts]\ncio-mcp = cio_mcp.cli:main\n",
    }
    held = {f"cio_mcp-{__version__}.dist-info/{name}": text for name, text in files.items()}
    held["cio_mcp_under_test.pth"] = "".join(f"{place}\n" for place in sys.path if Path(place).is_dir())
    record = f"cio_mcp-{__version__}.dist-info/RECORD"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in {**held, record: "".join(f"{name},,\n" for name in [*held, record])}.items():
            wheel.writestr(name, text)
    return path


class Machine:
    """A user's home with uv, which finds the wheel where its own file of settings says, as it finds an index."""

    def __init__(self, home: Path) -> None:
        self.home, self.wheel = home, wheel_in(home / "index")
        settings = home / ".config" / "uv" / "uv.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'no-index = true\nfind-links = ["{self.wheel.parent}"]\n', encoding="utf-8")

    @property
    def env(self) -> dict[str, str]:
        """What a shell has."""
        clean = {name: value for name, value in CLEAN.items() if not name.startswith("UV_")}
        path = os.pathsep.join((str(UV.parent), CLEAN["PATH"]))
        uv = {"UV_CACHE_DIR": str(self.home / "cache"), "UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never"}
        return {**clean, **home_variables(self.home), **uv, "PATH": path}

    def run(self, *words: str | Path, **more: str) -> Ended:
        """Run a command to its end."""
        done = subprocess.run(  # noqa: S603 - uv, and our own program
            [*map(str, words)],
            env=self.env | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        return Ended(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    def uvx(self, *words: str, **more: str) -> Ended:
        """Run a command of uvx to its end."""
        return self.run(UV, "tool", "run", "--quiet", *words, **more)

    @property
    def entry(self) -> Any:
        """What Cursor is told to start; None if nothing is."""
        path = self.home / ".cursor" / "mcp.json"
        return json.loads(path.read_text(encoding="utf-8"))["mcpServers"]["customerio"] if path.exists() else None


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


INSTALL = ("cio-mcp", "install", "cursor", "--sandbox")


@pytest.mark.anyio
async def test_an_entry_that_uvx_wrote_still_serves_when_the_cache_was_emptied(machine: Machine) -> None:
    done = machine.uvx(*INSTALL)
    assert (done.code, done.err) == (0, ""), done
    assert Path(machine.entry["command"]) == UV.parent / "uvx"
    assert machine.entry["args"][0] == "--from"
    assert re.fullmatch(rf"cio-mcp(\[[a-z,]+\])?=={re.escape(__version__)}", machine.entry["args"][1])
    assert machine.entry["args"][2:] == ["cio-mcp", "--sandbox"]
    assert "nothing was changed" in machine.uvx(*INSTALL).out
    emptied = {**machine.env, **machine.entry.get("env", {}), "UV_CACHE_DIR": str(machine.home / "empty")}
    server = StdioServerParameters(command=machine.entry["command"], args=machine.entry["args"], env=emptied, cwd="/")
    async with Client(server) as client:
        assert (await client.call_tool("list_segments", {})).structured_content["segments"]


def test_what_uv_would_not_find_again_is_refused(machine: Machine) -> None:
    refused = machine.uvx("--from", str(machine.wheel), *INSTALL).sentence(1)
    assert "lies in a cache, which is emptied one day, and did not come from an index" in refused
    assert "`uv tool install cio-mcp` (or what it came from), then run `cio-mcp install` again" in refused
    named = machine.uvx(*INSTALL, UV_FIND_LINKS=str(machine.wheel.parent)).sentence(1)
    assert "came from where UV_FIND_LINKS says, which a host need not know; install it for good with" in named
    assert "did not come from an index" in machine.run(
        UV, "run", "--quiet", "--no-project", "--with", machine.wheel, *INSTALL, "--print"
    ).sentence(1)
    assert machine.entry is None


def test_without_uv_on_the_path_it_is_refused(machine: Machine) -> None:
    install = ("--from", "cio-mcp", "python", "-m", "cio_mcp", *INSTALL[1:])
    assert "by uv only, which is not on the PATH" in machine.uvx(*install, PATH=str(machine.home)).sentence(1)


def test_what_pipx_ran_is_refused(machine: Machine) -> None:
    cache = machine.home / ".cache" / "pipx"
    environment = cache / "0123456789abcde"
    assert machine.run(sys.executable, "-m", "venv", environment).code == 0
    (cache / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n", encoding="utf-8")
    pip = ("-m", "pip", "install", "--quiet", "--no-index", "--find-links", machine.wheel.parent, "cio-mcp")
    assert machine.run(environment / "bin" / "python", *pip).code == 0
    refused = machine.run(environment / "bin" / "cio-mcp", *INSTALL[1:]).sentence(1)
    assert "was not put there by uv, which could do it again; install it for good with `uv tool install" in refused


def test_what_uv_installed_for_good_is_named_by_its_path(machine: Machine) -> None:
    tools = {"UV_TOOL_DIR": str(machine.home / "tools"), "UV_TOOL_BIN_DIR": str(machine.home / "bin")}
    assert machine.run(UV, "tool", "install", "--quiet", machine.wheel, **tools).code == 0
    assert machine.run(machine.home / "bin" / "cio-mcp", *INSTALL[1:]).code == 0
    assert machine.entry["command"] == str(machine.home / "tools" / "cio-mcp" / "bin" / "cio-mcp")


def test_every_extra_is_told_by_one_of_its_libraries() -> None:
    project = tomllib.loads((Path(ROOT) / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: needs for name, needs in project["optional-dependencies"].items() if name not in FOR_DEVELOPERS}
    assert extras.keys() == EXTRAS.keys()
    for extra, library in EXTRAS.items():
        assert [need for need in extras[extra] if re.split(r"[\[>=<]", need)[0] == library]
