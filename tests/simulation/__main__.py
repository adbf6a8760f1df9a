"""The simulation as a command: many seeds, or the story of one."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.seeds import Played, play, play_part, prepare

AT_ONCE = 25
"""Seeds that a worker plays between two reports."""
MOST_FAILURES = 10
PROGRESS_SECONDS = 5.0


def main(given: list[str] | None = None) -> int:
    """Play the seeds that the arguments name; return 1 if anything does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000, help="how many (2000)")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first of them (0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that play them (one per core)")
    parser.add_argument("--replay", type=int, metavar="SEED", help="tell the story of this one")
    asked = parser.parse_args(given)
    if asked.replay is not None:
        return _replay(asked.replay)
    return _play(range(asked.first, asked.first + asked.seeds), asked.jobs)


def _replay(seed: int) -> int:
    prepare()
    played = play(seed)
    _say("\n".join(played.lines))
    _say(played.failure or f"seed {seed}: everything holds")
    return 1 if played.wrongs else 0


def _play(seeds: range, jobs: int) -> int:
    began = reported = time.monotonic()
    counts: Counter[str] = Counter()
    failures: list[str] = []
    done = 0
    for played in _played(seeds, jobs):
        done += 1
        counts += played.counts
        failures += [played.failure] if played.failure else []
        if time.monotonic() - reported > PROGRESS_SECONDS:
            reported = time.monotonic()
            _say(f"{done:,} of {len(seeds):,} seeds, {len(failures)} of them do not hold")
    took = time.monotonic() - began
    _say("".join(f"{count:>10,}  {name}\n" for name, count in sorted(counts.items())))
    _say("\n".join(failures[:MOST_FAILURES]))
    _say(f"{done:,} seeds in {took:.0f} s, {1000 * took / max(1, done):.0f} ms each: {len(failures)} do not hold")
    return 1 if failures else 0


def _played(seeds: range, jobs: int) -> Iterator[Played]:
    if jobs == 1:
        prepare()
        yield from map(play, seeds)
        return
    parts = [seeds[start : start + AT_ONCE] for start in range(0, len(seeds), AT_ONCE)]
    # Workers begin afresh: they fork, and so must not come from a process that runs threads.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=prepare) as workers:
        for part in workers.map(play_part, parts):
            yield from part


def _say(text: str) -> None:
    if text:
        sys.stdout.write(text.rstrip("\n") + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
