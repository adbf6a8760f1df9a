"""One limiter per credential and published limit, and the slots that a request holds in them."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakValueDictionary

from cio_mcp.catalog.endpoint import Bucket
from cio_mcp.errors import CioError, Throttled, Unavailable
from cio_mcp.limiter import (
    Budget,
    EngineLimiter,
    EngineLink,
    Overdue,
    Permit,
    Rate,
    SharedFile,
    SharedLimiter,
    Unshared,
    WindowLimiter,
)


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


CHANGE_SECONDS = 90.0
"""After a key was changed, the bucket of the former one counts as well for so long, and a window: by then every server
has read the new key (within 60 s, a keyring takes its time), and what left with the old one is over."""

Accounts = Callable[[str], Mapping[str, float]]
"""Given the name of a credential, returns what stands for the account that it belongs to: the same wherever there is
the same credential, and no secret. Before it stand those of former keys, each with the seconds since it was left."""


class Shares(Protocol):
    """A way in which several processes, or workspaces of one, keep to one limit together."""

    @property
    def clock(self) -> Callable[[], float]:
        """The clock by which its limiters go: seconds, never backwards."""

    @property
    def accounts(self) -> Accounts:
        """What stands for the accounts of a workspace's credentials."""

    def limiter(self, account: str, rate: Rate, name: str) -> WindowLimiter:
        """Return the limiter of a bucket, known to all who share it by the account and this name."""

    async def refresh(self) -> None:
        """Learn how things stand, so that snapshots tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSharing:
    """Workspaces of one process share the budgets of the accounts that they have in common, and nobody else does."""

    limiters: WeakValueDictionary[str, WindowLimiter]
    """By account and name, as long as a workspace has use for them."""
    accounts: Accounts

    @property
    def clock(self) -> Callable[[], float]:
        """The clock of the process."""
        return time.monotonic

    def limiter(self, account: str, rate: Rate, name: str) -> WindowLimiter:
        """Return the limiter that all workspaces of an account have."""
        return self.limiters.setdefault(f"{account}/{name}", WindowLimiter(rate, name=name, clock=self.clock))

    async def refresh(self) -> None:
        """Nothing is to be learned: nobody else uses them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """Processes of one machine share their budgets through a file."""

    file: SharedFile
    accounts: Accounts

    @property
    def clock(self) -> Callable[[], float]:
        """The clock that every process of the machine reads."""
        return self.file.clock

    def limiter(self, account: str, rate: Rate, name: str) -> SharedLimiter:
        """Return a limiter on the file."""
        return SharedLimiter(rate, file=self.file, bucket=f"{account}/{name}", name=name)

    async def refresh(self) -> None:
        """Nothing is to be learned beforehand: the file is read whenever something is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSharing:
    """Replicas, on any number of machines, share their budgets through an engine."""

    link: EngineLink
    accounts: Accounts

    @property
    def clock(self) -> Callable[[], float]:
        """This process's own; the engine goes by its own."""
        return self.link.clock

    def limiter(self, account: str, rate: Rate, name: str) -> EngineLimiter:
        """Return a limiter on the engine."""
        return self.link.limiter(rate, bucket=f"{account}/{name}", name=name)

    async def refresh(self) -> None:
        """Ask the engine."""
        await self.link.refresh()


