"""Pure: the newest trigger of a broadcast, and what went wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cio_mcp.insight import messages
from cio_mcp.planning.answers import number

ERRORS_READ = 10
LINE_CHARACTERS = 80
ONE_UNKNOWN = "One unknown recipient fails all of it, unless the call said to ignore it."
"""App API reference, "Trigger a broadcast": id_ignore_missing and email_ignore_missing are false by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """The first errors of a trigger, as Customer.io writes them."""

    lines: tuple[str, ...] = ()
    more: bool = False
    """There may be further ones: as many were read as were asked for."""

    def told(self) -> str:
        """Return how many there are, the first of them, and what they may mean; empty if there is none."""
        if not self.lines:
            return ""
        noun = "error" if len(self.lines) == 1 else "errors"
        counted = f"{len(self.lines)} {noun}{' or more' if self.more else ''}"
        return f'{counted}: "{messages.short(self.lines[0], LINE_CHARACTERS)}". {ONE_UNKNOWN}'


def newest(triggers: Sequence[Mapping[str, Any]] | None) -> Mapping[str, Any]:
    """Return the newest trigger, empty if there is none."""
    return max(triggers or [{}], key=lambda row: number(row.get("created_at")) or 0)


def errors(answer: Mapping[str, Any] | None) -> Errors | None:
    """Return the errors of an answer of `list_broadcast_trigger_errors`; None if it holds no list."""
    lines = (answer or {}).get("errors")
    if not isinstance(lines, list):
        return None
    return Errors(lines=tuple(map(str, lines)), more=len(lines) >= ERRORS_READ)
