"""People: create, update, merge, suppress and delete profiles; their devices and events (Track API v1)."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, AliasChoices, Field, model_validator
from typing_extensions import override

from cio_mcp.catalog.endpoint import Access, Area, Bucket, Effect, Gate, Key, Repeat
from cio_mcp.catalog.fields import (
    EVENT_DATA_BYTES,
    Attributes,
    DeviceToken,
    Email,
    EventData,
    EventName,
    EventType,
    Flag,
    PathId,
    Platform,
    TextId,
    TextValues,
    Timestamp,
    Ulid,
    all_text,
    number_as_text,
)
from cio_mcp.catalog.identifiers import PersonIdentifiers, PersonInPath
from cio_mcp.catalog.json_values import JsonObject
from cio_mcp.catalog.params import In, Params, wrong
from cio_mcp.catalog.relationships import V1Relationships

people = Area("people", "Create, change, merge, suppress and delete people; their devices, events and forms.")

PERSON = "id, email or cio_<cio_id>"


class Event(Params):
    """What every event carries."""

    most_people: ClassVar[int] = EVENT_DATA_BYTES  # written down in data.recipient: more than fit

    name: EventName = Field(description="≤100 bytes")
    type: EventType | None = Field(None, description="Default event")
    id: Ulid | None = Field(None, description="ULID; a repeat with the same is ignored. Made for you")
    timestamp: Timestamp | None = Field(None, description="Default now; only the last 72 h trigger campaigns")
    data: EventData | None = Field(
        None, description="Properties. recipient, from_address, reply_to override a campaign's e-mail"
    )

    @override
    def minted(self, mint: Callable[[], str]) -> Self:
        return self if self.id else self.model_copy(update={"id": mint()})

    @override
    def echoed(self) -> dict[str, Any]:
        return {"id": self.id}


@people.endpoint(
    "PUT /api/v1/customers/{identifier}",
    key=Key.TRACK, access=Access.WRITE, effect=Effect.MAY_TRIGGER, repeat=Repeat.SAFE, bucket=Bucket.TRACK,
    gate=Gate.FREE, docs="track/tag/track-customers/identify/",
)  # fmt: skip
class IdentifyPerson(Params):
    """Create or update a person: attributes, new e-mail address, no more marketing (unsubscribed).

    Campaigns may react. Accepted is not applied: identifiers of two different people are dropped silently. To
    stop campaigns set unsubscribed.
    """

    identifier: PersonInPath = Field(description=PERSON)
    id: TextId | None = Field(None, description="Set the id; changing it needs cio_ in identifier")
    email: Email | None = Field(None, description="Set the e-mail")
    anonymous_id: TextId | None = Field(None, description="Link earlier anonymous events")
    created_at: Timestamp | None = Field(None, description="When they signed up")
    unsubscribed: Flag | None = Field(None, description="True stops campaigns and broadcasts, not transactional sends")
    cio_subscription_preferences: JsonObject | None = Field(
        None, description="{topics: {topic_<n>: bool}}; replaces all"
    )
    cio_relationships: V1Relationships | None = Field(
        None,
        description="{action: add_relationships|delete_relationships, relationships: [{identifiers: "
        "{object_type_id, object_id}}]}",
    )
    # LlamaIndex makes fields of arguments, and refuses the whole list for a name that begins with an underscore.
    timestamp: Timestamp | None = Field(
        None,
        validation_alias=AliasChoices("timestamp", "_timestamp"),
        serialization_alias="_timestamp",
        description="Orders rapid updates",
    )
    update: Flag | None = Field(
        None,
        validation_alias=AliasChoices("update", "_update"),
        serialization_alias="_update",
        description="True never creates",
    )
    attributes: Annotated[Attributes | None, In.SPREAD] = Field(None, description="Custom attributes")

    @model_validator(mode="after")
    def _names_stand_once(self) -> Self:
        own = {info.serialization_alias or name for name, info in type(self).model_fields.items()} - {
            "attributes",
            "identifier",
        }
        twice = sorted(own & set(self.attributes or ()))
        if twice:
            raise wrong("attributes", f"must not hold {twice[0]!r}: give it as an argument of its own")
        return self


@people.endpoint(
    "DELETE /api/v1/customers/{identifier}",
    key=Key.TRACK, access=Access.DESTRUCTIVE, effect=Effect.DATA, repeat=Repeat.SAFE_UNLESS_RECREATED,
    gate=Gate.ASKED, bucket=Bucket.TRACK, docs="track/tag/track-customers/delete/", check_with="get_person_attributes",
)  # fmt: skip
class DeletePerson(Params):
    """Delete a person, such as a test user, and their history for good.

    Cannot be undone. Later calls may create them anew; suppress_person prevents that. To only stop campaigns use
    identify_person with unsubscribed.
    """

    identifier: PersonInPath = Field(description=PERSON)


@people.endpoint(
    "PUT /api/v1/customers/{identifier}/devices",
    key=Key.TRACK, access=Access.WRITE, effect=Effect.MAY_TRIGGER, repeat=Repeat.SAFE, bucket=Bucket.TRACK,
    gate=Gate.FREE, docs="track/tag/track-customers/add_device/", wrap="device",
)  # fmt: skip
class UpsertDevice(Params):
    """Register a person's phone or other device for push messages, by its token, or update it."""

    identifier: PersonInPath = Field(description=PERSON)
    id: DeviceToken = Field(description="Device token")
    platform: Platform = Field(description="Whose push service")
    last_used: Timestamp | None = Field(None, description="Default now")
    attributes: TextValues | None = Field(None, description="app_version, device_os, push_enabled...; text only")


