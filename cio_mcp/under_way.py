"""The calls that are under way in this process, in memory only: what is happening now, and what ends with it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from cio_mcp.delivery import Course


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """A call under way: what was called, and how it goes so far."""

    tool: str
    permission: str
    course: Course


class UnderWay:
    """The calls of one workspace that have begun here and not ended."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}

    @contextmanager
    def noted(self, tool: str, permission: str, course: Course) -> Iterator[None]:
        """Note a call for the length of the block."""
        self._flights[course.operation] = Flight(tool=tool, permission=permission, course=course)
        try:
            yield
        finally:
            del self._flights[course.operation]

    @property
    def flights(self) -> Sequence[Flight]:
        """Those under way now, the oldest first."""
        return tuple(self._flights.values())


class Departure:
    """Whether the process is about to end: calls that wait for a person or an event can answer then what they know."""

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
