"""What a process tells the simulation, and what it is told: each message of the one is answered by one of the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cio_mcp.consent import Reply, Way

KILL_POINTS = (
    "before the intent's commit",
    "after the intent's commit",
    "before connecting",
    "in the request",
    "after the request",
    "in the answer",
    "before the outcome's commit",
    "after the outcome's commit",
)
COMMITS = frozenset({"before the intent's commit", "before the outcome's commit"})
"""Where a transaction is open: who stood still here would keep all others from writing."""


@dataclass(frozen=True, slots=True)
class Step:
    """What an agent does next: call `tool` after `pause` seconds, and give up on it after `patience` seconds."""

    call: int
    tool: str
    arguments: Mapping[str, Any]
    principal: str
    pause: float
    patience: float | None
    way: Way = Way.NONE
    reply: Reply | None = None
    state: str | None = None
    answer: Reply = Reply.SILENT
    """What a person says who is asked while the call waits."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What the network does to one request, and Customer.io with it; times in seconds, lengths in bytes.

    `unreachable`: no connection. `sent`: so much of the request gets through, and then the connection breaks.
    `takes`: whether the request takes effect now, never, or `late` seconds after it came. `status`: answered in
    place of Customer.io's own answer, with `headers` and `body`. `heard`: so much of the answer gets through.
    """

    name: str
    unreachable: str = ""
    connecting: float = 0.0
    sending: float = 0.0
    sent: int | None = None
    takes: str = "now"
    late: float = 0.0
    answering: float = 0.0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    claimed_length: int | None = None
    heard: int | None = None
    silent: bool = False
    drip: bool = False
    breaks_as: str = "ReadError"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from Customer.io, or from what stands between."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


# From a process:


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is to be done before `until`."""

    until: float


@dataclass(frozen=True, slots=True)
class At:
    """The process stands at a point where it may be interrupted, or killed."""

    point: str
    call: int | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """The process has opened its ledger."""


@dataclass(frozen=True, slots=True)
class Next:
    """An agent asks for its next step."""

    agent: int


@dataclass(frozen=True, slots=True)
class Begun:
    """The intent of a call was recorded: the point after its commit."""

    call: int | None
    operation: str
    confirmation: str | None
    recipients: int

    @property
    def point(self) -> str:
        """Where the process stands."""
        return "after the intent's commit"


@dataclass(frozen=True, slots=True)
class Connecting:
    """A request is about to be sent, the point before connecting; its size is in bytes."""

    call: int | None
    method: str
    target: str
    size: int

    @property
    def point(self) -> str:
        """Where the process stands."""
        return "before connecting"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A whole request has reached Customer.io: the point after the request."""

    call: int | None
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    fate: Fate

    @property
    def point(self) -> str:
        """Where the process stands."""
        return "after the request"


@dataclass(frozen=True, slots=True)
class Finished:
    """A call has ended for its agent."""

    call: int
    operation: str | None
    code: str | None
    data: Mapping[str, Any]
    question: str | None = None
    cancelled: bool = False
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Crashed:
    """The process failed by itself, which it must not."""

    traceback: str


Message = Idle | At | Started | Next | Begun | Connecting | Arrived | Finished | Crashed


# To a process:


@dataclass(frozen=True, slots=True)
class Go:
    """Go on: it is `now`, and this is what was asked for, if anything was.

    Before `until` nothing happens elsewhere, so that waiting for an earlier moment need not be told.
    """

    now: float
    until: float
    given: Step | Fate | Answer | str | None = None
