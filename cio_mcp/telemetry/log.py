"""Log lines on standard error: for people, or one JSON object each for a collector."""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from cio_mcp.ledger.terms import Intent, Outcome
from cio_mcp.observing import UNKNOWN, UNOBSERVED, Attempt, Observer, Served, Wait
from cio_mcp.sensitive import without_addresses

Format = Literal["text", "json"]
NOTICES = "cio_mcp.notices"
"""The logger of lines that are for whoever started the process: where it serves, what it lacks."""
CALLS = "cio_mcp.calls"
CALL = "call"
"""The message of the record of one call; its fields say the rest."""
FIELDS = (
    "tool", "area", "access", "ending", "code", "status", "approval", "attempts", "waited", "took", "workspace",
    "principal", "operation", "trace_id",
)  # fmt: skip
"""What a record may hold beside its message; anything else that somebody attached stays out."""
_TALKATIVE = "opentelemetry"
"""Its loggers write settings that they could not read, among them headers with keys."""


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the known fields of a record that were set."""
    return {name: value for name in FIELDS if (value := getattr(record, name, None)) not in (None, "")}


class Discreet(logging.Formatter):
    """Names the kind of an exception; its text and its traceback may hold what was sent."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line for people."""
        if record.name == NOTICES:
            return record.getMessage()
        plain = logging.makeLogRecord(_guarded(record).__dict__ | {"exc_info": None, "exc_text": None})
        kind = f" ({record.exc_info[0].__name__})" if record.exc_info and record.exc_info[0] else ""
        told = "".join(f" {name}={value}" for name, value in fields_of(record).items())
        return super().format(plain) + kind + told


class JsonLines(logging.Formatter):
    """Writes one JSON object a record, in ASCII: no text in it can pass for another line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line for a collector."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        told: dict[str, Any] = {
            "time": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _guarded(record).getMessage(),
        }
        if record.exc_info and record.exc_info[0]:
            told["exception"] = record.exc_info[0].__name__
        return json.dumps(told | fields_of(record), default=str)


def _guarded(record: logging.LogRecord) -> logging.LogRecord:
    """Return a record without values that a library of settings would show: the words around them must do."""
    if record.name.partition(".")[0] != _TALKATIVE:
        return record
    plain = logging.makeLogRecord(record.__dict__)
    plain.args = ()
    return plain


def formatter(form: Format) -> logging.Formatter:
    """Return what writes records in a form."""
    return JsonLines() if form == "json" else Discreet("%(asctime)s %(levelname)s %(name)s %(message)s")


def record_of(intent: Intent, outcome: Outcome, areas: Mapping[str, str]) -> dict[str, Any]:
    """Return what a log says of a call: what the ledger keeps of it, without its arguments and the client's words.

    An issuer may name people by their addresses; these are left out of a principal.
    """
    known = intent.access != "none"
    return {
        "tool": intent.tool if known else UNKNOWN,
        "area": areas.get(intent.tool, "server") if known else "",
        "access": intent.access,
        "ending": str(outcome.ending),
        "code": outcome.code,
        "status": outcome.status,
        "approval": intent.approval,
        "attempts": outcome.attempts,
        "waited": outcome.waited,
        "took": outcome.took,
        "workspace": intent.workspace,
        "principal": without_addresses(intent.principal),
        "operation": intent.operation,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """Writes a record of every call, and tells another observer everything.

    `areas` are those of the tools that belong to one; `trace` returns the id of the current trace, if there is one.
    """

    areas: Mapping[str, str]
    inner: Observer = UNOBSERVED
    trace: Callable[[], str] = str
    log: logging.Logger = field(default_factory=lambda: logging.getLogger(CALLS))

    def serving(self, served: Served) -> AbstractContextManager[object]:
        """Watch a request of MCP."""
        return self.inner.serving(served)

    def attempting(self, attempt: Attempt) -> AbstractContextManager[object]:
        """Watch one request to Customer.io."""
        return self.inner.attempting(attempt)

    def waited(self, wait: Wait) -> None:
        """Note that a request has its slot."""
        self.inner.waited(wait)

    def concluded(self, intent: Intent, outcome: Outcome) -> None:
        """Write how a call ended."""
        self.inner.concluded(intent, outcome)
        if self.log.isEnabledFor(logging.INFO):
            self.log.info(CALL, extra=record_of(intent, outcome, self.areas) | {"trace_id": self.trace()})

    def received(self, lag: float) -> None:
        """Note an event of Customer.io's."""
        self.inner.received(lag)
