"""A file stops all writes; whatever lies there does."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from cio_mcp.ledger import stop


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.stop"


def test_nothing_is_stopped_without_a_file(path: Path) -> None:
    assert stop.look(path) is None
    assert stop.look(None) is None
    assert stop.release(path) is None


def test_a_stop_says_since_when_and_why_until_it_is_released(path: Path) -> None:
    stop.engage(path, "an incident", 1000.5)
    later = stop.engage(path, "still looking", 2000.0)
    found = stop.look(path)
    assert found is not None
    assert (found.since, found.reason) == (later.since, later.reason) == (1000.5, "still looking")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["ledger.stop"]
    released = stop.release(path)
    assert released is not None
    assert released.since == 1000.5
    assert stop.look(path) is None


def empty(path: Path) -> None:
    path.touch()


def prose(path: Path) -> None:
    path.write_text("stop please")


def other_json(path: Path) -> None:
    path.write_text('{"since": "yesterday"}')


def bytes_of_nothing(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")


def nested(path: Path) -> None:
    path.write_text("[" * 100_000)


def directory(path: Path) -> None:
    path.mkdir()


def dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


@pytest.mark.parametrize("put", [empty, prose, other_json, bytes_of_nothing, nested, directory, dangling_link])
def test_whatever_lies_there_stops(path: Path, put: Callable[[Path], None]) -> None:
    put(path)
    found = stop.look(path)
    assert found is not None
    assert found.reason == stop.UNREADABLE
    assert found.since == pytest.approx(path.lstat().st_mtime)


def test_a_place_that_cannot_be_looked_at_stops(path: Path) -> None:
    path.touch()
    found = stop.look(path / "below a file")
    assert found is not None
