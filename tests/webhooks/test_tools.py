"""From a send to what became of it, end to end: a real client, a real receiver, a Customer.io that reports."""

import json
import time
from typing import Any

import anyio
import pytest
from mcp import MCPError

from cio_mcp.framing import unframed
from cio_mcp.postgres import Database
from cio_mcp.webhooks.known import STEPS
from cio_mcp.webhooks.postgres import PostgresEvents
from cio_mcp.webhooks.setup import Setup
from cio_mcp.webhooks.store import EventsUnavailable, Filter
from cio_mcp.webhooks.tools import TOOLS
from tests.webhooks.conftest import Enter, House
from tests.webhooks.kinds import KINDS
from tests.webhooks.receiving import body_of, event, signed

pytestmark = pytest.mark.anyio
KEY = "sandbox-signing-key"
PERSON = {"id": "ada-1", "email": "ada@example.com", "cio_id": "a300001a"}


async def arrived(house: House, count: int) -> None:
    """Wait until so many events are kept."""
    with anyio.fail_after(10):
        while len(await house.desk.store.find(Filter(), limit=1_000)) < count:  # noqa: ASYNC110 - a store sets no event
            await anyio.sleep(0.02)


async def tell(house: House, *told: Any) -> None:
    for each in told:
        body = body_of(each)
        assert (await house.desk.post(body, signed(body, key=KEY))).status == 200


def metrics(result: dict[str, Any]) -> list[str]:
    """Return what happened, in order; that it was made is told by the API alone."""
    return [step["metric"] for step in result["timeline"] if step["metric"] != "created"]


async def test_a_send_is_seen_sent_delivered_opened_and_clicked(house: Enter) -> None:
    async with house() as at:
        await at.subscribe()
        number = await at.send()
        opened = (await at.call("wait_for_delivery", {"delivery_id": number, "until": "opened", "timeout": 10})).result
        assert (opened["reached"], metrics(opened)) == (True, ["sent", "delivered", "opened"])
        await at.report(number, "clicked")
        clicked = (
            await at.call("wait_for_delivery", {"delivery_id": number, "until": "clicked", "timeout": 10})
        ).result
        assert clicked["reached"]
        told = (await at.call("get_delivery_timeline", {"delivery_id": number})).result
        assert metrics(told) == ["sent", "delivered", "opened", "clicked"]
        assert told["identifiers"] == PERSON
        assert (told["object_type"], told["recipient"], told["transactional_message_id"]) == (
            "email",
            "ada@example.com",
            1,
        )
        listed = (await at.call("list_delivery_events", {"identifiers": {"email": "ADA@example.com"}})).result
        assert listed["events"][0]["metric"] == "clicked"
        assert {each["delivery_id"] for each in listed["events"]} == {number}
        assert not at.sandbox.app.state.undelivered


async def test_steps_that_lie_behind_many_others_are_not_forgotten(house: Enter) -> None:
    async with house() as at:
        told = event()["data"]
        kinds = ["sent", "delivered", "converted", *["opened"] * STEPS]
        await tell(at, *(event(number, metric=metric, data=told) for number, metric in enumerate(kinds)))
        number = told["delivery_id"]
        shown = (await at.call("get_delivery_timeline", {"delivery_id": number})).result
        assert metrics(shown)[:4] == ["sent", "delivered", "converted", "opened"]
        assert f"more than {STEPS} events" in shown["note"]
        waited = (await at.call("wait_for_delivery", {"delivery_id": number, "until": "converted"})).result
        assert waited["reached"]


async def test_a_wait_ends_early_where_it_never_will_be(house: Enter) -> None:
    async with house() as at:
        await at.subscribe()
        await at.send()  # so that something has been reported before
        number = await at.send("cleo-3", "cleo@example.com")
        told = (await at.call("wait_for_delivery", {"delivery_id": number, "timeout": 20})).result
        assert (told["reached"], metrics(told)) == (False, ["sent", "bounced"])
        assert told["waited_seconds"] < 10
        assert "550" in told["timeline"][-1]["failure_message"]
        assert told["next_step"] == "It will never be delivered: timeline says why."


