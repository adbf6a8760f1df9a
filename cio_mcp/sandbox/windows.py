"""Exact sliding windows: who is admitted, and how long the others wait."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Rate = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests per window in seconds, per key; None lifts a limit (App API reference, "Rate limits")."""

    app: Rate | None = (10, 1.0)
    email: Rate | None = (100, 1.0)
    transactional: Rate | None = (10, 1.0)
    broadcast: Rate | None = (1, 10.0)
    track: Rate | None = (1000, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A request over its limit: which rate it broke, and the whole seconds until a slot frees (at least 1)."""

    requests: int
    window: float
    retry_after: int


class Windows:
    """Admits a request if and only if fewer than N were admitted in the last W seconds, in every bucket it uses.

    Time is the monotonic clock at the moment of admission. A rejected request is not counted.
    """

    def __init__(self, limits: Limits, monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._admitted: dict[tuple[str, str], deque[float]] = {}

    def admit(self, credential: str, buckets: tuple[str, ...]) -> tuple[float, Denial | None]:
        """Return the arrival time and, if one of the buckets is full, the denial."""
        now = self._monotonic()
        queues = []
        for bucket in buckets:
            rate: Rate | None = getattr(self._limits, bucket)
            if rate is None:
                continue
            queue = self._admitted.setdefault((credential, bucket), deque())
            denial = _denial(queue, rate, now)
            if denial is not None:
                return now, denial
            queues.append(queue)
        for queue in queues:
            queue.append(now)
        return now, None

    def clear(self) -> None:
        """Forget every admitted request."""
        self._admitted.clear()


def _denial(queue: deque[float], rate: Rate, now: float) -> Denial | None:
    requests, window = rate
    while queue and now - queue[0] >= window:
        queue.popleft()
    if len(queue) < requests:
        return None
    # Retry-After is whole seconds and never below 1 (App API reference, response 429).
    wait = max(1, math.ceil(window - (now - queue[0]))) if queue else 1
    return Denial(requests=requests, window=window, retry_after=wait)
