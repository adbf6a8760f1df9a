"""What a 429 does to a bucket: a pause, a lower limit, a slow recovery."""

import math

from cio_mcp.limiter.rates import Rate

# Additive increase, multiplicative decrease finds a fair share when somebody else uses the same quota.
CUT = 0.7
"""What is left of a limit after a 429."""
CLEAN_SECONDS = 5.0
"""One step of the limit comes back after this many seconds without a 429."""


def step_of(limit: int) -> int:
    """Return by how much a lowered limit rises: a tenth, at least one slot."""
    return max(1, limit // 10)


class Backoff:
    """The limit in force at a moment; pure, every method is given the time in seconds."""

    __slots__ = ("_clean_since", "_limit", "_lowered", "_max_pause", "_step", "_window", "paused_until")

    def __init__(self, rate: Rate, *, max_pause: float) -> None:
        self._limit = rate.limit
        self._window = rate.window
        self._max_pause = max_pause
        self._step = step_of(rate.limit)
        self._lowered = rate.limit
        self._clean_since = -math.inf
        self.paused_until = -math.inf

    def penalize(self, now: float, retry_after: float | None) -> None:
        """Pause for `retry_after` seconds (at least a window, at most `max_pause`) and cut the limit.

        Nothing is sent during a pause, so a 429 that arrives in one answers the burst that caused it: it can
        prolong the pause, and does not cut again.
        """
        if now >= self.paused_until:
            self._lowered = max(1, int(self.effective(now) * CUT))
        pause = max(self._window, min(retry_after or 0.0, self._max_pause))
        self.paused_until = max(self.paused_until, now + pause)
        self._clean_since = self.paused_until

    @property
    def lowered(self) -> int:
        """The limit that the last 429 left, from which it recovers."""
        return self._lowered

    def adopt(self, paused_until: float, lowered: int, now: float) -> None:
        """Take over what 429s to others in the same bucket left, if any of them is newer than our own.

        A 429 that cuts also moves the end of the pause, so that the later end is the newer state. One beyond any
        pause comes from a clock that has begun anew, with the machine, and means nothing.
        """
        if self.paused_until < paused_until <= now + max(self._window, self._max_pause):
            self._lowered = min(self._limit, max(1, lowered))
            self.paused_until = self._clean_since = paused_until

    def effective(self, now: float) -> int:
        """Return the limit in force, from 1 to the rate's own."""
        if self._lowered == self._limit:
            return self._limit
        return min(self._limit, self._lowered + self._step * self._clean_steps(now))

    def next_rise(self, now: float) -> float:
        """Return when the limit in force next rises; infinity when it is whole."""
        if self.effective(now) == self._limit:
            return math.inf
        return self._clean_since + CLEAN_SECONDS * (self._clean_steps(now) + 1)

    def _clean_steps(self, now: float) -> int:
        return max(0, int((now - self._clean_since) // CLEAN_SECONDS))