async def test_without_a_webhook_a_wait_goes_by_the_api(house: Enter) -> None:
    for given in ({"events": False}, {}):  # no receiver at all, and one that nobody reports to
        async with house(**given) as at:
            number = await at.send()
            told = (await at.call("wait_for_delivery", {"delivery_id": number, "timeout": 10})).result
            assert told["reached"]
            assert {"sent", "delivered"} <= set(metrics(told))
            assert told["identifiers"] == PERSON
            assert 1 <= at.reads <= 10


async def test_a_metric_that_is_not_reported_is_found_in_the_api_in_the_end(house: Enter) -> None:
    async with house() as at:
        await at.subscribe(["email_sent"])
        number = await at.send()
        told = (await at.call("wait_for_delivery", {"delivery_id": number, "timeout": 1})).result
        assert told["reached"]
        assert "delivered" in metrics(told)


async def test_a_wait_that_is_over_says_so_and_what_is_known(house: Enter) -> None:
    async with house() as at:
        await at.subscribe()
        number = await at.send()
        await arrived(at, 3)
        told = (await at.call("wait_for_delivery", {"delivery_id": number, "until": "clicked", "timeout": 1})).result
        assert (told["reached"], metrics(told)) == (False, ["sent", "delivered", "opened"])
        assert 1 <= told["waited_seconds"] < 5
        assert told["next_step"].startswith("The timeout is over, and it may still come")


async def test_a_wait_never_takes_longer_than_a_call_may(house: Enter) -> None:
    async with house(CIO_MCP_TIME_BUDGET="3") as at:
        await at.subscribe()
        number = await at.send()
        await arrived(at, 3)
        told = (await at.call("wait_for_delivery", {"delivery_id": number, "until": "clicked", "timeout": 600})).result
        assert not told["reached"]
        assert told["waited_seconds"] <= 3
        assert told["next_step"].startswith("This call's time is up")


async def test_a_wait_tells_that_it_goes_on(house: Enter) -> None:
    told: list[float | None] = []

    async def note(_progress: float, total: float | None, _message: str | None) -> None:
        told.append(total)

    async with house() as at:
        number = await at.send()
        given = {"delivery_id": number, "until": "clicked", "timeout": 2}
        await at.call("wait_for_delivery", given, progress_callback=note)
    assert told == [2.0]


async def test_a_message_that_nobody_knows_is_not_found(house: Enter) -> None:
    async with house() as at:
        for tool in ("get_delivery_timeline", "wait_for_delivery"):
            called = await at.call(tool, {"delivery_id": "nobody-knows"} | ({"timeout": 1} if "wait" in tool else {}))
            assert (called.code, "as a send returned it" in called.error["next_step"]) == ("not_found", True)


async def test_who_may_not_read_messages_is_shown_only_the_setup(house: Enter) -> None:
    async with house(CIO_MCP_GRANT="segments:read") as at:
        listed = {tool.name for tool in (await at.client.list_tools()).tools}
        assert {tool.name for tool in TOOLS} & listed == {"get_webhook_setup"}
        assert (await at.call("get_webhook_setup")).result["signing_key"] == "set"
        with pytest.raises(MCPError, match="Unknown tool"):
            await at.call("list_delivery_events")


async def test_a_failing_api_is_an_error_only_where_it_is_the_only_source(house: Enter) -> None:
    async with house(CUSTOMERIO_APP_API_KEY="") as at:
        await tell(at, event(data={"delivery_id": "known"}))
        told = await at.call("wait_for_delivery", {"delivery_id": "known", "until": "opened", "timeout": 1})
        assert (told.result["reached"], metrics(told.result)) == (False, ["delivered"])
    async with house(events=False, CUSTOMERIO_APP_API_KEY="") as at:
        called = await at.call("wait_for_delivery", {"delivery_id": "known", "timeout": 5})
        assert called.code == "missing_credential"


