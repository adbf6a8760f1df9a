"""Broadcasts, campaigns, newsletters: what there is, what triggers came to, how messages fared (App API)."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from cio_mcp.catalog.endpoint import Access, Area, Bucket, Effect, Key, Repeat
from cio_mcp.catalog.fields import (
    Cursor,
    NumericId,
    Offset,
    Timestamp,
    TimeZone,
    WholeNumber,
    in_zone,
    whole_number_from,
)
from cio_mcp.catalog.params import In, Params, wrong

broadcasts = Area("broadcasts", "Read broadcasts, campaigns and newsletters, what triggers came to, and metrics.")

Period = Literal["hours", "days", "weeks", "months"]
Resolution = Literal["hours", "hourly", "days", "daily", "weeks", "weekly", "months", "monthly"]
Channel = Literal["email", "webhook", "twilio", "whatsapp", "slack", "push", "in_app", "live_notification"]
CHANNEL = "Default all; twilio is SMS"

# "Get metrics for a broadcast" in the App API reference; of months it says 120 in one place, 121 in another.
MOST_STEPS = {"hours": 24, "days": 45, "weeks": 12, "months": 121}


@broadcasts.endpoint(
    "GET /v1/broadcasts",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/broadcasts/listBroadcasts/",
)  # fmt: skip
class ListBroadcasts(Params):
    """List all broadcasts that the API can trigger, with ids, names and states; newsletters are no broadcasts."""

    offset: Annotated[Offset | None, In.LOCAL] = Field(None, description="Skip this many; for lists cut short")


@broadcasts.endpoint(
    "GET /v1/broadcasts/{broadcast_id}",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/broadcasts/",
)  # fmt: skip
class GetBroadcast(Params):
    """Read a broadcast's name, state, creation and actions."""

    broadcast_id: NumericId = Field(description="From list_broadcasts")


@broadcasts.endpoint(
    "GET /v1/broadcasts/{broadcast_id}/actions",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/broadcasts/",
)  # fmt: skip
class ListBroadcastActions(Params):
    """List a broadcast's messages with their content."""

    broadcast_id: NumericId = Field(description="From list_broadcasts")
    offset: Annotated[Offset | None, In.LOCAL] = Field(None, description="Skip this many; for lists cut short")


@broadcasts.endpoint(
    "GET /v1/broadcasts/{broadcast_id}/triggers",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/broadcasts/",
)  # fmt: skip
class ListBroadcastTriggers(Params):
    """List when and how often a broadcast was sent, by trigger; finds a trigger whose id was lost."""

    broadcast_id: NumericId = Field(description="From list_broadcasts")
    offset: Annotated[Offset | None, In.LOCAL] = Field(None, description="Skip this many; for lists cut short")


@broadcasts.endpoint(
    "GET /v1/campaigns/{broadcast_id}/triggers/{trigger_id}",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/broadcasts/broadcastStatus/",
)  # fmt: skip
class GetBroadcastTrigger(Params):
    """Read whether one trigger of a broadcast went through, and when."""

    broadcast_id: NumericId = Field(description="From list_broadcasts")
    trigger_id: NumericId = Field(description="From trigger_broadcast")


@broadcasts.endpoint(
    "GET /v1/campaigns/{broadcast_id}/triggers/{trigger_id}/errors",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/broadcasts/",
)  # fmt: skip
class ListBroadcastTriggerErrors(Params):
    """List why a trigger failed, or whom it skipped, line by line."""

    broadcast_id: NumericId = Field(description="From list_broadcasts")
    trigger_id: NumericId = Field(description="From trigger_broadcast")
    start: Offset | None = Field(None, description="next of the last page")
    limit: WholeNumber | None = Field(None, description="Page size")


@broadcasts.endpoint(
    "GET /v1/broadcasts/{broadcast_id}/metrics",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/broadcasts/",
)  # fmt: skip
class GetBroadcastMetrics(Params):
    """Read how a broadcast's messages fared over time: sent, opened, clicked and more, oldest first."""

    broadcast_id: NumericId = Field(description="From list_broadcasts")
    period: Period | None = Field(None, description="Default days")
    steps: WholeNumber | None = Field(None, description="≤24 hours, 45 days, 12 weeks, 121 months")
    type: Channel | None = Field(None, description=CHANNEL)

    @model_validator(mode="after")
    def _steps_fit_the_period(self) -> Self:
        most = MOST_STEPS[self.period or "days"]
        if (self.steps or 0) > most:
            raise wrong("steps", f"must be at most {most} for {self.period or 'days'}")
        return self


