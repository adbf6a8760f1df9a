"""Reporting webhooks: where Customer.io sends what happens to messages and people (App API)."""

from difflib import get_close_matches
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from cio_mcp.catalog.endpoint import Access, Area, Bucket, Effect, Gate, Key, Repeat
from cio_mcp.catalog.fields import Flag, HttpsUrl, JsonList, Line, NumericId, Offset
from cio_mcp.catalog.params import In, Params

webhooks = Area("webhooks", "List, create, change and delete reporting webhooks.")

# App API reference, "Create a reporting webhook": the events that can be configured.
METRICS = {
    "customer": "subscribed unsubscribed subscription_preferences_changed",
    "email": "drafted attempted sent delivered opened clicked converted bounced dropped deferred spammed failed "
    "unsubscribed undeliverable",
    "in_app": "drafted attempted sent opened clicked converted failed undeliverable",
    "push": "drafted attempted sent delivered opened clicked converted bounced dropped failed undeliverable",
    "slack": "drafted attempted sent clicked converted failed",
    "sms": "drafted attempted sent delivered clicked converted bounced dropped failed undeliverable replied",
    "webhook": "drafted attempted sent clicked converted failed undeliverable",
    "whatsapp": "drafted attempted sent delivered opened clicked converted bounced dropped failed undeliverable "
    "replied",
}
EVENTS = tuple(f"{channel}_{metric}" for channel, metrics in METRICS.items() for metric in metrics.split())


def event(name: str) -> str:
    """Check the name of an event that can be reported, with a hint at the nearest one."""
    if name in EVENTS:
        return name
    near = get_close_matches(name, EVENTS, n=1)
    hint = f"did you mean {near[0]}?" if near else "give customer_* or <channel>_<metric>, e.g. email_bounced"
    raise ValueError(f"is no event: {hint}")


def not_more_than_there_are(names: Any) -> Any:
    """Refuse a list that must repeat itself before the nearest name to each of its items is looked for."""
    if isinstance(names, list) and len(names) > len(EVENTS):
        raise ValueError(f"has {len(names):,} items, but there are {len(EVENTS)} events")
    return names


Events = Annotated[list[Annotated[str, AfterValidator(event)]], BeforeValidator(not_more_than_there_are), JsonList]


@webhooks.endpoint(
    "GET /v1/reporting_webhooks",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/reporting-webhooks/",
)  # fmt: skip
class ListReportingWebhooks(Params):
    """List all webhooks configured: where they send, and which events."""

    offset: Annotated[Offset | None, In.LOCAL] = Field(None, description="Skip this many; for lists cut short")


class Webhook(Params):
    """A reporting webhook in full."""

    most_people: ClassVar[int] = 0

    name: Line = Field(description="Shown in Customer.io")
    endpoint: HttpsUrl = Field(description="https address that gets the events")
    events: Events = Field(min_length=1, description="customer_* or <channel>_<metric>, e.g. email_bounced")
    disabled: Flag | None = Field(None, description="Send nothing")
    full_resolution: Flag | None = Field(None, description="Every open and click, not only the first")
    with_content: Flag | None = Field(None, description="Add message bodies to *_sent")


@webhooks.endpoint(
    "POST /v1/reporting_webhooks",
    key=Key.APP, access=Access.WRITE, effect=Effect.DATA, repeat=Repeat.NEVER, bucket=Bucket.APP,
    gate=Gate.ASKED, docs="app/tag/reporting-webhooks/", check_with="list_reporting_webhooks",
)  # fmt: skip
class CreateReportingWebhook(Webhook):
    """Start sending events, with personal data, to an outside address.

    The key to check their signatures is shown only in Customer.io.
    """


@webhooks.endpoint(
    "GET /v1/reporting_webhooks/{webhook_id}",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/reporting-webhooks/",
)  # fmt: skip
class GetReportingWebhook(Params):
    """Read which events one reporting webhook sends, where to, and whether it is disabled."""

    webhook_id: NumericId = Field(description="From list_reporting_webhooks")


@webhooks.endpoint(
    "PUT /v1/reporting_webhooks/{webhook_id}",
    key=Key.APP, access=Access.WRITE, effect=Effect.DATA, repeat=Repeat.SAFE, bucket=Bucket.APP,
    gate=Gate.ASKED, docs="app/tag/reporting-webhooks/",
)  # fmt: skip
class UpdateReportingWebhook(Webhook):
    """Turn a reporting webhook on or off, add events to it, or change its address.

    Replaces all settings: read it first and give all of them again.
    """

    webhook_id: NumericId = Field(description="From list_reporting_webhooks")


@webhooks.endpoint(
    "DELETE /v1/reporting_webhooks/{webhook_id}",
    key=Key.APP, access=Access.DESTRUCTIVE, effect=Effect.DATA, repeat=Repeat.SAFE_UNLESS_RECREATED,
    gate=Gate.ASKED, bucket=Bucket.APP, docs="app/tag/reporting-webhooks/", check_with="get_reporting_webhook",
)  # fmt: skip
class DeleteReportingWebhook(Params):
    """Delete a reporting webhook: its address gets no more events. Cannot be undone.

    To pause it use update_reporting_webhook with disabled.
    """

    most_people: ClassVar[int] = 0

    webhook_id: NumericId = Field(description="From list_reporting_webhooks")
