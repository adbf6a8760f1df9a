"""Causes that the API does tell, each made by real calls and then asked for, in front of a sandbox."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from cio_mcp.sandbox import World
from cio_mcp.sandbox.deliveries import Delays, Origin, Outcome
from tests.insight.conftest import Open, asked

pytestmark = pytest.mark.anyio
UNCONFIRMED = {"CIO_MCP_CONFIRM": "off"}
ELSEWHERE = "somebody.else@example.com"
BOB = {"attribute": {"field": "first_name", "operator": "eq", "value": "Bob"}}
TRIAL = {"segment": {"id": 2}}


@pytest.fixture(autouse=True)
def at_once(world: World) -> None:
    """Let every message come to its end in the moment in which it is made."""
    world.delays = Delays(sent=0.0, delivered=0.0, opened=0.0, processed=0.0)


async def made(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.structured_content
    return result.structured_content or {}


async def why(client: Client, person: str, **asking: Any) -> list[dict[str, Any]]:
    told = await asked(client, "why_no_message", customer_id=person, **asking)
    lead = {name: told[name] for name in ("cause", "evidence", "next_step")}
    return [lead, *told.get("also", ())]


def causes(found: list[dict[str, Any]]) -> list[str]:
    return [each["cause"] for each in found]


def whole(found: list[dict[str, Any]]) -> str:
    return json.dumps(found)


async def topic_off(client: Client, person: str) -> None:
    await made(
        client, "identify_person", identifier=person, cio_subscription_preferences={"topics": {"topic_1": False}}
    )


async def test_a_topic_that_is_off_is_told_and_not_looked_for_elsewhere(opened: Open) -> None:
    async with opened(**UNCONFIRMED) as client:
        await topic_off(client, "2")
        await made(client, "trigger_broadcast", broadcast_id=10, recipients=TRIAL)
        found = await why(client, "2", broadcast_id=10)
    assert causes(found) == ["topic_unsubscribed"]
    assert "topic_1" in found[0]["evidence"]
    assert "the API does not tell" in found[0]["evidence"]


@pytest.mark.parametrize(("topic", "told"), [(1, ["topic_unsubscribed"]), (7, []), (None, [])])
async def test_the_topic_of_a_newsletter_is_matched_exactly(
    opened: Open, world: World, topic: int | None, told: list[str]
) -> None:
    world.newsletters[1].subscription_topic_id = topic
    async with opened() as client:
        await topic_off(client, "2")
        found = await why(client, "2", newsletter_id=1)
    assert causes(found) == [*told, "not_sent_yet"]
    assert "belongs to one of them" not in whole(found)


async def test_a_topic_that_is_off_is_told_to_whoever_may_not_read_personal_data(opened: Open, tmp_path: Path) -> None:
    async with opened() as client:
        await topic_off(client, "2")
    async with opened(**grants(tmp_path)) as client:
        assert causes(await why(client, "2", broadcast_id=10)) == ["never_triggered", "topic_unsubscribed"]


async def test_a_trigger_that_failed_is_told_with_its_error(opened: Open) -> None:
    async with opened(**UNCONFIRMED) as client:
        refused = await client.call_tool("trigger_broadcast", {"broadcast_id": 10, "ids": ["5", "ghost"]})
        assert refused.is_error
        found = await why(client, "5", broadcast_id=10)
    assert causes(found) == ["trigger_failed"]
    assert "1 error" in found[0]["evidence"]
    assert "line 2: id ghost does not exist" in found[0]["evidence"]


async def test_the_error_of_a_trigger_shows_no_address_that_is_masked(opened: Open, tmp_path: Path) -> None:
    async with opened(**UNCONFIRMED) as client:
        await client.call_tool("trigger_broadcast", {"broadcast_id": 10, "emails": [ELSEWHERE]})
    async with opened(**grants(tmp_path)) as client:
        found = await why(client, "5", broadcast_id=10)
        told = await asked(client, "preflight_broadcast", broadcast_id=10)
    assert causes(found) == ["trigger_failed"]
    assert "[masked: e-mail] does not exist" in found[0]["evidence"]
    assert "@example.com" not in whole(found) + json.dumps(told)


async def test_causes_that_do_not_fit_are_named(opened: Open) -> None:
    off = {"topics": {f"topic_{number}": False for number in range(9)}}
    async with opened(**UNCONFIRMED) as client:
        await made(client, "identify_person", identifier="late", unsubscribed=True, cio_subscription_preferences=off)
        await client.call_tool("trigger_broadcast", {"broadcast_id": 10, "ids": ["5", "ghost" * 30]})
        told = await asked(client, "why_no_message", customer_id="late", broadcast_id=10)
    named = [told["cause"], *(each["cause"] for each in told["also"]), *told.get("more_causes", ())]
    assert named == ["unsubscribed", "no_address", "trigger_failed", "topic_unsubscribed"]
    assert "_cut" not in told


async def test_a_trigger_that_failed_is_no_cause_for_whoever_got_a_message_of_it(opened: Open) -> None:
    async with opened(**UNCONFIRMED) as client:
        await made(client, "trigger_broadcast", broadcast_id=10, ids=["5"])
        assert causes(await why(client, "5", broadcast_id=10)) == ["it_arrived"]


async def test_who_was_created_after_the_sending_is_told_so(opened: Open, world: World) -> None:
    async with opened(**UNCONFIRMED) as client:
        await made(client, "trigger_broadcast", broadcast_id=10, recipients=TRIAL)
        world.broadcasts[10].triggers[1].created_at -= 3_600
        await made(client, "identify_person", identifier="late", email="late@example.com")
        assert causes(await why(client, "late", broadcast_id=10)) == ["created_later"]
        found = await why(client, "late", newsletter_id=2)
    assert causes(found) == ["created_later", "not_in_segment"]


async def test_a_message_to_another_address_is_not_said_to_have_arrived(opened: Open) -> None:
    async with opened() as client:
        sent = await send(client, to=ELSEWHERE, identifiers={"id": "ada-1"})
        found = await why(client, "ada-1", delivery_id=sent["delivery_id"])
    assert causes(found) == ["sent_elsewhere"]
    assert "spam" not in whole(found)


async def send(client: Client, **more: Any) -> dict[str, Any]:
    return await made(client, "send_email", **{"from": "shop@example.com"}, subject="Hi", body="<p>Hi</p>", **more)


async def test_case_and_further_recipients_make_no_other_address(opened: Open) -> None:
    async with opened() as client:
        sent = await send(client, to="ADA@Example.com", identifiers={"id": "ada-1"})
        found = await why(client, "ada-1", delivery_id=sent["delivery_id"])
    assert causes(found) == ["it_arrived"]


async def test_a_message_to_somebody_without_an_address_went_elsewhere(opened: Open) -> None:
    async with opened() as client:
        await made(client, "identify_person", identifier="no-mail", attributes={"plan": "free"})
        sent = await send(client, to=ELSEWHERE, identifiers={"id": "no-mail"})
        found = await why(client, "no-mail", delivery_id=sent["delivery_id"])
    assert causes(found) == ["sent_elsewhere", "no_address"]


async def test_an_address_mended_since_is_not_to_be_mended(opened: Open) -> None:
    async with opened() as client:
        before = await why(client, "cleo-3", campaign_id=1)
        await made(client, "identify_person", identifier="cleo-3", email="cleo.new@example.com")
        found = await why(client, "cleo-3", campaign_id=1)
    assert "Mend the address" in before[0]["next_step"]
    assert causes(found) == ["sent_elsewhere", "bounced"]
    assert "Mend" not in whole(found)


async def test_whoever_may_not_read_addresses_is_shown_none_and_told_that_none_was_compared(
    opened: Open, tmp_path: Path
) -> None:
    async with opened() as client:
        sent = await send(client, to=ELSEWHERE, identifiers={"id": "ada-1"})
    async with opened(**grants(tmp_path)) as client:
        found = await why(client, "ada-1", delivery_id=sent["delivery_id"])
    assert causes(found) == ["it_arrived"]
    assert "was not compared" in found[0]["next_step"]
    assert "@example.com" not in whole(found)


def grants(folder: Path) -> dict[str, str]:
    path = folder / "grants.toml"
    path.write_text('allow = ["*:read"]\n', encoding="utf-8")
    path.chmod(0o600)
    return {"CIO_MCP_GRANTS": str(path)}


@pytest.mark.parametrize("tool", ["why_no_message", "person_overview"])
async def test_who_shares_an_address_is_not_taken_silently(opened: Open, tool: str) -> None:
    async with opened() as client:
        told = await asked(client, tool, customer_id="shared@example.com", id_type="email")
        alone = await asked(client, tool, customer_id="ada@example.com", id_type="email")
    assert told["of_this_address"] == ["id 25", "id dan-4"]
    assert any("2 people" in line and "id_type" in line for line in told["not_known"])
    assert "of_this_address" not in alone
    assert "not_known" not in alone


async def test_people_of_an_address_are_not_looked_for_against_the_policy(opened: Open, tmp_path: Path) -> None:
    path = tmp_path / "denied.toml"
    path.write_text('allow = ["*:read"]\ndeny = ["customers:find_people_by_email"]\n', encoding="utf-8")
    path.chmod(0o600)
    async with opened(CIO_MCP_GRANTS=str(path)) as client:
        told = await asked(client, "person_overview", customer_id="shared@example.com", id_type="email")
    assert "of_this_address" not in told
    assert any("this server was told not to let this agent read it" in line for line in told["not_known"])


async def test_the_channel_of_the_newest_message_does_not_hide_a_missing_address(opened: Open) -> None:
    async with opened() as client:
        await made(client, "identify_person", identifier="no-mail", attributes={"plan": "free"})
        await made(client, "send_in_app", transactional_message_id=4, identifiers={"id": "no-mail"})
        found = await why(client, "no-mail")
    assert causes(found) == ["it_arrived", "no_address"]
    assert "in_app" in found[0]["evidence"]
    assert "spam" not in whole(found)


async def test_a_transactional_message_that_was_held_back_is_not_said_to_go_out(opened: Open) -> None:
    async with opened() as client:
        sent = await send(client, to="bob@example.com", identifiers={"id": "bob-2"}, send_to_unsubscribed=False)
        found = await why(client, "bob-2", delivery_id=sent["delivery_id"])
    assert causes(found) == ["undeliverable", "unsubscribed"]
    assert "unless sent with send_to_unsubscribed: false" in found[1]["next_step"]


async def test_a_reason_that_is_told_is_not_guessed(opened: Open) -> None:
    async with opened() as client:
        sent = await made(client, "send_push", transactional_message_id=2, identifiers={"id": "5"})
        found = await why(client, "5", delivery_id=sent["delivery_id"])
    assert causes(found) == ["undeliverable", "no_device"]
    assert "person has no devices" in found[0]["evidence"]
    assert "message limit" not in whole(found)


async def test_a_broadcast_to_unsubscribed_people_alone_is_not_ready(opened: Open, world: World) -> None:
    other = world.people.find("id", "9")
    assert other is not None
    other.attributes["unsubscribed"] = 1
    async with opened() as client:
        nobody = await asked(client, "preflight_broadcast", broadcast_id=10, recipients=BOB)
        some = await asked(client, "preflight_broadcast", broadcast_id=10, recipients={"segment": {"id": 1}})
        none = await asked(client, "preflight_broadcast", broadcast_id=10, recipients=TRIAL)
    assert nobody["verdict"] == "not_ready"
    assert "unsubscribed" in nobody["concerns"][0]["what"]
    assert some["verdict"] == "ready_with_warnings"
    assert any("2 of the 29" in each["what"] for each in some["concerns"])
    assert none["verdict"] == "ready"


async def test_a_trigger_that_failed_whole_is_no_sending_to_repeat(opened: Open) -> None:
    async with opened(**UNCONFIRMED) as client:
        await client.call_tool("trigger_broadcast", {"broadcast_id": 10, "ids": ["5", "ghost"]})
        told = await asked(client, "preflight_broadcast", broadcast_id=10, recipients=TRIAL)
    [concern] = told["concerns"]
    assert "twice" not in concern["next_step"]
    assert "1 error:" in concern["what"]


async def test_a_message_that_the_receiving_server_put_off_is_told_so(opened: Open, world: World) -> None:
    ada = world.people.find("id", "ada-1")
    assert ada is not None
    delivery = world.deliver(
        ada, channel="email", recipient="ada@example.com", now=time.time() - 60, origin=Origin(campaign_id=1),
        outcome=Outcome.DRAFTED,
    )  # fmt: skip
    delivery.timeline = (("sent", time.time() - 50),)
    delivery.reported["deferred"] = int(time.time()) - 40
    async with opened() as client:
        assert causes(await why(client, "ada-1", campaign_id=1)) == ["deferred"]
