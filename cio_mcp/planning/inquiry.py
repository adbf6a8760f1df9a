"""One survey under way: its reads, each counted and each failing into a remark, and what they have shown."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cio_mcp.errors import (
    BadCredential,
    CioError,
    Forbidden,
    InvalidArguments,
    MissingCredential,
    NotFound,
    NotPermitted,
    QuotaExhausted,
    Rejected,
    Throttled,
    Unavailable,
    UnreadableReply,
)
from cio_mcp.shaping import NOTE

Look = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Calls a read tool with arguments, within the limits, and returns its JSON; raises CioError."""

MOST_READS = 45
"""In one survey: four to five seconds of the App API's ten requests a second."""
MOST_NAMES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A number of people; None if it is not known, and then `more_than` may say how many there are at least.

    `who` are these people, each by all identifiers that Customer.io lists; None if that was not read. `segment` is the
    one that they are in, if it is one.
    """

    people: int | None = None
    more_than: int | None = None
    who: frozenset[str] | None = None
    segment: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found out live about what a call would touch; JSON-able.

    `audience` counts the people whom it would reach or touch now, `of` all people there are; None is not known. With
    `combined` it only counts those of the segments that are named: how they are combined, nobody knows.
    `groups` are the parts of the audience by their names, such as "people in segment 2", for a confirmation to bind.
    `facts` were computed by this server and stand in the order in which a person should read them; `names` are
    (what, text) with texts that others wrote. `target` is canonical JSON of what identifies the thing touched: if it
    differs, another thing would be touched. `unsure` says what could not be looked up, in this server's own words.
    """

    audience: int | None = None
    of: int | None = None
    combined: bool = False
    groups: Mapping[str, Count] = field(default_factory=dict[str, Count])
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    names: tuple[tuple[str, str], ...] = ()
    target: str = "{}"
    unsure: tuple[str, ...] = ()

    @property
    def at_most(self) -> int | None:
        """How many people it reaches at most, for budgets; None if that is not known.

        A segment may be named to be left out, or beside a condition on attributes: then anybody may be meant.
        """
        return self.of if self.combined else self.audience


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How a look ended: `data` is None if the thing could not be read, `absent` says that there is no such thing."""

    data: dict[str, Any] | None = None
    absent: bool = False

    @property
    def known(self) -> bool:
        """Whether it could be read."""
        return self.data is not None


# Why a look failed, and whether all others would fail too; the first class that fits counts.
_WHY: Mapping[type[CioError], tuple[str, bool]] = {
    MissingCredential: ("this server has no App API key, without which nothing can be looked up", True),
    BadCredential: ("Customer.io does not take this server's App API key", True),
    Throttled: ("the limit of requests is used up for now", True),
    QuotaExhausted: ("the daily quota of requests is used up", True),
    Unavailable: ("Customer.io could not be asked", True),
    Forbidden: ("this server's App API key may not read it", False),
    NotPermitted: ("this server was told not to let this agent read it", False),
    UnreadableReply: ("the answer could not be read", False),
    InvalidArguments: ("it cannot be asked for in this form", False),
    Rejected: ("Customer.io refused to show it", False),
}


class Inquiry:
    """What a survey has found so far. After an error that every further look would meet, none is made.

    If it `binds`, a confirmation will rest on it, so that who is in the audience is kept as well.
    """

    def __init__(self, look: Look, *, binds: bool = False) -> None:
        self.binds = binds
        self.audience: int | None = None
        self.of: int | None = None
        self.combined = False
        self.groups: dict[str, Count] = {}
        self.facts: dict[str, Any] = {}
        self.target: dict[str, Any] = {}
        self._look = look
        self._reads = 0
        self._over = False
        self._names: list[tuple[str, str]] = []
        self._unnamed = 0
        self._unsure: list[str] = []

    async def ask(self, what: str, tool: str, **arguments: Any) -> Seen:
        """Look something up; `what` names it in the remark that a failure leaves."""
        if self._over:
            return Seen()
        if self._reads >= MOST_READS:
            self._over = True
            self.remark(f"The rest, from {what} on: {MOST_READS} reads are the most that are made for one plan.")
            return Seen()
        self._reads += 1
        try:
            data = await self._look(tool, arguments)
        except NotFound:
            return Seen(absent=True)
        except CioError as error:
            why, everything = next((_WHY[kind] for kind in _WHY if isinstance(error, kind)), ("it failed", False))
            self._over = everything
            self.remark(f"{what}: {why}.")
            return Seen()
        if NOTE in data:
            self.remark(f"{what}: the answer was too long to be read whole.")
        return Seen(data=data)

    def remark(self, text: str) -> None:
        """Note what is not known, and why."""
        line = text[:1].upper() + text[1:]
        if line not in self._unsure:
            self._unsure.append(line)

    def name(self, what: str, text: Any) -> None:
        """Note a text that others wrote, to be shown last."""
        if not isinstance(text, str) or not text or (what, text) in self._names:
            return
        if len(self._names) < MOST_NAMES:
            self._names.append((what, text))
        else:
            self._unnamed += 1

    def survey(self) -> Survey:
        """Return what was found."""
        unshown = (f"{self._unnamed:,} more names are not shown.",) if self._unnamed else ()
        return Survey(
            audience=self.audience,
            of=self.of,
            combined=self.combined,
            groups=self.groups,
            facts=self.facts,
            names=tuple(self._names),
            target=json.dumps(self.target, sort_keys=True, separators=(",", ":")),
            unsure=(*self._unsure, *unshown),
        )
