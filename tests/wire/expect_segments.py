"""Segments: membership is written through the Track API, all else goes through the App API.

https://docs.customer.io/api/track/ "Segments" and https://docs.customer.io/api/app/ "Segments".
"""

from functools import partial
from typing import Final, Literal

from tests.wire.case import Case

_create = partial(Case, tool="create_segment", method="POST", path="/v1/segments", auth="bearer")
_members = partial(Case, tool="list_segment_people", method="GET", auth="bearer")


def _membership(tool: str, last: Literal["add_customers", "remove_customers"]) -> tuple[Case, ...]:
    case = partial(Case, tool=tool, method="POST", auth="basic")
    return (
        case(
            id="one person by id",
            arguments={"segment_id": 7, "ids": ["42"]},
            path=f"/api/v1/segments/7/{last}",
            body={"ids": ["42"]},
        ),
        case(
            id="addresses, segment number as text",
            arguments={
                "segment_id": "7",
                "id_type": "email",
                "ids": ["a+b@example.com", "josé@example.com"],
            },
            path=f"/api/v1/segments/7/{last}",
            query={"id_type": "email"},
            body={"ids": ["a+b@example.com", "josé@example.com"]},
            note='"The request body always uses `ids`", whatever id_type says',
        ),
        case(
            id="numbers for ids, kind named",
            arguments={"segment_id": 7, "id_type": "id", "ids": [1, "2"]},
            path=f"/api/v1/segments/7/{last}",
            query={"id_type": "id"},
            body={"ids": ["1", "2"]},
        ),
        case(
            id="by cio_id",
            arguments={"segment_id": 7, "id_type": "cio_id", "ids": ["a3000001"]},
            path=f"/api/v1/segments/7/{last}",
            query={"id_type": "cio_id"},
            body={"ids": ["a3000001"]},
        ),
    )


def _one_segment(tool: str, method: Literal["GET", "DELETE"], last: str = "") -> tuple[Case, ...]:
    case = partial(Case, tool=tool, method=method, auth="bearer", path=f"/v1/segments/12{last}")
    return (
        case(id="by number", arguments={"segment_id": 12}),
        case(id="number as text", arguments={"segment_id": "12"}),
    )


CREATE: Final = (
    _create(
        id="name alone",
        arguments={"name": "Beta"},
        body={"segment": {"name": "Beta"}},
    ),
    _create(
        id="every documented member",
        arguments={"name": "Bêta", "description": "early adopters"},
        body={"segment": {"name": "Bêta", "description": "early adopters"}},
    ),
)

MEMBERS: Final = (
    _members(id="first page", arguments={"segment_id": 12}, path="/v1/segments/12/membership"),
    _members(
        id="every documented member",
        arguments={"segment_id": "12", "start": "MDE+/w==", "limit": 500},
        path="/v1/segments/12/membership",
        query={"start": "MDE+/w==", "limit": "500"},
    ),
)

CASES: Final[tuple[Case, ...]] = (
    *_membership("add_people_to_segment", "add_customers"),
    *_membership("remove_people_from_segment", "remove_customers"),
    Case(tool="list_segments", id="all", arguments={}, method="GET", path="/v1/segments", auth="bearer"),
    *CREATE,
    *_one_segment("get_segment", "GET"),
    *_one_segment("delete_segment", "DELETE"),
    *_one_segment("count_segment_people", "GET", "/customer_count"),
    *_one_segment("get_segment_used_by", "GET", "/used_by"),
    *MEMBERS,
)
