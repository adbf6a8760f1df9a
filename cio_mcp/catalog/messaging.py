"""Messaging: transactional e-mail, push, SMS and in-app messages; broadcasts; newsletters."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from typing_extensions import override

from cio_mcp.catalog.audience import Audience
from cio_mcp.catalog.emails import RECIPIENTS, Address, AddressList, Attachments, Headers, recipients
from cio_mcp.catalog.endpoint import Access, Area, Bucket, Effect, Gate, Key, Repeat
from cio_mcp.catalog.fields import (
    DEVICE_TOKEN_BYTES,
    Flag,
    Line,
    NumericId,
    Text,
    Timestamp,
    TimestampOrZero,
    TimeZone,
    WholeNumber,
    at_most,
    in_zone,
    one_line,
    whole_number_from,
)
from cio_mcp.catalog.identifiers import PersonIdentifiers, is_phone
from cio_mcp.catalog.json_values import JsonObject
from cio_mcp.catalog.params import Params, wrong
from cio_mcp.catalog.variants import Device

messaging = Area("messaging", "Send e-mail, push, SMS and in-app messages; trigger broadcasts; send newsletters.")


def transactional_id(value: Any) -> Any:
    """Read the number or the trigger name of a transactional message; digits are a number."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        return at_most(150)(one_line(value))  # undocumented, as long as other names
    return whole_number_from(1)(value)


TransactionalId = Annotated[int | str, BeforeValidator(transactional_id), WithJsonSchema({"type": "string"})]


class Send(Params):
    """What every transactional message takes."""

    transactional_message_id: TransactionalId | None = Field(None, description="Number or trigger name")
    identifiers: PersonIdentifiers = Field(description="The person: one identifier")
    message_data: JsonObject | None = Field(None, description="For Liquid")
    send_at: Timestamp | None = Field(None, description="≤90 days ahead; past or absent: now")
    queue_draft: Flag | None = Field(None, description="Hold for a human to release")
    language: Line | None = Field(None, description="Instead of the person's")
    auto_create: Flag | None = Field(None, description="Create an unknown trigger name")
    disable_message_retention: Flag | None = Field(None, description="Do not keep the content")

    @model_validator(mode="after")
    def _only_names_are_created(self) -> Self:
        if self.auto_create and not isinstance(self.transactional_message_id, str):
            raise wrong("auto_create", "needs a trigger name as transactional_message_id, not a number")
        return self


class TemplatedSend(Send):
    """What every message but an e-mail takes: it cannot do without a template."""

    transactional_message_id: TransactionalId = Field(description="Number or trigger name")


@messaging.endpoint(
    "POST /v1/send/email",
    key=Key.SENDING, access=Access.WRITE, effect=Effect.MESSAGE, repeat=Repeat.NEVER, bucket=Bucket.EMAIL,
    gate=Gate.FREE, docs="app/tag/send-messages/sendEmail/", emits="email_sent", check_with="list_person_messages",
)  # fmt: skip
class SendEmail(Send):
    """Send one e-mail to one person: from a template, or with your own subject and body.

    Cannot be undone; a repeat sends another. Without transactional_message_id give from, subject and body. For
    many people use trigger_broadcast.
    """

    most_people: ClassVar[int] = RECIPIENTS

    to: AddressList = Field(description="Comma separated; to+cc+bcc ≤15")
    cc: AddressList | None = Field(None, description="Seen by all")
    bcc: AddressList | None = Field(None, description="Unseen")
    fake_bcc: Flag | None = Field(None, description="Copies to bcc name the recipient")
    from_: Address | None = Field(None, alias="from", description="Verified sender")
    reply_to: Line | None = Field(None, description="Where replies go")
    subject: Line | None = Field(None, description="Instead of the template's")
    preheader: Line | None = Field(None, description="Preview text")
    body: Text | None = Field(None, description="HTML")
    body_plain: Text | None = Field(None, description="Plain text")
    body_amp: Text | None = Field(None, description="AMP")
    headers: Headers | None = Field(None, description="{name: value}, ASCII")
    attachments: Attachments | None = Field(None, description="{file.ext: base64}, <2 MB in all")
    tracked: Flag | None = Field(None, description="Opens and clicks; default true")
    send_to_unsubscribed: Flag | None = Field(None, description="Also if unsubscribed; default true")
    disable_css_preprocessing: Flag | None = Field(None, description="Keep CSS as written")

    @override
    def people(self) -> int:
        return sum(len(recipients(addresses)) for addresses in (self.to, self.cc, self.bcc) if addresses)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.transactional_message_id is None:
            needed = {"from": self.from_, "subject": self.subject, "body": self.body}
            if missing := [name for name, value in needed.items() if value is None]:
                more = "give transactional_message_id, or else from, subject and body"
                raise wrong(missing[0], f"is needed: {more}")
        return self

    @model_validator(mode="after")
    def _recipients_are_few(self) -> Self:
        if (count := self.people()) > RECIPIENTS:
            raise wrong("to", f"names {count} recipients together with cc and bcc, at most {RECIPIENTS} are taken")
        return self


