"""App API: finding people, the filter grammar, pages."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.sandbox.sandbox_talk import Talk, talking

SEGMENT = {"segment": {"id": 2}}
TRIAL = {"attribute": {"field": "plan", "operator": "eq", "value": "trial"}}
EXISTS = {"attribute": {"field": "phone", "operator": "exists"}}


@pytest.fixture(scope="module")
def cio() -> Iterator[Talk]:
    with talking() as talk:
        yield talk


def search(cio: Talk, filter_: object, query: str = "") -> Any:
    response = cio.app("POST", f"/customers{query}", {"filter": filter_})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize(
    ("filter_", "count"),
    [
        (TRIAL, 11),
        ({"not": TRIAL}, 18),
        ({"and": [TRIAL, EXISTS]}, 1),
        ({"or": [EXISTS, {"attribute": {"field": "unsubscribed", "operator": "eq", "value": True}}]}, 2),
        ({"and": [{"or": [TRIAL, EXISTS]}, {"not": {"segment": {"id": 3}}}]}, 6),
        ({"not": {"and": [{"or": [TRIAL]}]}}, 18),
        ({"segment": {"id": 1}}, 29),
        ({"segment": {"id": 99}}, 0),
        ({"attribute": {"field": "email", "operator": "eq", "value": "shared@example.com"}}, 2),
    ],
)
def test_filters_select_the_people_they_describe(cio: Talk, filter_: object, count: int) -> None:
    found = search(cio, filter_)
    assert len(found["identifiers"]) == len(found["ids"]) == count
    assert found["next"] == ""


@pytest.mark.parametrize(
    "filter_",
    [
        {},
        [],
        "plan = trial",
        {"segment": {"id": 1}, "attribute": TRIAL["attribute"]},
        {"segment": {"id": "1"}},
        {"segment": {"id": True}},
        {"segment": 1},
        {"and": TRIAL},
        {"and": []},
        {"not": [TRIAL]},
        {"not": {"not": TRIAL}},
        {"nor": [TRIAL]},
        {"attribute": {"operator": "exists"}},
        {"attribute": {"field": "plan", "operator": "eq"}},
        {"attribute": {"field": "plan", "operator": "contains", "value": "t"}},
        {"attribute": {"field": "plan", "operator": "eq", "value": ["t"]}},
        {"and": [{"or": [{"and": [TRIAL]}]}]},
    ],
)
def test_what_the_grammar_lacks_is_refused(cio: Talk, filter_: object) -> None:
    response = cio.app("POST", "/customers", {"filter": filter_})
    assert response.status_code == 400, response.text
    assert response.json()["errors"][0]["status"] == "400"


def test_a_search_without_a_filter_is_refused(cio: Talk) -> None:
    assert cio.app("POST", "/customers", {"segment": {"id": 1}}).status_code == 400


def test_pages_follow_each_other_without_gaps(cio: Talk) -> None:
    seen, cursor = [], ""
    for _ in range(5):
        page = search(cio, {"segment": {"id": 1}}, f"?limit=7&start={quote(cursor)}")
        seen += page["ids"]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == search(cio, {"segment": {"id": 1}})["ids"]
    assert not cursor


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=-1", "limit=ten", "start=%21%21", "start=Zm9v"])
def test_a_page_out_of_bounds_is_refused(cio: Talk, query: str) -> None:
    assert cio.app("POST", f"/customers?{query}", {"filter": TRIAL}).status_code == 400


def test_a_plus_must_be_encoded_in_a_query_but_not_in_a_path(cio: Talk) -> None:
    cio.track("PUT", "/v1/customers/a+b@example.com", {})
    assert len(cio.read("/customers?email=a%2Bb%40example.com")["results"]) == 1
    assert cio.read("/customers?email=a+b@example.com")["results"] == []


def test_several_people_may_share_an_address(cio: Talk) -> None:
    assert [found["id"] for found in cio.read("/customers?email=SHARED%40example.com")["results"]] == ["25", "dan-4"]


def test_attributes_are_strings_and_cio_id_has_no_prefix(cio: Talk) -> None:
    customer = cio.read("/customers/ada%40example.com/attributes?id_type=email")["customer"]
    attributes = customer["attributes"]
    assert all(isinstance(value, str) for value in attributes.values())
    assert attributes["newsletter"] == "true"
    assert customer["identifiers"]["cio_id"] == attributes["cio_id"] == "a300001a"
    assert customer["devices"][0]["id"] == "ada-ios-token"
    assert cio.app("GET", "/customers/cio_a300001a/attributes?id_type=cio_id").status_code == 200
    assert cio.app("GET", "/customers/a300001a/attributes?id_type=cio_id").status_code == 404


@pytest.mark.parametrize(
    ("query", "status"), [("id_type=email", 404), ("id_type=username", 400), ("id_type=phone", 404), ("", 200)]
)
def test_a_wrong_id_type_reads_as_404_and_an_unknown_one_as_400(cio: Talk, query: str, status: int) -> None:
    for what in ("attributes", "messages", "activities", "relationships", "segments"):
        assert cio.app("GET", f"/customers/ada-1/{what}?{query}").status_code == status


def test_messages_tell_why_somebody_got_none(cio: Talk) -> None:
    def story(person: str) -> list[tuple[str, str | None]]:
        return [
            (next(reversed(m["metrics"])), m["failure_message"])
            for m in cio.read(f"/customers/{person}/messages")["messages"]
        ]

    assert ("opened", None) in story("ada-1")
    assert story("cleo-3")[0][0] == "bounced"
    assert "550" in str(story("cleo-3")[0][1])
    assert story("dan-4")[0][0] == "failed"
    assert "liquid" in str(story("dan-4")[0][1])
    assert ("undeliverable", "person is unsubscribed") in story("bob-2")
    assert ("drafted", None) in story("bob-2")


def test_activities_hold_events_and_deliveries_newest_first(cio: Talk) -> None:
    found = cio.read("/customers/ada-1/activities?limit=100")["activities"]
    stamps = [line["timestamp"] for line in found]
    assert stamps == sorted(stamps, reverse=True)
    assert {"event", "sent_email", "delivered_email", "opened_email", "profile_create"} <= {x["type"] for x in found}
    assert [x["name"] for x in cio.read("/customers/ada-1/activities?name=signed_up")["activities"]] == ["signed_up"]
    assert cio.app("GET", "/customers/ada-1/activities?limit=101").status_code == 400


def test_messages_can_be_narrowed_by_time(cio: Talk) -> None:
    everything = cio.read("/customers/ada-1/messages")["messages"]
    newest = everything[0]["created"]
    assert cio.read(f"/customers/ada-1/messages?start_ts={newest}")["messages"] == everything[:1]
    assert cio.read(f"/customers/ada-1/messages?end_ts={newest - 1}")["messages"] == everything[1:]
    assert cio.app("GET", "/customers/ada-1/messages?start_ts=yesterday").status_code == 400
