"""A limiter whose slots lie in an engine: callers in line, and one task that asks the engine on their behalf."""

import math
from collections.abc import Callable
from dataclasses import fields

import anyio

from cio_mcp.limiter.engine.reach import Reach
from cio_mcp.limiter.engine.terms import Unreachable, Unshared, View
from cio_mcp.limiter.engine.window import EngineWindow
from cio_mcp.limiter.rates import Rate
from cio_mcp.limiter.shared import SharedBudget
from cio_mcp.limiter.turns import ANY_MOMENT, LOOK_SECONDS, SHORTEST_LOOK, next_turn
from cio_mcp.limiter.waiting import Overdue, Permit, Waiter, WindowLimiter

# The engine's answer is no wait in line: who will not wait for a slot waits for this.
_LEAST_PATIENCE = 1.0


class EngineLimiter(WindowLimiter):
    """A limiter that replicas share: within each, first come, first served; between them, in turns.

    Made by `EngineLink.limiter`. The engine is asked for as many slots as callers wait for, by one task for all of
    them: a caller who gives up leaves no question behind, and what was granted for nobody is given back.
    """

    def __init__(self, rate: Rate, window: EngineWindow, *, reach: Reach, name: str) -> None:
        super().__init__(rate, name=name, clock=reach.clock, window=window, least_patience=_LEAST_PATIENCE)
        self.window = window
        self.retired: Callable[[], None] = _nobody
        """Called when nobody new will come."""
        self._reach = reach
        self._stirred = anyio.Event()
        self._looks = 0
        window.wanted = self._wake

    async def acquire(self, *, max_wait: float | None = None) -> Permit:
        """Wait in line for a slot, for at most `max_wait` seconds and an answer of the engine.

        Raises `Overdue` as `WindowLimiter` does, and also when the engine's first answer shows that it will be
        longer; `Unshared` instead if the engine is missing and nothing is sent without it.
        """
        try:
            permit = await super().acquire(max_wait=max_wait)
        except Overdue as overdue:
            if self._reach.fail_closed and self._reach.lost_at is not None:
                raise Unshared(overdue.wait) from None
            raise
        return permit

    def retire(self) -> None:
        """Note that nobody new will come."""
        self.retired()

    def snapshot(self) -> SharedBudget:
        """Return the bucket as it was when the engine was last heard of; see `refresh`."""
        budget = super().snapshot()
        facts = {field.name: getattr(budget, field.name) for field in fields(budget)}
        return SharedBudget(**facts, shared=self._reach.lost_at is None)

    async def refresh(self) -> None:
        """Ask the engine how things stand; if it is missing, nothing is learned."""
        try:
            view = await self._reach.take(self.window.terms, (), 0)
        except Unreachable:
            return
        self.window.observe(view, self._clock())

    def stir(self) -> None:
        """Look after those in line: something else than time has changed."""
        self._wake()
        if self._line:
            self._grant_and_wake()

    def _wake(self) -> None:
        self._stirred.set()

    async def serve(self) -> None:
        """Ask the engine for slots whenever somebody waits, without end."""
        while True:
            pause = await self._step()
            if pause == math.inf:
                await self._stirred.wait()
                self._stirred = anyio.Event()
            else:
                await anyio.sleep(pause)

    async def _step(self) -> float:
        """Do what is to be done now, and return the seconds until there may be more; infinity if `stir` will tell."""
        try:
            if self._reach.lost_at is not None:
                return math.inf
            if self.window.missed != self.window.caught_up:
                await self._catch_up()
            return await self._ask() if self.window.waiting else math.inf
        except Unreachable:
            return 0.0

    async def _catch_up(self) -> None:
        """Tell the engine of every slot; whatever it believed of this replica before is void."""
        window = self.window
        missed = window.missed
        await self._reach.report(window.terms, window.everything(self._clock()))
        window.caught_up = missed

    async def _ask(self) -> float:
        window, now, waiting = self.window, self._clock(), self.window.waiting
        slots = window.reserve(min(waiting, self.rate.limit), now)
        if not slots:
            self._judge_newcomers()
            return min(LOOK_SECONDS, max(SHORTEST_LOOK, window.next_own_change(now) - now))
        try:
            view = await self._reach.take(window.terms, tuple(slots.values()), waiting)
        except BaseException:
            window.forgo(tuple(slots), self._clock())
            raise
        window.granted(tuple(slots), view, waiting, self._clock())
        self._grant_and_wake()
        window.give_back(self._clock())
        self._judge_newcomers()
        return self._pause(view, everything=view.granted == len(slots))

    def _pause(self, view: View, *, everything: bool) -> float:
        if everything:
            self._looks = 0
            return 0.0
        if not view.wait:
            self._looks += 1
            return next_turn(self._looks, 0.0)
        self._looks = 0
        wait = view.wait / 1e6
        return ANY_MOMENT if wait < SHORTEST_LOOK else min(LOOK_SECONDS, wait)

    def _expected(self, now: float) -> float:
        """Who comes first is judged by what the engine says to his question, not by what it said long ago."""
        return super()._expected(now) if self._line or self._reach.lost_at is not None else 0.0

    def _judge_newcomers(self) -> None:
        """Let those give up at once whom the engine, asked for the first time since they came, leaves no hope."""
        now = self._clock()
        for behind, waiter in enumerate(reversed(self._line)):
            if waiter.judged:
                return
            waiter.judged = True
            wait = self.window.wait(now, ahead=len(self._line) - 1 - behind)
            if wait > max(0.0, waiter.deadline - now):
                waiter.hopeless = wait
                waiter.event.set()

    def _give_up_if_overdue(self, waiter: Waiter) -> None:
        if waiter.slot is None and waiter.hopeless is not None:
            raise Overdue(waiter.hopeless)
        super()._give_up_if_overdue(waiter)


def _nobody() -> None:
    """Before anybody wants to know."""
