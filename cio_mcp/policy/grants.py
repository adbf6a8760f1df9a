"""What one agent may do, as a value: allowed and denied words, recipients, fields, hosts, budget, quiet hours."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime, time
from enum import StrEnum
from zoneinfo import ZoneInfo

from cio_mcp.ledger.terms import Cap
from cio_mcp.policy.addresses import Recipients
from cio_mcp.policy.words import PERSONAL, Grant

HOUR, DAY = 3_600.0, 86_400.0
FIELDS = ("cc", "bcc", "reply_to", "from", "headers", "attachments", "address")
"""Each a grant of its own. `address` is to give a person an e-mail address, a telephone number or a device, or to
send to a device: who may do that chooses where messages to a person go."""


class Causes(StrEnum):
    """How changes count that campaigns may react to with messages."""

    COUNT = "count"
    """They need the permission to send, and count against the budget."""
    FREE = "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """At most this many recipients in one call, in any hour, in any day; None for as many as there are.

    Hours and days count in each workspace by itself.
    """

    per_call: int | None = None
    per_hour: int | None = None
    per_day: int | None = None

    @property
    def caps(self) -> tuple[Cap, ...]:
        """What the ledger counts."""
        spans = ((self.per_hour, HOUR), (self.per_day, DAY))
        return tuple(Cap(recipients=number, seconds=seconds) for number, seconds in spans if number is not None)

    @property
    def most_at_once(self) -> int | None:
        """The most that a single call can ever reach; None if that is not bounded."""
        return _least(self.per_call, _least(self.per_hour, self.per_day))

    def within(self, other: "Budget") -> "Budget":
        """Return the budget that keeps both."""
        return Budget(
            **{each.name: _least(getattr(self, each.name), getattr(other, each.name)) for each in fields(self)}
        )

    def replaced_by(self, other: "Budget") -> "Budget":
        """Return this budget with the numbers that the other one sets."""
        set_there = {each.name: getattr(other, each.name) for each in fields(other)}
        return Budget(**{n: getattr(self, n) if value is None else value for n, value in set_there.items()})

    def __str__(self) -> str:
        spans = ((self.per_call, "in a call"), (self.per_hour, "in an hour"), (self.per_day, "in a day"))
        return ", ".join(f"{number:,} {span}" for number, span in spans if number is not None) or "not bounded"


def _least(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Hours in which nothing is sent, on the clock of a zone; from evening into morning if `end` is the smaller."""

    start: time
    end: time
    timezone: ZoneInfo

    def covers(self, moment: datetime) -> bool:
        """Say whether a moment lies in them."""
        return self.covers_clock(moment.astimezone(self.timezone).time())

    def covers_clock(self, at: time) -> bool:
        """Say whether a time of day lies in them, wherever it is read."""
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end

    def __str__(self) -> str:
        return f"{self.start:%H:%M} to {self.end:%H:%M} {self.timezone.key}"


OWN_ADDRESSES = Recipients()
UNBOUNDED = Budget()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What one agent may do. Nothing is allowed that is not named; what is denied stays so whatever allows it."""

    origin: str
    """Where it was written down, as the operator knows it."""
    allow: frozenset[Grant] = frozenset()
    deny: frozenset[Grant] = frozenset()
    fields: frozenset[str] = frozenset()
    causes: Causes = Causes.COUNT
    recipients: Recipients = OWN_ADDRESSES
    hosts: frozenset[str] = frozenset()
    budget: Budget = UNBOUNDED
    quiet: tuple[Quiet, ...] = ()
    shown: frozenset[str] = frozenset()
    """Attributes that stay visible where personal data is masked."""

    def denial(self, area: str, tools: Collection[str], words: Collection[str]) -> Grant | None:
        """Return what denies one of the words, or a tool by its name, in an area."""
        return next((grant for grant in sorted(self.deny) if grant.names(area, (*tools, *words))), None)

    def allowing(self, area: str, tool: str, words: Collection[str]) -> tuple[Grant, ...]:
        """Return what allows a tool that needs all of `words`; empty if one of them is not allowed."""
        found = [self._allowing(area, (tool, word)) for word in words]
        return tuple(dict.fromkeys(grant for grant in found if grant)) if all(found) else ()

    def _allowing(self, area: str, words: tuple[str, ...]) -> Grant | None:
        return next((grant for grant in sorted(self.allow) if grant.names(area, words)), None)

    def shows_personal_data(self, area: str) -> bool:
        """Say whether results of an area may hold personal data as it is."""
        return self.denial(area, (), (PERSONAL,)) is None and self._allowing(area, (PERSONAL,)) is not None
