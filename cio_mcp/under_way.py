"""The calls that are under way in this process, in memory only: what is happening now."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

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