@people.endpoint(
    "DELETE /api/v1/customers/{identifier}/devices/{device_id}",
    key=Key.TRACK, access=Access.DESTRUCTIVE, effect=Effect.DATA, repeat=Repeat.SAFE, bucket=Bucket.TRACK,
    gate=Gate.ASKED, docs="track/tag/track-customers/delete_device/",
)  # fmt: skip
class DeleteDevice(Params):
    """Remove a device: its owner gets no push there until it is added again."""

    identifier: PersonInPath = Field(description=PERSON)
    device_id: DeviceToken = Field(description="Device token")


@people.endpoint(
    "POST /api/v1/customers/{identifier}/suppress",
    key=Key.TRACK, access=Access.DESTRUCTIVE, effect=Effect.DATA, repeat=Repeat.SAFE_UNLESS_RECREATED,
    gate=Gate.ASKED, bucket=Bucket.TRACK, docs="track/tag/track-customers/suppress/",
    check_with="get_person_attributes",
)  # fmt: skip
class SuppressPerson(Params):
    """Erase a person and all their data for ever, and block them from being added again.

    Cannot be undone. For privacy requests only. To stop campaigns use identify_person with unsubscribed.
    """

    identifier: PersonInPath = Field(description=PERSON)


@people.endpoint(
    "POST /api/v1/customers/{identifier}/events",
    key=Key.TRACK, access=Access.WRITE, effect=Effect.MAY_TRIGGER, repeat=Repeat.DEDUPLICATED,
    gate=Gate.FREE, bucket=Bucket.TRACK, docs="track/tag/track-events/track/",
)  # fmt: skip
class TrackEvent(Event):
    """Record an event of a person, such as a purchase or page view; it may trigger campaigns, so real messages."""

    identifier: PersonInPath = Field(description=PERSON)
    # The reference names it for screen events, and there even as required, which looks like a slip.
    anonymous_id: TextId | None = Field(None, description="Screen events only")


@people.endpoint(
    "POST /api/v1/events",
    key=Key.TRACK, access=Access.WRITE, effect=Effect.MAY_TRIGGER, repeat=Repeat.DEDUPLICATED,
    gate=Gate.FREE, bucket=Bucket.TRACK, docs="track/tag/track-events/trackAnonymous/",
)  # fmt: skip
class TrackAnonymousEvent(Event):
    """Record an event of somebody not known yet; identify_person with the same anonymous_id attaches it."""

    # Customer.io's SDKs still allow none (an "invite event" to data.recipient), the reference no longer does.
    anonymous_id: TextId | None = Field(None, description="Attaches within 30 days. Absent: needs data.recipient")

    @model_validator(mode="after")
    def _somebody_is_meant(self) -> Self:
        if self.anonymous_id is None and not (self.data or {}).get("recipient"):
            raise wrong("anonymous_id", "is needed, or data.recipient for an invitation")
        return self


@people.endpoint(
    "POST /api/v1/merge_customers",
    key=Key.TRACK, access=Access.DESTRUCTIVE, effect=Effect.MAY_TRIGGER, repeat=Repeat.SAFE_UNLESS_RECREATED,
    gate=Gate.ASKED, bucket=Bucket.TRACK, docs="track/tag/track-customers/merge/", check_with="get_person_attributes",
)  # fmt: skip
class MergePeople(Params):
    """Merge the secondary person into the primary and delete the secondary. Cannot be undone.

    If the primary does not exist nothing happens, although the call is accepted.
    """

    primary: PersonIdentifiers = Field(description="Who stays: one identifier")
    secondary: PersonIdentifiers = Field(description="Who is deleted: one identifier")

    @model_validator(mode="after")
    def _two_people(self) -> Self:
        if self.primary == self.secondary:
            raise wrong("secondary", "must be another person than primary")
        return self


def form_data(members: dict[str, object]) -> dict[str, object]:
    """Check that a form names one person, and that all its values are text."""
    if ("email" in members) == ("id" in members):
        raise ValueError("must hold exactly one of email | id")
    return all_text({**members, "id": number_as_text(members["id"])} if "id" in members else members)


@people.endpoint(
    "POST /api/v1/forms/{form_id}/submit",
    key=Key.TRACK, access=Access.WRITE, effect=Effect.MAY_TRIGGER, repeat=Repeat.NEVER, bucket=Bucket.TRACK,
    gate=Gate.FREE, docs="track/tag/forms/submitForm/", check_with="list_person_activities",
)  # fmt: skip
class SubmitForm(Params):
    """Submit a form for a person; it may trigger campaigns. An unknown form_id creates a form."""

    form_id: PathId = Field(description="The form's id")
    data: Annotated[JsonObject, AfterValidator(form_data)] = Field(
        description="One of email | id, and attributes; all values text"
    )
