"""The form in which one expected request is written down.

The cases are derived from Customer.io's published Track and App API references alone, so that they can
judge the server: nothing here is computed by the code under test.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

JSON: TypeAlias = Any


class Marker(Enum):
    """Stands in an expected body where the exact value is not known beforehand."""

    MINTED = "a ULID made by the server because the caller gave no id"
    NO_MEMBERS = "either an object without members or no body: the reference leaves the body optional"


MINTED: Final = Marker.MINTED
NO_MEMBERS: Final = Marker.NO_MEMBERS

# Track OpenAPI, `dedupe_id`: "A ULID we use to deduplicate events." This one is the caller's own.
ULID: Final = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One tool call and the one request that has to leave because of it.

    `path` is the raw percent-encoded path, byte for byte; `query` holds decoded names and values; `body` is
    the JSON document, or None where no byte may follow the headers; `id` tells the cases of one tool apart.
    """

    tool: str
    id: str
    arguments: dict[str, JSON]
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    query: dict[str, str] = field(default_factory=dict)
    auth: Literal["basic", "bearer"]
    body: JSON = None
    note: str = ""
