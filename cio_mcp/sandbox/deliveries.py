"""Deliveries: one message to one person, and what is known of it at a given moment.

Nothing runs in the background: the timeline of a delivery is fixed when it is created, and a read shows the part of
it that lies in the past.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count

from cio_mcp.sandbox.replies import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """Seconds from acceptance to sent, delivered and opened, and from a trigger to its processing."""

    sent: float = 0.4
    delivered: float = 1.2
    opened: float = 3.0
    processed: float = 1.0


class Outcome(StrEnum):
    """How a delivery ends; a person's attribute `sandbox_outcome` chooses it for the messages to them."""

    OPENED = "opened"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    DROPPED = "dropped"
    FAILED = "failed"
    UNDELIVERABLE = "undeliverable"
    DRAFTED = "drafted"


Mark = tuple[str, float]
_UNOPENED_CHANNELS = frozenset({"twilio", "whatsapp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a delivery comes from; the ids that do not apply are None."""

    transactional_id: int | None = None
    broadcast_id: int | None = None
    trigger_id: int | None = None
    campaign_id: int | None = None
    newsletter_id: int | None = None
    content_id: int | None = None
    action_id: int | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Delivery:
    """A message to one person. `channel` is the App API's message type (SMS is "twilio"); times are unix seconds."""

    id: str
    channel: str
    created: float
    person: str | None
    identifiers: JsonObject
    recipient: str
    subject: str | None
    content: JsonObject
    origin: Origin
    timeline: tuple[Mark, ...]
    failure: str | None = None
    forgotten: bool = False
    reported: dict[str, int] = field(default_factory=dict)

    def metrics(self, now: float) -> dict[str, int]:
        """Return the metrics recorded by `now`: metric to unix seconds."""
        known = {"created": int(self.created)}
        known.update({metric: int(at) for metric, at in self.timeline if at <= now})
        return known | self.reported

    def failure_message(self, now: float) -> str | None:
        """Return why the message did not arrive, once that is known."""
        failing = {Outcome.BOUNCED, Outcome.DROPPED, Outcome.FAILED, Outcome.UNDELIVERABLE}
        return self.failure if failing & self.metrics(now).keys() else None

    def as_json(self, now: float) -> JsonObject:
        """Return the message object of the App API; parents that do not apply are null."""
        origin = self.origin
        return {
            "id": self.id,
            "deduplicate_id": f"{self.id}:{int(self.created)}",
            "message_template_id": origin.transactional_id,
            "customer_id": self.identifiers.get("id"),
            "customer_identifiers": self.identifiers,
            "recipient": self.recipient,
            "subject": self.subject,
            "metrics": self.metrics(now),
            "created": int(self.created),
            "failure_message": self.failure_message(now),
            "campaign_id": origin.campaign_id,
            "action_id": origin.action_id,
            "parent_action_id": None,
            "newsletter_id": origin.newsletter_id,
            "content_id": origin.content_id,
            "broadcast_id": origin.broadcast_id,
            "trigger_event_id": None,
            "type": self.channel,
            "forgotten": self.forgotten,
        }


class Deliveries:
    """Every delivery of a workspace, in the order of creation."""

    def __init__(self) -> None:
        self.log: list[Delivery] = []
        self._by_id: dict[str, Delivery] = {}
        self._by_person: dict[str, list[Delivery]] = {}
        self._numbers = count(1)

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self.log)

    def __len__(self) -> int:
        return len(self.log)

    def next_id(self) -> str:
        """Return a delivery id in the API's form: URL-safe base64 that ends in "="."""
        digest = hashlib.blake2b(str(next(self._numbers)).encode(), digest_size=20).digest()
        return base64.urlsafe_b64encode(digest).decode()

    def add(self, delivery: Delivery) -> Delivery:
        """Keep a delivery; one created in the future stays hidden until then."""
        self.log.append(delivery)
        self._by_id[delivery.id] = delivery
        if delivery.person is not None:
            self._by_person.setdefault(delivery.person, []).append(delivery)
        return delivery

    def find(self, number: str) -> Delivery | None:
        """Return the delivery with this id."""
        return self._by_id.get(number)

    def of_person(self, cio_id: str) -> list[Delivery]:
        """Return the deliveries to one person."""
        return self._by_person.get(cio_id, [])

    def hand_over(self, old: str, new: str, identifiers: Mapping[str, str | None]) -> None:
        """Give the history of a merged person to the one who stays."""
        moved = self._by_person.pop(old, [])
        for delivery in moved:
            delivery.person = new
            delivery.identifiers = dict(identifiers)
        self._by_person[new] = sorted(self.of_person(new) + moved, key=lambda delivery: delivery.created)


def timeline(outcome: Outcome, channel: str, start: float, delays: Delays) -> tuple[Mark, ...]:
    """Return when each metric happens, oldest first: a pure function of how it ends and when it starts."""
    if outcome is Outcome.DRAFTED:
        return (("drafted", start),)
    if outcome in {Outcome.UNDELIVERABLE, Outcome.FAILED}:
        return ((outcome.value, start + delays.sent),)
    sent = ("sent", start + delays.sent)
    if outcome in {Outcome.BOUNCED, Outcome.DROPPED}:
        return (sent, (outcome.value, start + delays.delivered))
    delivered = ("delivered", start + delays.delivered)
    if outcome is Outcome.DELIVERED or channel in _UNOPENED_CHANNELS:
        return (sent, delivered)
    return (sent, delivered, ("opened", start + delays.opened))
