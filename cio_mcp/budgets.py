"""One limiter per credential and published limit, and the slots that a request holds in them."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cio_mcp.catalog.endpoint import Bucket
from cio_mcp.errors import Throttled
from cio_mcp.limiter import Budget, Overdue, Permit, Rate, SharedFile, SharedLimiter, WindowLimiter


class Slots:
    """What one attempt holds: a permit of every bucket it counts against."""

    def __init__(self, permits: Iterable[tuple[WindowLimiter, Permit]]) -> None:
        self._held = tuple(permits)

    @property
    def waited(self) -> float:
        """Seconds spent waiting for them."""
        return sum(permit.waited for _, permit in self._held)

    def written(self) -> None:
        """Note that the whole request has left."""
        for _, permit in self._held:
            permit.written()

    def responded(self) -> None:
        """Note that the answer has begun."""
        for _, permit in self._held:
            permit.responded()

    def close(self) -> None:
        """Give back what was not used; safe to call twice."""
        for _, permit in self._held:
            permit.close()

    def penalize(self, retry_after: float | None) -> None:
        """Pause and lower every bucket the refused request counted against."""
        for limiter, _ in self._held:
            limiter.penalize(retry_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """The file in which local processes share their budgets, and how they know that two mean the same.

    `account` is given the name of a credential and returns what stands for the account that it belongs to: the same
    in every process that has the same credential, and no secret.
    """

    file: SharedFile
    account: Callable[[str], str]


class Budgets:
    """The limiters of one workspace, made when a credential is first used.

    With `shared`, its file's clock is used, and other processes' requests count as well.
    """

    def __init__(
        self,
        rates: Mapping[Bucket, Rate],
        *,
        clock: Callable[[], float] = time.monotonic,
        shared: Sharing | None = None,
    ) -> None:
        self._rates = rates
        self._clock = shared.file.clock if shared else clock
        self._shared = shared
        self._limiters: dict[tuple[str, Bucket], WindowLimiter] = {}

    def limiter(self, credential: str, bucket: Bucket) -> WindowLimiter:
        """Return the limiter of a credential's bucket."""
        key = (credential, bucket)
        if key not in self._limiters:
            self._limiters[key] = self._new_limiter(credential, bucket)
        return self._limiters[key]

    def _new_limiter(self, credential: str, bucket: Bucket) -> WindowLimiter:
        rate, name = self._rates[bucket], f"{credential}/{bucket}"
        if self._shared is None:
            return WindowLimiter(rate, name=name, clock=self._clock)
        account = self._shared.account(credential)
        return SharedLimiter(rate, file=self._shared.file, bucket=f"{account}/{name}", name=name)

    async def acquire(self, credential: str, buckets: Iterable[Bucket], *, max_wait: float) -> Slots:
        """Wait for a slot in every bucket, in the order given, at most `max_wait` seconds in all.

        The scarcest bucket stands first, so that nothing is held while waiting for it. Raises Throttled at
        once when the wait is known to be longer, and gives back what it held.
        """
        deadline = self._clock() + max_wait
        held: list[tuple[WindowLimiter, Permit]] = []
        try:
            for bucket in buckets:
                limiter = self.limiter(credential, bucket)
                held.append((limiter, await _permit(limiter, max(0.0, deadline - self._clock()))))
        except BaseException:
            Slots(held).close()
            raise
        return Slots(held)

    def check(self, credential: str, buckets: Iterable[Bucket], *, max_wait: float) -> None:
        """Raise Throttled if the next slot is known to come free later than in `max_wait` seconds; takes none."""
        for bucket in buckets:
            limiter = self.limiter(credential, bucket)
            if (wait := limiter.snapshot().next_free) > max_wait:
                raise _throttled(limiter, wait, max_wait)

    def expected_wait(self, credential: str, buckets: Iterable[Bucket]) -> float:
        """Return the seconds that a new request would wait now, in the bucket where it would wait longest."""
        return max(self.limiter(credential, bucket).snapshot().next_free for bucket in buckets)

    def snapshot(self) -> list[Budget]:
        """Return the state of every bucket in use."""
        return [limiter.snapshot() for limiter in self._limiters.values()]


async def _permit(limiter: WindowLimiter, max_wait: float) -> Permit:
    try:
        return await limiter.acquire(max_wait=max_wait)
    except Overdue as overdue:
        raise _throttled(limiter, overdue.wait, max_wait) from None


def _throttled(limiter: WindowLimiter, wait: float, max_wait: float) -> Throttled:
    budget = limiter.snapshot()
    return Throttled(
        f"The budget {budget.name} ({budget.limit} per {budget.window:g} s) is used up: the next slot comes free in "
        f"{wait:.1f} s, and this call can wait {max_wait:.1f} s, so that time is left for the answer. Nothing was "
        "sent.",
        next_step=f"Call again in {math.ceil(wait)} seconds, or do something else meanwhile.",
        retry_after=wait,
    )
