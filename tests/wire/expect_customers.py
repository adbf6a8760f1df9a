"""App API, customers: https://docs.customer.io/api/app/ "Customers"."""

from functools import partial
from typing import Final

from tests.wire.case import Case

_search = partial(Case, tool="search_people", method="POST", path="/v1/customers", auth="bearer")
_by_email = partial(Case, tool="find_people_by_email", method="GET", path="/v1/customers", auth="bearer")
_attributes = partial(Case, tool="get_person_attributes", method="GET", auth="bearer")
_messages = partial(Case, tool="list_person_messages", method="GET", auth="bearer")
_activities = partial(Case, tool="list_person_activities", method="GET", auth="bearer")
_relationships = partial(Case, tool="list_person_relationships", method="GET", auth="bearer")
_segments = partial(Case, tool="list_person_segments", method="GET", auth="bearer")

NESTED_FILTER: Final = {
    "and": [
        {"segment": {"id": 4}},
        {
            "or": [
                {"segment": {"id": 5}},
                {"attribute": {"field": "plan", "operator": "eq", "value": "pro"}},
            ]
        },
        {"not": {"attribute": {"field": "unsubscribed", "operator": "eq", "value": True}}},
    ]
}

SEARCH: Final = (
    _search(
        id="one segment",
        arguments={"filter": {"segment": {"id": 4}}},
        body={"filter": {"segment": {"id": 4}}},
    ),
    _search(
        id="nested filter, page in the query",
        arguments={"filter": NESTED_FILTER, "start": "MDE+/w==&x", "limit": 1000},
        query={"start": "MDE+/w==&x", "limit": "1000"},
        body={"filter": NESTED_FILTER},
    ),
    _search(
        id="filter as JSON text",
        arguments={"filter": '{"not": {"attribute": {"field": "plan", "operator": "exists"}}}'},
        body={"filter": {"not": {"attribute": {"field": "plan", "operator": "exists"}}}},
    ),
    _search(
        id="either of two",
        arguments={
            "filter": {
                "or": [
                    {"attribute": {"field": "first_name", "operator": "eq", "value": "José"}},
                    {"segment": {"id": 9}},
                ]
            }
        },
        body={
            "filter": {
                "or": [
                    {"attribute": {"field": "first_name", "operator": "eq", "value": "José"}},
                    {"segment": {"id": 9}},
                ]
            }
        },
    ),
)

BY_EMAIL: Final = (
    _by_email(id="plain address", arguments={"email": "person@example.com"}, query={"email": "person@example.com"}),
    _by_email(
        id="address with a plus",
        arguments={"email": "a+b@example.com"},
        query={"email": "a+b@example.com"},
        note="a bare + reads as a space and finds nobody",
    ),
    _by_email(
        id="address with an ampersand and an equals sign",
        arguments={"email": "r&d=x@example.com"},
        query={"email": "r&d=x@example.com"},
    ),
)

ATTRIBUTES: Final = (
    _attributes(id="by id", arguments={"customer_id": "42"}, path="/v1/customers/42/attributes"),
    _attributes(
        id="by address with a plus",
        arguments={"customer_id": "a+b@example.com", "id_type": "email"},
        path="/v1/customers/a%2Bb%40example.com/attributes",
        query={"id_type": "email"},
    ),
    _attributes(
        id="by phone",
        arguments={"customer_id": "+14155552671", "id_type": "phone"},
        path="/v1/customers/%2B14155552671/attributes",
        query={"id_type": "phone"},
    ),
    _attributes(
        id="by cio_id",
        arguments={"customer_id": "cio_a3000001", "id_type": "cio_id"},
        path="/v1/customers/cio_a3000001/attributes",
        query={"id_type": "cio_id"},
    ),
    _attributes(
        id="number for an id, kind named",
        arguments={"customer_id": 42, "id_type": "id"},
        path="/v1/customers/42/attributes",
        query={"id_type": "id"},
    ),
)

MESSAGES: Final = (
    _messages(id="by id", arguments={"customer_id": "josé"}, path="/v1/customers/jos%C3%A9/messages"),
    _messages(
        id="every documented member",
        arguments={
            "customer_id": "a+b@example.com",
            "id_type": "email",
            "start": "MDE=",
            "limit": 25,
            "start_ts": 1769903998,
            "end_ts": 1772013598,
        },
        path="/v1/customers/a%2Bb%40example.com/messages",
        query={
            "id_type": "email",
            "start": "MDE=",
            "limit": "25",
            "start_ts": "1769903998",
            "end_ts": "1772013598",
        },
    ),
    _messages(
        id="window as ISO 8601",
        arguments={
            "customer_id": "a/b c",
            "start_ts": "2026-02-01T00:00:00Z",
            "end_ts": "2026-02-25T10:59:58+01:00",
        },
        path="/v1/customers/a%2Fb%20c/messages",
        query={"start_ts": "1769904000", "end_ts": "1772013598"},
    ),
)

ACTIVITIES: Final = (
    _activities(id="by id", arguments={"customer_id": "42"}, path="/v1/customers/42/activities"),
    _activities(
        id="every documented member",
        arguments={
            "customer_id": "a/b c",
            "id_type": "id",
            "start": "a b+c",
            "limit": 100,
            "type": "event",
            "name": "purchase & pay",
        },
        path="/v1/customers/a%2Fb%20c/activities",
        query={"id_type": "id", "start": "a b+c", "limit": "100", "type": "event", "name": "purchase & pay"},
    ),
)

RELATIONSHIPS_AND_SEGMENTS: Final = (
    _relationships(id="by id", arguments={"customer_id": "42"}, path="/v1/customers/42/relationships"),
    _relationships(
        id="every documented member",
        arguments={"customer_id": "cio_a3000001", "id_type": "cio_id", "start": "MDE=", "limit": 50},
        path="/v1/customers/cio_a3000001/relationships",
        query={"id_type": "cio_id", "start": "MDE=", "limit": "50"},
    ),
    _segments(id="by id", arguments={"customer_id": 42}, path="/v1/customers/42/segments"),
    _segments(
        id="by address with a plus",
        arguments={"customer_id": "a+b@example.com", "id_type": "email"},
        path="/v1/customers/a%2Bb%40example.com/segments",
        query={"id_type": "email"},
    ),
)

CASES: Final[tuple[Case, ...]] = SEARCH + BY_EMAIL + ATTRIBUTES + MESSAGES + ACTIVITIES + RELATIONSHIPS_AND_SEGMENTS
