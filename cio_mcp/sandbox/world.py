"""The state of one workspace, and the changes that touch more than one part of it."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from cio_mcp.sandbox.deliveries import Delays, Deliveries, Delivery, Origin, Outcome, timeline
from cio_mcp.sandbox.filters import matches
from cio_mcp.sandbox.objects import Objects
from cio_mcp.sandbox.people import IDENTIFIER_NAMES, Activity, People, Person
from cio_mcp.sandbox.programs import Broadcast, Campaign, Newsletter, Template
from cio_mcp.sandbox.replies import JsonObject
from cio_mcp.sandbox.segments import Segments
from cio_mcp.sandbox.tables import Collection
from cio_mcp.sandbox.validation import ULID

ANONYMOUS_WINDOW = 30 * 86_400  # Track API reference, "Track an anonymous event": 30 days
OUTCOME_ATTRIBUTE = "sandbox_outcome"
_EVENTS_KEPT = 100_000
_NOTICES_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event as it was stored: `person` is a cio_id, None while anonymous; times are unix seconds."""

    name: str
    type: str
    person: str | None
    anonymous_id: str | None
    timestamp: int
    data: JsonObject
    id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something a reporting webhook may tell: the config event name, and what happened to whom."""

    event: str
    object_type: str
    metric: str
    at: float
    person: Person | None = None
    delivery: Delivery | None = None


class World:
    """One workspace. Empty when created; `seeded_world` fills one.

    `identifier_kinds` are the identifiers the workspace allows; `email_by_id` is its setting "Allow updates to email
    using ID"; `delays` decide when a delivery is sent, delivered and opened.
    """

    def __init__(
        self,
        *,
        delays: Delays | None = None,
        identifier_kinds: frozenset[str] = frozenset(IDENTIFIER_NAMES),
        email_by_id: bool = True,
        rebuild: Callable[[], "World"] | None = None,
    ) -> None:
        self.delays = delays or Delays()
        self.identifier_kinds = identifier_kinds
        self.email_by_id = email_by_id
        self.rebuild = rebuild or World
        self.people = People()
        self.segments = Segments()
        self.objects = Objects()
        self.deliveries = Deliveries()
        self.told_from = 0
        """The first delivery that a reporting webhook may tell of; those before it came with the world."""
        self.templates: dict[int, Template] = {}
        self.broadcasts: dict[int, Broadcast] = {}
        self.campaigns: dict[int, Campaign] = {}
        self.newsletters: dict[int, Newsletter] = {}
        self.collections: dict[int, Collection] = {}
        self.webhooks: dict[int, JsonObject] = {}
        self.forms: dict[str, int] = {}
        self.events: deque[Event] = deque(maxlen=_EVENTS_KEPT)
        self.notices: deque[Notice] = deque(maxlen=_NOTICES_KEPT)
        self._event_ids: set[str] = set()
        self._last_number: dict[str, int] = {}
        self._activity_numbers = count(1)

    def next_number(self, kind: str, used: Mapping[int, object]) -> int:
        """Return an id no object of this kind has, or had."""
        number = max(self._last_number.get(kind, 0), *used, 0) + 1
        self._last_number[kind] = number
        return number

    # -- people ------------------------------------------------------------------------------------

    def record(self, person: Person, kind: str, now: float, **details: Any) -> None:
        """Add a line to a person's history."""
        number = f"01J{next(self._activity_numbers):023d}"
        person.activities.append(Activity(id=number, type=kind, timestamp=int(now), **details))

    def delete(self, person: Person) -> None:
        """Delete a profile with its memberships and relationships; deliveries stay in the workspace's history."""
        self.people.remove(person)
        self.segments.forget_person(person.cio_id)
        self.objects.forget_person(person.cio_id)

    def suppress(self, kind: str, value: str) -> None:
        """Delete the profile for good and block its identifiers (Track API reference, "Suppress")."""
        person = self.people.find(kind, value)
        if kind != "cio_id":
            self.people.suppress([(kind, value)])
        if person is not None:
            self.people.suppress(person.identifiers.items())
            self.delete(person)

    def merge(self, primary: Person, secondary: Person, now: float) -> None:
        """Move into `primary` what it lacks, then delete `secondary` (Track API reference, "Merge")."""
        self._merge_profile(primary, secondary, int(now))
        self.segments.hand_over(secondary.cio_id, primary.cio_id)
        self.objects.hand_over(secondary.cio_id, primary.cio_id)
        self.deliveries.hand_over(secondary.cio_id, primary.cio_id, primary.summary())
        self.delete(secondary)
        self.record(primary, "profile_merge", now, data={"cio_id": secondary.cio_id})

    def _merge_profile(self, primary: Person, secondary: Person, now: int) -> None:
        for name, value in secondary.attributes.items():
            if name not in primary.attributes:
                primary.attributes[name] = value
                primary.timestamps[name] = now
        for kind, value in list(secondary.identifiers.items()):
            if kind not in primary.identifiers:
                self.people.assign(primary, kind, value, now)
        for token, device in secondary.devices.items():
            primary.devices.setdefault(token, device)
        lines = sorted([*primary.activities, *secondary.activities], key=lambda line: line.timestamp)
        primary.activities.clear()
        primary.activities.extend(lines)

    def audience(self, recipients: JsonObject) -> list[Person]:
        """Return the people a checked audience filter selects, oldest first."""
        return [person for person in self.people if matches(recipients, person, self.segments.belongs)]

    # -- events ------------------------------------------------------------------------------------

    def add_event(self, event: Event, person: Person | None, now: float) -> None:
        """Store an event once: a ULID seen before is ignored; an id that is no ULID does not deduplicate."""
        if event.id is not None and ULID.fullmatch(event.id):
            if event.id in self._event_ids:
                return
            self._event_ids.add(event.id)
        self.events.append(event)
        if person is not None:
            self.record_event(person, event, now)

    def record_event(self, person: Person, event: Event, now: float) -> None:
        """Add an event to a person's history."""
        url = event.name if event.type == "page" else None
        at = min(event.timestamp, now)
        self.record(person, event.type, at, name=event.name, url=url, data=event.data)

    def adopt_anonymous(self, person: Person, anonymous_id: str, now: float) -> None:
        """Attach the anonymous events of the last 30 days to the person who has just been identified."""
        for event in self.events:
            mine = event.anonymous_id == anonymous_id and event.person is None
            if mine and event.timestamp > now - ANONYMOUS_WINDOW:
                self.record_event(person, event, now)

    # -- messages ----------------------------------------------------------------------------------

    def deliver(
        self,
        person: Person | None,
        *,
        channel: str,
        recipient: str,
        now: float,
        origin: Origin,
        subject: str | None = None,
        content: JsonObject | None = None,
        identifiers: JsonObject | None = None,
        start: float | None = None,
        outcome: Outcome | None = None,
        failure: str | None = None,
        forgotten: bool = False,
    ) -> Delivery:
        """Create a delivery whose future is settled here; `start` is when sending begins (default `now`)."""
        ending = outcome or _outcome(person)
        return self.deliveries.add(
            Delivery(
                id=self.deliveries.next_id(),
                channel=channel,
                created=now,
                person=person.cio_id if person else None,
                identifiers=person.summary() if person else identifiers or {},
                recipient=recipient,
                subject=subject,
                content=content or {},
                origin=origin,
                timeline=timeline(ending, channel, now if start is None else start, self.delays),
                failure=failure or _REASONS.get(ending),
                forgotten=forgotten,
            )
        )

    def send_newsletter(self, newsletter: Newsletter, at: float) -> None:
        """Send a newsletter to its recipients; unsubscribed people get an undeliverable message."""
        newsletter.sent_at = newsletter.updated = int(at)
        newsletter.scheduled_at = 0
        variant = newsletter.variants[0]
        origin = Origin(newsletter_id=newsletter.id, content_id=variant.id)
        for person in self.audience(newsletter.recipients or {"and": []}):
            self.deliver_bulk(person, newsletter.channel, variant.subject, at, origin)

    def deliver_bulk(self, person: Person, channel: str, subject: str | None, at: float, origin: Origin) -> Delivery:
        """Create one delivery of a broadcast or newsletter; these never reach unsubscribed people."""
        blocked = Outcome.UNDELIVERABLE if person.unsubscribed else None
        return self.deliver(
            person,
            channel=channel,
            recipient=person.email or "",
            now=at,
            origin=origin,
            subject=subject,
            outcome=blocked,
        )

    def settle(self, now: float) -> None:
        """Send the newsletters whose time has come."""
        for newsletter in self.newsletters.values():
            if newsletter.scheduled_at and newsletter.scheduled_at <= now:
                self.send_newsletter(newsletter, newsletter.scheduled_at)

    def notify(self, event: str, metric: str, at: float, *, object_type: str, **subject: Any) -> None:
        """Remember a change that reporting webhooks may tell."""
        self.notices.append(Notice(event=event, object_type=object_type, metric=metric, at=at, **subject))


_REASONS = {
    Outcome.BOUNCED: "550 5.1.1 The email account that you tried to reach does not exist",
    Outcome.DROPPED: "recipient is on the suppression list of the delivery provider",
    Outcome.FAILED: "liquid error: customer.first_name is not set and has no default",
    Outcome.UNDELIVERABLE: "person is unsubscribed",
}


def _outcome(person: Person | None) -> Outcome:
    chosen = person.attributes.get(OUTCOME_ATTRIBUTE) if person is not None else None
    return Outcome(chosen) if chosen in set(Outcome) else Outcome.OPENED
