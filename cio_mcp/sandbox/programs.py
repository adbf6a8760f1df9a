"""What sends messages: transactional templates, broadcasts and their triggers, campaigns, newsletters."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cio_mcp.sandbox.filters import segment_ids
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
    """An API-triggered broadcast; `audience` is the filter set in the UI."""

    id: int
    name: str
    running: bool
    created: int
    action_id: int
    audience: JsonObject | None = None
    channel: str = "email"
    triggers: dict[int, Trigger] = field(default_factory=dict)

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
            "actions": [{"id": self.action_id, "type": self.channel}],
            "msg_template_ids": [self.action_id],
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
    action_id: int
    event_name: str
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
            "actions": [{"id": self.action_id, "type": "email"}],
            "first_started": self.created if self.running else 0,
            "tags": [],
            "filter_segment_ids": [],
            "event_name": self.event_name,
        }


@dataclass(slots=True, kw_only=True, eq=False)
class Newsletter:
    """A newsletter; 0 in `sent_at` and `scheduled_at` means not sent and not planned."""

    id: int
    name: str
    created: int
    content_id: int
    recipients: JsonObject | None
    updated: int = 0
    sent_at: int = 0
    scheduled_at: int = 0
    channel: str = "email"
    subject: str | None = None

    def as_json(self) -> JsonObject:
        """Return the newsletter object of the App API."""
        return {
            "id": self.id,
            "deduplicate_id": f"{self.id}:{self.updated or self.created}",
            "type": self.channel,
            "content_ids": [self.content_id],
            "name": self.name,
            "sent_at": self.sent_at or None,
            "created": self.created,
            "updated": self.updated or self.created,
            "recipient_segment_ids": segment_ids(self.recipients) if self.recipients else [],
            "tags": [],
            "subscription_topic_id": None,
        }
