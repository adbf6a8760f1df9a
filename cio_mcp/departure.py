"""The end of this process, as calls see it that wait for a person or an event: they can answer now what they know."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio


class Departure:
    """Whether the process is about to end, and what need not be waited for then."""

    def __init__(self) -> None:
        self.has_begun = False
        self._waits: set[anyio.CancelScope] = set()

    def begin(self) -> None:
        """Leave off every wait; safe to call twice, on the event loop."""
        self.has_begun = True
        for wait in self._waits:
            wait.cancel()

    @contextmanager
    def cutting_short(self) -> Iterator[None]:
        """Leave off what is waited for inside once the end begins, or at once if it has."""
        wait = anyio.CancelScope()
        if self.has_begun:
            wait.cancel()
        self._waits.add(wait)
        try:
            with wait:
                yield
        finally:
            self._waits.discard(wait)