@broadcasts.endpoint(
    "GET /v1/campaigns",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/campaigns/",
)  # fmt: skip
class ListCampaigns(Params):
    """List all campaigns (automations)."""

    offset: Annotated[Offset | None, In.LOCAL] = Field(None, description="Skip this many; for lists cut short")


@broadcasts.endpoint(
    "GET /v1/campaigns/{campaign_id}",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/campaigns/",
)  # fmt: skip
class GetCampaign(Params):
    """Read a campaign's name, state, trigger and actions."""

    campaign_id: NumericId = Field(description="From list_campaigns")


@broadcasts.endpoint(
    "GET /v1/campaigns/{campaign_id}/actions",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/campaigns/",
)  # fmt: skip
class ListCampaignActions(Params):
    """List a campaign's messages with their content, ten at a time."""

    campaign_id: NumericId = Field(description="From list_campaigns")
    start: Cursor | None = Field(None, description="next of the last page")
    offset: Annotated[Offset | None, In.LOCAL] = Field(None, description="Skip this many; for pages cut short")


VERSION_FIELDS = {1: ("period", "steps"), 2: ("res", "tz", "start", "end")}


@broadcasts.endpoint(
    "GET /v1/campaigns/{campaign_id}/metrics",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/campaigns/campaignMetrics/",
)  # fmt: skip
class GetCampaignMetrics(Params):
    """Read how a campaign's messages fared over time: sent, opened, clicked and more, oldest first."""

    campaign_id: NumericId = Field(description="From list_campaigns")
    # Always sent: without it the API answers in the deprecated form of version 1.
    version: Annotated[Literal[1, 2], BeforeValidator(whole_number_from(1))] = Field(
        2, description="2: res, tz, start, end; 1 (deprecated): period, steps"
    )
    res: Resolution | None = Field(None, validate_default=True, description="Default days")
    tz: TimeZone | None = Field(None, description="IANA name")
    start: Timestamp | None = Field(None, description="From")
    end: Timestamp | None = Field(None, description="To")
    period: Period | None = Field(None, description="Version 1")
    steps: Offset | None = Field(None, description="Version 1; 0 is the most")
    type: Channel | None = Field(None, description=CHANNEL)

    @field_validator("res", mode="before")
    @classmethod
    def _version_2_needs_it(cls, value: Any, info: ValidationInfo) -> Any:
        return "days" if value is None and info.data.get("version") == 2 else value  # noqa: PLR2004

    @model_validator(mode="before")
    @classmethod
    def _on_the_clock_of_the_zone(cls, given: Any) -> Any:
        return in_zone(given, zone="tz", times=("start", "end"))

    @model_validator(mode="after")
    def _versions_do_not_mix(self) -> Self:
        other = 3 - self.version
        for name in VERSION_FIELDS[other]:
            if getattr(self, name) is not None:
                own = ", ".join(VERSION_FIELDS[self.version])
                raise wrong(name, f"belongs to version {other}; version {self.version} takes {own}")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise wrong("end", "must lie after start")
        return self


@broadcasts.endpoint(
    "GET /v1/newsletters",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/newsletters/",
)  # fmt: skip
class ListNewsletters(Params):
    """List newsletters: which were sent and when, and the segments they go to."""

    start: Cursor | None = Field(None, description="next of the last page")
    limit: WholeNumber | None = Field(None, le=100, description="Default 10")
    sort: Literal["asc", "desc"] | None = Field(None, description="Order")


@broadcasts.endpoint(
    "GET /v1/newsletters/{newsletter_id}",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/newsletters/",
)  # fmt: skip
class GetNewsletter(Params):
    """Read whether a newsletter was sent, and the segments it goes to."""

    newsletter_id: NumericId = Field(description="From list_newsletters")
