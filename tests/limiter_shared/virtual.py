"""An event loop in virtual time, whose timers fire a little late, as real ones do."""

import asyncio
import random
import selectors


class _LateSelector(selectors.DefaultSelector):
    """Never blocks: when no file is ready, the time asked for has passed, and a little more."""

    def __init__(self, lateness: float) -> None:
        super().__init__()
        self.now = 1000.0
        self._lateness = lateness
        self._random = random.Random(1)  # noqa: S311 - repeatable, and guards nothing

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "every task waits and no timer is set"
            self.now += timeout + (self._random.uniform(0.0, self._lateness) if timeout else 0.0)
        return ready


class LateLoop(asyncio.SelectorEventLoop):
    """A loop whose timers are up to `lateness` seconds late."""

    def __init__(self, lateness: float = 0.001) -> None:
        self._late = _LateSelector(lateness)
        super().__init__(self._late)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._late.now