async def test_events_are_filtered(house: Enter) -> None:
    async with house() as at:
        for number in range(6):
            data = {"delivery_id": f"dlv-{number % 2}", "identifiers": {"id": str(number % 3), "cio_id": f"c{number}"}}
            channel = "sms" if number == 5 else "email"
            await tell(at, event(number, data=data, metric="sent" if number < 3 else "opened", object_type=channel))

        async def numbers(**given: Any) -> list[int]:
            listed = (await at.call("list_delivery_events", given)).result["events"]
            return [round(1_700_000_000 - _seconds(each["at"])) * -1 for each in listed]

        assert await numbers() == [5, 4, 3, 2, 1, 0]
        assert await numbers(delivery_id="dlv-1") == [5, 3, 1]
        assert await numbers(metric="sent") == [2, 1, 0]
        assert await numbers(object_type="sms") == [5]
        assert await numbers(identifiers={"id": "1"}) == [4, 1]
        assert await numbers(identifiers={"cio_id": "c2"}) == [2]
        assert await numbers(since=1_700_000_002, until=1_700_000_004) == [3, 2]
        assert await numbers(metric="opened", delivery_id="dlv-0") == [4]
        assert await numbers(limit=2) == [5, 4]


def _seconds(text: str) -> float:
    from datetime import datetime  # noqa: PLC0415 - for this test alone

    return datetime.fromisoformat(text).timestamp()


