"""The bundle holds what a host needs to start the server, and nothing else."""

import io
import os
import shutil
import stat
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import cio_mcp
from cio_mcp import bundle, render
from cio_mcp.catalog import CATALOG

SOURCE = Path(cio_mcp.__file__).parents[1]
CANARY = "canary-of-the-source"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Make a copy of the source, as far as a bundle is made of it."""
    source = tmp_path / "source"
    strays = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SOURCE / bundle.PACKAGE, source / bundle.PACKAGE, ignore=strays)
    for name in (bundle.PROJECT, *bundle.BESIDE):
        shutil.copy(SOURCE / name, source / name)
    return source


def names_in(package: Path) -> set[str]:
    return {path.relative_to(package.parent).as_posix() for path in package.rglob("*") if path.is_file()}


def test_it_is_the_package_and_what_belongs_beside_it(copy: Path) -> None:
    found = bundle.contents(copy)
    beside = {"pyproject.toml", "manifest.json", "icon.png", "README.md", "LICENSE"}
    assert set(found) == beside | names_in(copy / "cio_mcp")
    assert all(found[name] == (copy / name).read_bytes() for name in set(found) - {"pyproject.toml", "manifest.json"})
    assert found["manifest.json"].decode() == render.json_text(render.manifest(CATALOG))


@pytest.mark.parametrize(
    "stray",
    [
        "tests/test_x.py",
        ".env",
        "uv.lock",
        "console.key",
        "cio_mcp/.env",
        "cio_mcp/.hidden/x.py",
        "cio_mcp/notes.txt",
        "cio_mcp/app_key",
        "cio_mcp/ledger.sqlite3",
        "cio_mcp/__pycache__/x.py",
        "cio_mcp/catalog/__pycache__/x.cpython-311.pyc",
    ],
)
def test_what_lies_about_does_not_go_in(copy: Path, stray: str) -> None:
    before = set(bundle.contents(copy))
    (copy / stray).parent.mkdir(parents=True, exist_ok=True)
    (copy / stray).write_text(CANARY, encoding="utf-8")
    after = bundle.contents(copy)
    assert set(after) == before
    assert CANARY.encode() not in b"".join(after.values())


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_does_not_bring_in_what_it_leads_to(copy: Path) -> None:
    (copy / "key").write_text(CANARY, encoding="utf-8")
    (copy / "cio_mcp" / "linked.py").symlink_to(copy / "key")
    assert "cio_mcp/linked.py" not in bundle.contents(copy)


def test_every_file_of_the_package_is_of_a_kind_that_is_known(copy: Path) -> None:
    shipped = {Path(name).suffix for name in bundle.contents(copy) if name.startswith("cio_mcp/")}
    assert shipped == set(bundle.PARTS), "none that it needs is left out, none is named for nothing"


def test_it_builds_as_the_project_does_with_the_keyring_and_without_other_extras(copy: Path) -> None:
    ours: dict[str, Any] = tomllib.loads((copy / "pyproject.toml").read_text(encoding="utf-8"))
    theirs: dict[str, Any] = tomllib.loads(bundle.contents(copy)["pyproject.toml"].decode())
    extras = ours["project"].pop("optional-dependencies")
    ours["project"]["dependencies"] += extras["keyring"]
    assert theirs == {**ours, "tool": {"hatch": ours["tool"]["hatch"]}}


def test_a_source_without_extras_and_tools_will_do() -> None:
    least = '[project]\nname = "x"\n[tool.hatch.version]\npath = "y"\n'
    assert tomllib.loads(bundle.project(least)) == tomllib.loads(least)


def test_the_same_source_makes_the_same_bytes(copy: Path) -> None:
    first = bundle.archive(bundle.contents(copy))
    for number, path in enumerate(sorted(copy.rglob("*"), reverse=True)):
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        os.utime(path, (number, number))
    found = bundle.contents(copy)
    assert bundle.archive(dict(reversed(found.items()))) == first
    with zipfile.ZipFile(io.BytesIO(first)) as packed:
        assert packed.testzip() is None
        assert {name: packed.read(name) for name in packed.namelist()} == found
        assert {stat.S_IMODE(entry.external_attr >> 16) for entry in packed.infolist()} == {0o644}


def test_another_source_makes_others(copy: Path) -> None:
    first = bundle.archive(bundle.contents(copy))
    (copy / "LICENSE").write_text("other", encoding="utf-8")
    assert bundle.archive(bundle.contents(copy)) != first


def run(cwd: Path, *words: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "cio_mcp.bundle", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_one_command_writes_it(copy: Path, tmp_path: Path) -> None:
    done = run(copy, path=copy)
    assert (done.returncode, done.stderr) == (0, "")
    usual = copy / f"cio-mcp-{cio_mcp.__version__}.mcpb"
    assert usual.name in done.stdout
    assert usual.read_bytes() == bundle.archive(bundle.contents(copy))
    elsewhere = tmp_path / "other.mcpb"
    elsewhere.write_text("what was there before", encoding="utf-8")
    assert run(tmp_path, "--output", str(elsewhere), path=copy).returncode == 0
    assert elsewhere.read_bytes() == usual.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.mcpb", "source"]


def test_an_installed_package_says_what_it_lacks(copy: Path, tmp_path: Path) -> None:
    for name in (bundle.PROJECT, *bundle.BESIDE):
        (copy / name).unlink()
    done = run(tmp_path, path=copy)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pyproject.toml, README.md, LICENSE, icon.png not found there" in done.stderr
    assert "python -m cio_mcp.bundle" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_place_that_cannot_be_written_is_named(copy: Path, tmp_path: Path) -> None:
    done = run(copy, "--output", str(tmp_path / "nowhere" / "x.mcpb"), path=copy)
    assert (done.returncode, done.stdout) == (1, "")
    assert "x.mcpb cannot be written: No such file" in done.stderr
