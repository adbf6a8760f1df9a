"""More runs than the tests make: `python -m tests.hijacked --runs 500 --situation sender --seed 7`."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from cio_mcp import asking
from tests.hijacked.finding import Search
from tests.hijacked.situations import BY_NAME


def main() -> int:
    """Make runs; return 1 if one of them brought about what must not be."""
    parser = argparse.ArgumentParser(prog="python -m tests.hijacked", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="of each situation in each era")
    parser.add_argument("--situation", choices=sorted(BY_NAME), action="append", help="default: all of them")
    parser.add_argument("--seed", type=int, default=0, help="0 is what the tests begin with")
    parser.add_argument("--first", action="store_true", help="tell a failing run as it is, not shortened")
    chosen = parser.parse_args()
    asking.ELICITATION_SECONDS = 0.001
    failed = 0
    for name in chosen.situation or BY_NAME:
        for mode in ("auto", "legacy"):
            failed += _search(name, mode, chosen)
    return 1 if failed else 0


def _search(name: str, mode: str, chosen: argparse.Namespace) -> bool:
    wrong, began = "", time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        search = Search(
            situation=BY_NAME[name], mode=mode, folder=Path(folder), number=chosen.seed, shortens=not chosen.first
        )
        try:
            search.make(chosen.runs)
        except AssertionError as error:
            wrong = f"FAILED in run {search.runs}: {error}"
    took = time.monotonic() - began
    sys.stdout.write(f"{name}, {mode}: {search.runs} runs, {search.calls} calls, {took:.1f} s {wrong}\n")
    sys.stdout.flush()
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
