"""Calls of unknown outcome, and what Customer.io might show of them."""

from typing import Any

from cio_mcp.catalog import CATALOG
from cio_mcp.ledger.terms import Ending, Intent, Operation, Outcome
from cio_mcp.reconcile import Case

BEGAN = 1_790_000_000
"""When the calls of these tests began; they were under way for two seconds."""
TOOK = 2.0
CALL: dict[str, dict[str, Any]] = {
    "send_email": {"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}},
    "send_push": {"transactional_message_id": 2, "identifiers": {"id": "ada-1"}},
    "send_sms": {"transactional_message_id": 3, "to": "+15550100001", "identifiers": {"id": "ada-1"}},
    "send_in_app": {"transactional_message_id": 4, "identifiers": {"id": "ada-1"}},
    "trigger_broadcast": {"broadcast_id": 10},
    "send_newsletter": {"newsletter_id": 1},
    "schedule_newsletter": {"newsletter_id": 1, "scheduled_at": 4_000_000_000, "timezone": "Europe/Berlin"},
    "create_segment": {"name": "Made once"},
    "create_collection": {"name": "made_once", "data": [{"a": 1}]},
    "create_reporting_webhook": {
        "name": "Made once",
        "endpoint": "https://hooks.example.com/made",
        "events": ["email_sent"],
    },
    "delete_person": {"identifier": "1"},
    "suppress_person": {"identifier": "one@example.com"},
    "merge_people": {"primary": {"id": "2"}, "secondary": {"email": "one@example.com"}},
    "delete_segment": {"segment_id": 2},
    "delete_collection": {"collection_id": 1},
    "delete_reporting_webhook": {"webhook_id": 1},
}


def operation(
    tool: str,
    *,
    number: str = "01J00000000000000000000001",
    began: float = BEGAN,
    age: float = 0.0,
    is_timed: bool = True,
    time_budget: float = 45.0,
    **outcome: Any,
) -> Operation:
    """Return an operation whose outcome is unknown."""
    ended: dict[str, Any] = {"ending": Ending.UNKNOWN, "took": TOOK, "attempts": 1, "code": "outcome_unknown"} | outcome
    return Operation(
        intent=Intent(operation=number, tool=tool, access="write", caller="test", time_budget=time_budget),
        started_at=began,
        ended_at=began + TOOK,
        outcome=Outcome(**ended),
        tick=began - BEGAN,
        age=age,
        is_timed=is_timed,
    )


def case(
    tool: str, *, after: float = 300.0, rivals: int = 0, claimed: frozenset[str] = frozenset(), **given: Any
) -> Case:
    """Return a call of unknown outcome `after` so many seconds since its end; `given` replaces its arguments."""
    status, is_timed = given.pop("status", None), given.pop("is_timed", True)
    code = given.pop("code", "unreadable_reply" if status == 200 else "outcome_unknown")
    arguments = {name: value for name, value in {**CALL.get(tool, {}), **given}.items() if value is not None}
    endpoint = CATALOG[tool]
    return Case(
        endpoint=endpoint,
        params=endpoint.params.model_validate(arguments),
        operation=operation(tool, status=status, code=code, age=TOOK + after, is_timed=is_timed),
        now=BEGAN + TOOK + after,
        claimed=claimed,
        rivals=rivals,
    )


def message(at: float = 1.0, **other: Any) -> dict[str, Any]:
    """Return a message as the App API shows it, created `at` seconds after the call began."""
    parents = dict.fromkeys(("campaign_id", "newsletter_id", "broadcast_id"))
    shown = {"id": "bWVzc2FnZQ==", "type": "email", "created": int(BEGAN + at), "recipient": "ada@example.com"}
    return {**shown, "subject": "Your receipt", "message_template_id": 7, **parents, **other}
