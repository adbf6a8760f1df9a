"""Entities: people, objects and deliveries through the one door of the Track API v2, singly or in batches."""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from typing_extensions import override

from cio_mcp.catalog.endpoint import KB, Access, Area, Bucket, Effect, Gate, Key, Repeat
from cio_mcp.catalog.fields import EventName, JsonList, Timestamp, Ulid
from cio_mcp.catalog.identifiers import PersonIdentifiers
from cio_mcp.catalog.json_values import JsonObject, json_size
from cio_mcp.catalog.params import Params, wrong
from cio_mcp.catalog.relationships import Relationships
from cio_mcp.catalog.variants import (
    ACTIONS,
    Device,
    Identifiers,
    Type,
    access_of,
    check_item,
    people_of,
    repeat_of,
    strictest,
    wants_event_id,
    with_event_id,
)

entities = Area("entities", "Change people, objects and their relationships, one at a time or in batches.")

# "smaller than 32kb" and "500kb" in the Track API reference, "Make a single request" and "Send multiple requests",
# both read as the smaller of their two meanings, which can never be refused.
ITEM_BYTES = 32 * KB - 1
BATCH_BYTES = 500 * KB - 1
_ULID_LENGTH = 26
MOST_DESTRUCTIVE = 50
"""Items of a batch that delete, suppress or merge. A person who is asked must read whom each of them means: fifty lines
are a page or two, and at their longest 13 kB of a plan that its agent reads as well."""

Action = Annotated[str, WithJsonSchema({"type": "string", "enum": list(ACTIONS)})]


@entities.endpoint(
    "POST /api/v2/entity",
    key=Key.TRACK, access=Access.DESTRUCTIVE, effect=Effect.MAY_TRIGGER, repeat=Repeat.PER_ITEM,
    gate=Gate.ITEMS, bucket=Bucket.TRACK, docs="track/tag/track_v2/entity/", max_body=ITEM_BYTES,
    check_with="get_person_attributes",
)  # fmt: skip
class ApplyEntity(Params):
    """Change one object by type and id, such as a company, or one person or delivery.

    The only way to objects themselves and to people known by phone. person: all but identify_anonymous; object:
    identify, identify_anonymous, delete, *_relationships; delivery: event. delete, suppress and merge cannot be
    undone.
    """

    most_people: ClassVar[int] = ITEM_BYTES  # related to an object: more than fit

    type: Type = Field(description="What it is")
    action: Action = Field(description="What to do")
    identifiers: Identifiers | None = Field(
        None,
        description="person: one of id|email|phone|cio_id; object: object_type_id+object_id or cio_object_id; "
        "delivery: id; merge: none",
    )
    name: EventName | None = Field(None, description="Event; delivery: opened|converted|delivered")
    id: Ulid | None = Field(None, description="Event's ULID; made for you")
    timestamp: Timestamp | None = Field(None, description="Event or identify")
    attributes: JsonObject | None = Field(None, description="Also an event's data")
    cio_relationships: Relationships | None = Field(
        None, description="[{identifiers, relationship_attributes}]; person to objects, object to people"
    )
    device: Device | None = Field(None, description="{token, platform, last_used, attributes}")
    primary: PersonIdentifiers | None = Field(None, description="merge: who stays")
    secondary: PersonIdentifiers | None = Field(None, description="merge: who is deleted")

    def item(self) -> dict[str, Any]:
        """Return the item as it goes on the wire."""
        given = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: value for name, value in given if value is not None}

    @override
    def minted(self, mint: Callable[[], str]) -> Self:
        return self.model_copy(update={"id": mint()}) if wants_event_id(self.item()) else self

    @override
    def own_repeat(self) -> Repeat:
        return repeat_of(self.item())

    @override
    def own_access(self) -> Access:
        return access_of(self.item())

    @override
    def people(self) -> int:
        return people_of(self.item())

    @override
    def echoed(self) -> dict[str, Any]:
        return {"id": self.id} if self.id else {}

    @model_validator(mode="after")
    def _fits_its_variant(self) -> Self:
        item = self.item()
        check_item(item)
        size = json_size(with_event_id(item, lambda: "0" * _ULID_LENGTH))
        if size > ITEM_BYTES:
            raise wrong((), f"has {size:,} bytes as JSON, at most {ITEM_BYTES:,} are taken")
        return self


def checked_item(members: dict[str, Any]) -> dict[str, Any]:
    """Check an item of a batch as `apply_entity` would, and return it as it goes on the wire."""
    for name in members:
        if name not in ApplyEntity.model_fields:
            near = get_close_matches(name, ApplyEntity.model_fields, n=1)
            raise wrong(name, f"is unknown: did you mean {near[0]}?" if near else "is unknown")
    return ApplyEntity.model_validate(members).item()


BatchItem = Annotated[JsonObject, AfterValidator(checked_item)]


@entities.endpoint(
    "POST /api/v2/batch",
    key=Key.TRACK, access=Access.DESTRUCTIVE, effect=Effect.MAY_TRIGGER, repeat=Repeat.PER_ITEM,
    gate=Gate.ITEMS, bucket=Bucket.TRACK, docs="track/tag/track_v2/batch/", max_body=BATCH_BYTES,
    check_with="get_person_attributes",
)  # fmt: skip
class ApplyBatch(Params):
    """Apply many updates in one go, to people, companies and other objects, each as in apply_entity.

    If some are refused the others still take effect: send only the refused ones again.
    """

    most_people: ClassVar[int] = BATCH_BYTES  # more than fit

    batch: Annotated[list[BatchItem], JsonList] = Field(
        min_length=1,
        description="Arguments of apply_entity; ≤32 kB each, ≤500 kB in all; ≤50 that delete, suppress or merge",
    )

    @override
    def minted(self, mint: Callable[[], str]) -> Self:
        return self.model_copy(update={"batch": [with_event_id(item, mint) for item in self.batch]})

    @override
    def own_repeat(self) -> Repeat:
        return strictest(repeat_of(item) for item in self.batch)

    @override
    def own_access(self) -> Access:
        return Access.DESTRUCTIVE if is_destructive(self) else Access.WRITE

    @override
    def people(self) -> int:
        return sum(map(people_of, self.batch))

    @model_validator(mode="after")
    def _what_it_removes_can_be_read(self) -> Self:
        count = sum(access_of(item) is Access.DESTRUCTIVE for item in self.batch)
        if count > MOST_DESTRUCTIVE:
            raise wrong(
                "batch",
                f"has {count:,} items that delete, suppress or merge, more than a person can read before they agree: "
                f"send them in batches of at most {MOST_DESTRUCTIVE}",
            )
        return self


def items_of(params: ApplyEntity | ApplyBatch) -> list[dict[str, Any]]:
    """Return the items of a call as they go on the wire."""
    return [params.item()] if isinstance(params, ApplyEntity) else list(params.batch)


def is_destructive(params: ApplyEntity | ApplyBatch) -> bool:
    """Say whether one of the items deletes, suppresses or merges."""
    return any(access_of(item) is Access.DESTRUCTIVE for item in items_of(params))
