"""An event loop whose time is the simulation's: when nothing is to be done, it asks until when."""

import asyncio
import selectors
from collections.abc import Callable


class _Asking(selectors.SelectSelector):
    """Waits by asking; nothing but time ever happens outside."""

    def __init__(self, wait: Callable[[float], None]) -> None:
        super().__init__()
        self._wait = wait

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let time pass."""
        if timeout is None:
            raise AssertionError("everything waits, and nothing will ever happen")
        if timeout > 0:
            self._wait(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The event loop on which the server runs, with another time; `wait` is given seconds."""

    def __init__(self, clock: Callable[[], float], wait: Callable[[float], None]) -> None:
        super().__init__(_Asking(wait))
        self._simulated = clock

    def time(self) -> float:
        """Return the seconds since the beginning of the simulation."""
        return self._simulated()
