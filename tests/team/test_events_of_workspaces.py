"""Customer.io's events come to the workspace that they were signed for, and are told to its agents alone."""

from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest

from cio_mcp.agents.token_store import Permit
from tests.team.house import ALL, calling, team
from tests.webhooks.receiving import KEY, body_of, event, half_of, signed

pytestmark = pytest.mark.anyio
TWO = """
[workspaces.one]
webhook_signing_key = "env:KEY_OF_ONE"
webhook_url = "https://hooks.example.com/webhooks/customerio/one"
[workspaces.two]
webhook_signing_key = "env:KEY_OF_TWO"
[workspaces.three]
"""
PATH = "/webhooks/customerio"
PERMIT = Permit(agent="one", grants=ALL)
KEYS = {"KEY_OF_ONE": "canary-signing-one", "KEY_OF_TWO": "canary-signing-two"}


async def test_each_workspace_has_a_path_a_key_and_events_of_its_own(tmp_path: Path) -> None:
    permits = [Permit(agent=name, grants=ALL, workspaces=frozenset({name})) for name in ("one", "two", "three")]
    told_of = event(3)
    body = body_of(told_of)
    statuses = []
    async with team(tmp_path, permits, workspaces=TWO, **KEYS) as house:
        base = house.url.removesuffix("/mcp") + "/webhooks/customerio"
        for path, key in (("/two", "canary-signing-one"), ("", "canary-signing-one"), ("/three", "canary-signing-one"),
                          ("/one", "canary-signing-one")):  # fmt: skip
            answer = await house.http.post(base + path, content=body, headers=signed(body, key=key))
            statuses.append(answer.status_code)
        asked = {"delivery_id": told_of["data"]["delivery_id"]}
        mine, theirs = [await house.call(name, "get_delivery_timeline", asked) for name in ("one", "two")]
        setups = [await house.call(name, "get_webhook_setup", {}) for name in ("one", "two", "three")]
    assert statuses == [401, 404, 404, 200]
    assert [step["metric"] for step in mine["timeline"]] == ["delivered"]
    assert theirs["error"]["code"] == "not_found"
    assert [each["signing_key"] for each in setups] == ["set", "set", "not set"]
    assert setups[0]["url"] == "https://hooks.example.com/webhooks/customerio/one"
    assert setups[1]["url"] == "https://<your host>/webhooks/customerio/two"
    assert "webhook_signing_key in" in setups[2]["next_step"]
    assert "workspaces.three to" in setups[2]["next_step"]


async def test_the_address_of_the_server_is_told_with_the_path_of_each_workspace(tmp_path: Path) -> None:
    hooks = "https://hooks.example.com/webhooks/customerio"
    permits = [Permit(agent=name, grants=ALL, workspaces=frozenset({name})) for name in ("one", "two")]
    async with team(tmp_path, permits, "--webhook-url", hooks, workspaces=TWO, **KEYS) as house:
        urls = [(await house.call(name, "get_webhook_setup", {}))["url"] for name in ("one", "two")]
    assert urls == [f"{hooks}/one", f"{hooks}/two"]


async def test_events_arrive_under_a_name_by_which_no_agent_calls(tmp_path: Path) -> None:
    flags = ("--allowed-hosts", "mcp.example.com")
    body = body_of(event())
    async with team(tmp_path, [PERMIT], *flags, CUSTOMERIO_WEBHOOK_SIGNING_KEY=KEY) as house:
        hooks = house.url.removesuffix("/mcp") + PATH
        named = {"host": "hooks.example.com"}
        kept = await house.http.post(hooks, content=body, headers=signed(body) | named)
        forged = await house.http.post(hooks, content=body, headers=signed(body, key="another") | named)
        agent = await house.http.post(house.url, content=b"{}", headers=named)
        other = await house.http.post(f"{hooks}/more", content=body, headers=signed(body) | named)
        two_ends = {"transfer-encoding": "chunked", "content-length": str(len(body))}
        unclear = await house.http.post(hooks, content=body, headers=signed(body) | named | two_ends)
    assert (kept.status_code, kept.text) == (200, "kept")
    assert [each.status_code for each in (forged, agent, other, unclear)] == [401, 421, 421, 400]


async def test_strangers_lock_out_neither_agents_nor_customer_io(tmp_path: Path) -> None:
    body = body_of(event())
    async with team(tmp_path, [PERMIT], CUSTOMERIO_WEBHOOK_SIGNING_KEY=KEY) as house, AsyncExitStack() as stack:
        at, hooks = urlsplit(house.url), house.url.removesuffix("/mcp") + PATH
        assert at.port
        for _ in range(20):
            stream = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", at.port))
            await stream.send(half_of(b"x" * 4_194_304, PATH, host=at.netloc, key="a stranger's"))
            called = await house.post("one", calling("get_rate_budget", {}))
            kept = await house.http.post(hooks, content=body, headers=signed(body))
            assert [called.status_code, kept.status_code] == [200, 200]
