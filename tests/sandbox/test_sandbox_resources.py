"""Segments, collections, the configuration of reporting webhooks."""

from typing import Any

import pytest

from cio_mcp.sandbox import World, running_sandbox
from cio_mcp.sandbox.app_webhooks import EVENTS
from tests.sandbox.sandbox_talk import START, UNLIMITED, ManualClock, Talk

EMPTY = {
    "/segments": "segments",
    "/broadcasts": "broadcasts",
    "/campaigns": "campaigns",
    "/newsletters": "newsletters",
    "/collections": "collections",
    "/reporting_webhooks": "reporting_webhooks",
    "/transactional": "messages",
    "/messages": "messages",
    "/customers?email=a%40example.com": "results",
}
HOOK: dict[str, Any] = {"name": "hook", "endpoint": "https://example.com/hook", "events": ["sms_replied"]}


@pytest.mark.parametrize(
    "body", [{}, {"name": "VIP"}, {"segment": {}}, {"segment": {"name": ""}}, {"segment": {"name": 1}}]
)
def test_a_segment_needs_a_name_in_its_wrapper(cio: Talk, body: object) -> None:
    response = cio.app("POST", "/segments", body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["status"] == "400"


def test_a_segment_is_manual_empty_and_gone_once_deleted(cio: Talk) -> None:
    made = cio.app("POST", "/segments", {"segment": {"name": "VIP", "description": "d"}}).json()["segment"]
    assert (made["type"], made["state"], made["created_at"]) == ("manual", "finished", START)
    path = f"/segments/{made['id']}"
    assert cio.read(f"{path}/customer_count") == {"segment_id": made["id"], "count": 0}
    cio.track("POST", f"/v1/segments/{made['id']}/add_customers", {"ids": ["1", "1"]})
    assert cio.read(f"{path}/membership")["ids"] == ["1"]
    assert cio.app("DELETE", path).status_code == 204
    assert cio.app("DELETE", path).status_code == 404
    assert cio.app("POST", "/segments", {"segment": {"name": "VIP"}}).json()["segment"]["id"] > made["id"]


def test_a_dynamic_segment_follows_its_rule_and_cannot_be_deleted(cio: Talk) -> None:
    assert cio.app("DELETE", "/segments/3").status_code == 400
    before = cio.read("/segments/3/customer_count")["count"]
    cio.track("PUT", "/v1/customers/1", {"newsletter": True})
    assert cio.read("/segments/3/customer_count")["count"] == before + 1
    assert cio.read("/segments/3/used_by")["used_by"] == {
        "campaigns": [],
        "sent_newsletters": [2],
        "draft_newsletters": [1],
    }


@pytest.mark.parametrize(
    ("number", "campaigns", "sent", "drafts"), [(1, [], [], []), (2, [1, 10], [], []), (3, [], [2], [1])]
)
def test_a_segment_knows_what_uses_it(
    cio: Talk, number: int, campaigns: list[int], sent: list[int], drafts: list[int]
) -> None:
    assert cio.read(f"/segments/{number}/used_by") == {
        "used_by": {"campaigns": campaigns, "sent_newsletters": sent, "draft_newsletters": drafts}
    }
    shown = {each["id"]: each["filter_segment_ids"] for each in cio.read("/campaigns")["campaigns"]}
    assert [campaign for campaign in campaigns if campaign < 10] == [n for n, ids in shown.items() if number in ids]


def test_a_draft_newsletter_that_is_sent_uses_its_segment_as_a_sent_one(cio: Talk) -> None:
    cio.app("POST", "/newsletters/1/send")
    assert cio.read("/segments/3/used_by")["used_by"] | {"campaigns": []} == {
        "campaigns": [],
        "sent_newsletters": [1, 2],
        "draft_newsletters": [],
    }


@pytest.mark.parametrize("query", ["limit=30001", "limit=0", "start=x"])
def test_membership_pages_are_bounded(cio: Talk, query: str) -> None:
    assert cio.app("GET", f"/segments/1/membership?{query}").status_code == 400


@pytest.mark.parametrize("path", ["", "/customer_count", "/membership", "/used_by"])
def test_an_unknown_segment_is_404(cio: Talk, path: str) -> None:
    for number in ("99", "x", "1.0", "-1"):
        assert cio.app("GET", f"/segments/{number}{path}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"data": []},
        {"name": "c"},
        {"name": "c", "data": [], "url": "https://example.com/rows.csv"},
        {"name": "c", "data": {}},
        {"name": "c", "data": [1]},
        {"name": "c", "data": [{"k": "v" * 10_000}]},
        {"name": "c", "data": [{"k": "v" * 9_900}] * 1_011},
        {"name": 1, "data": []},
    ],
)
def test_a_malformed_collection_is_refused(cio: Talk, body: object) -> None:
    response = cio.app("POST", "/collections", body)
    assert response.status_code == 400, response.text
    assert len(cio.read("/collections")["collections"]) == 1


