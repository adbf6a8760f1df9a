"""Customers: find people and read what Customer.io knows of them (App API)."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from cio_mcp.catalog.endpoint import Access, Area, Bucket, Effect, Key, Repeat
from cio_mcp.catalog.fields import Cursor, Email, Line, Offset, Timestamp, WholeNumber
from cio_mcp.catalog.filters import AudienceFilter
from cio_mcp.catalog.identifiers import PersonLookup
from cio_mcp.catalog.params import In, Params, wrong

customers = Area("customers", "Find people; read their attributes, messages, activities and segments.")

# "At most 6 months": no six months are longer.
MESSAGES_SECONDS = 184 * 86_400


@customers.endpoint(
    "POST /v1/customers",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/customers/getPeopleFilter/",
)  # fmt: skip
class SearchPeople(Params):
    """Find all customers who are on a plan, in a segment, or share any other attribute. Returns identifiers only."""

    filter: AudienceFilter = Field(
        description="One of {segment: {id}}, {attribute: {field, operator: eq|exists, value}}, {and: [...]}, "
        "{or: [...]}, {not: {...}}"
    )
    start: Annotated[Cursor | None, In.QUERY] = Field(None, description="next of the last page")
    limit: Annotated[WholeNumber | None, In.QUERY] = Field(None, le=1000, description="Default 50")


@customers.endpoint(
    "GET /v1/customers",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/customers/",
)  # fmt: skip
class FindPeopleByEmail(Params):
    """Find everybody with an e-mail address; returns identifiers only."""

    email: Email = Field(description="Case does not matter")
    offset: Annotated[Offset | None, In.LOCAL] = Field(None, description="Skip this many; for lists cut short")


@customers.endpoint(
    "GET /v1/customers/{customer_id}/attributes",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/customers/",
)  # fmt: skip
class GetPersonAttributes(PersonLookup):
    """Show all fields of a person's profile: attributes, devices, unsubscribed or not."""


@customers.endpoint(
    "GET /v1/customers/{customer_id}/messages",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/customers/",
)  # fmt: skip
class ListPersonMessages(PersonLookup):
    """Tell which e-mails or other messages somebody did get, and what became of them."""

    start: Cursor | None = Field(None, description="next of the last page")
    limit: WholeNumber | None = Field(None, le=1000, description="Default 50")
    start_ts: Timestamp | None = Field(None, description="Default 6 months ago")
    end_ts: Timestamp | None = Field(None, description="≤6 months after start_ts")

    @model_validator(mode="after")
    def _window_is_right(self) -> Self:
        if self.start_ts is not None and self.end_ts is not None:
            if self.end_ts <= self.start_ts:
                raise wrong("end_ts", "must lie after start_ts")
            if self.end_ts - self.start_ts > MESSAGES_SECONDS:
                raise wrong("end_ts", "must lie at most 6 months after start_ts: ask in several calls")
        return self


@customers.endpoint(
    "GET /v1/customers/{customer_id}/activities",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/customers/",
)  # fmt: skip
class ListPersonActivities(PersonLookup):
    """Tell what a person did lately, and when: signed up, bought, changed attributes, got messages.

    Newest first; 30 days are kept for certain.
    """

    start: Cursor | None = Field(None, description="next of the last page")
    limit: WholeNumber | None = Field(None, le=100, description="Default 10")
    # Not a closed list: the reference's own misspells one of its hundred names.
    type: Line | None = Field(None, description="Such as event, attribute_change, sent_email")
    name: Line | None = Field(None, description="Of an event or attribute")


@customers.endpoint(
    "GET /v1/customers/{customer_id}/relationships",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/customers/",
)  # fmt: skip
class ListPersonRelationships(PersonLookup):
    """List which companies or other objects a customer is connected to. Pages may repeat entries."""

    start: Cursor | None = Field(None, description="next of the last page")
    limit: WholeNumber | None = Field(None, description="Page size")


@customers.endpoint(
    "GET /v1/customers/{customer_id}/segments",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/customers/",
)  # fmt: skip
class ListPersonSegments(PersonLookup):
    """Tell which segments a person is in."""

    offset: Annotated[Offset | None, In.LOCAL] = Field(None, description="Skip this many; for lists cut short")
