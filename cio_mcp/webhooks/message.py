"""One message as the App API tells of it: what is looked up where no event says what became of a delivery."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field

from cio_mcp.catalog.endpoint import Access, Area, Bucket, Catalog, Effect, Key, Repeat
from cio_mcp.catalog.fields import PathId
from cio_mcp.catalog.params import Params
from cio_mcp.delivery import Course
from cio_mcp.errors import NotFound
from cio_mcp.exchange import Exchange
from cio_mcp.reconcile.answers import member, whole

_messages = Area("messages", "Read what became of a message.")


@_messages.endpoint(
    "GET /v1/messages/{message_id}",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/messages/",
)  # fmt: skip
class GetMessage(Params):
    """Read one message: to whom, from what, and what became of it."""

    message_id: PathId = Field(description="Delivery id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What the API tells of a delivery: when each metric was first seen, and the facts about it."""

    metrics: Mapping[str, int]
    facts: Mapping[str, Any]


def lookup_in(exchange: Exchange) -> Exchange:
    """Return a way to Customer.io that knows how one message is read."""
    return replace(exchange, catalog=Catalog(_messages))


async def look(exchange: Exchange, delivery_id: str, course: Course) -> Message | None:
    """Return what the API knows of a delivery, None if it knows none of that id; raises CioError."""
    try:
        answer = await exchange.look("get_message", {"message_id": delivery_id}, course)
    except NotFound:
        return None
    return _message(member(answer, "message"))


# App API reference, "Get a message": what tells of a delivery, under the names that events have for it.
_FACTS = {
    "type": "object_type",
    "customer_identifiers": "identifiers",
    "message_template_id": "transactional_message_id",
    **{
        name: name
        for name in (
            *("recipient", "subject", "failure_message", "campaign_id", "action_id", "parent_action_id"),
            *("newsletter_id", "content_id", "broadcast_id", "trigger_event_id"),
        )
    },
}
_CHANNELS = {"twilio": "sms"}  # the App API's name, and that of the events


def _message(told: Mapping[str, Any]) -> Message:
    metrics = {name: at for name, at in member(told, "metrics").items() if whole(at)}
    facts = {ours: told[name] for name, ours in _FACTS.items() if told.get(name)}
    if facts.get("object_type") in _CHANNELS:
        facts["object_type"] = _CHANNELS[facts["object_type"]]
    return Message(metrics=metrics, facts=facts)
