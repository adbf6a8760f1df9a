"""Candidates that take turns: what some calls took, all runs of each, and the table of them beside one peer."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from report import percentile, ratio

WARM_UP = 30
HEADINGS = ("server", "p50 ms", "x bare", "p99 ms", "x bare", "calls/s", "CPU ms/call")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Some calls: the seconds each took, the seconds all took, and the server's processor seconds."""

    latencies: list[float]
    wall: float
    cpu: float


@dataclass(slots=True, kw_only=True)
class Measured:
    """One candidate in one era and mode: a number for every run."""

    p50: list[float] = field(default_factory=list[float])
    p99: list[float] = field(default_factory=list[float])
    per_second: list[float] = field(default_factory=list[float])
    cpu: list[float] = field(default_factory=list[float])

    def add(self, samples: Sequence[Sample]) -> None:
        """Take in one run."""
        latencies = [latency for sample in samples for latency in sample.latencies]
        self.p50.append(percentile(latencies, 50))
        self.p99.append(percentile(latencies, 99))
        self.per_second.append(len(latencies) / sum(sample.wall for sample in samples))
        self.cpu.append(sum(sample.cpu for sample in samples) / len(latencies))


Take = Callable[[int, int], Sample]
"""Makes so many calls with so many in flight."""


def in_turns(takes: Mapping[str, Take], at_once: int, *, slices: int, calls: int) -> dict[str, list[Sample]]:
    """Let every candidate make so many calls in each of the slices, beginning with another one each time."""
    samples: dict[str, list[Sample]] = defaultdict(list)
    names = list(takes)
    for name in names:
        takes[name](min(max(WARM_UP, at_once), slices * calls), at_once)
    for turn in range(slices):
        place = turn % len(names)
        for name in names[place:] + names[:place]:
            samples[name].append(takes[name](calls, at_once))
    return samples


def rows(results: Mapping[tuple[int, str], Measured], at_once: int, peer: str) -> Iterator[list[str]]:
    """Yield a line of a table of HEADINGS for every candidate in one mode."""
    bare = results[at_once, peer]
    for (mode, name), measured in results.items():
        if mode != at_once:
            continue
        p50, p99, per_second, cpu = (
            statistics.median(values) for values in (measured.p50, measured.p99, measured.per_second, measured.cpu)
        )
        yield [
            name,
            f"{1000 * p50:.2f}",
            f"{ratio(measured.p50, bare.p50):.2f}",
            f"{1000 * p99:.2f}",
            f"{ratio(measured.p99, bare.p99):.2f}",
            f"{per_second:.0f}",
            f"{1000 * cpu:.2f}",
        ]
