"""Pure: what became of a message, as one word, from the metrics that Customer.io keeps of it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from cio_mcp.planning.answers import member, moment, number, word
from cio_mcp.scrub import one_line

Json = dict[str, Any]
REASON_CHARACTERS = 160
# App API reference, "Get a message". What somebody did with it proves that it arrived; then what ends a message, for a
# server may take it first and send it back later. A conversion may count without anything having arrived. A receiving
# server puts off what Customer.io has sent.
_FATES = (
    *("spammed", "unsubscribed", "replied", "clicked", "opened"),
    *("bounced", "dropped", "suppressed", "failed", "undeliverable"),
    *("delivered", "converted", "deferred", "sent", "attempted", "drafted"),
)
ARRIVED = frozenset({"spammed", "unsubscribed", "replied", "clicked", "opened", "delivered"})
"""After these it has reached its person, whatever the person says."""


def fate(message: Mapping[str, Any]) -> str:
    """Return the metric that tells most of how a message stands; `created` if there is no other."""
    metrics = member(message, "metrics")
    return next((name for name in _FATES if metrics.get(name)), "created")


def fates(messages: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many messages stand where, the most frequent first."""
    return dict(Counter(map(fate, messages)).most_common())


def short(text: Any, most: int = REASON_CHARACTERS) -> str:
    """Return a text of others on one line, cut where it grows long."""
    return one_line(text, most) if isinstance(text, str) else ""


def brief(message: Mapping[str, Any]) -> Json:
    """Return a message in a line: which, when, from what, and what became of it."""
    what = fate(message)
    told: Json = {"delivery_id": message.get("id"), "type": word(message.get("type")), "fate": what}
    told["at"] = moment(member(message, "metrics").get(what)) or moment(message.get("created"))
    told |= {name: found for name in _ORIGINS if (found := number(message.get(name)))}
    if reason := short(message.get("failure_message")):
        told["failure_message"] = reason
    return {name: value for name, value in told.items() if value}


_ORIGINS = ("campaign_id", "broadcast_id", "newsletter_id", "message_template_id")
