"""The machine on which the simulated processes run: its time, and what its wall clock shows."""

from dataclasses import dataclass

EPOCH = 1_800_000_000.0
"""Seconds since 1970 at the beginning of every simulation."""


@dataclass(slots=True)
class Machine:
    """Time in seconds since the beginning, which never goes back; the wall clock shows `offset` more than it should."""

    now: float = 0.0
    offset: float = 0.0
    least_offset: float = 0.0
    booted_at: float = -1000.0
    boots: int = 1

    def uptime(self) -> float:
        """Return the seconds since the machine was started."""
        return self.now - self.booted_at

    def wall(self) -> float:
        """Return what the wall clock shows, in seconds since 1970."""
        return EPOCH + self.now + self.offset

    def true_time(self) -> float:
        """Return the seconds since 1970, as Customer.io knows them."""
        return EPOCH + self.now

    def boot(self) -> str:
        """Return what tells this start of the machine from others."""
        return f"boot-{self.boots}"

    def set_wall_clock(self, offset: float) -> None:
        """Let the wall clock jump."""
        self.offset = offset
        self.least_offset = min(self.least_offset, offset)

    def restart(self) -> None:
        """Start the machine anew.

        Its wall clock may be late then, never ahead of what it showed: how long a machine was off only its wall clock
        knows, so that nobody could tell a jump ahead from time that passed.
        """
        self.boots += 1
        self.booted_at = self.now
        self.offset = self.least_offset
