"""What is generated is up to date, what is written by hand names what exists, and its examples run."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import cio_mcp
from cio_mcp import __version__, render
from cio_mcp.cli.parser import COMMANDS, parse
from cio_mcp.explaining import EXPLAINED, kinds
from cio_mcp.settings import OPTIONS
from tests.catalog import listed

ROOT = Path(__file__).parents[1]
SOURCE = Path(cio_mcp.__file__).parents[1]  # not ROOT when an installed wheel is tested
PAGES = tuple(sorted(path.name for path in ROOT.glob("*.md")))
README = (ROOT / "README.md").read_text(encoding="utf-8")
GENERATED = (render.README, render.MANIFEST, render.REGISTRY_ENTRY)
MANIFEST: dict[str, Any] = json.loads((ROOT / "manifest.json").read_text(encoding="utf-8"))
SECONDS = 60
"""Far more than any of these programs takes; it only ends one that hangs."""
TOOLS = tuple(tool.name for tool in listed.tools())
CODES = tuple(kind.code for kind in kinds())


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    page: str
    language: str
    code: str


def blocks(*languages: str) -> Iterator[Block]:
    for page in PAGES:
        for fence in re.finditer(r"^```(\w*)\n(.*?)^```$", text(page), re.DOTALL | re.MULTILINE):
            if fence[1] in languages:
                yield Block(page, fence[1], fence[2])


def command_lines() -> Iterator[str]:
    """Yield every line of the shell blocks, split at &&, and every command of ours that stands in a sentence."""
    for block in blocks("sh"):
        yield from (part.strip() for part in re.split(r"\n|&&", block.code) if part.strip())
    for page in PAGES:
        prose = re.sub(r"^```.*?^```$", "", text(page), flags=re.DOTALL | re.MULTILINE)
        yield from re.findall(r"`(cio-mcp [a-z-][^`]*)`", prose)


# What the shell does with it, such as "> file &", is not ours.
OURS = sorted({re.split(r" (?:2?>|[|&])", line)[0] for line in command_lines() if line.startswith("cio-mcp")})
CALLS = [line for line in OURS if line.startswith("cio-mcp call") and "--sandbox" in line]


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("CUSTOMERIO_", "CIO_MCP_"))
    }
    return subprocess.run(  # noqa: S603 - our own programs
        command,
        cwd=cwd,
        env=environment | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with copies of the generated files."""
    for name in GENERATED:
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_file_is_what_the_renderer_writes(name: str) -> None:
    assert render.rendered(README)[name] == text(name), "stale: run `python -m cio_mcp.render`"


