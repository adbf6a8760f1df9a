"""Pure: events as an agent may see them: personal data masked, few words, no more than a result may hold."""

from collections.abc import Mapping, Sequence
from typing import Any

from cio_mcp import privacy, shaping
from cio_mcp.moments import moment
from cio_mcp.privacy import Mask
from cio_mcp.webhooks.events import Event
from cio_mcp.webhooks.store import Position, Stored
from cio_mcp.webhooks.timeline import Step

Json = dict[str, Any]

OF_A_DELIVERY = frozenset({
    "recipient", "subject", "transactional_message_id", "broadcast_id", "trigger_id", "campaign_id", "newsletter_id",
    "content_id", "action_id", "parent_action_id", "journey_id", "trigger_event_id",
})  # fmt: skip
"""Members that every event of a delivery repeats (reporting webhooks reference, the common data of each origin)."""
_ROOM_BYTES = 300
"""For what stands beside the list."""


def event(told: Event, mask: Mask | None) -> Json:
    """Return one event of a list."""
    own: Json = {"metric": told.metric, "object_type": told.object_type, "at": moment(told.at)}
    own |= {"delivery_id": told.delivery_id} if told.delivery_id else {}
    return own | about(told.person.as_json(), told.data, mask)


def page(found: Sequence[Stored], limit: int, mask: Mask | None, tokens: int) -> Json:
    """Return a list that fits a result, with the position from which to go on if there is more."""
    room = int(tokens * shaping.BYTES_PER_TOKEN) - _ROOM_BYTES
    shown: list[Json] = []
    for each in found[:limit]:
        told = event(each.event, mask)
        room -= shaping.size(told) + len(",")
        if room < 0 and shown:  # a first one that is too large alone is cut by whoever shows it
            break
        shown.append(told)
    if len(shown) == len(found):
        return {"events": shown}
    last = found[len(shown) - 1]
    return {"events": shown, "next": Position(at=last.event.at, seq=last.seq).text}


def delivery(
    delivery_id: str, events: Sequence[Event], looked: Mapping[str, Any], steps: Sequence[Step], mask: Mask | None
) -> Json:
    """Return what became of a delivery: what is true of all of it once, then what happened, oldest first."""
    common: Json = {name: value for name, value in looked.items() if name in OF_A_DELIVERY | {"failure_message"}}
    object_type, person = str(looked.get("object_type", "")), dict(looked.get("identifiers") or {})
    for each in events:
        common |= {name: value for name, value in each.data.items() if name in OF_A_DELIVERY}
        object_type, person = each.object_type, each.person.as_json() or person
    told: Json = {"delivery_id": delivery_id, "object_type": object_type} | about(person, common, mask)
    return told | {"timeline": [_step(each, mask) for each in steps]}


def _step(step: Step, mask: Mask | None) -> Json:
    rest = {name: value for name, value in step.data.items() if name not in OF_A_DELIVERY}
    return {"metric": step.metric, "at": moment(step.at)} | about({}, rest, mask)


def about(person: Mapping[str, Any], data: Mapping[str, Any], mask: Mask | None) -> Json:
    """Return what others may have written of a person, without empty members, and masked.

    A link is shown as `url`, whose query is withheld with personal data: it holds what a site knows of a visitor.
    """
    told: Json = {"identifiers": dict(person)}
    told |= {
        "url" if name == "href" else name: value for name, value in data.items() if value not in (None, "", [], {})
    }
    shown = privacy.masked(told, mask) if mask else told
    if not shown["identifiers"]:
        del shown["identifiers"]
    return shown
