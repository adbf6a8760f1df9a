"""Pure: a host that does not answer is left alone for a while, then tried by one call at a time.

```text
closed --- 5 failures in a row within 10 s ---> open --- cool-down is over ---> half-open: one call may try
   ^                                             ^                                 |         |
   |                                             +-- it failed: twice as long -----+         |
   +------------------------------- an answer, whosever it is ------------------------------+
```

A host that answers is up, whatever it answers below 500: a refusal or a 429 is no failure. One good answer forgets the
failures before it, so that a single operation that keeps failing does not close the way for all others.
"""

import math
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

FAILURES = 5
WITHIN_SECONDS = 10.0
"""Without the time that the failing attempts took: a host that is silent for 15 s at a time is down as well."""
FIRST_COOLDOWN = 1.0
LONGEST_COOLDOWN = 15.0
PROBE_SECONDS = 5.0
"""A call that tries the host and has no answer by then has failed as far as the others are concerned."""
LONGEST_DEFERENCE = 5.0
"""What must not be repeated leaves the first try to other calls for as long as the cool-down was, at most this long."""


class BreakerState(StrEnum):
    """Whether calls reach a host."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turn:
    """Leave to make one attempt, given back with what became of it; with `probe` it is made to try a failing host."""

    began: float
    probe: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A host at one moment: `next_try` in seconds, and how the last attempt failed; both are nothing while closed."""

    host: str
    state: BreakerState
    next_try: float
    cause: str


class Breaker:
    """Says whether one host may be called; every method is given the time, in seconds on a clock of the caller's.

    `safe` stands for a call that can be repeated without harm. Others may try a failing host too, for somebody may
    call nothing else, but only when no safe call came first.
    """

    __slots__ = ("_cause", "_cooldown", "_failed_at", "_free_at", "_pauses", "_probe")

    def __init__(self) -> None:
        self._pauses: deque[float] = deque(maxlen=FAILURES)  # before each failure in a row, seconds without an attempt
        self._failed_at = -math.inf
        self._cooldown = 0.0  # none: closed
        self._free_at = -math.inf  # when the host may be tried next; while it is tried, when that is given up
        self._probe: Turn | None = None
        self._cause = ""

    def wait(self, now: float, *, safe: bool) -> float:
        """Return the seconds until a call may try the host, 0 for now; while another tries it, a short guess."""
        self._notice(now)
        if not self._cooldown:
            return 0.0
        if self._probe:
            return FIRST_COOLDOWN
        deference = 0.0 if safe else min(self._cooldown, LONGEST_DEFERENCE)
        return max(0.0, self._free_at + deference - now)

    def admit(self, now: float, *, safe: bool) -> Turn | None:
        """Let one attempt through, or none."""
        if self.wait(now, safe=safe) > 0:
            return None
        turn = Turn(began=now, probe=self._cooldown > 0)
        if turn.probe:
            self._probe, self._free_at = turn, now + PROBE_SECONDS
        return turn

    def answered(self) -> None:
        """Note an answer of the host: it is up, even if the request left long ago."""
        self._pauses.clear()
        self._cooldown, self._probe, self._cause = 0.0, None, ""

    def failed(self, turn: Turn, now: float, cause: str) -> None:
        """Note an attempt without a usable answer; `cause` is told to those who are turned away."""
        self._notice(now)
        if not self._cooldown:
            self._cause = cause
            self._pauses.append(max(0.0, turn.began - self._failed_at))
            self._failed_at = now
            if len(self._pauses) == FAILURES and sum(list(self._pauses)[1:]) <= WITHIN_SECONDS:
                self._open(now, FIRST_COOLDOWN)
        elif turn is self._probe:
            self._cause = cause
            self._open(now, min(2 * self._cooldown, LONGEST_COOLDOWN))
        # Else it left before the host was found to be down, and tells nothing new.

    def released(self, turn: Turn, now: float) -> None:
        """Note an attempt that says nothing of the host, such as one that was cancelled: the next may try at once."""
        if turn is self._probe:
            self._probe, self._free_at = None, now

    def health(self, host: str, now: float) -> Health:
        """Return how things stand."""
        wait = self.wait(now, safe=True)
        state = BreakerState.CLOSED
        if self._cooldown:
            state = BreakerState.HALF_OPEN if self._probe or not wait else BreakerState.OPEN
        return Health(host=host, state=state, next_try=wait, cause=self._cause if self._cooldown else "")

    def _notice(self, now: float) -> None:
        """Take a try that nobody has reported on for too long as failed."""
        if self._probe and now >= self._free_at:
            self._open(self._free_at, min(2 * self._cooldown, LONGEST_COOLDOWN))

    def _open(self, since: float, cooldown: float) -> None:
        self._pauses.clear()
        self._probe, self._cooldown, self._free_at = None, cooldown, since + cooldown


class Breakers:
    """The breakers of one workspace, one for each host, made when it is first called."""

    def __init__(self) -> None:
        self._by_host: dict[str, Breaker] = {}

    def of(self, host: str) -> Breaker:
        """Return the breaker of a host."""
        return self._by_host.setdefault(host, Breaker())

    def snapshot(self, now: float) -> list[Health]:
        """Return how things stand with every host that was called."""
        return [breaker.health(host, now) for host, breaker in self._by_host.items()]
