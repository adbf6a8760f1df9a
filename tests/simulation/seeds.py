"""Many seeds, one after the other: what was seen, and what does not hold."""

import gc
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.simulation import oracle
from tests.simulation.lives import Simulation
from tests.simulation.process import warm_up
from tests.simulation.world import Stuck

REPLAY = "python -m tests.simulation --replay {}"
# In memory where the system has such a place: commits are durable, and a disk would be waited for.
_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of its own is made there


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One seed: the lines of its story, what was counted, and what does not hold."""

    seed: int
    lines: list[str]
    counts: Counter[str]
    wrongs: list[str]

    @property
    def failure(self) -> str:
        """What does not hold, and how to see it again; empty if all holds."""
        if not self.wrongs:
            return ""
        return f"seed {self.seed}: {'; '.join(self.wrongs)}\n    {REPLAY.format(self.seed)}"


def prepare() -> None:
    """Make this process one that is quickly forked."""
    warm_up()
    gc.collect()
    gc.freeze()


def play(seed: int) -> Played:
    """Play one seed in a directory that is gone afterwards."""
    where = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="cio-mcp-simulation-", dir=where) as directory:
        simulation = Simulation(seed, Path(directory))
        try:
            simulation.run()
        except Stuck as stuck:
            return Played(seed=seed, lines=simulation.world.story.lines, counts=Counter(), wrongs=[str(stuck)])
        played = _judged(seed, simulation)
    # The directory has another name every time, and stands in what names a file.
    return replace(played, lines=[line.replace(directory, "DIRECTORY") for line in played.lines])


def _judged(seed: int, simulation: Simulation) -> Played:
    world = simulation.world
    records, left_open = world.record.next_start()
    evidence = oracle.Evidence(
        story=world.story,
        customerio=world.customerio,
        records=records,
        left_open=left_open,
        per_hour=world.per_hour,
        stalls=bool(simulation.stalls),
    )
    wrongs = [*world.faults, *oracle.wrongs(evidence), *world.record.broken()]
    counts = oracle.counts(evidence) + Counter(f"killed {point}" for point in simulation.killed)
    return Played(seed=seed, lines=[*world.story.lines, *_told(records)], counts=counts, wrongs=wrongs)


def play_part(seeds: range) -> list[Played]:
    """Play some seeds, and leave out their stories, which can be told again at any time."""
    return [replace(play(seed), lines=[]) for seed in seeds]


def _told(records: list[dict[str, object]]) -> Iterator[str]:
    """Yield the ledger's records as lines, without what is drawn anew for each ledger."""
    for record in records:
        yield json.dumps({name: value for name, value in record.items() if name != "ledger"}, sort_keys=True)
