"""The decision: may one more request leave now, and if not, when.

Pure: no awaits and no clock, every method is given the time in seconds, which must not run backwards.

A server that allows `limit` requests in any window counts them as they *arrive*. A client that counts them as
they leave is wrong by the jitter of the network: one late request and one early successor share a window. So
a slot is held from grant to answer, and then for one window more, less what `RoundTrips.credit` has learned.

Why that is enough: if limit + 1 requests arrived within one window, then at the grant of the last of them at
most limit - 1 slots were held by others, so the slot of at least one other of them, i, was free again. The
last was thus granted no earlier than i's answer - credit + window, and so (see `credit`) arrived a window or
more after i.
"""

import math
from collections import deque
from enum import Enum, auto
from heapq import heappop, heappush

from cio_mcp.limiter.backoff import Backoff
from cio_mcp.limiter.rates import Rate
from cio_mcp.limiter.roundtrips import RoundTrips

# The part of a limit that unanswered requests may hold for as long as they stay unanswered.
_STRAGGLER_SHARE = 0.2
# Estimates assume answers up to so many times the slowest recent one.
_SLOWER = 2.0


class _Stage(Enum):
    RESERVED = auto()  # granted; nothing has left
    WRITTEN = auto()  # has left; may arrive at any moment up to its answer
    PRESUMED = auto()  # unanswered for longer than the grace; presumed arrived, its slot is cooling
    DONE = auto()  # answered or given up; its slot is cooling or free


class Slot:
    """One place in the window, from its grant on."""

    __slots__ = ("stage", "written_at")

    def __init__(self) -> None:
        self.stage = _Stage.RESERVED
        self.written_at = math.nan


