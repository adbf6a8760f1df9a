"""server.json is what the MCP registry takes: by its schema of 2025-12-11, as a linter of others ships and reads it."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cio_mcp import __version__, distribution
from cio_mcp.settings import OPTIONS

ROOT = Path(__file__).parents[2]
ENTRY: dict[str, Any] = json.loads((ROOT / "server.json").read_text(encoding="utf-8"))
PACKAGE: dict[str, Any] = ENTRY["packages"][0]
RULE = "mcp-registry-server-json-valid"


def complaints(entry: dict[str, Any], folder: Path) -> list[str]:
    (folder / "server.json").write_text(json.dumps(entry), encoding="utf-8")
    words = ["lint", "--no-plugins", "--type", "mcp-registry", "--rule", RULE, "--strict", "--format", "json"]
    done = subprocess.run(  # noqa: S603 - the linter, on our own file
        [sys.executable, "-m", "skillsaw", *words, str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = [str(each["message"]) for each in json.loads(done.stdout)["violations"]]
    assert bool(found) == bool(done.returncode), done.stderr
    return found


def test_it_fits_the_registrys_schema(tmp_path: Path) -> None:
    assert complaints(ENTRY, tmp_path) == []


WRONG: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("a name without an owner", lambda entry: entry.update(name="cio-mcp")),
    ("a long description", lambda entry: entry.update(description="x" * 101)),
    ("a version that floats", lambda entry: entry["packages"][0].update(version="latest")),
    ("a variable without a name", lambda entry: entry["packages"][0]["environmentVariables"].append({})),
    ("a default that is no text", lambda entry: entry["packages"][0]["environmentVariables"][0].update(default=True)),
]


@pytest.mark.parametrize("spoil", [spoil for _, spoil in WRONG], ids=[name for name, _ in WRONG])
def test_what_does_not_fit_is_found(spoil: Callable[[dict[str, Any]], object], tmp_path: Path) -> None:
    entry = json.loads(json.dumps(ENTRY))
    spoil(entry)
    assert complaints(entry, tmp_path)


def test_it_agrees_with_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (PACKAGE["identifier"], PACKAGE["version"], ENTRY["version"]) == (project["name"], __version__, __version__)
    assert project["name"] in project["scripts"], "uvx starts the program that is called as the package"
    assert PACKAGE["transport"] == {"type": "stdio"}


def test_the_readme_says_whose_package_it_is() -> None:
    """The registry compares this with the entry's name, in the description of the published package."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"mcp-name: *(\S+)", readme) == [ENTRY["name"]]
    assert ENTRY["name"] == f"{distribution.NAMESPACE}/cio-mcp"


def test_it_asks_for_what_the_bundle_asks_for_and_marks_every_secret() -> None:
    manifest: dict[str, Any] = json.loads((ROOT / "manifest.json").read_text(encoding="utf-8"))
    variables = {each["name"]: each for each in PACKAGE["environmentVariables"]}
    passed: dict[str, str] = manifest["server"]["mcp_config"]["env"]
    assert list(variables) == list(passed)
    fields = {name: manifest["user_config"][text[14:-1]] for name, text in passed.items()}
    for name, variable in variables.items():
        assert variable["isSecret"] == fields[name].get("sensitive", False)
        assert variable["format"] == fields[name]["type"]
    defaults = {option.env: option.default for option in OPTIONS if option.default}
    assert {n: v["default"] for n, v in variables.items() if "default" in v} == {
        name: defaults[name] for name in variables if name in defaults
    }
    assert variables["CUSTOMERIO_REGION"]["choices"] == ["us", "eu"]
