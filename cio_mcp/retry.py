"""Pure: may a failed attempt be made again, and when? Decided by what a repeat would do, not by the verb."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from cio_mcp.catalog.endpoint import Repeat

ATTEMPTS = 3
# Full jitter, as AWS describes it ("Exponential Backoff And Jitter"): anywhere between 0 and this, doubling.
FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 8.0
LONGEST_RETRY_AFTER = 60.0
_REQUEST_TIMEOUT = 408
_THROTTLED = 429
_FIRST_SERVER_ERROR = 500
_SECONDS = re.compile(r"[0-9]{1,9}")


class Fault(Enum):
    """How an attempt failed, in the order of how much is known."""

    UNSENT = "unsent"
    """No byte of the request left: name resolution, connecting, waiting for a connection."""
    THROTTLED = "throttled"
    """429: refused before it was acted upon."""
    FAILED = "failed"
    """A transient status came back: it may have been acted upon."""
    LOST = "lost"
    """It left, and no answer came: a timeout, a reset."""
    BROKEN_OFF = "broken off"
    """The head of a success came, and the rest did not: it was accepted."""

    @property
    def is_refusal(self) -> bool:
        """Whether it is certain that the attempt had no effect."""
        return self in (Fault.UNSENT, Fault.THROTTLED)


def fault_of(status: int) -> Fault | None:
    """Return the fault that a status means, or None for a final answer.

    The official clients list single 5xx statuses; every other one leaves just as open what was done.
    """
    if status == _THROTTLED:
        return Fault.THROTTLED
    return Fault.FAILED if status == _REQUEST_TIMEOUT or status >= _FIRST_SERVER_ERROR else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Try again after `delay` seconds, or (None) do not."""

    delay: float | None


NO_MORE = Verdict(None)


def may_repeat(repeat: Repeat, fault: Fault) -> bool:
    """Say whether a second attempt can do no harm that the first did not."""
    if fault.is_refusal:
        return True
    match repeat:
        case Repeat.SAFE | Repeat.DEDUPLICATED:
            return True
        case Repeat.SAFE_UNLESS_RECREATED:
            # Before the first answer it is as safe as any; after one, a newer thing could be hit: read back.
            return fault is Fault.LOST
        case Repeat.NEVER | Repeat.PER_ITEM:
            return False
        case _:
            assert_never(repeat)


def decide(
    repeat: Repeat, fault: Fault, *, attempt: int, jitter: float, retry_after: float | None, has_quota: bool
) -> Verdict:
    """Return whether and when to try again after `attempt` (1 is the first); `jitter` lies in [0, 1).

    `has_quota` says that a 429 may also mean the quota of a day.
    """
    if attempt >= ATTEMPTS or not may_repeat(repeat, fault):
        return NO_MORE
    backoff = jitter * min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** (attempt - 1))
    if fault is not Fault.THROTTLED:
        return Verdict(backoff)
    if retry_after is None:
        # Then it is a daily quota (App API reference, "Rate limits"), against which seconds do not help. The Track API
        # has none, and never says how long ("Track API limits").
        return NO_MORE if has_quota else Verdict(backoff)
    return Verdict(max(backoff, min(retry_after, LONGEST_RETRY_AFTER)))


def retry_after(header: str | None) -> float | None:
    """Read `Retry-After` in seconds, the only form Customer.io documents; anything else counts as absent."""
    return float(header) if header is not None and _SECONDS.fullmatch(header.strip()) else None
