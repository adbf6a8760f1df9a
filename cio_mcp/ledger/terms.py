"""What a ledger keeps and what it is asked: the words that the pipeline and every kind of store share."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

_MARK: Final = 8
LONGEST_CALL: Final = 600
"""Seconds: no server can be set to let a call take longer."""


class Ending(StrEnum):
    """How a call ended."""

    OK = "ok"
    FAILED = "failed"
    """Nothing was changed, or Customer.io said no."""
    UNKNOWN = "unknown"
    """A write left, and its outcome is not known."""
    REFUSED = "refused"
    """This server said no; nothing was sent."""
    PLANNED = "planned"
    """A plan was shown, or a confirmation asked for; nothing was sent."""
    CANCELLED = "cancelled"
    """The caller gave up before anything left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a call is about to do, and who let it.

    `arguments` are redacted; `fingerprint` is a keyed digest of workspace, tool and arguments, which two calls share
    only if they are the same call; `recipients` are the people whom it sends to, 0 for what sends nothing.
    """

    operation: str
    tool: str
    access: str
    caller: str
    principal: str = "local"
    workspace: str = ""
    rule: str = ""
    """The rule that let it pass or refused it, as the operator knows it."""
    approval: str = ""
    """How it was confirmed; empty where nothing was asked."""
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    fingerprint: str = ""
    recipients: int = 0
    time_budget: float = 0.0
    """The seconds that it may take, if it does not live to say how long it took; 0 where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it ended: `code` is the error's, `status` the last HTTP status, times are in seconds.

    `made` names what the call is known to have made ("message abc"), so that it is never taken for another's.
    """

    ending: Ending
    code: str | None = None
    credential: str | None = None
    status: int | None = None
    attempts: int = 0
    waited: float = 0.0
    took: float = 0.0
    made: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """At most `recipients` people in any `seconds`, counted over all operations of one principal in one workspace."""

    recipients: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What must hold at the moment at which an intent is recorded; checked and taken in the same transaction.

    `repeat_within` is in seconds: an operation of the same fingerprint that began within it and is not known to have
    failed holds this one back; 0 lets it pass. `confirmation` is the handle of an approved confirmation to be spent.
    """

    repeat_within: float = 0.0
    repeat_allowed: bool = False
    """The repeat is meant: only one under way, or one that is unknown and nobody looked for, still holds it back."""
    caps: Sequence[Cap] = ()
    confirmation: str | None = None
    binding: str = ""
    """What the confirmation must be bound to."""


class State(StrEnum):
    """How far a confirmation is."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    SPENT = "spent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A part of the audience that somebody was shown, such as the people in one segment.

    `people` is how many, `who` the marks of them (`marked`), None is not known; `segment` is the one they are in.
    """

    people: int | None = None
    who: str | None = None
    segment: int | None = None

    @staticmethod
    def marked(digests: Iterable[str]) -> str:
        """Return the marks of keyed digests, of each the beginning: two of 10,000 people hardly ever share it."""
        return "".join(sorted(each[:_MARK] for each in digests))

    @property
    def marks(self) -> frozenset[str]:
        """What stands for each of them; none if nobody knows who they are."""
        who = self.who or ""
        return frozenset(who[start : start + _MARK] for start in range(0, len(who), _MARK))


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A question that was asked about one call, and what became of it.

    `handle` is random and unguessable; `binding` is a keyed digest of tool, arguments, workspace and principal;
    `target` one of what was shown of the thing it would touch; `audience` the people it would reach, None if that
    is not known; `groups` its parts by name, None in what an older version kept. `expires_at` is in seconds since 1970.
    `plan` is kept only for a person who must read it elsewhere.
    """

    handle: str
    operation: str
    tool: str
    principal: str
    workspace: str
    binding: str
    target: str
    audience: int | None
    expires_at: float
    state: State = State.WAITING
    by: str = ""
    """Who approved or rejected it."""
    groups: Mapping[str, Group] | None = None
    plan: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A call as the ledger knows it: its intent, and its outcome unless it is under way.

    `started_at` and `ended_at` are in seconds since 1970, as the wall clock of its process showed them; `tick` is when
    it began in the ledger's own seconds, by which operations are compared with each other.
    """

    intent: Intent
    started_at: float
    ended_at: float | None = None
    outcome: Outcome | None = None
    settled_by: str = ""
    """How an unknown outcome became known, or was looked for in vain."""
    tick: float = 0.0
    age: float = 0.0
    """Seconds that have passed since it began, at least, whatever any wall clock showed."""
    is_timed: bool = False
    """Just so many have passed: they were counted, and no start of the machine lies between."""

    @property
    def is_looked_for(self) -> bool:
        """Whether somebody knows how it ended, or has tried to find out.

        To send again what may have been sent is no slip of a model's to make: somebody must have looked first.
        """
        return self.outcome is not None and (self.outcome.ending is not Ending.UNKNOWN or bool(self.settled_by))


