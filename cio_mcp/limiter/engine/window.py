"""One replica's part of a bucket whose slots lie in an engine, and the whole as far as the engine has told.

A slot is taken in the replica's own window first, then in the engine; both must have one. Why the argument of
`limiter/window.py` holds for all replicas together: the engine grants in one atomic step that counts the slots of all,
and a slot stands there from before its request can leave until at least a window after the answer less the credit. It
is told how long that still is, and counts from when it hears of it: no clock is compared with another, and news that
come late only hold a slot for longer. The credit is that of one replica, and the next request may be another's, so
replicas should be about as far from the server as each other.

Without the engine, a replica has a share of the limit for itself (`SlidingWindow` again, with the same slots, so that
nothing is forgotten on the way there or back). It takes none of it before what others were granted last is over: a
window, and time for every replica to notice (`OUTAGE_SECONDS`). When the engine is back, each tells it of its slots,
and for a while (`SETTLING_SECONDS`) the engine gives nobody more than a share, since others may not be back yet. One
that begins anew, or takes over from another, also grants nothing for a window and the grace: it does not know what was
granted last. What cannot be known: a replica that alone is cut off adds its share to the whole of the others.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from cio_mcp.limiter.engine.terms import Back, Change, Cool, Drop, Left, Put, Refused, Stage, Terms, View, micros
from cio_mcp.limiter.rates import Rate
from cio_mcp.limiter.turns import HOLD_SECONDS, RENEW_SECONDS
from cio_mcp.limiter.window import SlidingWindow, Slot

OUTAGE_SECONDS = 2.0
"""An engine that is gone for so long was missed by every replica: two heartbeats, and the longest call."""
TEND_SECONDS = 0.25
"""How often slots without an answer are looked after. The engine hears that a request has left only if its answer
takes longer: most are answered earlier, and that is said anyway."""


@dataclass(slots=True)
class _Lease:
    name: str
    stage: Stage
    since: float
    """When the request left, or when the engine was last told of the slot."""
    told: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the engine said, and when."""

    at: float
    view: View

    def free_at(self, nth: int, unanswered_for: float) -> float:
        """Return when the nth of the slots held is likely free; they were taken evenly, and answers take so long."""
        cooling = self.view.held - self.view.unanswered
        if nth >= cooling:
            return self.at + unanswered_for
        first, last = self.view.first / 1e6, self.view.last / 1e6
        return self.at + first + (last - first) * nth / max(1, cooling - 1)

    def held(self, now: float, unanswered_for: float) -> int:
        """Return how many slots are likely still held."""
        return sum(self.free_at(nth, unanswered_for) > now for nth in range(self.view.held))


