"""What is looked up before collections and reporting webhooks change."""

from typing import Any

import pytest

from tests.planning.conftest import SurveyOf
from tests.planning.looking import Scripted, surveyed

pytestmark = pytest.mark.anyio

PRODUCTS: dict[str, Any] = {
    "collection": {"id": 1, "name": "products", "rows": 3, "bytes": 120, "schema": ["sku", "price"], "updated_at": 60}
}


def running(kind: str, count: int, actions: int) -> dict[str, Any]:
    """Return so many running campaigns or broadcasts, each with so many messages."""
    return {
        f"{kind}s": [
            {"id": n, "name": f"{kind} no. {n}", "active": True, "actions": [{"id": a} for a in range(actions)]}
            for n in range(1, count + 1)
        ]
    }


async def test_a_replaced_collection_shows_what_is_there_and_what_vanishes(survey_of: SurveyOf) -> None:
    found = await survey_of("update_collection", collection_id=1, data=[{"sku": "B-1"}])
    assert found.facts["collection"]["rows_now"] == 3
    assert found.facts["new_rows"] == 1
    assert found.facts["columns_that_vanish"] == 2
    assert ("columns that vanish", "name, price") in found.names
    assert found.audience is None


async def test_a_renamed_collection_is_told_to_be_missed(survey_of: SurveyOf) -> None:
    other, same = [await survey_of("update_collection", collection_id=1, name=name) for name in ("goods", "products")]
    assert "render empty" in other.facts["renamed"]
    assert same.facts["renamed"] is False


async def test_live_messages_that_name_a_collection_are_found() -> None:
    bodies = {1: "{{ 'Products' | collection }}", 2: "{{ by_products }}", 3: "no such thing"}
    looks = Scripted(
        get_collection=PRODUCTS,
        list_campaigns=running("campaign", 3, 1),
        list_campaign_actions=lambda given: {"actions": [{"id": 1, "layout": {"body": bodies[given["campaign_id"]]}}]},
        list_broadcasts=running("broadcast", 1, 1),
        list_broadcast_actions={"actions": [{"id": 5, "subject": "Our products"}]},
    )
    found = await surveyed(looks, "delete_collection", collection_id=1)
    assert found.facts["live_messages_that_name_it"] == ["campaign 1", "broadcast 1"]
    assert found.facts["looked_at"] == "4 of 4 messages of running campaigns and broadcasts"
    assert ("campaign 1", "campaign no. 1") in found.names


async def test_drafts_are_not_looked_through() -> None:
    draft = {"campaigns": [{"id": 1, "state": "draft", "active": False, "actions": [{"id": 1}]}]}
    looks = Scripted(get_collection=PRODUCTS, list_campaigns=draft, list_broadcasts={"broadcasts": []})
    found = await surveyed(looks, "delete_collection", collection_id=1)
    assert "list_campaign_actions" not in looks.tools
    assert found.facts["live_messages_that_name_it"] == "none found"


async def test_only_so_many_messages_are_looked_through_and_it_is_said() -> None:
    looks = Scripted(
        get_collection=PRODUCTS,
        list_campaigns=running("campaign", 19, 3),
        list_campaign_actions={"actions": [{"body": "x"}, {"body": "x"}, {"body": "x"}]},
        list_broadcasts={"broadcasts": []},
    )
    found = await surveyed(looks, "delete_collection", collection_id=1)
    assert found.facts["looked_at"].startswith("20 of 57 messages")
    assert looks.tools.count("list_campaign_actions") == 7


async def test_pages_of_messages_are_followed() -> None:
    pages = {
        None: {"actions": [{"body": "x"}] * 10, "next": "b"},
        "b": {"actions": [{"body": "products"}], "next": ""},
    }
    looks = Scripted(
        get_collection=PRODUCTS,
        list_campaigns=running("campaign", 1, 11),
        list_campaign_actions=lambda given: pages[given.get("start")],
    )
    found = await surveyed(looks, "delete_collection", collection_id=1)
    assert found.facts["live_messages_that_name_it"] == ["campaign 1"]


async def test_a_collection_that_is_gone_is_not_searched_for(survey_of: SurveyOf) -> None:
    found = await survey_of("delete_collection", collection_id=99)
    assert found.facts == {"collection": "there is no such collection now"}


async def test_a_collection_from_a_url_shows_its_host_alone(survey_of: SurveyOf) -> None:
    found = await survey_of("create_collection", name="goods", url="https://files.example.com/goods.csv?sig=canary")
    assert found.facts == {"new_rows": "whatever Customer.io downloads from files.example.com"}


WEBHOOK = {"name": "Warehouse", "endpoint": "https://hooks.example.com/customerio?key=canary", "events": ["email_sent"]}


async def test_a_new_webhook_shows_where_it_sends_and_what(survey_of: SurveyOf) -> None:
    found = await survey_of("create_reporting_webhook", **WEBHOOK, with_content=True)
    assert found.facts["would_send"] == {
        "to_host": "hooks.example.com",
        "events": 1,
        "about": ["email"],
        "message_bodies_too": True,
        "disabled": False,
    }
    assert "canary" not in str(found)


async def test_a_changed_webhook_shows_now_and_then(survey_of: SurveyOf) -> None:
    change = WEBHOOK | {"endpoint": "https://elsewhere.example.org/in", "events": ["email_sent", "in_app_clicked"]}
    found = await survey_of("update_reporting_webhook", webhook_id=1, **change)
    assert found.facts["sends_now"]["to_host"] == "hooks.example.com"
    assert found.facts["sends_now"]["about"] == ["customer", "email"]
    assert found.facts["would_send"]["to_host"] == "elsewhere.example.org"
    assert found.facts["changes"] == [
        "the host",
        "no longer customer_unsubscribed",
        "no longer email_bounced",
        "newly in_app_clicked",
        "disabled off",
    ]


async def test_a_webhook_that_stays_as_it_is_is_told_to(survey_of: SurveyOf) -> None:
    same = {
        "name": "Warehouse",
        "endpoint": "https://hooks.example.com/customerio",
        "disabled": True,
        "events": ["email_sent", "email_bounced", "customer_unsubscribed"],
    }
    found = await survey_of("update_reporting_webhook", webhook_id=1, **same)
    assert found.facts["changes"] == ["nothing"]


async def test_a_deleted_webhook_shows_where_it_sent(survey_of: SurveyOf) -> None:
    found = await survey_of("delete_reporting_webhook", webhook_id=1)
    gone = await survey_of("delete_reporting_webhook", webhook_id=99)
    assert found.facts["sends_now"]["disabled"] is True
    assert ("webhook", "Warehouse") in found.names
    assert gone.facts == {"webhook": "there is no such webhook now"}
    assert found.target != gone.target


@pytest.mark.parametrize("endpoint", ["https://[::1", 7, None, "https://exa\u202emple.com/", "no address at all"])
async def test_a_host_that_is_none_is_not_shown(endpoint: Any) -> None:
    looks = Scripted(get_reporting_webhook={"id": 1, "endpoint": endpoint, "events": "all"})
    found = await surveyed(looks, "delete_reporting_webhook", webhook_id=1)
    assert found.facts["sends_now"]["to_host"] == "a host that cannot be shown"
