"""Collections: named tables of rows that messages can read."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cio_mcp.sandbox.replies import JsonObject, Refusal
from cio_mcp.sandbox.validation import json_size

ROW_BYTES = 10_000  # App API reference, "Create a collection": 10 KB per row, 10 MB in all
COLLECTION_BYTES = 10_000_000


@dataclass(slots=True, kw_only=True, eq=False)
class Collection:
    """A table of rows."""

    id: int
    name: str
    created_at: int
    updated_at: int
    rows: list[JsonObject] = field(default_factory=list)

    def as_json(self) -> JsonObject:
        """Return the collection object of the App API: sizes and keys, never the content."""
        return {
            "id": self.id,
            "name": self.name,
            "rows": len(self.rows),
            "bytes": json_size(self.rows),
            "schema": sorted({name for row in self.rows for name in row}),
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }


def check_rows(rows: Sequence[object]) -> list[JsonObject]:
    """Return rows that are objects within the limits; refuse the rest with 400."""
    checked: list[JsonObject] = []
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise Refusal(400, f"data[{index}] must be an object")
        if json_size(row) > ROW_BYTES:
            raise Refusal(400, f"data[{index}] must be {ROW_BYTES} bytes or smaller")
        checked.append(row)
    if json_size(rows) > COLLECTION_BYTES:
        raise Refusal(400, f"a collection must be {COLLECTION_BYTES} bytes or smaller")
    return checked
