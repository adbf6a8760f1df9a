"""What sends messages: transactional templates, broadcasts and their triggers, campaigns, newsletters."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cio_mcp.sandbox.filters import segment_ids
from cio_mcp.sandbox.messages import Message
from cio_mcp.sandbox.replies import JsonObject


@dataclass(slots=True, kw_only=True, eq=False)
class Template:
    """A transactional message; `trigger_name` is compared without case."""

    id: int
    trigger_name: str
    channel: str
    created_at: int
    subject: str | None = None
    description: str = ""

    def as_json(self) -> JsonObject:
        """Return the transactional message object of the App API."""
        return {
            "id": self.id,
            "name": self.trigger_name,
            "description": self.description,
            "send_to_unsubscribed": True,
            "link_tracking": True,
            "open_tracking": True,
            "hide_message_body": False,
            "queue_drafts": False,
            "created_at": self.created_at,
            "updated_at": self.created_at,
        }


@dataclass(slots=True, kw_only=True, eq=False)
class Trigger:
    """One run of a broadcast; it is processed at `processed_at` (unix seconds)."""

    id: int
    broadcast_id: int
    created_at: float
    processed_at: float
    errors: Sequence[str] = ()

    def as_json(self, now: float) -> JsonObject:
        """Return the trigger object: processed_at is absent until it has happened."""
        shown: JsonObject = {
            "id": self.id,
            "broadcast_id": self.broadcast_id,
            "created_at": int(self.created_at),
        }
        if self.processed_at <= now:
            shown["processed_at"] = int(self.processed_at)
        return shown


@dataclass(slots=True, kw_only=True, eq=False)
class Broadcast:
    """An API-triggered broadcast; `audience` is the filter set in the UI. Triggers send the first action."""

    id: int
    name: str
    running: bool
    created: int
    actions: list[Message]
    audience: JsonObject | None = None
    channel: str = "email"
    triggers: dict[int, Trigger] = field(default_factory=dict)

    @property
    def segment_ids(self) -> list[int]:
        """The segments that its audience names."""
        return segment_ids(self.audience) if self.audience else []

    def as_json(self) -> JsonObject:
        """Return the broadcast object of the App API."""
        return {
            "id": self.id,
            "deduplicate_id": f"{self.id}:{self.created}",
            "name": self.name,
            "type": "triggered_broadcast",
            "created": self.created,
            "updated": self.created,
            "active": self.running,
            "state": "running" if self.running else "draft",
            "actions": _named(self.actions),
            "msg_template_ids": [action.id for action in self.actions],
            "first_started": self.created if self.running else 0,
            "tags": None,
            "created_by": "",
        }


@dataclass(slots=True, kw_only=True, eq=False)
class Campaign:
    """A campaign; `daily` is the number of messages it sends on a usual day."""

    id: int
    name: str
    description: str
    running: bool
    created: int
    actions: list[Message]
    event_name: str
    filter_segment_ids: list[int] = field(default_factory=list)
    daily: int = 0

    def as_json(self) -> JsonObject:
        """Return the campaign object of the App API."""
        return {
            "id": self.id,
            "deduplicate_id": f"{self.id}:{self.created}",
            "name": self.name,
            "description": self.description,
            "type": "event",
            "created": self.created,
            "updated": self.created,
            "active": self.running,
            "state": "running" if self.running else "draft",
            "actions": _named(self.actions),
            "first_started": self.created if self.running else 0,
            "tags": [],
            "filter_segment_ids": self.filter_segment_ids,
            "event_name": self.event_name,
        }


@dataclass(slots=True, kw_only=True, eq=False)
class Newsletter:
    """A newsletter; 0 in `sent_at` and `scheduled_at` means not sent and not planned."""

    id: int
    name: str
    created: int
    variants: list[Message]
    recipients: JsonObject | None
    updated: int = 0
    sent_at: int = 0
    scheduled_at: int = 0
    channel: str = "email"
    subscription_topic_id: int | None = None

    @property
    def segment_ids(self) -> list[int]:
        """The segments that its recipients name."""
        return segment_ids(self.recipients) if self.recipients else []

    def as_json(self) -> JsonObject:
        """Return the newsletter object of the App API."""
        return {
            "id": self.id,
            "deduplicate_id": f"{self.id}:{self.updated or self.created}",
            "type": self.channel,
            "content_ids": [variant.id for variant in self.variants],
            "name": self.name,
            "sent_at": self.sent_at or None,
            "created": self.created,
            "updated": self.updated or self.created,
            "recipient_segment_ids": self.segment_ids,
            "tags": [],
            "subscription_topic_id": self.subscription_topic_id,
        }


def _named(actions: Sequence[Message]) -> list[JsonObject]:
    return [{"id": action.id, "type": action.channel} for action in actions]
