"""Calls put before a policy, and short ways to say what an agent was granted."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cio_mcp import arguments
from cio_mcp.catalog import CATALOG
from cio_mcp.policy import Decision, Grant, Grants, Policy
from cio_mcp.policy.addresses import Recipients
from cio_mcp.policy.requirements import OwnAddress

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ORIGIN = "/etc/grants.toml, agent ada"
ULID = "01JZ0000000000000000000000"
OWN = Recipients()
LISTED = Recipients(addresses=frozenset({"ada@example.com", "+15551234567"}), domains=frozenset({"example.org"}))
ONLY_LISTED = Recipients(own=False, addresses=LISTED.addresses, domains=LISTED.domains)


def words(text: str) -> frozenset[Grant]:
    """Read words that are separated by spaces."""
    return frozenset(Grant(*word.split(":")) for word in text.split())


def granted(allow: str = "*:*", deny: str = "", fields: Iterable[str] = (), **more: Any) -> Grants:
    """Return grants as a file would give them."""
    return Grants(origin=ORIGIN, allow=words(allow), deny=words(deny), fields=frozenset(fields), **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A decision as tests read it: `allowed`, or the rule and the text of the refusal."""

    decision: Decision

    @property
    def allowed(self) -> bool:
        """Whether it passes, as far as can be said without asking Customer.io."""
        return self.decision.refusal is None

    @property
    def message(self) -> str:
        """The text of the refusal."""
        assert self.decision.refusal is not None
        assert self.decision.refusal.code == "not_permitted"
        assert self.decision.refusal.message.endswith(". Nothing was sent.")
        assert self.decision.refusal.next_step.endswith(".")
        return self.decision.refusal.message

    @property
    def next_step(self) -> str:
        """What the refusal tells to do."""
        assert self.decision.refusal is not None
        return self.decision.refusal.next_step

    @property
    def own(self) -> set[tuple[str, str, str]]:
        """What must be a person's own: kind and value of the identifier, and the address."""
        found = [each for each in self.decision.requires if isinstance(each, OwnAddress)]
        return {(each.person.kind, each.person.value, address) for each in found for address in each.addresses}


def decided(
    tool: str, given: dict[str, Any], agent: Grants | None = None, *, now: datetime = NOON, **flags: Any
) -> Seen:
    """Put a call before a policy as the pipeline does: with checked arguments."""
    params, _ = arguments.admit(CATALOG[tool], given)
    return Seen(decision=Policy(agent=agent, **flags).decide(CATALOG[tool], params, now=now))


def email(to: str = "ada@example.com", **more: Any) -> dict[str, Any]:
    """Return the arguments of an e-mail."""
    return {"transactional_message_id": 1, "to": to, "identifiers": {"id": "ada-1"}} | more


# One right call of every tool that writes.
WRITES: dict[str, dict[str, Any]] = {
    "identify_person": {"identifier": "ada-1"},
    "delete_person": {"identifier": "ada-1"},
    "upsert_device": {"identifier": "ada-1", "id": "token-1", "platform": "ios"},
    "delete_device": {"identifier": "ada-1", "device_id": "token-1"},
    "suppress_person": {"identifier": "ada-1"},
    "track_event": {"identifier": "ada-1", "name": "bought"},
    "track_anonymous_event": {"anonymous_id": "anon-1", "name": "seen"},
    "merge_people": {"primary": {"id": "ada-1"}, "secondary": {"id": "ada-2"}},
    "submit_form": {"form_id": "f-1", "data": {"id": "ada-1"}},
    "apply_entity": {"type": "person", "action": "identify", "identifiers": {"id": "ada-1"}},
    "apply_batch": {"batch": [{"type": "person", "action": "identify", "identifiers": {"id": "ada-1"}}]},
    "send_email": email(),
    "send_push": {"transactional_message_id": 1, "identifiers": {"id": "ada-1"}},
    "send_sms": {"transactional_message_id": 1, "identifiers": {"id": "ada-1"}},
    "send_in_app": {"transactional_message_id": 1, "identifiers": {"id": "ada-1"}},
    "trigger_broadcast": {"broadcast_id": 1},
    "send_newsletter": {"newsletter_id": 1},
    "schedule_newsletter": {"newsletter_id": 1, "scheduled_at": "2026-06-02T12:00:00Z", "timezone": "UTC"},
    "add_people_to_segment": {"segment_id": 1, "ids": ["ada-1", "ada-2"]},
    "remove_people_from_segment": {"segment_id": 1, "ids": ["ada-1"]},
    "create_segment": {"name": "s"},
    "delete_segment": {"segment_id": 1},
    "create_collection": {"name": "c", "data": [{"a": 1}]},
    "update_collection": {"collection_id": 1, "data": [{"a": 1}]},
    "delete_collection": {"collection_id": 1},
    "create_reporting_webhook": {
        "name": "w", "endpoint": "https://hooks.example.com/x", "events": ["email_bounced"],
    },
    "update_reporting_webhook": {
        "webhook_id": 1, "name": "w", "endpoint": "https://hooks.example.com/x", "events": ["email_bounced"],
    },
    "delete_reporting_webhook": {"webhook_id": 1},
}  # fmt: skip
