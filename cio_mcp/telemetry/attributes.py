"""Pure: the names of spans and the attributes of spans and metrics, from what observers are told.

After OpenTelemetry's semantic conventions for MCP and HTTP clients. Of these, what could hold an identifier, an
argument or a text of others is left out on purpose: `url.full` and `jsonrpc.request.id`, and every description of an
error. `url.template` says enough of a path.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from cio_mcp.ledger.terms import Intent, Outcome
from cio_mcp.observing import UNKNOWN, Attempt, Served, Wait

Attributes = dict[str, str | int]
_FIRST_ERROR = 400
_PORTS = {"https": 443, "http": 80}


def served_span(served: Served) -> str:
    """Return the name of the span of a request."""
    return f"{served.method} {served.tool}" if served.tool else served.method


def served_attributes(served: Served) -> Attributes:
    """Return what is known of a request when it begins."""
    told: Attributes = {"mcp.method.name": served.method, "mcp.protocol.version": served.protocol}
    if served.tool:
        told |= {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": served.tool}
    return told


def failure_attributes(failure: str) -> Attributes:
    """Return the kind of an error, nothing without one."""
    return {"error.type": failure} if failure else {}


def attempt_span(attempt: Attempt) -> str:
    """Return the name of the span of a request to Customer.io."""
    return f"{attempt.method} {attempt.template}"


def attempt_attributes(attempt: Attempt) -> Attributes:
    """Return what is known of a request to Customer.io when it leaves."""
    url = urlsplit(attempt.base_url)
    told: Attributes = {
        "http.request.method": attempt.method,
        "server.address": url.hostname or "",
        "server.port": url.port or _PORTS.get(url.scheme, 0),
        "url.template": attempt.template,
    }
    return told


def resend_attributes(attempt: Attempt) -> Attributes:
    """Return which repetition of a request it is; a span's alone, for it would multiply the series of metrics."""
    return {"http.request.resend_count": attempt.number - 1} if attempt.number > 1 else {}


def answer_attributes(attempt: Attempt) -> Attributes:
    """Return how a request to Customer.io ended."""
    told: Attributes = {"http.response.status_code": attempt.status} if attempt.status is not None else {}
    failed = attempt.status is not None and attempt.status >= _FIRST_ERROR
    return told | failure_attributes(str(attempt.status) if failed else attempt.failure)


def bucket_attributes(told: Attempt | Wait) -> Attributes:
    """Return which limit something counts against."""
    return {"workspace": told.workspace, "bucket": told.bucket}


def tool_of(intent: Intent) -> str:
    """Return the tool of a call; a name that no tool has is a client's text, and not told."""
    return UNKNOWN if intent.access == "none" else intent.tool


def call_attributes(intent: Intent, outcome: Outcome, areas: Mapping[str, str]) -> Attributes:
    """Return what a call is counted by."""
    tool = tool_of(intent)
    area = "" if tool == UNKNOWN else areas.get(tool, "server")
    told: Attributes = {"tool": tool, "area": area, "access": intent.access, "workspace": intent.workspace}
    return told | {"ending": str(outcome.ending), "code": outcome.code or ""}


def ending_attributes(outcome: Outcome) -> Attributes:
    """Return how a call ended, for the span around it."""
    told: Attributes = {"cio_mcp.ending": str(outcome.ending), "cio_mcp.attempts": outcome.attempts}
    return told | ({"cio_mcp.code": outcome.code} if outcome.code else {})
