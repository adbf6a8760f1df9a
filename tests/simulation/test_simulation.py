"""Two thousand lives of the server, from as many seeds: what must hold, holds in each."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEEDS = 2_000
AT_ONCE = 500
"""Seeds of one test, so that a run says how far it is."""
# On two busy cores; a quiet machine needs about a fifth of it.
PATIENCE = 600.0

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="lives are forked, which this system cannot")


def simulation(*arguments: str, hash_seed: str = "random") -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own: it forks, and must not have threads."""
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def counts(output: str) -> Iterator[tuple[str, int]]:
    for line in output.splitlines():
        number, _, name = line.strip().partition("  ")
        if name and number.replace(",", "").isdigit():
            yield name, int(number.replace(",", ""))


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_nothing_is_done_twice_by_accident_or_in_the_dark(first: int) -> None:
    ended = simulation("--seeds", str(AT_ONCE), "--from", str(first))
    assert ended.returncode == 0, ended.stdout[-6_000:] + ended.stderr[-2_000:]
    seen = dict(counts(ended.stdout))
    # What never happens cannot go wrong: every fault, kill and refusal must have been met.
    assert sum(name.startswith("killed ") for name in seen) == 8
    for name in ("effects", "unknown", "held_back", "over_budget", "not_confirmed", "confirmations spent"):
        assert seen[name] >= AT_ONCE // 20, ended.stdout


@pytest.mark.parametrize("seed", [3, 17, 40, 58, 71, 103, 1_999])
def test_the_same_seed_tells_the_same_story_to_the_byte(seed: int) -> None:
    one, other = (simulation("--replay", str(seed), hash_seed=hash_seed) for hash_seed in ("1", "2"))
    assert one.returncode == 0, one.stdout + one.stderr
    assert len(one.stdout.splitlines()) > 10
    assert one.stdout == other.stdout