class EngineWindow(SlidingWindow):
    """The slots of one bucket that this replica holds; `lost_at` says since when the engine is missing, if it is."""

    def __init__(
        self,
        rate: Rate,
        terms: Callable[[int], Terms],
        *,
        replica: str,
        replicas: int,
        lost_at: Callable[[], float | None],
        fail_closed: bool,
        grace: float,
        max_pause: float,
    ) -> None:
        super().__init__(rate, grace=grace, max_pause=max_pause)
        self.terms = terms(self._most_stragglers)
        self.waiting = 0
        self.missed = 0
        """How often it was not known whether the engine had done what it was asked."""
        self.caught_up = 0
        """Up to which of these times the engine has been told since how things are."""
        self.wanted: Callable[[], None] = _nobody
        self.news: Callable[[], None] = _nobody
        self._rate = rate
        self._replica = replica
        self._replicas = replicas
        self._lost_at = lost_at
        self._fail_closed = fail_closed
        self._names = count()
        self._ready: deque[Slot] = deque()
        self._leases: dict[Slot, _Lease] = {}
        self._over: list[tuple[float, str]] = []  # a heap: when slots that are cooling are free, as the engine knows it
        self._untold: list[Callable[[float], Change]] = []  # in order; each is given the time at which it is told
        self._in_line = False
        self._outlook: Outlook | None = None
        self._alone_at = -math.inf

    def is_alone(self, now: float) -> bool:
        """Say whether the replica does without the engine."""
        return now >= self._alone_from()

    def take(self, now: float) -> Slot | None:
        """Take a slot that the engine has granted, or one of the replica's share without it."""
        if self._ready:
            return self._ready.popleft()
        if not self.is_alone(now) or now < self._alone_at:
            return None
        slot = super().take(now)
        if slot is not None:
            self._lease(slot, now)
            if self._rate.limit < self._replicas:  # one slot is more than its share: it has one less often
                self._alone_at = now + self._rate.window * self._replicas / self._rate.limit
        return slot

    def next_change(self, now: float) -> float:
        """Return the first moment at which `take` may succeed with nothing reported before, or infinity."""
        if not self.is_alone(now):
            return self._alone_from()
        return max(self._alone_at, super().next_change(now))

    def next_own_change(self, now: float) -> float:
        """Return the first moment at which the replica's own slots may let it ask the engine for more."""
        return super().next_change(now)

    def reserve(self, most: int, now: float) -> dict[Slot, str]:
        """Take slots in the replica's own window, to ask the engine for them by these names."""
        slots: dict[Slot, str] = {}
        while len(slots) < most and (slot := super().take(now)) is not None:
            slots[slot] = self._lease(slot, now)
        return slots

    def granted(self, slots: Sequence[Slot], view: View, waiting: int, now: float) -> None:
        """Note what the engine has answered, when so many waited: the first so many slots are there to take."""
        for slot in slots[view.granted :]:
            del self._leases[slot]
            super().release(slot, now)
        self._ready.extend(slots[: view.granted])
        self.observe(view, now)
        self._in_line = view.granted < waiting
        self._leave_line_if_nobody_waits()

    def forgo(self, slots: Sequence[Slot], now: float) -> None:
        """Note that it is not known what the engine has answered; it will be told that nothing was taken."""
        for slot in slots:
            self.release(slot, now)

    def give_back(self, now: float) -> None:
        """Release slots that were granted and that nobody waits for any more."""
        while self._ready:
            self.release(self._ready.popleft(), now)

    def observe(self, view: View, now: float) -> None:
        """Note what the engine has seen."""
        self._outlook = Outlook(at=now, view=view)
        self._backoff.adopt(now + view.paused / 1e6, view.lowered, now)

    @property
    def others(self) -> Sequence[int]:
        """How many callers of each other replica stood in line when the engine was last heard of."""
        return self._outlook.view.others if self._outlook else ()

    def queued(self, callers: int, now: float) -> None:
        """Note how many callers wait."""
        del now
        self.waiting = callers
        if callers:
            self.wanted()
        self._leave_line_if_nobody_waits()

    def written(self, slot: Slot, now: float) -> None:
        """Note that the slot's request has left."""
        super().written(slot, now)
        lease = self._leases.get(slot)
        if lease is not None and lease.stage is Stage.RESERVED:
            lease.stage, lease.since, lease.told = Stage.WRITTEN, now, False

    def answered(self, slot: Slot, now: float) -> float:
        """Note that the slot's request was answered, and return when its slot is free."""
        return self._end(slot, super().answered(slot, now), now)

    def release(self, slot: Slot, now: float) -> float:
        """End the slot's request without an answer, and return when its slot is free."""
        return self._end(slot, super().release(slot, now), now)

    def penalize(self, now: float, retry_after: float | None) -> None:
        """Note a 429, for all replicas."""
        super().penalize(now, retry_after)
        self._tell(lambda later: Refused(retry_after=micros(retry_after or 0.0), ago=micros(later - now)))

    def wait(self, now: float, *, ahead: int) -> float:
        """Return the seconds until a caller behind `ahead` others of this replica has a slot; 0 when one is free."""
        own = super().wait(now, ahead=ahead)
        if self._lost_at() is not None:
            return max(own, self._without_engine(now))
        return max(own, self._shared_wait(self._outlook, now, ahead)) if self._outlook else own

    def available(self, now: float) -> int:
        """Return how many slots are likely free over all replicas."""
        own = super().available(now)
        if self._lost_at() is not None:
            return own if self.is_alone(now) and now >= self._alone_at else 0
        if self._outlook is None:
            return own
        if now < self._outlook.at + self._outlook.view.quiet / 1e6:
            return 0
        return min(own, max(0, self._in_force(now) - self._outlook.held(now, self._unanswered_for())))

    def changes(self, now: float) -> list[Change]:
        """Return what the engine should be told, which is then taken as told."""
        changes = self._told(now)
        for lease in self._leases.values():
            if lease.stage is Stage.RESERVED and now >= lease.since + RENEW_SECONDS:
                lease.since = now
                changes.append(self._put(lease, now))
            elif lease.stage is Stage.WRITTEN and not lease.told and now >= lease.since + TEND_SECONDS:
                lease.told = True
                changes.append(self._put(lease, now))
        return changes

    def everything(self, now: float) -> list[Change]:
        """Return what an engine should be told that may have missed something."""
        refused = [change for change in self._told(now) if isinstance(change, Refused)]
        self._forget_free(now)
        cooling = [Put(slot=name, stage=Stage.COOLING, left=micros(free_at - now)) for free_at, name in self._over]
        for lease in self._leases.values():
            lease.told = lease.stage is Stage.WRITTEN
            lease.since = lease.since if lease.told else now
        return [Back(), *cooling, *(self._put(lease, now) for lease in self._leases.values()), *refused]

    def has_slots(self) -> bool:
        """Say whether there are slots to look after."""
        return bool(self._leases)

    def _in_force(self, now: float) -> int:
        whole = super()._in_force(now)
        return max(1, whole // self._replicas) if self.is_alone(now) else whole

    def _alone_from(self) -> float:
        lost_at = self._lost_at()
        if lost_at is None or self._fail_closed:
            return math.inf
        return lost_at + self._rate.window + OUTAGE_SECONDS

    def _without_engine(self, now: float) -> float:
        if self._fail_closed:
            return OUTAGE_SECONDS  # nobody knows; it is a time after which to ask again
        return max(0.0, max(self._alone_from(), self._alone_at) - now)

    def _shared_wait(self, outlook: Outlook, now: float, ahead: int) -> float:
        """Estimate from what the engine saw last; callers of other replicas have their turns in between."""
        view = outlook.view
        limit, hold = self._in_force(now), self._unanswered_for()
        place = ahead + sum(min(callers, ahead + 1) for callers in view.others)
        pause = outlook.at + max(view.quiet, view.paused, 0) / 1e6 - now
        rounds, turn = divmod(max(0, place - max(0, limit - view.held)), limit)
        frees_at = outlook.free_at(turn + max(0, view.held - limit), hold) if place >= limit - view.held else now
        return max(0.0, pause, frees_at - now + rounds * hold)

    def _unanswered_for(self) -> float:
        return self._answer_time() + self._rate.window

    def _lease(self, slot: Slot, now: float) -> str:
        name = f"{self._replica}:{next(self._names)}"
        self._leases[slot] = _Lease(name=name, stage=Stage.RESERVED, since=now, told=True)
        if len(self._leases) == 1:
            self.news()  # from now on there is something to look after
        return name

    def _end(self, slot: Slot, free_at: float, now: float) -> float:
        lease = self._leases.pop(slot, None)
        if lease is None:
            return free_at
        name = lease.name
        if free_at > now:
            self._forget_free(now)
            heappush(self._over, (free_at, name))
            self._tell(lambda later: Cool(slot=name, left=micros(free_at - later)))
        else:
            self._tell(lambda _: Drop(slot=name))
        return free_at

    def _forget_free(self, now: float) -> None:
        while self._over and self._over[0][0] <= now:
            heappop(self._over)

    def _put(self, lease: _Lease, now: float) -> Put:
        left = lease.since + HOLD_SECONDS + self._rate.window - now
        return Put(slot=lease.name, stage=lease.stage, left=micros(left))

    def _leave_line_if_nobody_waits(self) -> None:
        if self._in_line and not self.waiting:
            self._in_line = False
            self._tell(lambda _: Left())

    def _tell(self, news: Callable[[float], Change]) -> None:
        self._untold.append(news)
        self.news()

    def _told(self, now: float) -> list[Change]:
        untold, self._untold = self._untold, []
        return [news(now) for news in untold]


def _nobody() -> None:
    """Before anybody wants to know."""
