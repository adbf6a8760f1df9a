"""Time that neither jumps nor flatters: a clock for one process, and the time of a ledger that several share.

Windows (budgets, repeats) must never pass early, whatever is done to the wall clock. So a ledger counts its own
seconds, its ticks: between two readings in one boot of the machine as many as the machine ran, else as many as the
wall clock went forward, and never backwards.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # Linux, random(4)


def machine_uptime() -> float:
    """Return seconds since the machine started, also those asleep where the system counts them; never set by anyone."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def machine_boot() -> str:
    """Return what tells this start of the machine from others; empty where the system does not say."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """A start of the machine, and the seconds since: the same for every process on it."""

    id: str
    uptime: Callable[[], float]


class SteadyClock:
    """The wall clock as it was when the process began, advanced by the machine's uptime: no jump reaches it."""

    def __init__(
        self,
        *,
        wall: Callable[[], float] = time.time,
        uptime: Callable[[], float] = machine_uptime,
        boot: Callable[[], str] = machine_boot,
    ) -> None:
        self.boot = Boot(id=boot(), uptime=uptime)
        self._ahead = wall() - uptime()

    def now(self) -> float:
        """Return seconds since 1970."""
        return self._ahead + self.boot.uptime()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the clocks showed: seconds since 1970, seconds since the machine's start, and which start."""

    now: float
    uptime: float
    boot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A reading, and the tick of the ledger that it was."""

    tick: float
    reading: Reading

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self.reading.now


class Ages(Protocol):
    """Where the ages of operations are told from."""

    def since(self, *, tick: float, started_at: float, process: str, boot: str) -> tuple[float, bool]:
        """Return the seconds since something, and whether they are just so many or at least so many."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A moment of a ledger whose ticks one clock counts for everybody: every age is known."""

    moment: Moment

    def since(self, *, tick: float, started_at: float, process: str, boot: str) -> tuple[float, bool]:
        """Return the seconds since something."""
        del started_at, process, boot
        return max(0.0, self.moment.tick - tick), True


@dataclass(frozen=True, slots=True, kw_only=True)
class Vantage:
    """A process that looks back at a moment: its name, the start of the machine it runs in, and seconds at both."""

    moment: Moment
    process: str
    ran: float
    """Seconds that have passed since anything of another process or of another start of the machine, at least."""

    def since(self, *, tick: float, started_at: float, process: str, boot: str) -> tuple[float, bool]:
        """Return the seconds since something, and whether they are just so many or at least so many."""
        reading = self.moment.reading
        if process == self.process:
            return max(0.0, reading.now - started_at), True
        passed = max(0.0, self.moment.tick - tick)
        if boot and boot == reading.boot:
            return passed, True
        return min(passed, self.ran), False


def read(now: Callable[[], float], boot: Boot | None) -> Reading:
    """Read the clocks; without a boot, time since 1970 is all there is."""
    seconds = now()
    if boot is None:
        return Reading(now=seconds, uptime=seconds, boot="")
    return Reading(now=seconds, uptime=boot.uptime(), boot=boot.id)


def moment(last: Moment, reading: Reading) -> Moment:
    """Return the moment of a reading, given an earlier one."""
    return Moment(tick=last.tick + elapsed(last.reading, reading), reading=reading)


def elapsed(earlier: Reading, later: Reading) -> float:
    """Return the seconds between two readings that have passed for certain; never negative."""
    by_wall = max(0.0, later.now - earlier.now)
    ran = later.uptime - earlier.uptime
    if earlier.boot != later.boot or ran < 0:
        return by_wall  # the machine was started anew, and only the wall clock knows how long that took
    return ran if later.boot else min(by_wall, ran)
