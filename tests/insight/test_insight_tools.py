"""The tools that read several things in one call, through a real client, in front of a sandbox."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from cio_mcp import shaping
from cio_mcp.sandbox import Fault, RunningSandbox, World
from cio_mcp.sandbox.programs import Trigger
from tests.insight.conftest import Open, asked

pytestmark = pytest.mark.anyio
MOST_BYTES = 1_000 * shaping.BYTES_PER_TOKEN
"""Under 1,000 tokens even if every one of them is as short as tokens get."""
NAMES = {"why_no_message", "preflight_broadcast", "person_overview"}


@pytest.mark.parametrize(
    ("person", "asking", "causes"),
    [
        ("ada-1", {"campaign_id": 1}, ["it_arrived"]),
        ("bob-2", {"campaign_id": 1}, ["undeliverable", "unsubscribed"]),
        ("cleo-3", {"campaign_id": 1}, ["bounced"]),
        ("dan-4", {"campaign_id": 1}, ["failed"]),
        ("5", {"campaign_id": 1}, ["event_never_came", "not_in_segment"]),
        ("nobody", {"campaign_id": 1}, ["no_such_person"]),
        ("ada-1", {"campaign_id": 2}, ["not_running", "event_never_came"]),
        ("ada-1", {"campaign_id": 99}, ["no_such_program"]),
        ("bob-2", {"newsletter_id": 1}, ["unsubscribed", "not_sent_yet", "not_in_segment"]),
        ("ada-1", {"broadcast_id": 10}, ["never_triggered"]),
        ("ada-1", {"delivery_id": "nothing"}, ["no_such_message"]),
        ("cleo-3", {}, ["bounced"]),
    ],
)
async def test_the_causes_of_every_story_in_the_sandbox_are_found(
    opened: Open, person: str, asking: dict[str, Any], causes: list[str]
) -> None:
    async with opened() as client:
        told = await asked(client, "why_no_message", customer_id=person, **asking)
    assert [told["cause"], *(each["cause"] for each in told.get("also", ()))] == causes
    assert told["evidence"]
    assert told["next_step"]
    assert "not_known" not in told


async def test_only_one_program_or_message_may_be_named(opened: Open) -> None:
    async with opened() as client:
        result = await client.call_tool("why_no_message", {"customer_id": "1", "campaign_id": 1, "broadcast_id": 10})
    assert "broadcast_id must not stand beside campaign_id" in json.dumps(result.structured_content)


async def test_a_broadcast_is_checked_with_the_audience_that_is_meant(opened: Open) -> None:
    async with opened() as client:
        own = await asked(client, "preflight_broadcast", broadcast_id=10)
        given = await asked(client, "preflight_broadcast", broadcast_id=10, recipients={"segment": {"id": 2}})
        draft = await asked(client, "preflight_broadcast", broadcast_id=11)
        none = await asked(client, "preflight_broadcast", broadcast_id=99)
    assert (own["verdict"], given["verdict"]) == ("ready_with_warnings", "ready")
    assert (given["audience"], given["of"]) == (11, 29)
    assert (draft["verdict"], none["verdict"]) == ("not_ready", "not_ready")
    assert "cannot be read through the API" in own["not_known"][0]


async def test_a_broadcast_that_has_just_been_triggered_is_told_to_be_a_repeat(opened: Open, world: World) -> None:
    async with opened(CIO_MCP_CONFIRM="off") as client:
        sent = await client.call_tool("trigger_broadcast", {"broadcast_id": 10, "ids": ["ada-1"]})
        assert not sent.is_error
        told = await asked(client, "preflight_broadcast", broadcast_id=10)
    assert any("last 24 hours" in each["what"] for each in told["concerns"])
    assert world.broadcasts[10].triggers


async def test_a_person_is_shown_at_a_glance(opened: Open) -> None:
    async with opened() as client:
        told = await asked(client, "person_overview", customer_id="ada@example.com", id_type="email")
    assert told["identifiers"]["id"] == "ada-1"
    assert told["segments"] == ["1 All customers", "2 Trial users", "3 Newsletter readers"]
    assert told["by_fate"] == {"opened": 3}
    assert (told["related_objects"], told["devices"]) == (1, ["ios"])


async def test_every_answer_stays_under_a_thousand_tokens_however_much_there_is(opened: Open, world: World) -> None:
    person = world.people.find("id", "ada-1")
    assert person is not None
    person.attributes.update({f"attribute number {n}": "\u65e5\u672c" * 400 for n in range(300)})
    for number in range(60):
        segment = world.segments.add(f"Segment {number} " + "\u65e5" * 200, "", int(time.time()), manual=True)
        segment.members[person.cio_id] = None
    campaign = world.campaigns[1]
    campaign.event_name, campaign.filter_segment_ids = "\u65e5" * 3_000, list(range(1_000, 1_400))
    campaign.daily = 0
    for number in range(60):
        world.people.add({"id": f"{number}" + "\u65e5" * 40, "email": "ada@example.com"}, int(time.time()))
    topics = {f"topic_{n}": False for n in range(10**11, 10**11 + 300)}
    person.attributes["cio_subscription_preferences"] = {"topics": topics}
    lines = ["line 1: " + "\u65e5" * 3_000] * 60
    now = time.time()
    world.broadcasts[10].triggers[1] = Trigger(id=1, broadcast_id=10, created_at=now, processed_at=now, errors=lines)
    world.broadcasts[10].name = "\u65e5" * 5_000
    world.broadcasts[10].actions *= 50
    async with opened() as client:
        for tool, arguments in (
            ("person_overview", {"customer_id": "ada-1"}),
            ("why_no_message", {"customer_id": "bob-2", "campaign_id": 1}),
            ("why_no_message", {"customer_id": "5", "campaign_id": 1}),
            ("why_no_message", {"customer_id": "ada@example.com", "id_type": "email", "broadcast_id": 10}),
            ("person_overview", {"customer_id": "ada@example.com", "id_type": "email"}),
            ("preflight_broadcast", {"broadcast_id": 10}),
            ("preflight_broadcast", {"broadcast_id": 10, "recipients": {"segment": {"id": 1}}}),
        ):
            result = await client.call_tool(tool, arguments)
            [block] = result.content
            assert len(getattr(block, "text", "").encode()) <= MOST_BYTES, tool
            assert not result.is_error


async def test_a_read_that_fails_is_named_and_the_rest_is_told(opened: Open, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(Fault(kind="status", match="GET /v1/customers/ada-1/segments", status=403))
    async with opened() as client:
        told = await asked(client, "person_overview", customer_id="ada-1")
    assert "segments" not in told
    assert told["by_fate"] == {"opened": 3}
    assert told["not_known"] == ["Segments: this server's App API key may not read it."]


async def test_a_program_that_may_not_be_read_is_named_and_the_rest_is_told(opened: Open) -> None:
    async with opened(CIO_MCP_AREAS="customers") as client:
        told = await asked(client, "why_no_message", customer_id="bob-2", campaign_id=1)
    assert told["cause"] == "undeliverable"
    assert told["not_known"] == ["Campaign: this server was told not to let this agent read it."]


async def test_where_nothing_can_be_read_the_error_is_that_of_the_reads(opened: Open) -> None:
    async with opened(CUSTOMERIO_APP_API_KEY="canary-wrong-key") as client:
        for tool, arguments in (
            ("person_overview", {"customer_id": "ada-1"}),
            ("why_no_message", {"customer_id": "ada-1"}),
            ("preflight_broadcast", {"broadcast_id": 10}),
        ):
            result = await client.call_tool(tool, arguments)
            assert (result.structured_content or {})["error"]["code"] == "bad_credential"


async def test_the_reads_keep_the_limit_and_none_is_made_twice(opened: Open, sandbox: RunningSandbox) -> None:
    async with opened(CIO_MCP_LIMIT_APP="2/0.5") as client:
        began = time.monotonic()
        await asked(client, "why_no_message", customer_id="5", campaign_id=1)
        took = time.monotonic() - began
    paths = [each.raw_path.partition("?")[0] for each in sandbox.app.state.journal]
    assert len(paths) == len(set(paths)) == 5
    assert took >= 0.9  # five reads of two per half second


async def test_what_the_time_does_not_allow_is_said_to_be_unknown(opened: Open) -> None:
    async with opened(CIO_MCP_LIMIT_APP="3/60", CIO_MCP_TIME_BUDGET="5") as client:
        told = await asked(client, "why_no_message", customer_id="bob-2", campaign_id=1)
    assert told["not_known"]


@pytest.mark.parametrize(
    ("areas", "shown"),
    [("customers", {"why_no_message", "person_overview"}), ("broadcasts", {"preflight_broadcast"}), ("people", set())],
)
async def test_each_is_served_only_to_whoever_may_use_what_it_reads_with(
    opened: Open, areas: str, shown: set[str]
) -> None:
    async with opened(CIO_MCP_AREAS=areas) as client:
        assert NAMES & {tool.name for tool in (await client.list_tools()).tools} == shown


def grants(path: Path, text: str) -> dict[str, str]:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return {"CIO_MCP_GRANTS": str(path)}


async def test_what_is_denied_is_not_reached_by_this_way(opened: Open, tmp_path: Path) -> None:
    denied = grants(
        tmp_path / "grants.toml",
        'allow = ["customers:read", "broadcasts:read"]\ndeny = ["customers:list_person_messages"]\n',
    )
    async with opened(**denied) as client:
        assert NAMES & {tool.name for tool in (await client.list_tools()).tools} == {"preflight_broadcast"}


async def test_personal_data_is_masked_as_the_tools_beneath_would_mask_it(opened: Open, tmp_path: Path) -> None:
    masked = grants(tmp_path / "grants.toml", 'allow = ["*:read"]\n')
    async with opened(**masked) as client:
        overview = await asked(client, "person_overview", customer_id="ada-1")
        why = await asked(client, "why_no_message", customer_id="bob-2", campaign_id=1)
    assert "ada@example.com" not in json.dumps(overview)
    assert "Ada" not in json.dumps(overview)
    assert overview["attributes"]["first_name"].startswith("[masked")
    assert overview["unsubscribed"] is False
    assert why["cause"] == "undeliverable"


async def test_where_no_read_comes_back_in_time_it_is_an_error_and_no_verdict(
    opened: Open, sandbox: RunningSandbox
) -> None:
    sandbox.app.state.faults.add(Fault(kind="hang", match="*", times=None, seconds=20.0))
    async with opened(CIO_MCP_TIME_BUDGET="3") as client:
        for tool, arguments in (
            ("why_no_message", {"customer_id": "ada-1"}),
            ("preflight_broadcast", {"broadcast_id": 10}),
        ):
            began = time.monotonic()
            result = await client.call_tool(tool, arguments)
            assert time.monotonic() - began < 6
            assert (result.structured_content or {})["error"]["code"] == "unavailable"
    sandbox.app.state.faults.clear()
