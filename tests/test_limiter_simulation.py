"""The pure window against an exact server-side window, over simulated networks, in virtual time."""

import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count

import pytest

from cio_mcp.limiter import Rate
from cio_mcp.limiter.window import SlidingWindow, Slot

Delay = Callable[[random.Random], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Seconds there, at the server, and back, and until the caller gives up, each drawn per request."""

    there: Delay
    back: Delay
    service: Delay = lambda _: 0.0
    patience: Delay = lambda _: math.inf


@dataclass(slots=True)
class Outcome:
    """What one simulation saw."""

    used: float = 0.0  # the share of the limit that was accepted
    refused: int = 0
    waits: list[float] = field(default_factory=list)
    promised: list[float] = field(default_factory=list)  # the estimate each caller was given on arrival


class ExactWindow:
    """A server's log of accepted requests; more than `limit` in any window is refused."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._accepted: deque[float] = deque()

    def accepts(self, now: float) -> bool:
        """Log a request and say whether it is inside the limit."""
        while self._accepted and self._accepted[0] <= now - self._rate.window:
            self._accepted.popleft()
        if len(self._accepted) == self._rate.limit:
            return False
        self._accepted.append(now)
        return True


class Simulation:
    """Callers that arrive at given moments, one line, one window, one network, one server."""

    def __init__(self, rate: Rate, network: Network, *, grace: float = 1.0, seed: int = 1) -> None:
        self._rate = rate
        self._network = network
        self._random = random.Random(seed)  # noqa: S311 - repeatable, and guards nothing
        self._window = SlidingWindow(rate, grace=grace, max_pause=60.0)
        self._server = ExactWindow(rate)
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self._line: deque[tuple[float, float]] = deque()  # arrived, promised
        self._alarm = math.inf
        self._now = 0.0
        self._outcome = Outcome()

    def run(self, arrivals: Sequence[float]) -> Outcome:
        """Play one caller for each arrival, in seconds and in order, to the end."""
        for arrival in arrivals:
            self._at(arrival, self._arrive)
        while self._events:
            self._now, _, event = heappop(self._events)
            event()
            self._grant()
        accepted = len(arrivals) - self._outcome.refused
        last_grant = max(a + w for a, w in zip(arrivals, self._outcome.waits, strict=True))
        if last_grant:
            self._outcome.used = accepted * self._rate.window / (self._rate.limit * last_grant)
        return self._outcome

    def _at(self, moment: float, event: Callable[[], object]) -> None:
        if moment < math.inf:
            heappush(self._events, (moment, next(self._order), event))

    def _arrive(self) -> None:
        ahead = len(self._line)
        # An estimate for the 12,000th in line is nobody's.
        self._line.append((self._now, self._window.wait(self._now, ahead=ahead) if ahead < 500 else math.inf))

    def _grant(self) -> None:
        while self._line and (slot := self._window.take(self._now)) is not None:
            arrived, promised = self._line.popleft()
            self._outcome.waits.append(self._now - arrived)
            self._outcome.promised.append(promised)
            self._window.written(slot, self._now)
            self._at(self._now + self._network.there(self._random), partial(self._serve, slot))
            self._at(self._now + self._network.patience(self._random), partial(self._give_up, slot))
        if self._line and not self._now < self._alarm <= self._window.next_change(self._now):
            self._alarm = max(self._window.next_change(self._now), self._now + 1e-9)
            self._at(self._alarm, lambda: None)

    def _serve(self, slot: Slot) -> None:
        self._outcome.refused += not self._server.accepts(self._now)
        delay = self._network.service(self._random) + self._network.back(self._random)
        self._at(self._now + delay, lambda: self._window.answered(slot, self._now))

    def _give_up(self, slot: Slot) -> None:
        self._window.release(slot, self._now)


def _both_ways(delay: Delay, service: Delay = lambda _: 0.0) -> Network:
    return Network(there=delay, back=delay, service=service)


def _steady(r: random.Random) -> float:
    return 0.04 + r.expovariate(200)


def _cold_at_times(r: random.Random) -> float:
    return _steady(r) + (0.16 if r.random() < 0.05 else 0.0)


def _service(r: random.Random) -> float:
    return 0.02 + r.expovariate(1 / 0.03)


def _wide(r: random.Random) -> float:
    return r.uniform(0.0, 0.08)


def _pareto(r: random.Random) -> float:
    return 0.02 + min(3.0, 0.005 * r.paretovariate(1.5))


NETWORKS = {
    "no delay": (_both_ways(lambda _: 0.0003), 0.999),
    "20 ms and up to 10": (_both_ways(lambda r: r.uniform(0.02, 0.03)), 0.97),
    "40 ms and a short tail": (_both_ways(_steady), 0.97),
    "uniform to 80 ms": (_both_ways(_wide), 0.92),
    "lognormal tail": (_both_ways(lambda r: 0.02 + r.lognormvariate(-4.6, 1.0)), 0.94),
    "Pareto tail to 3 s": (_both_ways(_pareto), 0.96),
    "cold connections": (Network(there=_cold_at_times, back=_steady), 0.96),
    "40 ms, service 50 ms": (_both_ways(_steady, _service), 0.92),
    "uniform to 80 ms, service 50 ms": (_both_ways(_wide, _service), 0.88),
    "Pareto tail, service 50 ms": (_both_ways(_pareto, _service), 0.91),
    "fast and slow operations mixed": (
        _both_ways(_steady, lambda r: 0.02 if r.random() < 0.5 else 0.5),
        0.74,
    ),
    "a third of the callers give up": (
        Network(there=_wide, back=_wide, patience=lambda r: r.uniform(0.01, 0.08) if r.random() < 0.3 else 9.0),
        0.9,
    ),
    "slow operations": (_both_ways(_steady, lambda r: r.expovariate(1 / 0.6)), 0.58),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_saturated_line_uses_nearly_all_of_the_limit_and_never_more(name: str) -> None:
    network, least_used = NETWORKS[name]
    outcome = Simulation(Rate(10), network).run([0.0] * 12_000)
    assert outcome.refused == 0
    assert least_used <= outcome.used <= 1.001


@pytest.mark.parametrize("rate", [Rate(1, 10.0), Rate(100), Rate(1000), Rate(3000, 3.0)], ids=str)
def test_other_limits_are_kept_as_well(rate: Rate) -> None:
    outcome = Simulation(rate, _both_ways(_steady)).run([0.0] * 12_000)
    assert outcome.refused == 0
    assert outcome.used >= 0.95


def test_bursts_after_idle_stay_inside_the_limit() -> None:
    r = random.Random(7)  # noqa: S311 - repeatable, and guards nothing
    starts = [0.0]
    for _ in range(800):
        starts.append(starts[-1] + r.uniform(3.5, 4.5))
    outcome = Simulation(Rate(10), _both_ways(_wide)).run([start for start in starts for _ in range(25)])
    assert outcome.refused == 0
    assert all(outcome.waits[n] == 0.0 for n in range(len(outcome.waits)) if n % 25 < 10)


@pytest.mark.parametrize("load", [0.7, 1.0, 1.3])
def test_the_estimated_wait_is_never_too_low_and_seldom_much_too_high(load: float) -> None:
    r = random.Random(3)  # noqa: S311 - repeatable, and guards nothing
    arrivals = [0.0]
    while len(arrivals) < 2000:
        arrivals += [arrivals[-1] + r.expovariate(load / 2)] * 20
    network = _both_ways(_steady, lambda r: r.uniform(0.02, 0.1))
    outcome = Simulation(Rate(10), network).run(arrivals)
    pairs = list(zip(outcome.promised, outcome.waits, strict=True))
    assert max(wait - promised for promised, wait in pairs) <= 1e-6
    assert sum(outcome.promised) <= 1.3 * sum(outcome.waits)