class Budgets:
    """The limiters of one workspace, made when a credential is first used.

    With `shared`, its clock is used, and other processes' requests count as well. When the account behind a credential
    changes, so does its bucket; until every process has changed, a request counts against both.
    """

    def __init__(
        self,
        rates: Mapping[Bucket, Rate],
        *,
        clock: Callable[[], float] = time.monotonic,
        shared: Shares | None = None,
    ) -> None:
        self._rates = rates
        self._clock = shared.clock if shared else clock
        self._shared = shared
        self._limiters: dict[tuple[str, Bucket], dict[str, WindowLimiter]] = {}
        """By account; the last one is in force."""

    def limiter(self, credential: str, bucket: Bucket) -> WindowLimiter:
        """Return the limiter of a credential's bucket."""
        return self._to_pass(credential, bucket)[-1]

    def _to_pass(self, credential: str, bucket: Bucket) -> list[WindowLimiter]:
        """Return the limiters that a request must pass: those of keys changed of late, then that of the key in use."""
        accounts = self._accounts(credential, bucket)
        held = self._limiters.get((credential, bucket), {})
        if list(held) != accounts:
            before, held = (
                held,
                {each: held.get(each) or self._new_limiter(each, credential, bucket) for each in accounts},
            )
            self._limiters[credential, bucket] = held
            for account in before.keys() - held.keys():
                before[account].retire()
        return list(held.values())

    def _accounts(self, credential: str, bucket: Bucket) -> list[str]:
        if self._shared is None:
            return [""]
        in_force = CHANGE_SECONDS + self._rates[bucket].window
        return [account for account, ago in self._shared.accounts(credential).items() if ago < in_force]

    def _new_limiter(self, account: str, credential: str, bucket: Bucket) -> WindowLimiter:
        rate, name = self._rates[bucket], f"{credential}/{bucket}"
        if self._shared is None:
            return WindowLimiter(rate, name=name, clock=self._clock)
        return self._shared.limiter(account, rate, name)

    async def acquire(self, credential: str, buckets: Iterable[Bucket], *, max_wait: float) -> Slots:
        """Wait for a slot in every bucket, in the order given, at most `max_wait` seconds in all.

        The scarcest bucket stands first, so that nothing is held while waiting for it. Raises Throttled at
        once when the wait is known to be longer, and gives back what it held; Unavailable if limits must be
        shared and cannot be.
        """
        deadline = self._clock() + max_wait
        held: list[tuple[WindowLimiter, Permit]] = []
        try:
            for bucket in buckets:
                for limiter in self._to_pass(credential, bucket):
                    permit = await _permit(limiter, max(0.0, deadline - self._clock()))
                    held.append((limiter, permit))
        except BaseException:
            Slots(held).close()
            raise
        return Slots(held)

    def check(self, credential: str, buckets: Iterable[Bucket], *, max_wait: float) -> None:
        """Raise Throttled if the next slot is known to come free later than in `max_wait` seconds; takes none."""
        for bucket in buckets:
            for limiter in self._to_pass(credential, bucket):
                if (wait := limiter.snapshot().next_free) > max_wait:
                    raise _throttled(limiter, wait, max_wait)

    def expected_wait(self, credential: str, buckets: Iterable[Bucket]) -> float:
        """Return the seconds that a new request would wait now, in the bucket where it would wait longest."""
        limiters = [limiter for bucket in buckets for limiter in self._to_pass(credential, bucket)]
        return max(limiter.snapshot().next_free for limiter in limiters)

    async def refresh(self) -> None:
        """Learn what other processes use, so that `snapshot` tells; without them there is nothing to learn."""
        if self._shared is not None:
            await self._shared.refresh()

    def snapshot(self) -> list[Budget]:
        """Return the state of every bucket in use."""
        return [held[next(reversed(held))].snapshot() for held in self._limiters.values()]


async def _permit(limiter: WindowLimiter, max_wait: float) -> Permit:
    try:
        return await limiter.acquire(max_wait=max_wait)
    except Overdue as overdue:
        raise _refused(limiter, overdue, max_wait) from None


def _refused(limiter: WindowLimiter, overdue: Overdue, max_wait: float) -> CioError:
    if isinstance(overdue, Unshared):
        return Unavailable(
            "The service through which all replicas share Customer.io's limits does not answer, and this server is "
            "set to send nothing without it. Nothing was sent.",
            next_step=f"Call again in {math.ceil(overdue.wait)} s; if it stays so, the operator looks after --limiter.",
            retry_after=overdue.wait,
        )
    return _throttled(limiter, overdue.wait, max_wait)


def _throttled(limiter: WindowLimiter, wait: float, max_wait: float) -> Throttled:
    budget = limiter.snapshot()
    return Throttled(
        f"The budget {budget.name} ({budget.limit} per {budget.window:g} s) is used up: the next slot comes free in "
        f"{wait:.1f} s, and this call can wait {max_wait:.1f} s, so that time is left for the answer. Nothing was "
        "sent.",
        next_step=f"Call again in {math.ceil(wait)} seconds, or do something else meanwhile.",
        retry_after=wait,
    )
