"""Pure: what to enter where so that Customer.io's events arrive, and whether they do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cio_mcp.moments import moment
from cio_mcp.webhooks.store import Kept, Standing

Json = dict[str, Any]
PATH = "/webhooks/customerio"
KEY_SETTING = "CUSTOMERIO_WEBHOOK_SIGNING_KEY"
URL_SETTING = "CIO_MCP_WEBHOOK_URL"
EVENTS = ("email_sent", "email_delivered", "email_opened", "email_clicked", "email_bounced", "email_dropped",
          "email_failed", "email_undeliverable", "email_spammed", "email_unsubscribed")  # fmt: skip
"""What most want to know; of other channels, the same metrics under their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the operator set: the address by which Customer.io reaches the receiver, and how many keys are good."""

    url: str | None = None
    keys: int = 0


def told(setup: Setup, standing: Standing | None, now: float) -> Json:
    """Return what is set up, how receiving goes at `now`, and what to do next."""
    state: Json = {"signing_key": "set" if setup.keys else "not set", "url": setup.url or f"https://<your host>{PATH}"}
    if setup.keys > 1:
        state["signing_key"] = "set, and an earlier one is good too"
    return state | (_received(standing, now) if standing else {}) | {"next_step": _next_step(setup, standing)}


def _received(standing: Standing, now: float) -> Json:
    facts: Json = {kept.value: count for kept, count in standing.counts.items() if count or kept is Kept.NEW}
    if standing.last_received_at is not None and standing.last_at is not None:
        facts["last_event_at"] = moment(standing.last_received_at)
        facts["last_event_seconds_ago"] = round(max(0.0, now - standing.last_received_at))
        facts["lag_seconds"] = round(max(0.0, standing.last_received_at - standing.last_at), 1)
    return facts | ({"refused": dict(standing.refused)} if standing.refused else {})


def _next_step(setup: Setup, standing: Standing | None) -> str:
    if not setup.keys:
        return (
            f"Have the operator set {KEY_SETTING} to the signing key that Customer.io shows under Data & Integrations, "
            "Integrations, Reporting Webhooks."
        )
    if standing is None or standing.last_received_at is None:
        return _begin(setup, standing.refused if standing else {})
    return "Events arrive: wait_for_delivery and get_delivery_timeline go by them."


def _begin(setup: Setup, refused: Mapping[str, int]) -> str:
    if refused.get("forged"):
        return (
            f"Calls come with another signature: {KEY_SETTING} is not the key that Customer.io shows for this webhook."
        )
    url = "url" if setup.url else f"the https address of this server with the path {PATH} (tell it by {URL_SETTING})"
    return (
        "No event has come yet. In Customer.io, Data & Integrations, Integrations, Reporting Webhooks, or with "
        f"create_reporting_webhook: enter {url} as the endpoint, and events such as {', '.join(EVENTS)}."
    )
