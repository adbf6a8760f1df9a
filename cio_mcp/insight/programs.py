"""Pure: what a campaign, broadcast or newsletter asks of a person before it sends, as far as the API tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cio_mcp.insight import messages
from cio_mcp.insight.triggers import Errors
from cio_mcp.planning.answers import moment, number, numbers, rows, word

Json = dict[str, Any]
Kind = Literal["campaign", "broadcast", "newsletter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Something that sends: `absent` says that there is none of this id; times are in seconds since 1970."""

    kind: Kind
    number: int
    absent: bool = False
    state: str = "other"
    runs: bool = True
    segments: tuple[int, ...] = ()
    """The people whom it reaches are in these, so far as it names any; how they are combined is not told."""
    event: str = ""
    """The event that starts it for a person, as it was written by others."""
    channels: frozenset[str] = frozenset()
    sent_at: int | None = None
    """When a newsletter was sent, or a broadcast triggered last."""
    errors: Errors | None = None
    """Of the newest trigger of a broadcast."""
    topic: int | None = None
    """The subscription topic of a newsletter; 0 if it has none, None if that is not told."""
    planned_at: int | None = None
    """Of a newsletter; 0 if it is not planned, None if that is not told: the API's reference shows no such member."""

    def told(self) -> Json:
        """Return it as a model reads it."""
        shown: Json = {"kind": self.kind, "id": self.number}
        if self.absent:
            return shown
        shown |= {"state": self.state} if self.kind != "newsletter" else {}
        shown |= {"segments": list(self.segments)} if self.segments else {}
        shown |= {"event": messages.short(self.event)} if self.event else {}
        shown |= {"last_sent" if self.kind == "newsletter" else "last_triggered": at for at in [moment(self.sent_at)]}
        return {name: value for name, value in shown.items() if value is not None}


def campaign(number_: int, found: Mapping[str, Any]) -> Program:
    """Return a campaign as `get_campaign` shows it."""
    event = found.get("event_name")
    return Program(
        kind="campaign",
        number=number_,
        state=word(found.get("state")),
        runs=found.get("active") is not False,
        segments=tuple(dict.fromkeys((*numbers(found.get("trigger_segment_ids")), *_filter(found)))),
        event=event if isinstance(event, str) else "",
        channels=_channels(found),
    )


def broadcast(
    number_: int, found: Mapping[str, Any], triggers: Mapping[str, Any] | None, errors: Errors | None = None
) -> Program:
    """Return a broadcast as `get_broadcast` shows it, when it was triggered, and what went wrong the last time."""
    times = [at for row in rows(triggers, "triggers") if (at := number(row.get("created_at")))]
    return Program(
        kind="broadcast",
        number=number_,
        state=word(found.get("state")),
        runs=found.get("active") is not False,
        segments=tuple(numbers(found.get("recipient_segment_ids"))),
        channels=_channels(found),
        sent_at=max(times) if times else None if triggers is None else 0,
        errors=errors,
    )


def newsletter(number_: int, found: Mapping[str, Any]) -> Program:
    """Return a newsletter as `get_newsletter` shows it."""
    return Program(
        kind="newsletter",
        number=number_,
        segments=tuple(numbers(found.get("recipient_segment_ids"))),
        channels=frozenset({word(found.get("type"))}),
        sent_at=number(found.get("sent_at")) or 0,
        topic=(number(found["subscription_topic_id"]) or 0) if "subscription_topic_id" in found else None,
        planned_at=number(found.get("scheduled_at")),
    )


def _filter(found: Mapping[str, Any]) -> list[int]:
    return numbers(found.get("filter_segment_ids"))


def _channels(found: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(word(action.get("type")) for action in rows(found, "actions")) - {"other"}