async def test_pages_hold_every_event_once_also_while_more_arrive_and_where_results_are_small(house: Enter) -> None:
    async with house(tokens=1_000) as at:
        await tell(
            at, *(event(number // 2 * 2 + number % 2, timestamp=1_700_000_000 + number // 4) for number in range(40))
        )
        seen: list[str] = []
        start: dict[str, Any] = {}
        while True:
            page = (await at.call("list_delivery_events", {"limit": 25} | start)).result
            assert len(json.dumps(page)) < 1_800
            seen += [each["delivery_id"] for each in page["events"]]
            if "next" not in page:
                break
            start = {"start": page["next"]}
            await tell(at, event(100 + len(seen), timestamp=1_800_000_000))
    assert seen == [f"dlv-{number}" for number in range(39, -1, -1)]


@pytest.mark.parametrize("start", ["x", "1-", "1-2-3", "9" * 50])
async def test_a_cursor_that_is_none_is_refused(house: Enter, start: str) -> None:
    async with house() as at:
        assert (await at.call("list_delivery_events", {"start": start})).code == "invalid_arguments"


async def test_a_list_without_events_says_why(house: Enter) -> None:
    async with house() as at:
        assert (await at.call("list_delivery_events")).result == {"events": [], "note": "No such event has arrived."}
    async with house(events=False) as at:
        assert "get_webhook_setup" in (await at.call("list_delivery_events")).result["note"]


async def test_the_setup_is_told_step_by_step(house: Enter) -> None:
    async with house(events=False, setup=Setup()) as at:
        told = (await at.call("get_webhook_setup")).result
        assert told["signing_key"] == "not set"
        assert "CUSTOMERIO_WEBHOOK_SIGNING_KEY" in told["next_step"]
    async with house(setup=Setup(url="https://hooks.example.com/webhooks/customerio", keys=1)) as at:
        told = (await at.call("get_webhook_setup")).result
        assert (told["url"], told["received"]) == ("https://hooks.example.com/webhooks/customerio", 0)
        assert "email_bounced" in told["next_step"]
        assert (await at.desk.post(b"{}", signed(b"{}", key="another"))).status == 401
        with anyio.fail_after(5):
            while "another signature" not in (told := (await at.call("get_webhook_setup")).result)["next_step"]:  # noqa: ASYNC110 - nor does a tool
                await anyio.sleep(0.02)
        assert told["refused"] == {"forged": 1}
        told_of = event(timestamp=int(time.time()) - 5)
        await tell(at, told_of, told_of)
        told = (await at.call("get_webhook_setup")).result
        assert (told["received"], told["repeats"]) == (1, 1)
        assert 4 <= told["lag_seconds"] <= 8
        assert told["last_event_seconds_ago"] <= 2
        assert told["next_step"].startswith("Events arrive")


async def test_every_kind_is_told_and_what_is_personal_only_to_whom_may_see_it(house: Enter) -> None:
    canaries = ("test@example.com", "+15550100")
    async with house() as at:
        await tell(at, *KINDS.values())
        everything = json.dumps((await at.call("list_delivery_events", {"limit": 500})).result)
        assert all(canary in everything for canary in canaries)
    async with house(CIO_MCP_PROFILE="safe") as at:
        await tell(at, *KINDS.values())
        listed = (await at.call("list_delivery_events", {"limit": 500})).result["events"]
        assert len(listed) == len(KINDS)
        assert {each["metric"] for each in listed} == {told["metric"] for told in KINDS.values()}
        assert {each["identifiers"]["cio_id"] for each in listed} == {"d9c106000001"}
        assert any(each.get("failure_message") == "Something went wrong!" for each in listed)
        timeline = (await at.call("get_delivery_timeline", {"delivery_id": "ZAIAAVTJVG0QcCok0-0ZKj6yiQ=="})).result
        for shown in (json.dumps(listed), json.dumps(timeline)):
            assert not any(canary in shown for canary in canaries)
        assert "[masked" in timeline["recipient"]


async def test_what_others_wrote_is_harmless_when_it_is_told(house: Enter) -> None:
    async with house() as at:
        body = (
            b'{"event_id":"x","metric":"bounced","data":{"delivery_id":"d","failure_message":"\\ud800\\u202e\\u0000"}}'
        )
        assert (await at.desk.post(body, signed(body, key=KEY))).status == 200
        told = (await at.call("get_delivery_timeline", {"delivery_id": "d"})).result
        assert told["timeline"][0]["failure_message"] == "\\u{d800}\\u{202e}\\u{0}"
        for tool, given in (
            ("get_delivery_timeline", {"delivery_id": "d"}),
            ("list_delivery_events", {}),
            ("wait_for_delivery", {"delivery_id": "d"}),
        ):
            result = await at.client.call_tool(tool, given)
            [block] = result.content
            assert json.loads(unframed(getattr(block, "text", ""))) == result.structured_content


async def test_where_the_events_cannot_be_read_the_api_tells_and_that_is_said(house: Enter) -> None:
    away = PostgresEvents(Database("postgresql://canary:canary@127.0.0.1:1/canary"), workspace="test")
    async with house(store=away) as at:
        number = await at.send()
        waited = (await at.call("wait_for_delivery", {"delivery_id": number, "timeout": 10})).result
        told = (await at.call("get_delivery_timeline", {"delivery_id": number})).result
        setup = (await at.call("get_webhook_setup")).result
        listed = await at.call("list_delivery_events")
        unknown = await at.call("get_delivery_timeline", {"delivery_id": "d"})
    assert waited["reached"]
    for shown in (waited, told):
        assert "delivered" in metrics(shown)
        assert "cannot be read now" in shown["note"]
    assert (setup["signing_key"], "cannot be read now" in setup["next_step"]) == ("set", True)
    assert (listed.code, unknown.code) == ("unavailable", "unavailable")
    assert "canary" not in json.dumps([waited, told, setup, listed.result, unknown.result])


async def test_a_wait_during_which_the_events_go_away_is_ended_by_the_api(
    house: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house() as at:
        await tell(at, event())  # so that events are waited for

        async def fails(*_given: Any, **_more: Any) -> Any:
            raise EventsUnavailable("canary: the disk is gone")

        monkeypatch.setattr(at.desk.store, "find", fails)
        number = await at.send()
        told = (await at.call("wait_for_delivery", {"delivery_id": number, "timeout": 10})).result
        assert told["reached"]
        assert told["waited_seconds"] < 9


def test_the_tools_cost_few_tokens_and_describe_every_argument() -> None:
    schemas = [(tool.description, tool.input_schema()) for tool in TOOLS]
    assert len(json.dumps(schemas)) < 4_000
    for _, schema in schemas:
        assert all("description" in field for field in schema["properties"].values())
