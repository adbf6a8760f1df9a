"""What the benchmarks print: the machine they ran on, medians, and a table."""

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version


def machine(*packages: str) -> str:
    """Describe where and with what a run was made: date, cores, memory, Python, and the packages installed."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    installed = [f"{name} {found}" for name in packages if (found := installed_version(name))]
    where = [datetime.now(UTC).date().isoformat(), f"{cores} cores", *_memory(), platform.system()]
    return ", ".join([*where, f"Python {platform.python_version()}", *installed])


def installed_version(package: str) -> str | None:
    """Return the version of a distribution, None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _memory() -> list[str]:
    try:
        return [f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"]
    except (AttributeError, OSError, ValueError):
        return []  # not every system tells


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a markdown table: the first column to the left, numbers to the right."""
    rule = ["---", *("---:" for _ in headings[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rule, *rows))


def ratio(values: Sequence[float], peers: Sequence[float]) -> float:
    """Return the median of the quotients run by run, so that a slow moment weighs on both or on neither."""
    return statistics.median(value / peer for value, peer in zip(values, peers, strict=True))


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile between 1 and 99 of at least two values."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
