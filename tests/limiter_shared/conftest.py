"""Windows of several processes on one file, all in this process, with a clock that only the test moves."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cio_mcp.limiter import Rate, SharedFile
from cio_mcp.limiter.shared import SharedWindow
from cio_mcp.limiter.window import Slot


class Machine:
    """A machine whose processes share one file: a clock, and a window for each process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 1000.0
        self.files: list[SharedFile] = []

    def process(self) -> SharedFile:
        """Start another process."""
        self.files.append(SharedFile(self.path, clock=lambda: self.now))
        return self.files[-1]

    def window(self, limit: int = 3, window: float = 1.0, file: SharedFile | None = None) -> SharedWindow:
        """Start another process and return its window of the bucket."""
        rate = Rate(limit, window)
        return SharedWindow(rate, file=file or self.process(), bucket="app", grace=1.0, max_pause=60.0)

    def take(self, window: SharedWindow) -> Slot | None:
        """Take a slot if one is free."""
        return window.take(self.now)

    def taken(self, window: SharedWindow) -> Slot:
        """Take a slot that must be free."""
        slot = window.take(self.now)
        assert slot is not None
        return slot

    def ask(self, window: SharedWindow, round_trip: float = 0.0) -> None:
        """Make one request, answered after the round trip."""
        slot = self.taken(window)
        window.written(slot, self.now)
        window.answered(slot, self.now + round_trip)

    def rows(self) -> dict[str, int]:
        """Count what stands in the file."""
        with closing(sqlite3.connect(self.path)) as connection:
            counted = connection.execute(
                "SELECT (SELECT count(*) FROM limiter_slots), (SELECT count(*) FROM limiter_line)"
            ).fetchone()
        return dict(zip(("slots", "line"), counted, strict=True))

    def wait(self, seconds: float, *windows: SharedWindow) -> None:
        """Let time pass in which nobody gets a slot, and those who wait look as often as they must."""
        until = self.now + seconds
        while self.now < until:
            for window in windows:
                assert window.take(self.now) is None
            self.now = min([until, *(window.next_change(self.now) for window in windows)])


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Return a machine with an empty file."""
    path = tmp_path / "ledger.db"
    path.touch()
    machine = Machine(path)
    yield machine
    for file in machine.files:
        file.close()
