"""A window that several processes of one machine share through a file.

A slot is taken in the process's own window first, then in the file; both must have one. Why the argument of
`window.py` holds for all processes together: a slot is taken in a transaction that counts those of all of them, so
that grants have one order, and at the grant of any request at most limit - 1 other slots stand in the file. A slot
stands there from before its request can leave until the same moment as in its own process's window: a window after
the answer less the credit, on a clock that all processes of the machine read. Of limit + 1 requests that arrived
within one window, at the grant of the last at least one other's slot, i's, was thus gone, and the last was granted
no earlier than i's answer - credit + window. The credit is the sum of both least ways as i's process knows it; the
way there is now another process's, on the same machine, over the same network.

What is presumed of requests that stay unanswered is the same as there, but for all processes together, and it ends
`HOLD_SECONDS` after they left: slots are leases, so that those of a process that was killed come free by themselves.
A process that is stopped for longer between a grant and its request has lost the slot, and takes it again when the
request leaves.
"""

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import count

from cio_mcp.limiter import rows
from cio_mcp.limiter.rates import Rate
from cio_mcp.limiter.shared_file import Busy, SharedFile, Unusable
from cio_mcp.limiter.turns import (
    HOLD_SECONDS,
    RENEW_SECONDS,
    TICKET_SECONDS,
    Held,
    Place,
    Stage,
    ahead,
    callers_before,
    free_moments,
    next_look,
    next_turn,
    presumed,
    turn_size,
    unanswered,
)
from cio_mcp.limiter.waiting import Budget, WindowLimiter
from cio_mcp.limiter.window import SlidingWindow, Slot