PUSH_PLATFORMS = ("ios", "android")


def push_payload(members: dict[str, Any]) -> dict[str, Any]:
    """Check that a payload is given per platform."""
    if not members or set(members) - set(PUSH_PLATFORMS):
        raise ValueError("must hold ios, android or both")
    if not all(isinstance(payload, dict) for payload in members.values()):
        raise ValueError("must hold an object for each platform")
    return members


@messaging.endpoint(
    "POST /v1/send/push",
    key=Key.SENDING, access=Access.WRITE, effect=Effect.MESSAGE, repeat=Repeat.NEVER, bucket=Bucket.TRANSACTIONAL,
    gate=Gate.FREE, docs="app/tag/send-messages/", emits="push_sent", check_with="list_person_messages",
)  # fmt: skip
class SendPush(TemplatedSend):
    """Send a push to a person's iPhone, Android phone or other device. Cannot be undone; a repeat sends another."""

    to: Annotated[Line, AfterValidator(at_most(DEVICE_TOKEN_BYTES))] | None = Field(
        None, description="all (default), last_used or a device token"
    )
    title: Line | None = Field(None, description="Instead of the template's")
    message: Text | None = Field(None, description="Instead of the template's")
    image_url: Line | None = Field(None, description="Picture")
    link: Line | None = Field(None, description="Opened on tap")
    sound: Literal["default", "none"] | None = Field(None, description="iOS")
    custom_data: JsonObject | None = Field(None, description="Text values on Firebase")
    custom_device: Device | None = Field(
        None, description="Added to the person: {token, platform, last_used, attributes}"
    )
    custom_payload: Annotated[JsonObject, AfterValidator(push_payload)] | None = Field(
        None, description="{ios, android}; overrides all else"
    )
    send_to_unsubscribed: Flag | None = Field(None, description="Also if unsubscribed; default true")

    @model_validator(mode="after")
    def _device_is_whole(self) -> Self:
        if self.custom_device and "platform" not in self.custom_device:
            raise wrong(("custom_device", "platform"), f"is needed: {' | '.join(PUSH_PLATFORMS)}")
        return self


def phone_or_liquid(text: str) -> str:
    """Check a phone number, or a Liquid expression that renders to one."""
    if not is_phone(text) and "{{" not in text:
        raise ValueError("must be in E.164 form, such as +15551234567, or Liquid")
    return text


@messaging.endpoint(
    "POST /v1/send/sms",
    key=Key.SENDING, access=Access.WRITE, effect=Effect.MESSAGE, repeat=Repeat.NEVER, bucket=Bucket.TRANSACTIONAL,
    gate=Gate.FREE, docs="app/tag/send-messages/", emits="sms_sent", check_with="list_person_messages",
)  # fmt: skip
class SendSms(TemplatedSend):
    """Send an SMS to a person. Cannot be undone; a repeat sends another."""

    # The reference marks it as required; the official SDKs leave it to the template.
    to: Annotated[Line, AfterValidator(phone_or_liquid)] | None = Field(
        None, description="E.164 or Liquid; default the template's"
    )
    from_: Line | None = Field(None, alias="from", description="Verified sender")
    tracked: Flag | None = Field(None, description="Clicks; default the template's")
    send_to_unsubscribed: Flag | None = Field(None, description="Also if unsubscribed; default true")


