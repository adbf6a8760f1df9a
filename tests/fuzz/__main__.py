"""`python -m tests.fuzz --frames N --seed S [--over stdio|http]`: ends with 0, or names what went wrong."""

import argparse
import secrets
import sys
import time

from tests.fuzz.over_http import fuzz_http
from tests.fuzz.over_stdio import fuzz_stdio

WAYS = {"stdio": fuzz_stdio, "http": fuzz_http}


def main() -> int:
    """Fuzz, and say how long it took."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000, help="how many, shared by the ways (default: 100000)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="default: a new one each time")
    parser.add_argument("--over", choices=WAYS, help="only this way")
    given = parser.parse_args()
    ways = [given.over] if given.over else list(WAYS)
    for way in ways:
        number = given.frames // len(ways)
        started = time.monotonic()
        sys.stdout.write(f"{way}: {number:,} frames, seed {given.seed} ... ")
        sys.stdout.flush()
        WAYS[way](number, given.seed)
        elapsed = time.monotonic() - started
        sys.stdout.write(f"{elapsed:.0f} s, {number / elapsed:,.0f}/s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
