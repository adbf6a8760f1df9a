"""What happened in a simulation: one line for each event, and one account for each call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.messages import Finished, Step


@dataclass(frozen=True, slots=True)
class Effect:
    """A write that Customer.io acted upon, at `at` seconds, with a status of success; `reached` counts people."""

    at: float
    status: int
    reached: int


@dataclass(slots=True)
class Account:
    """All that is known of one call, from everybody's side."""

    step: Step
    process: str
    operation: str | None = None
    confirmation: str | None = None
    begun_at: float | None = None
    ended_at: float | None = None
    """When its agent heard of its end, or its process died."""
    died: bool = False
    finished: Finished | None = None
    writes: int = 0
    """Requests of it that may change something, of which at least a byte left."""
    effects: list[Effect] = field(default_factory=list[Effect])
    fates: list[str] = field(default_factory=list[str])
    """What the network did to its writes."""

    @property
    def asked(self) -> tuple[str, str]:
        """What two calls share that ask for the same."""
        own = {name: value for name, value in self.step.arguments.items() if name not in _CONTROLS}
        return self.step.tool, spelt(own)

    @property
    def allows_repeat(self) -> bool:
        """Whether it says that the same may be sent again."""
        return bool(self.step.arguments.get("allow_repeat"))

    @property
    def marker(self) -> str:
        """The marker in its arguments, by which Customer.io's state shows what it did."""
        arguments = self.step.arguments
        data = arguments.get("message_data") or arguments.get("data") or (arguments.get("batch") or [{}])[0]
        return str(data.get("marker") or data.get("name") or arguments.get("name") or "")


@dataclass(slots=True)
class Story:
    """The story of one seed."""

    lines: list[str] = field(default_factory=list[str])
    accounts: dict[int, Account] = field(default_factory=dict[int, Account])
    handles: dict[str, Account] = field(default_factory=dict[str, Account])
    """The calls that confirmations were asked for, by the handles that agents were given."""

    def tell(self, now: float, who: str, what: str) -> None:
        """Add a line."""
        self.lines.append(f"{now:10.3f}  {who:<11} {what}")


def spelt(value: Mapping[str, Any]) -> str:
    """Return members as one line, always in the same order."""
    return ", ".join(f"{name}={value[name]!r}" for name in sorted(value))


_CONTROLS = frozenset({"confirm_token", "allow_repeat", "dry_run"})