class SlidingWindow:
    """The slots of one bucket."""

    def __init__(self, rate: Rate, *, grace: float, max_pause: float) -> None:
        self._window = rate.window
        self._grace = grace
        self._backoff = Backoff(rate, max_pause=max_pause)
        self._round_trips = RoundTrips()
        self._most_stragglers = max(1, int(rate.limit * _STRAGGLER_SHARE))
        self._held = 0
        self._flying: deque[Slot] = deque()  # in the order written; those done are dropped when they come first
        self._stragglers: dict[Slot, None] = {}  # an ordered set
        self._cooling: list[float] = []  # a heap of the moments at which slots become free

    def take(self, now: float) -> Slot | None:
        """Take a free slot, or None."""
        self._advance(now)
        if now < self._backoff.paused_until or self._held >= self._in_force(now):
            return None
        self._held += 1
        return Slot()

    def written(self, slot: Slot, now: float) -> None:
        """Note that the slot's request has left."""
        if slot.stage is _Stage.RESERVED:
            slot.stage = _Stage.WRITTEN
            slot.written_at = now
            self._flying.append(slot)

    def queued(self, callers: int, now: float) -> None:
        """Note how many callers wait for a slot; it matters where others wait for the same."""

    def answered(self, slot: Slot, now: float) -> float:
        """Note that the slot's request was answered: its slot is free one window later, less the credit.

        Returns that moment.
        """
        credit = 0.0
        if slot.stage is _Stage.WRITTEN or slot.stage is _Stage.PRESUMED:
            round_trip = now - slot.written_at
            self._round_trips.observe(round_trip)
            credit = self._round_trips.credit(round_trip)
        if slot.stage is _Stage.WRITTEN or slot.stage is _Stage.RESERVED:
            self._cool(slot, now - credit)
        slot.stage = _Stage.DONE
        return now - credit + self._window

    def release(self, slot: Slot, now: float) -> float:
        """End the slot's request without an answer; if nothing was written, the slot is free at once.

        Returns when it is free.
        """
        stage, slot.stage = slot.stage, _Stage.DONE
        if stage is _Stage.RESERVED or stage is _Stage.DONE:
            self._held -= stage is _Stage.RESERVED
            return now
        slowest = self._round_trips.slowest
        travel = self._grace if slowest is None else max(slowest, now - slot.written_at)
        arrived_by = slot.written_at + min(travel, self._grace)
        if stage is _Stage.WRITTEN:
            self._cool(slot, arrived_by)
        return arrived_by + self._window

    def penalize(self, now: float, retry_after: float | None) -> None:
        """Note a 429: see `Backoff.penalize`."""
        self._backoff.penalize(now, retry_after)

    def effective(self, now: float) -> int:
        """Return the limit in force."""
        return self._in_force(now)

    def paused_for(self, now: float) -> float:
        """Return the seconds left of a pause."""
        return max(0.0, self._backoff.paused_until - now)

    def available(self, now: float) -> int:
        """Return how many slots could be taken now."""
        self._advance(now)
        return 0 if now < self._backoff.paused_until else max(0, self._in_force(now) - self._held)

    def next_change(self, now: float) -> float:
        """Return the first moment at which `take` may succeed with nothing reported before, or infinity."""
        self._advance(now)
        if self._held < self._in_force(now):
            return max(now, self._backoff.paused_until)
        cooled = self._cooling[0] if self._cooling else math.inf
        overdue = self._flying[0].written_at + self._grace if self._flying else math.inf
        return max(self._backoff.paused_until, min(cooled, overdue, self._backoff.next_rise(now)))

    def wait(self, now: float, *, ahead: int) -> float:
        """Return the seconds until a caller behind `ahead` others has a slot; 0 when one is free.

        An upper estimate: answers are assumed twice as slow as the slowest recent one (at most the grace)
        and without credit; neither stragglers' slots nor a recovering limit are counted on. All slots become
        free within one hold of each other, so callers take them in turns: the n-th waits for slot n modulo
        limit, and one hold more for each whole round before it.
        """
        if not ahead and self.available(now):
            return 0.0
        return self._nth_free(now, ahead, usable=self._usable(now), frees=self._free_moments(now))

    def _in_force(self, now: float) -> int:
        return self._backoff.effective(now)

    def _nth_free(self, now: float, ahead: int, *, usable: int, frees: list[float]) -> float:
        frees = [now] * (usable - len(frees)) + frees[max(0, len(frees) - usable) :]
        rounds, turn = divmod(ahead, usable)
        first = max(frees[turn], self._backoff.paused_until)
        return max(0.0, first - now) + rounds * (self._answer_time() + self._window)

    def _usable(self, now: float) -> int:
        return max(1, self._in_force(now) - len(self._stragglers))

    def _free_moments(self, now: float) -> list[float]:
        answer_time = self._answer_time()
        flying = [slot.written_at for slot in self._flying if slot.stage is _Stage.WRITTEN]
        latest = [
            written + (answer_time if written + answer_time > now else self._grace) + self._window for written in flying
        ]
        reserved = self._held - len(self._cooling) - len(flying) - len(self._stragglers)
        frees = sorted(self._cooling + latest + [now + answer_time + self._window] * reserved)
        if len(self._stragglers) >= self._in_force(now):
            frees.append(now + self._grace + self._window)
        return frees

    def _answer_time(self) -> float:
        slowest = self._round_trips.slowest
        return self._grace if slowest is None else min(self._grace, _SLOWER * slowest)

    def _advance(self, now: float) -> None:
        flying, cooling = self._flying, self._cooling
        while flying and (flying[0].stage is not _Stage.WRITTEN or flying[0].written_at + self._grace <= now):
            slot = flying.popleft()
            if slot.stage is _Stage.WRITTEN:
                self._stray(slot)
        while cooling and cooling[0] <= now:
            heappop(cooling)
            self._held -= 1

    def _stray(self, slot: Slot) -> None:
        """Let an unanswered request hold its slot past the grace; if too many do, presume the oldest arrived.

        A few unanswered requests may be late on their way, and each breaks the limit if it arrives after its
        slot was given to another. Many are slow at the server, and must not stop everything else.
        """
        self._stragglers[slot] = None
        if len(self._stragglers) > self._most_stragglers:
            oldest = next(iter(self._stragglers))
            self._cool(oldest, oldest.written_at + self._grace)
            oldest.stage = _Stage.PRESUMED

    def _cool(self, slot: Slot, arrived_by: float) -> None:
        self._stragglers.pop(slot, None)
        heappush(self._cooling, arrived_by + self._window)