@messaging.endpoint(
    "POST /v1/send/in_app",
    key=Key.SENDING, access=Access.WRITE, effect=Effect.MESSAGE, repeat=Repeat.NEVER, bucket=Bucket.TRANSACTIONAL,
    gate=Gate.FREE, docs="app/tag/send-messages/", emits="in_app_sent", check_with="list_person_messages",
)  # fmt: skip
class SendInApp(TemplatedSend):
    """Send an in-app message, such as a banner, to a person. Cannot be undone; a repeat sends another."""


@messaging.endpoint(
    "POST /v1/campaigns/{broadcast_id}/triggers",
    key=Key.APP, access=Access.WRITE, effect=Effect.AUDIENCE, repeat=Repeat.NEVER,
    gate=Gate.ASKED, bucket=(Bucket.BROADCAST, Bucket.APP), docs="app/tag/send-messages/triggerBroadcast/",
    check_with="list_broadcast_triggers",
)  # fmt: skip
class TriggerBroadcast(Audience):
    """Send a broadcast now, to a segment, to people you name or to everyone set in it.

    Cannot be undone; a repeat sends it again. Name them at most one way; without any, the audience set in
    Customer.io gets it. One trigger per 10 seconds. For one person use send_email.
    """

    broadcast_id: NumericId = Field(description="From list_broadcasts")
    data: JsonObject | None = Field(None, description="For Liquid")


class RateLimited(Params):
    """How fast a newsletter goes out."""

    most_people: ClassVar[int] = 0  # that its arguments name: its audience is set in Customer.io

    newsletter_id: NumericId = Field(description="A draft, from list_newsletters")
    rate_limit_email_rate: WholeNumber | None = Field(None, description="Messages per period, any channel")
    rate_limit_time_period: Annotated[Literal[60, 3600, 86400], BeforeValidator(whole_number_from(1))] | None = Field(
        None, description="Seconds"
    )
    rate_limit_spread: Flag | None = Field(None, description="Evenly over the period")

    @model_validator(mode="after")
    def _rate_has_a_period(self) -> Self:
        if self.rate_limit_email_rate is not None and self.rate_limit_time_period is None:
            raise wrong("rate_limit_time_period", "is needed with rate_limit_email_rate")
        if self.rate_limit_time_period is not None and self.rate_limit_email_rate is None:
            raise wrong("rate_limit_email_rate", "is needed with rate_limit_time_period")
        return self


@messaging.endpoint(
    "POST /v1/newsletters/{newsletter_id}/send",
    key=Key.APP, access=Access.WRITE, effect=Effect.AUDIENCE, repeat=Repeat.NEVER, bucket=Bucket.APP,
    gate=Gate.ASKED, docs="app/tag/newsletters/", check_with="get_newsletter",
)  # fmt: skip
class SendNewsletter(RateLimited):
    """Send a newsletter now to its whole audience. Cannot be undone.

    For a later time use schedule_newsletter.
    """


@messaging.endpoint(
    "POST /v1/newsletters/{newsletter_id}/schedule",
    key=Key.APP, access=Access.WRITE, effect=Effect.AUDIENCE, repeat=Repeat.NEVER, bucket=Bucket.APP,
    gate=Gate.ASKED, docs="app/tag/newsletters/",
)  # fmt: skip
class ScheduleNewsletter(RateLimited):
    """Plan or move the time at which a newsletter goes to its whole audience, or cancel it with 0."""

    scheduled_at: TimestampOrZero = Field(description="ISO 8601, in the future; 0 cancels")
    timezone: TimeZone | None = Field(None, description="IANA name; needed unless 0")
    tz_match_enabled: Flag | None = Field(None, description="That local time for each recipient")

    @model_validator(mode="before")
    @classmethod
    def _on_the_clock_of_the_zone(cls, given: Any) -> Any:
        return in_zone(given, zone="timezone", times=("scheduled_at",))

    @model_validator(mode="after")
    def _time_has_a_zone(self) -> Self:
        if self.scheduled_at and self.timezone is None:
            raise wrong("timezone", "is needed with scheduled_at, such as Europe/Berlin")
        if self.tz_match_enabled and (self.rate_limit_time_period or 0) > 3600:  # noqa: PLR2004
            # "The period can't be greater than 3600" (App API reference, "Schedule a newsletter").
            raise wrong("rate_limit_time_period", "must be 60 or 3600 with tz_match_enabled")
        return self
