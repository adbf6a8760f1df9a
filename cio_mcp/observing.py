"""What happens on the way of a call, told to whoever watches; by default nobody does.

What is told names tools, paths as templates and hosts, and never an argument, an identifier of a person or an
address. Who watches must not raise and must not wait.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from cio_mcp.ledger.terms import Intent, Outcome


@dataclass(slots=True, kw_only=True)
class Served:
    """A request of MCP while it is served. `trace` is the caller's trace context, by the names of W3C's headers."""

    method: str
    protocol: str
    tool: str = ""
    """A tool of this server, or `UNKNOWN`: what else a client wrote there is not told."""
    trace: Mapping[str, str] = field(default_factory=dict[str, str])
    failure: str = ""
    """Filled in at its end: the kind of an error, empty if there was none."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One request to Customer.io while it is under way: where it goes, and the path as a template."""

    workspace: str
    bucket: str
    method: str
    base_url: str
    template: str
    number: int
    """1 for the first attempt of a call."""
    status: int | None = None
    """Filled in at its end, as is `failure`: the kind of what went wrong without an answer."""
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A slot was granted, after some seconds."""

    workspace: str
    bucket: str
    seconds: float


UNKNOWN = "_OTHER"
"""OpenTelemetry's word for a value outside of the known ones."""


class Observer(Protocol):
    """Is told what happens. The context of `serving` and `attempting` lasts as long as what they are given."""

    def serving(self, served: Served) -> AbstractContextManager[object]:
        """Watch a request of MCP."""
        ...

    def attempting(self, attempt: Attempt) -> AbstractContextManager[object]:
        """Watch one request to Customer.io."""
        ...

    def waited(self, wait: Wait) -> None:
        """Note that a request has its slot."""
        ...

    def concluded(self, intent: Intent, outcome: Outcome) -> None:
        """Note how a call ended."""
        ...

    def received(self, lag: float) -> None:
        """Note an event of Customer.io's that was not known, `lag` seconds after it happened."""
        ...


class Unobserved:
    """Watches nothing."""

    def serving(self, _served: Served) -> AbstractContextManager[object]:
        """Watch nothing."""
        return nullcontext()

    def attempting(self, _attempt: Attempt) -> AbstractContextManager[object]:
        """Watch nothing."""
        return nullcontext()

    def waited(self, _wait: Wait) -> None:
        """Note nothing."""

    def concluded(self, _intent: Intent, _outcome: Outcome) -> None:
        """Note nothing."""

    def received(self, _lag: float) -> None:
        """Note nothing."""


UNOBSERVED = Unobserved()
