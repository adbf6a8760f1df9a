"""Segments: groups of people; manual ones can be made, filled and deleted (App API; membership by the Track API)."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from cio_mcp.catalog.endpoint import Access, Area, Bucket, Effect, Gate, Key, Repeat
from cio_mcp.catalog.fields import Cursor, JsonList, Line, NumericId, Offset, Text, TextId, WholeNumber
from cio_mcp.catalog.identifiers import check_kind
from cio_mcp.catalog.params import In, Params, wrong

segments = Area("segments", "List and count segments; create, fill, empty and delete manual ones.")

# Track API reference, "Add people to a manual segment".
MEMBERS_AT_ONCE = 1000


class Members(Params):
    """People to be put into a manual segment or taken out."""

    most_people: ClassVar[int] = MEMBERS_AT_ONCE

    segment_id: NumericId = Field(description="A manual segment")
    id_type: Annotated[Literal["id", "email", "cio_id"] | None, In.QUERY] = Field(None, description="Default id")
    ids: Annotated[list[TextId], JsonList] = Field(
        min_length=1, max_length=MEMBERS_AT_ONCE, description="All of the kind id_type names"
    )

    @override
    def people(self) -> int:
        return len(self.ids)

    @model_validator(mode="after")
    def _ids_are_of_their_kind(self) -> Self:
        for place, value in enumerate(self.ids):
            try:
                check_kind(value, self.id_type)
            except ValueError as error:
                raise wrong(("ids", place), error) from None
        return self


@segments.endpoint(
    "POST /api/v1/segments/{segment_id}/add_customers",
    key=Key.TRACK, access=Access.WRITE, effect=Effect.MAY_TRIGGER, repeat=Repeat.SAFE, bucket=Bucket.TRACK,
    gate=Gate.FREE, docs="track/tag/track-segments/add_to_segment/",
)  # fmt: skip
class AddPeopleToSegment(Members):
    """Put people into a manual segment.

    Campaigns may react. Unknown people are ignored silently: count_segment_people tells.
    """


@segments.endpoint(
    "POST /api/v1/segments/{segment_id}/remove_customers",
    key=Key.TRACK, access=Access.WRITE, effect=Effect.MAY_TRIGGER, repeat=Repeat.SAFE, bucket=Bucket.TRACK,
    gate=Gate.FREE, docs="track/tag/track-segments/remove_from_segment/",
)  # fmt: skip
class RemovePeopleFromSegment(Members):
    """Remove the people you name from a manual segment where they no longer belong. Campaigns may react.

    They stay people.
    """


@segments.endpoint(
    "GET /v1/segments",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/segments/listSegments/",
)  # fmt: skip
class ListSegments(Params):
    """List all segments, to find an id by a name. Tells types and states."""

    offset: Annotated[Offset | None, In.LOCAL] = Field(None, description="Skip this many; for lists cut short")


@segments.endpoint(
    "POST /v1/segments",
    key=Key.APP, access=Access.WRITE, effect=Effect.DATA, repeat=Repeat.NEVER, bucket=Bucket.APP,
    gate=Gate.FREE, docs="app/tag/segments/", wrap="segment", check_with="list_segments",
)  # fmt: skip
class CreateSegment(Params):
    """Set up a manual segment: a named list of people, empty at first. Fill it with add_people_to_segment."""

    most_people: ClassVar[int] = 0

    name: Line = Field(description="Cannot be changed later")
    description: Text | None = Field(None, description="What it is for")


@segments.endpoint(
    "GET /v1/segments/{segment_id}",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/segments/",
)  # fmt: skip
class GetSegment(Params):
    """Read one segment: its name, its type, manual or by a rule, and whether it has finished building."""

    segment_id: NumericId = Field(description="From list_segments")


@segments.endpoint(
    "DELETE /v1/segments/{segment_id}",
    key=Key.APP, access=Access.DESTRUCTIVE, effect=Effect.DATA, repeat=Repeat.SAFE_UNLESS_RECREATED,
    gate=Gate.ASKED, bucket=Bucket.APP, docs="app/tag/segments/", check_with="get_segment",
)  # fmt: skip
class DeleteSegment(Params):
    """Delete a manual segment and who was in it. Cannot be undone.

    Its people stay. To only empty it use remove_people_from_segment.
    """

    most_people: ClassVar[int] = 0

    segment_id: NumericId = Field(description="A manual segment")


@segments.endpoint(
    "GET /v1/segments/{segment_id}/customer_count",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/segments/",
)  # fmt: skip
class CountSegmentPeople(Params):
    """Count how many people are in a segment."""

    segment_id: NumericId = Field(description="From list_segments")


@segments.endpoint(
    "GET /v1/segments/{segment_id}/used_by",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/segments/",
)  # fmt: skip
class GetSegmentUsedBy(Params):
    """Show where a segment is used: which campaigns and newsletters, sent and drafts, depend on it, by id."""

    segment_id: NumericId = Field(description="From list_segments")


@segments.endpoint(
    "GET /v1/segments/{segment_id}/membership",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/segments/",
)  # fmt: skip
class ListSegmentPeople(Params):
    """List the people in a segment, by identifiers."""

    segment_id: NumericId = Field(description="From list_segments")
    start: Cursor | None = Field(None, description="next of the last page")
    limit: WholeNumber | None = Field(None, le=30_000, description="Default 1000; ask for fewer")
