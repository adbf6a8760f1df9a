"""What is known of one delivery, from the events that were reported and from the API; what it means to know nothing."""

from dataclasses import dataclass, field
from typing import Any

from cio_mcp.errors import CioError, NotFound, Unavailable
from cio_mcp.webhooks.events import Event
from cio_mcp.webhooks.message import Message
from cio_mcp.webhooks.store import EventStore, Filter
from cio_mcp.webhooks.timeline import ORDER

Json = dict[str, Any]
STEPS = 200
"""Events of one delivery that are shown; with "every time" as Send Frequency, each opening is one."""
_CUT = f"Of more than {STEPS} events these are the newest, and the last of each other kind: list_delivery_events."
_UNREAD = "The events that were reported here cannot be read now: what they told may be missing."
ASK_OPERATOR = "Have the operator look at the server's messages."


@dataclass(slots=True, kw_only=True)
class Known:
    """What is known of a delivery so far."""

    delivery_id: str
    events: list[Event] = field(default_factory=list[Event])
    message: Message | None = None
    problem: CioError | None = None
    """Why the API did not tell."""
    is_cut: bool = False
    """There are more events than are shown."""
    is_unread: bool = False
    """The events could not be read when that was last tried."""

    @property
    def notes(self) -> Json:
        """What an answer says of its own gaps."""
        texts = [*([_CUT] if self.is_cut else []), *([_UNREAD] if self.is_unread else [])]
        return {"note": " ".join(texts)} if texts else {}

    @property
    def metrics(self) -> set[str]:
        """What has happened, in the words of the events."""
        return {event.metric for event in self.events} | set(self.message.metrics if self.message else ())

    @property
    def is_something(self) -> bool:
        """Whether the delivery is known at all."""
        return bool(self.events or self.message)


async def events_of(store: EventStore, delivery_id: str) -> tuple[list[Event], bool]:
    """Return the newest events of a delivery, and whether there are more; of those, the last of every metric stays."""
    newest = await store.find(Filter(delivery_id=delivery_id), limit=STEPS + 1)
    events, is_cut = [each.event for each in newest[:STEPS]], len(newest) > STEPS
    if is_cut:
        seen = {event.metric for event in events}
        for metric in (metric for metric in ORDER if metric not in seen):
            earlier = await store.find(Filter(delivery_id=delivery_id, metric=metric), limit=1)
            events += [each.event for each in earlier]
    return events, is_cut


def nothing(known: Known) -> CioError:
    """Return what it means that neither the events nor the API know a delivery."""
    if known.is_unread:
        return Unavailable(
            "The API knows no message of that delivery_id, and the events cannot be read now.", next_step=ASK_OPERATOR
        )
    return NotFound(
        "No message of that delivery_id is known.",
        next_step="Give delivery_id as a send returned it, or as list_person_messages shows it (id).",
    )
