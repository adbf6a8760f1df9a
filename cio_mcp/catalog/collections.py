"""Collections: tables of data that messages read (App API)."""

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from cio_mcp.catalog.endpoint import KB, Access, Area, Bucket, Effect, Gate, Key, Repeat
from cio_mcp.catalog.fields import HttpsUrl, JsonList, Line, NumericId, Offset
from cio_mcp.catalog.json_values import JsonObject, json_at_most
from cio_mcp.catalog.params import In, Params, wrong

collections = Area("collections", "Read, create, replace and delete the tables of data that messages use.")

# App API reference, "Create a collection".
ROW_BYTES = 10 * KB
COLLECTION_BYTES = 10 * KB * KB

Row = Annotated[JsonObject, AfterValidator(json_at_most(ROW_BYTES))]
Rows = Annotated[list[Row], JsonList, AfterValidator(json_at_most(COLLECTION_BYTES))]


@collections.endpoint(
    "GET /v1/collections",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/collections/getCollections/",
)  # fmt: skip
class ListCollections(Params):
    """List which collections there are: names, sizes and columns, not their rows."""

    offset: Annotated[Offset | None, In.LOCAL] = Field(None, description="Skip this many; for lists cut short")


@collections.endpoint(
    "POST /v1/collections",
    key=Key.APP, access=Access.WRITE, effect=Effect.DATA, repeat=Repeat.NEVER, bucket=Bucket.APP,
    gate=Gate.FREE, docs="app/tag/collections/", check_with="list_collections",
)  # fmt: skip
class CreateCollection(Params):
    """Create a collection from rows, or from a file that Customer.io downloads. Give one of data | url."""

    most_people: ClassVar[int] = 0

    name: Line = Field(description="Messages use it")
    data: Rows | None = Field(None, description="Rows: ≤10 KB each, ≤10 MB in all")
    url: HttpsUrl | None = Field(None, description="https; CSV or JSON")

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.data is None) == (self.url is None):
            raise wrong("data", "is needed, or url, and not both")
        return self


@collections.endpoint(
    "GET /v1/collections/{collection_id}",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/collections/",
)  # fmt: skip
class GetCollection(Params):
    """Read how many rows and which columns a collection has, and its name, not the rows."""

    collection_id: NumericId = Field(description="From list_collections")


@collections.endpoint(
    "PUT /v1/collections/{collection_id}",
    key=Key.APP, access=Access.DESTRUCTIVE, effect=Effect.DATA, repeat=Repeat.SAFE, bucket=Bucket.APP,
    gate=Gate.ASKED, docs="app/tag/collections/",
)  # fmt: skip
class UpdateCollection(Params):
    """Replace all rows of a collection, or rename it. Cannot be undone.

    The old rows are lost: read them first with get_collection_content. Live messages that use the old name
    render empty.
    """

    most_people: ClassVar[int] = 0

    collection_id: NumericId = Field(description="From list_collections")
    name: Line | None = Field(None, description="New name")
    data: Rows | None = Field(None, description="All new rows; or url")
    url: HttpsUrl | None = Field(None, description="https; CSV or JSON")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.data is not None and self.url is not None:
            raise wrong("url", "must not stand beside data: give one of them")
        if self.name is None and self.data is None and self.url is None:
            raise wrong("name", "is needed, or data or url: nothing would change")
        return self


@collections.endpoint(
    "DELETE /v1/collections/{collection_id}",
    key=Key.APP, access=Access.DESTRUCTIVE, effect=Effect.DATA, repeat=Repeat.SAFE_UNLESS_RECREATED,
    gate=Gate.ASKED, bucket=Bucket.APP, docs="app/tag/collections/", check_with="get_collection",
)  # fmt: skip
class DeleteCollection(Params):
    """Delete a collection with its rows for good. Live messages that use it render empty. Cannot be undone."""

    most_people: ClassVar[int] = 0

    collection_id: NumericId = Field(description="From list_collections")


@collections.endpoint(
    "GET /v1/collections/{collection_id}/content",
    key=Key.APP, access=Access.READ, effect=Effect.NONE, repeat=Repeat.SAFE, bucket=Bucket.APP,
    docs="app/tag/collections/",
)  # fmt: skip
class GetCollectionContent(Params):
    """Read the rows of a collection."""

    collection_id: NumericId = Field(description="From list_collections")
    offset: Annotated[Offset | None, In.LOCAL] = Field(None, description="Skip this many; for lists cut short")
