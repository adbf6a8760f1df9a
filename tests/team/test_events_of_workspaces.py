"""Customer.io's events come to the workspace that they were signed for, and are told to its agents alone."""

from pathlib import Path

import pytest

from cio_mcp.agents.token_store import Permit
from tests.team.house import ALL, team
from tests.webhooks.receiving import body_of, event, signed

pytestmark = pytest.mark.anyio
TWO = """
[workspaces.one]
webhook_signing_key = "env:KEY_OF_ONE"
webhook_url = "https://hooks.example.com/webhooks/customerio/one"
[workspaces.two]
webhook_signing_key = "env:KEY_OF_TWO"
[workspaces.three]
"""
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
