"""The site, built once for the tests of a session."""

import importlib.util
import os
from pathlib import Path

import pytest

from docs.building import build


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it as `python -m docs` does, and return where its HTML lies; without its builder, only CI fails."""
    if importlib.util.find_spec("zensical") is None:
        missing = 'needs `pip install ".[docs]"`'
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return build(tmp_path_factory.mktemp("site"))