@pytest.mark.parametrize("name", [render.README, render.MANIFEST])
def test_the_check_names_a_stale_file_and_leaves_it(copy: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    stale = text(name).replace("send_sms", "send_fax")
    (copy / name).write_text(stale, encoding="utf-8")
    assert render.main(["--check"]) == 1
    assert capsys.readouterr().out == f"{name} is stale\n"
    assert (copy / name).read_text(encoding="utf-8") == stale


def test_rendering_mends_what_is_stale_and_then_finds_nothing(copy: Path) -> None:
    (copy / render.MANIFEST).unlink()
    (copy / render.README).write_text(README.replace("send_sms", "send_fax"), encoding="utf-8")
    assert render.main([]) == 0
    assert render.main(["--check"]) == 0
    assert {name: (copy / name).read_text(encoding="utf-8") for name in (render.README, render.MANIFEST)} == {
        name: text(name) for name in (render.README, render.MANIFEST)
    }


def test_a_readme_without_a_place_for_a_section_is_an_error() -> None:
    with pytest.raises(ValueError, match="settings:begin"):
        render.rendered(README.replace("<!-- settings:begin -->", ""))


@pytest.mark.parametrize("name", [f"`{tool}`" for tool in TOOLS])
def test_the_readme_shows_every_tool(name: str) -> None:
    assert f"| {name} |" in README


@pytest.mark.parametrize("option", OPTIONS, ids=[option.env for option in OPTIONS])
def test_the_readme_shows_every_setting_and_its_flag(option: Any) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| `{option.env}` |"))
    assert option.flag is None or f"| `{option.flag}` |" in row


@pytest.mark.parametrize("code", CODES)
def test_the_readme_explains_every_error(code: str) -> None:
    assert sum(line.startswith(f"| `{code}` |") for line in README.splitlines()) == 1


def test_what_to_do_is_written_for_the_errors_that_exist_and_no_others() -> None:
    assert set(EXPLAINED) == set(CODES)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_names_every_command(command: str) -> None:
    assert re.search(rf"\bcio-mcp {command}\b", README)


@pytest.mark.parametrize("line", OURS)
def test_a_command_in_the_documents_can_be_typed(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(line, comments=True)[1:]
    if words == ["call"]:  # the command's name in a sentence; it wants a tool
        return
    if words == ["--version"]:
        with pytest.raises(SystemExit):
            parse(words)
        assert __version__ in capsys.readouterr().out
        return
    assert getattr(parse(words), "tool", None) in {None, *TOOLS}


@pytest.mark.parametrize("line", CALLS)
def test_a_call_in_the_readme_succeeds(line: str) -> None:
    done = run(sys.executable, "-m", "cio_mcp", *shlex.split(line)[1:])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_the_readme_has_calls_to_try() -> None:
    assert len(CALLS) > 1


def test_the_readmes_python_example_runs(tmp_path: Path) -> None:
    example = next(block.code for block in blocks("python") if block.page == "README.md")
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    # A client gives its server no PYTHONPATH: where the package is not installed, the folder must do.
    done = run(sys.executable, str(tmp_path / "example.py"))
    assert done.returncode == 0, done.stderr
    assert f"{len(TOOLS)} tools" in done.stdout
    assert "ada-1" in done.stdout
    assert "did you mean email?" in done.stdout


@pytest.mark.parametrize("block", list(blocks("json")), ids=lambda block: block.page)
def test_a_host_entry_is_json_whose_variables_and_flags_exist(block: Block) -> None:
    known = {option.env for option in OPTIONS} | {f"{option.env}_FILE" for option in OPTIONS}
    for entry in json.loads(block.code)["mcpServers"].values():
        assert set(entry["env"]) <= known
        assert parse(entry["args"]).command == "serve"


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_and_headings_lead_somewhere(page: str) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]*))?\)", text(page)):
        assert (ROOT / target).exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", text(target or page), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_document_names_exist(page: str) -> None:
    named = re.findall(r"`((?:cio_mcp|tests|benchmarks|\.ci)/[\w/.-]+)`", text(page))
    made_by_the_recipe = {"tests/snapshots/tools/unsuppress_person.json"}
    missing = [name for name in named if not ((SOURCE if name.startswith("cio_mcp/") else ROOT) / name).exists()]
    assert set(missing) <= made_by_the_recipe


@pytest.mark.parametrize("page", PAGES)
def test_documents_name_only_variables_that_exist(page: str) -> None:
    known = {option.env for option in OPTIONS} | {f"{option.env}_FILE" for option in OPTIONS}
    assert set(re.findall(r"\b(?:CUSTOMERIO|CIO_MCP)_[A-Z_]+[A-Z]", text(page))) <= known


@pytest.mark.parametrize("page", PAGES)
def test_flags_that_a_document_names_exist(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            parse([command, "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert set(re.findall(r"`(--[a-z-]+)[^`]*`", text(page))) <= known


def test_the_manifest_lists_the_tools_that_are_served() -> None:
    assert [tool["name"] for tool in MANIFEST["tools"]] == list(TOOLS)
    assert all(tool["description"] for tool in MANIFEST["tools"])


def test_the_manifest_asks_for_what_it_passes_on_and_nothing_else() -> None:
    passed: dict[str, str] = MANIFEST["server"]["mcp_config"]["env"]
    assert set(passed.values()) == {f"${{user_config.{name}}}" for name in MANIFEST["user_config"]}
    assert set(passed) <= {option.env for option in OPTIONS}


def test_the_manifest_hides_every_secret_and_nothing_else() -> None:
    hidden = {name for name, field in MANIFEST["user_config"].items() if field.get("sensitive")}
    assert hidden == {"site_id", "track_api_key", "app_api_key", "service_account_token"}


def test_the_manifests_defaults_are_the_servers() -> None:
    options = {option.name: option for option in OPTIONS}
    for name, field in MANIFEST["user_config"].items():
        default = field.get("default", "")
        assert (str(default).lower() if isinstance(default, bool) else default) == options[name].default
        assert field["type"] == ("boolean" if options[name].is_switch else "string")
        assert set(field) <= {"type", "title", "description", "required", "sensitive", "default"}


def test_the_manifest_agrees_with_the_package() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    assert MANIFEST["manifest_version"] == "0.4"
    assert MANIFEST["server"]["type"] == "uv", "only this type brings dependencies that fit the user's machine"
    assert MANIFEST["version"] == __version__
    assert MANIFEST["compatibility"]["runtimes"]["python"] == project["requires-python"]
    assert MANIFEST["license"] == project["license"]
    assert MANIFEST["server"]["mcp_config"]["args"][-1] in project["scripts"]
    assert (SOURCE / MANIFEST["server"]["entry_point"]).exists()
    assert (ROOT / MANIFEST["icon"]).exists()