def test_a_collection_is_replaced_renamed_and_deleted(cio: Talk) -> None:
    made = cio.app("POST", "/collections", {"name": "c", "data": [{"b": 1}, {"a": 2}]}).json()["collection"]
    assert (made["rows"], made["schema"]) == (2, ["a", "b"])
    path = f"/collections/{made['id']}"
    cio.app("PUT", path, {"name": "d"})
    assert cio.read(f"{path}/content") == [{"b": 1}, {"a": 2}]
    cio.app("PUT", path, {"data": [{"z": 1}]})
    assert cio.read(f"{path}/content") == [{"z": 1}]
    cio.app("PUT", path, {"url": "https://example.com/rows.csv"})
    assert cio.read(path)["collection"] | {"name": "d", "rows": 0} == cio.read(path)["collection"]
    assert cio.app("DELETE", path).status_code == 204
    for method in ("GET", "PUT", "DELETE"):
        assert cio.app(method, path, None if method == "GET" else {}).status_code == 404


@pytest.mark.parametrize("name", ["name", "endpoint", "events"])
def test_a_webhook_needs_its_full_set_on_create_and_on_update(cio: Talk, name: str) -> None:
    partial = {key: value for key, value in HOOK.items() if key != name}
    assert cio.app("POST", "/reporting_webhooks", partial).status_code == 400
    assert cio.app("PUT", "/reporting_webhooks/1", partial).status_code == 400


@pytest.mark.parametrize(
    "change",
    [
        {"events": []},
        {"events": ["sms_opened"]},
        {"events": [1]},
        {"endpoint": "ftp://example.com"},
        {"endpoint": "example.com/hook"},
        {"endpoint": "http://[::1"},
        {"endpoint": "http://localhost:port"},
        {"disabled": "no"},
    ],
)
def test_a_webhook_the_reference_forbids_is_refused(cio: Talk, change: dict[str, Any]) -> None:
    assert cio.app("POST", "/reporting_webhooks", HOOK | change).status_code == 400


def test_a_webhook_is_bare_alone_wrapped_in_a_list_and_shows_no_key(cio: Talk) -> None:
    made = cio.app("POST", "/reporting_webhooks", HOOK).json()
    flags = {"disabled": False, "full_resolution": False, "with_content": False}
    assert made == {"id": 2, "type": "webhook"} | HOOK | flags
    assert cio.read("/reporting_webhooks/2") == made == cio.read("/reporting_webhooks")["reporting_webhooks"][1]
    deleted = cio.app("DELETE", "/reporting_webhooks/2")
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert cio.app("GET", "/reporting_webhooks/2").status_code == 404


def test_there_are_72_webhook_events(cio: Talk) -> None:
    assert len(EVENTS) == 72
    every = HOOK | {"events": sorted(EVENTS)}
    assert cio.app("POST", "/reporting_webhooks", every).status_code == 200


def test_the_workspace_is_counted(cio: Talk) -> None:
    (workspace,) = cio.read("/workspaces")["workspaces"]
    assert (workspace["id"], workspace["people"], workspace["objects"]) == (1, 29, 1)


def test_an_empty_world_answers_with_empty_lists() -> None:
    with running_sandbox(world=World(), limits=UNLIMITED) as sandbox:
        talk = Talk(sandbox, ManualClock(START))
        with talk.http:
            for path, key in EMPTY.items():
                assert talk.read(path)[key] == []