class Unrecorded(OSError):
    """The ledger cannot be written, so nothing that must be recorded may happen; the text names file and cause."""


class Refusal(Exception):
    """The ledger refuses an intent; nothing was recorded and nothing was taken."""


class Stopped(Refusal):
    """All writes were stopped by the operator, at `since` (seconds since 1970), because of `reason`."""

    def __init__(self, since: float, reason: str) -> None:
        super().__init__(reason)
        self.since = since
        self.reason = reason


class Repeated(Refusal):
    """The same call began a short while ago: `earlier`."""

    def __init__(self, earlier: Operation) -> None:
        super().__init__(earlier.intent.operation)
        self.earlier = earlier


class Overspent(Refusal):
    """More recipients than `cap` allows: `spent` were already reached; `free_in` seconds until enough are free.

    `free_in` is None if the call alone names more than the cap.
    """

    def __init__(self, cap: Cap, spent: int, free_in: float | None) -> None:
        super().__init__(f"{spent} of {cap.recipients}")
        self.cap = cap
        self.spent = spent
        self.free_in = free_in


class NotConfirmed(Refusal):
    """A confirmation cannot be used; `why` completes "this confirmation …", such as "has expired"."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Ledger(Protocol):
    """Where records go, and what must be decided together with them. Every method may raise Unrecorded."""

    async def begin(self, intent: Intent, terms: Terms) -> None:
        """Record a write durably before its first byte leaves, and take what it needs in the same transaction.

        Raises Stopped, Repeated, Overspent or NotConfirmed, and then nothing was recorded or taken.
        """
        ...

    async def conclude(self, intent: Intent, outcome: Outcome) -> None:
        """Record how a call ended: of a write that began, or the whole of one that never did (reads, refusals)."""
        ...

    async def settle(self, operation: str, ending: Ending, how: str, *, made: str = "") -> None:
        """Close an operation whose outcome was unknown; `how` says what it was learned from, `made` as in Outcome.

        With Ending.UNKNOWN it stays open, and it is recorded that it was looked for.
        """
        ...

    async def earlier(self, fingerprint: str, within: float) -> Operation | None:
        """Return the operation that `begin` would hold a call of this fingerprint back for.

        One that holds back even a repeat that is meant comes first.
        """
        ...

    async def operation(self, operation: str) -> Operation | None:
        """Return an operation by its id."""
        ...

    async def unknown(self, principal: str | None, *, limit: int) -> Sequence[Operation]:
        """Return a principal's operations whose outcome is unknown, everybody's for None; the newest first."""
        ...

    async def alongside(self, operation: Operation, *, within: float, limit: int) -> Sequence[Operation]:
        """Return the other operations of its tool and workspace that began within so many seconds of it.

        They are anybody's, of every process, the nearest first, without those that are known to have done nothing.
        """
        ...

    async def was_called(
        self, workspace: str, tools: Collection[str], arguments: Mapping[str, Any], *, within: float
    ) -> bool:
        """Say whether anybody's write by one of these tools began within so many seconds and may have done something.

        It counts only if all these arguments were recorded among its own.
        """
        ...

    async def of_principal(self, principal: str, *, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return the newest records of one principal, the newest first, unverified; only recent ones are looked at."""
        ...

    async def ask(self, confirmation: Confirmation) -> Confirmation:
        """Keep a confirmation until it is spent or expired, and return it.

        One with a plan is asked for once: if another of its binding and target waits or was approved, return that.
        """
        ...

    async def confirmation(self, handle: str) -> Confirmation | None:
        """Return a confirmation by its handle, whatever its state; None if there is none or it is long gone."""
        ...

    async def waiting(self, binding: str) -> Confirmation | None:
        """Return the confirmation of a binding that is to be decided, used or told as rejected.

        The newest that has not expired, unless that one still waits and one before it was approved; None if it was
        spent.
        """
        ...

    async def decide(self, handle: str, state: State, by: str) -> Confirmation:
        """Approve or reject a confirmation that is waiting; raises NotConfirmed when it cannot be."""
        ...

    async def withdraw(self, handle: str, by: str) -> Confirmation:
        """Reject a confirmation that is waiting or approved; raises NotConfirmed when it was spent or is over."""
        ...

    async def stopped(self) -> Stopped | None:
        """Return the stop that is in force, if any; cheap enough to be asked before every attempt."""
        ...

    def digest(self, *parts: str) -> str:
        """Return a keyed digest of texts, in hexadecimal: the same in every process on this ledger."""
        ...

    async def aclose(self) -> None:
        """Close the ledger; what is open stays open."""
        ...
