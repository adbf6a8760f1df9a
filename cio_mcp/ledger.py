"""The record of calls: what was intended and how it ended, refused calls too, without personal data."""

import json
import logging
from collections import deque
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol, TextIO

from cio_mcp.catalog.params import Params


class Ending(StrEnum):
    """How a call ended."""

    OK = "ok"
    FAILED = "failed"
    """Nothing was changed, or Customer.io said no."""
    UNKNOWN = "unknown"
    """A write left, and its outcome is not known."""
    REFUSED = "refused"
    """This server said no; nothing was sent."""
    CANCELLED = "cancelled"
    """The caller gave up before anything left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a call is about to do."""

    operation: str
    tool: str
    access: str
    caller: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it ended: `code` is the error's, `status` the last HTTP status, times are in seconds."""

    ending: Ending
    code: str | None = None
    credential: str | None = None
    status: int | None = None
    attempts: int = 0
    waited: float = 0.0
    took: float = 0.0


class Ledger(Protocol):
    """Where records go. Both methods may raise OSError when a record cannot be written."""

    def intend(self, intent: Intent) -> None:
        """Record a write before its first byte leaves."""

    def conclude(self, intent: Intent, outcome: Outcome) -> None:
        """Record how a call ended."""


class RecordHandler(logging.StreamHandler[TextIO]):
    """Writes records as JSON lines with their time (UTC), and raises OSError for one that cannot be written.

    The standard handler would go on in silence, and a write be sent that nobody can account for.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's own line, its time put before the other members."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        return f'{{"at":"{at}",{record.getMessage().removeprefix("{")}'

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Raise what went wrong."""
        del record
        raise OSError("a record could not be written") from None


class LogLedger:
    """One JSON line per record on a logger, and the last records in memory.

    A record is lost silently unless the logger's handler is a `RecordHandler`.
    """

    def __init__(self, logger: logging.Logger, *, keep: int = 1000) -> None:
        self._logger = logger
        self.recent: deque[dict[str, Any]] = deque(maxlen=keep)

    def intend(self, intent: Intent) -> None:
        """Record a write before its first byte leaves."""
        self._write(logging.INFO, {"record": "intent", **_members(intent)})

    def conclude(self, intent: Intent, outcome: Outcome) -> None:
        """Record how a call ended."""
        level = logging.WARNING if outcome.ending is Ending.UNKNOWN else logging.INFO
        self._write(level, {"record": "outcome", **_members(intent), **_members(outcome)})

    def _write(self, level: int, record: dict[str, Any]) -> None:
        self.recent.append(record)
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", json.dumps(record, ensure_ascii=True, separators=(",", ":")))


def _members(record: Intent | Outcome) -> dict[str, Any]:
    given = ((member.name, getattr(record, member.name)) for member in fields(record))
    return {name: value for name, value in given if value is not None}


def redacted(params: Params) -> dict[str, Any]:
    """Return what of the arguments may be recorded: numbers, switches and choices; of all else the size.

    What is not known to be harmless is not shown: a new argument is redacted before anybody thinks of it.
    """
    given = params.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {name: _redact(value, plain=name in params.choices) for name, value in given.items()}


def _redact(value: Any, *, plain: bool) -> Any:
    match value:
        case bool() | int():
            return value
        case str():
            return value if plain else f"<{len(value)} characters>"
        case list() | dict():
            return f"<{len(value)} {'item' if isinstance(value, list) else 'member'}{'' if len(value) == 1 else 's'}>"
        case _:
            return f"<{type(value).__name__}>"
