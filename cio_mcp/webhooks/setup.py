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
    """What the operator set: the address by which Customer.io reaches the receiver, and how many keys are good.

    `path` is where the receiver listens, `key_setting` what an operator calls the key's setting.
    """

    url: str | None = None
    keys: int = 0
    path: str = PATH
    key_setting: str = KEY_SETTING


def path_of(workspace: str | None) -> str:
    """Return where the events of a workspace are received; None if it is the only one."""
    return PATH if workspace is None else f"{PATH}/{workspace}"


def told(setup: Setup, standing: Standing | None, now: float) -> Json:
    """Return what is set up, how receiving goes at `now`, and what to do next."""
    return _state(setup) | (_received(standing, now) if standing else {}) | {"next_step": _next_step(setup, standing)}


def unreadable(setup: Setup) -> Json:
    """Return what is set up where it cannot be read how receiving goes."""
    step = "Whether events arrive cannot be read now: have the operator look at the server's messages."
    return _state(setup) | {"next_step": step if setup.keys else _next_step(setup, None)}


def _state(setup: Setup) -> Json:
    keys = ("not set", "set", "set, and an earlier one is good too")[min(setup.keys, 2)]
    return {"signing_key": keys, "url": setup.url or f"https://<your host>{setup.path}"}


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
            f"Have the operator set {setup.key_setting} to the signing key that Customer.io shows under Data & "
            "Integrations, Integrations, Reporting Webhooks."
        )
    if standing is None or standing.last_received_at is None:
        return _begin(setup, standing.refused if standing else {})
    return "Events arrive: wait_for_delivery and get_delivery_timeline go by them."


def _begin(setup: Setup, refused: Mapping[str, int]) -> str:
    if refused.get("forged"):
        return (
            f"Calls come with another signature: {setup.key_setting} is not the key that Customer.io shows for this "
            "webhook."
        )
    path = f"the https address of this server with the path {setup.path} (tell it by {URL_SETTING})"
    url = "url" if setup.url else path
    return (
        "No event has come yet. In Customer.io, Data & Integrations, Integrations, Reporting Webhooks, or with "
        f"create_reporting_webhook: enter {url} as the endpoint, and events such as {', '.join(EVENTS)}."
    )
