"""Pure: which subscription topics a person has chosen, and what is off by that."""

import json
import re
from collections.abc import Mapping
from typing import Any

from cio_mcp.insight.finding import Finding
from cio_mcp.planning.answers import member

PREFERENCES = "cio_subscription_preferences"
MOST_NAMED = 5
_TOPIC = re.compile(r"topic_[0-9]{1,12}")


def choices(person: Mapping[str, Any] | None) -> dict[str, bool] | None:
    """Return the topics that a person turned on or off; None if that cannot be read, empty if they chose nothing.

    The App API gives the preferences as JSON in a text ("Lookup a customer's attributes").
    """
    if person is None:
        return None
    held = member(person, "attributes").get(PREFERENCES)
    if held in (None, ""):
        return {}
    found = _object_in(held) if isinstance(held, str) else held
    if not isinstance(found, dict):
        return None
    return {
        name: is_on
        for name, is_on in member(found, "topics").items()
        if _TOPIC.fullmatch(name) and isinstance(is_on, bool)
    }


def _object_in(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def certain(kind: str, topic: int) -> Finding:
    """Return that the topic of a program is off."""
    return Finding(
        cause="topic_unsubscribed",
        evidence=f"The {kind} belongs to subscription topic {topic}, which is off for the person.",
        next_step="Do not override it: only the person may turn it on again.",
    )


def possible(off: list[str]) -> Finding:
    """Return that topics are off, of which the message in question may be one."""
    named = ", ".join(off[:MOST_NAMED]) + (f" and {len(off) - MOST_NAMED} more" if len(off) > MOST_NAMED else "")
    return Finding(
        cause="topic_unsubscribed",
        evidence=f"The person turned topics off: {named}. Whether the message belongs to one, the API does not tell.",
        next_step="Look in Customer.io which topic it belongs to; only the person may turn one on again.",
    )
