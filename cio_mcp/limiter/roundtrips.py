"""What the answers so far teach about the network."""

import math
from bisect import bisect_left, insort
from collections import deque

# Enough for a median that one burst cannot move, few enough to follow a change of network in seconds.
_RECENT = 64
# With fewer answers the floor is still falling, and a floor that is too high is credit that is not there.
_ENOUGH = 20
# The floor is the least of the last one to two generations: long, since too high a floor breaks the limit
# and too low a one only costs a little of it; not endless, since networks do change.
_GENERATION = 1024
# Timers and schedulers wake this late now and then.
_SLACK = 0.002


class RoundTrips:
    """Round trips seen, in seconds: the floor, the recent median and the recent slowest."""

    __slots__ = ("_count", "_floor", "_order", "_previous_floor", "_recent")

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._order: list[float] = []  # the same values, sorted
        self._count = 0
        self._floor = math.inf
        self._previous_floor = math.inf

    @property
    def slowest(self) -> float | None:
        """The slowest recent round trip in seconds; None before the first answer."""
        return self._order[-1] if self._order else None

    def observe(self, seconds: float) -> None:
        """Learn one round trip, from bytes written to answer begun."""
        if self._count % _GENERATION == 0:
            self._previous_floor, self._floor = self._floor, math.inf
        self._count += 1
        self._floor = min(self._floor, seconds)
        if len(self._recent) == _RECENT:
            del self._order[bisect_left(self._order, self._recent.popleft())]
        self._recent.append(seconds)
        insort(self._order, seconds)

    def credit(self, seconds: float) -> float:
        """Return by how many seconds the answer to a request that took `seconds` may be antedated.

        The server saw request i no later than its answer less the least way back, and will see its successor
        no earlier than its grant plus the least way there. So the successor may be granted one window after
        the answer less the *sum of both least ways*, whatever the distribution of delays, and without a
        common clock. The least round trip seen is an upper bound of that sum, as both ways are rarely least
        at once; the distance from the floor to the median says how far off it may be, and is taken away.
        Observe the round trip first: one that lowers the floor must already count.
        """
        if self._count < _ENOUGH:
            return 0.0
        floor = min(self._floor, self._previous_floor)
        median = self._order[len(self._order) // 2]
        return min(seconds, max(0.0, 2 * floor - median - _SLACK))