# After the file was found locked.
_BUSY_SECONDS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBudget(Budget):
    """A bucket that processes share, at one moment.

    `available` and `next_free` are those of all processes together, the other members those of this one. When the
    file cannot be used, `shared` is False, and this process keeps the limit for itself alone.
    """

    shared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What the file said at a moment: slots held, and other processes in line."""

    at: float
    held: int
    others: Sequence[Place]


class SharedWindow(SlidingWindow):
    """The slots of one bucket, of all processes that name it alike in the same file."""

    def __init__(self, rate: Rate, *, file: SharedFile, bucket: str, grace: float, max_pause: float) -> None:
        super().__init__(rate, grace=grace, max_pause=max_pause)
        self._rate = rate
        self._file = file
        self._bucket = bucket
        self._numbers = count()
        self._leases: dict[Slot, Held] = {}
        self._waiting = 0
        self._in_line = False
        self._taken = 0  # slots, with this ticket
        self._looks = 0  # since somebody ahead could have taken a slot
        self._look_at = -math.inf
        self._view: _View | None = None
        file.keep(self._prolong)

    @property
    def shared(self) -> bool:
        """Whether other processes are taken into account."""
        return self._file.usable

    def retire(self) -> None:
        """Prolong no slot any more: those that wait with one take it again when their request leaves."""
        self._file.leave(self._prolong)

    def forget(self) -> None:
        """Ask the file again at the next question, although no time has passed."""
        self._view = None

    def queued(self, callers: int, now: float) -> None:
        """Note how many callers wait; the first of them takes a place in line, with the last it is left."""
        if callers and not self._waiting:
            self._look_at = now
        self._waiting = callers
        if not callers and self._in_line:
            self._in_line = False
            self._file.change(rows.left(self._bucket, self._file.process))

    def take(self, now: float) -> Slot | None:
        """Take a free slot, or None."""
        self._file.renew(now)
        if self._waiting and now < self._look_at:
            return None
        slot = super().take(now)
        if slot is None:
            return None
        self._view = None
        try:
            with self._file.writing() as connection:
                granted = self._take_shared(connection, slot)
        except Unusable:
            return slot
        except Busy:
            self._look_at, granted = now + _BUSY_SECONDS, False
        if granted:
            return slot
        super().release(slot, now)
        return None

    def written(self, slot: Slot, now: float) -> None:
        """Note that the slot's request has left."""
        super().written(slot, now)
        lease = self._leases.get(slot)
        if lease is not None and lease.stage == Stage.RESERVED:
            moved = lease._replace(stage=Stage.WRITTEN, frees_at=self._horizon(now))
            self._leases[slot] = moved
            self._change(rows.dropped(self._bucket, lease), rows.placed(self._bucket, moved))

    def answered(self, slot: Slot, now: float) -> float:
        """Note that the slot's request was answered, and return when its slot is free."""
        frees_at = super().answered(slot, now)
        self._end_lease(slot, frees_at, now)
        return frees_at

    def release(self, slot: Slot, now: float) -> float:
        """End the slot's request without an answer, and return when its slot is free."""
        frees_at = super().release(slot, now)
        self._end_lease(slot, frees_at, now)
        return frees_at

    def penalize(self, now: float, retry_after: float | None) -> None:
        """Note a 429, for all processes."""
        self.forget()
        self._look(now)
        super().penalize(now, retry_after)
        self._change(rows.paused(self._bucket, self._backoff.paused_until, self._backoff.lowered))

    def effective(self, now: float) -> int:
        """Return the limit in force."""
        self._look(now)
        return super().effective(now)

    def paused_for(self, now: float) -> float:
        """Return the seconds left of a pause."""
        self._look(now)
        return super().paused_for(now)

    def available(self, now: float) -> int:
        """Return how many slots are free over all processes."""
        view = self._look(now)
        free = super().available(now)
        return free if view is None else min(free, max(0, self._backoff.effective(now) - view.held))

    def next_change(self, now: float) -> float:
        """Return the first moment at which `take` has something to do with nothing reported before, or infinity."""
        return min(max(super().next_change(now), self._look_at), self._file.renew_at)

    def wait(self, now: float, *, ahead: int) -> float:
        """Return the seconds until a caller behind `ahead` others of this process has a slot; 0 when one is free.

        Callers of other processes who are in line have their turns as well. So have those who come later, of whom
        no estimate knows.
        """
        own = super().wait(now, ahead=ahead)
        view = self._look(now)
        if view is None or (not ahead and not view.others and not own and self.available(now)):
            return own
        return max(own, self._shared_wait(now, ahead + callers_before(view.others, ahead)))

    def _take_shared(self, connection: sqlite3.Connection, slot: Slot) -> bool:
        # Read within the transaction: nobody has written with a later time, however long this process stood still.
        now = self._file.clock()
        self._adopt(connection, now)
        if now < self._backoff.paused_until:
            return False
        rows.expire(connection, self._bucket, now, self._horizon(now))
        limit = self._backoff.effective(now)
        held, slots = rows.held(connection, self._bucket, now, self._horizon(now)), []
        if held >= limit:
            slots = self._without_presumed(connection, now)
            held = len(slots)
        line = rows.line(connection, self._bucket, now)
        before = ahead(line, self._file.process)
        if held < limit and not before:
            self._grant(connection, slot, line, now)
            return True
        if self._waiting:
            self._stand(connection, line, self._waiting, now)
        if held < limit:
            self._look_at = next_turn(self._looks, now)
            self._looks += 1
        else:
            self._look_at = next_look(slots, self._rate, limit=limit, before=before, now=now)
            self._looks = 0
        return False

    def _grant(self, connection: sqlite3.Connection, slot: Slot, line: Sequence[Place], now: float) -> None:
        lease = Held(self._horizon(now), self._file.process, next(self._numbers), Stage.RESERVED)
        rows.apply(connection, rows.placed(self._bucket, lease))
        self._leases[slot] = lease
        self._file.renew_at = min(self._file.renew_at, now + RENEW_SECONDS)
        self._looks, self._look_at = 0, now
        others = [place for place in line if place.process != self._file.process]
        # Who holds the whole limit itself does not wait for the others' slots.
        if self._waiting > 1 and others and super().available(now):
            self._stand(connection, line, self._waiting - 1, now, taken=1)
        elif self._in_line:
            self._in_line = False
            rows.apply(connection, rows.left(self._bucket, self._file.process))

    def _stand(
        self, connection: sqlite3.Connection, line: Sequence[Place], callers: int, now: float, *, taken: int = 0
    ) -> None:
        """Keep the place in line, or stand at the end: at first, after a turn, or when the ticket has died."""
        ticket = next((place.ticket for place in line if place.process == self._file.process), None)
        self._taken += taken
        if ticket is None or self._taken >= turn_size(self._rate):
            ticket, self._taken = max((place.ticket for place in line), default=0) + 1, 0
        rows.bury(connection, self._bucket, now)
        place = Place(self._file.process, ticket, now + TICKET_SECONDS, callers)
        rows.apply(connection, rows.stood(self._bucket, place))
        self._in_line = True

    def _without_presumed(self, connection: sqlite3.Connection, now: float) -> list[Held]:
        slots = rows.slots(connection, self._bucket, now, self._horizon(now))
        gone = presumed(slots, self._rate, grace=self._grace, most=self._most_stragglers, now=now)
        rows.apply(connection, *(rows.dropped(self._bucket, slot) for slot in gone))
        return [slot for slot in slots if slot not in gone]

    def _prolong(self, now: float) -> list[rows.Change]:
        changes: list[rows.Change] = []
        for slot, lease in self._leases.items():
            if lease.stage == Stage.RESERVED:
                self._leases[slot] = longer = lease._replace(frees_at=self._horizon(now))
                changes += rows.dropped(self._bucket, lease), rows.placed(self._bucket, longer)
        return changes

    def _end_lease(self, slot: Slot, frees_at: float, now: float) -> None:
        lease = self._leases.pop(slot, None)
        if lease is None:
            return
        if frees_at > now:
            self._change(rows.cooled(self._bucket, lease, frees_at))
        else:
            self._change(rows.dropped(self._bucket, lease))
            self._look_at = now

    def _change(self, *changes: rows.Change) -> None:
        self._view = None
        self._file.change(*changes)

    def _look(self, now: float) -> _View | None:
        """Return what the file says now, None if it cannot be used; it is asked once for each moment."""
        if self._view is None or self._view.at != now:
            try:
                with self._file.reading() as connection:
                    self._view = self._read(connection, now)
            except (Busy, Unusable):
                self._view = None
        return self._view

    def _read(self, connection: sqlite3.Connection, now: float) -> _View:
        self._adopt(connection, now)
        line = rows.line(connection, self._bucket, now)
        return _View(
            at=now,
            held=rows.held(connection, self._bucket, now, self._horizon(now)),
            others=[place for place in line if place.process != self._file.process],
        )

    def _adopt(self, connection: sqlite3.Connection, now: float) -> None:
        pause = rows.pause(connection, self._bucket)
        if pause is not None:
            self._backoff.adopt(*pause, now)

    def _shared_wait(self, now: float, ahead: int) -> float:
        try:
            with self._file.reading() as connection:
                slots = rows.slots(connection, self._bucket, now, self._horizon(now))
        except (Busy, Unusable):
            return 0.0
        limit, most = self._backoff.effective(now), self._most_stragglers
        stragglers = unanswered(slots, self._rate, grace=self._grace, now=now)[-most:]
        moving = [slot for slot in slots if slot not in stragglers]
        frees = free_moments(moving, self._rate, grace=self._grace, answer=self._answer_time(), now=now)
        if len(stragglers) >= limit:
            frees.append(now + self._grace + self._rate.window)
        return self._nth_free(now, ahead, usable=max(1, limit - len(stragglers)), frees=frees)

    def _horizon(self, now: float) -> float:
        """Return when a slot comes free that is taken or written now and never answered: no slot is held longer."""
        return now + HOLD_SECONDS + self._rate.window


class SharedLimiter(WindowLimiter):
    """A limiter whose window is shared with other processes: within each, first come, first served.

    `bucket` is what all of them call the limit in `file`; the rest is as in `WindowLimiter`.
    """

    def __init__(
        self, rate: Rate, *, file: SharedFile, bucket: str, name: str = "", grace: float = 1.0, max_pause: float = 60.0
    ) -> None:
        self._shared = SharedWindow(rate, file=file, bucket=bucket, grace=grace, max_pause=max_pause)
        super().__init__(rate, name=name, clock=file.clock, window=self._shared)

    def retire(self) -> None:
        """Note that nobody new will come."""
        self._shared.retire()

    def snapshot(self) -> SharedBudget:
        """Return the bucket as it is now."""
        self._shared.forget()
        budget = super().snapshot()
        facts = {field.name: getattr(budget, field.name) for field in fields(budget)}
        return SharedBudget(**facts, shared=self._shared.shared)
