"""Metrics in series: one integer per period, oldest first."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cio_mcp.sandbox.deliveries import Delivery
from cio_mcp.sandbox.paging import whole_number
from cio_mcp.sandbox.replies import Refusal

PERIODS = {"hours": 3_600, "days": 86_400, "weeks": 7 * 86_400, "months": 30 * 86_400}
MOST_STEPS = {"hours": 24, "days": 45, "weeks": 12, "months": 120}  # App API reference, "steps"
DEFAULT_MONTHS = 12
RESOLUTIONS = {"hourly": "hours", "daily": "days", "weekly": "weeks", "monthly": "months"} | {
    period: period for period in PERIODS
}
TYPES = ("email", "webhook", "twilio", "whatsapp", "slack", "push", "in_app", "live_notification")
SERIES = (
    *("attempted", "bounced", "clicked", "converted", "created", "deferred", "delivered", "drafted", "failed"),
    *("opened", "sent", "spammed", "suppressed", "undeliverable", "topic_unsubscribed", "unsubscribed"),
)
HUMAN_SERIES = ("human_clicked", "human_opened", "prefetch_clicked", "prefetch_opened")
_MOST_PERIODS = 10_000

Series = dict[str, list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """`steps` periods of `period` seconds that end at `end` (unix seconds)."""

    end: float
    period: int
    steps: int

    def index(self, at: float) -> int:
        """Return the period a moment lies in; outside 0..steps-1 it lies in none."""
        return self.steps - 1 - math.floor((self.end - at) / self.period)


def period_of(query: dict[str, str], now: float, *, fewest: int = 1) -> Span:
    """Read period and steps (default: days, as many as allowed; months 12)."""
    _check_type(query)
    name = query.get("period", "days")
    if name not in PERIODS:
        raise Refusal(400, "period must be one of hours, days, weeks, months")
    usual = DEFAULT_MONTHS if name == "months" else MOST_STEPS[name]
    steps = whole_number(query, "steps", 0) or usual
    if steps > MOST_STEPS[name]:
        raise Refusal(400, f"steps must be at most {MOST_STEPS[name]} for {name}")
    return Span(end=now, period=PERIODS[name], steps=max(fewest, steps))


def span_of(query: dict[str, str], now: float) -> Span:
    """Read version 2: res is required; start and end default to the last 30 days; tz is an IANA name."""
    _check_type(query)
    if query.get("res") not in RESOLUTIONS:
        raise Refusal(400, f"res is required and must be one of {', '.join(sorted(RESOLUTIONS))}")
    if "tz" in query:
        _check_zone(query["tz"])
    end = whole_number(query, "end", int(now))
    start = whole_number(query, "start", end - PERIODS["months"])
    if start >= end:
        raise Refusal(400, "start must be before end")
    period = PERIODS[RESOLUTIONS[query["res"]]]
    steps = math.ceil((end - start) / period)
    if steps > _MOST_PERIODS:
        raise Refusal(400, "the range holds too many periods")
    return Span(end=end, period=period, steps=steps)


def delivery_series(deliveries: Iterable[Delivery], span: Span, now: float) -> Series:
    """Count the metrics of deliveries by the period they were recorded in."""
    series = _zeros(SERIES, span.steps)
    for delivery in deliveries:
        for metric, at in delivery.metrics(now).items():
            index = span.index(at)
            if metric in series and delivery.created <= now and 0 <= index < span.steps:
                series[metric][index] += 1
    return series


def campaign_series(daily: int, span: Span, *, detailed: bool) -> Series:
    """Return plausible numbers for a campaign that sends `daily` messages a day, the same at every call."""
    series = _zeros(SERIES + HUMAN_SERIES if detailed else SERIES, span.steps)
    for index in range(span.steps):
        sent = daily * span.period // PERIODS["days"]
        sent += index % 3 if sent else 0
        bounced = sent // 20
        delivered = sent - bounced
        opened = delivered * 2 // 5
        clicked = opened // 5
        counts = {"created": sent, "attempted": 0, "sent": sent, "bounced": bounced, "delivered": delivered}
        counts |= {"opened": opened, "clicked": clicked, "converted": clicked // 2, "unsubscribed": sent // 100}
        counts |= {"human_opened": opened * 3 // 4, "human_clicked": clicked}
        counts |= {"prefetch_opened": opened - opened * 3 // 4}
        for metric in counts.keys() & series.keys():
            series[metric][index] = counts[metric]
    return series


def _zeros(names: Iterable[str], steps: int) -> Series:
    return {name: [0] * steps for name in names}


def _check_type(query: dict[str, str]) -> None:
    if query.get("type", "email") not in TYPES:
        raise Refusal(400, f"type must be one of {', '.join(TYPES)}")


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refusal(400, "tz must be an IANA time zone") from None
