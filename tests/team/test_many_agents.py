"""Many agents on one server: who is let in, who sees what, and nothing of one tenant ever in another's answer."""

import json
import re
from pathlib import Path
from typing import Any

import anyio
import pytest

from cio_mcp.agents.token_store import Permit
from cio_mcp.policy import Grant
from tests.team.house import ALL, Team, calling, team

pytestmark = pytest.mark.anyio
TENANTS, CALLS = 50, 200
AT_ONCE = 64
OAUTH = ("--oauth-issuer", "https://auth.example.com", "--public-url", "https://mcp.example.com/mcp")
CANARY = re.compile("canary-of-tenant-[0-9]+")


def reading(*areas: str) -> frozenset[Grant]:
    return frozenset(Grant(area, "read") for area in areas)


async def test_fifty_tenants_never_see_each_other(tmp_path: Path) -> None:
    names = [f"tenant-{number}" for number in range(TENANTS)]
    file = "\n".join(f"[workspaces.{name}]" for name in names)
    permits = [Permit(agent=name, grants=ALL, workspaces=frozenset({name})) for name in names]
    foreign: list[str] = []
    seen = 0
    async with team(tmp_path, permits, workspaces=file) as house:
        for name in names:
            person = {"identifier": "same-id", "attributes": {"note": f"canary-of-{name}"}}
            assert (await house.call(name, "identify_person", person)) == {"accepted": True}
        line = anyio.CapacityLimiter(AT_ONCE)

        async def one(name: str) -> None:
            nonlocal seen
            async with line:
                # The ids of messages and of people are the same everywhere.
                answer = await house.post(name, calling("get_person_attributes", {"customer_id": "same-id"}))
            found = set(CANARY.findall(answer.text))
            seen += f"canary-of-{name}" in found
            foreign.extend(found - {f"canary-of-{name}"})

        async with anyio.create_task_group() as group:
            for turn in range(CALLS):
                for name in names[turn % TENANTS :] + names[: turn % TENANTS]:
                    group.start_soon(one, name)
    assert foreign == []
    assert seen == TENANTS * CALLS


async def test_an_operation_of_another_agent_is_as_unknown_as_none(tmp_path: Path) -> None:
    permits = [Permit(agent=name, grants=ALL) for name in ("one", "other")]
    async with team(tmp_path, permits, "--confirm", "token") as house:
        answer = (await house.post("one", calling("create_segment", {"name": "Mine"}))).json()
        operation = answer["result"]["_meta"]["cio-mcp/call"]["operation"]
        asked = await house.call("one", "suppress_person", {"identifier": "bob-2"})
        mine = await house.call("one", "get_operation", {"operation": operation})
        theirs = await house.call("other", "get_operation", {"operation": operation})
        nobodys = await house.call("other", "get_operation", {"operation": "01J00000000000000000000000"})
        taken = {"identifier": "bob-2", "confirm_token": asked["error"]["confirm_token"]}
        stolen = await house.call("other", "suppress_person", taken)
        used = await house.call("one", "suppress_person", taken)
    assert mine["tool"] == "create_segment"
    assert theirs == nobodys
    assert stolen["error"]["code"] == "not_confirmed"
    assert used == {"accepted": True}


async def test_an_operator_sees_what_all_agents_did_and_whose_it_is(tmp_path: Path) -> None:
    permits = [Permit(agent="one", grants=ALL), Permit(agent="on-call", grants=frozenset(), is_operator=True)]
    async with team(tmp_path, permits) as house:
        answer = (await house.post("one", calling("create_segment", {"name": "Mine"}))).json()
        operation = answer["result"]["_meta"]["cio-mcp/call"]["operation"]
        seen = await house.call("on-call", "get_operation", {"operation": operation})
        own = await house.call("one", "get_operation", {"operation": operation})
        unknown = await house.call("on-call", "list_unknown_operations", {})
        refused = await house.post("on-call", calling("list_segments", {}))
    assert seen == {"principal": "one"} | own | {"seconds_ago": seen["seconds_ago"]}
    assert unknown == {"operations": [], "note": "No call has an unknown outcome."}
    assert refused.status_code == 403


async def test_who_has_no_token_learns_so_and_nothing_else(tmp_path: Path) -> None:
    async with team(tmp_path, [Permit(agent="one", grants=ALL)]) as house:
        answers = [
            await house.post(token, calling("list_segments", {}))
            for token in (None, "wrong", "ciomcp_000000000000_" + "0" * 49, house.tokens["one"][:-1])
        ]
        inside = await house.post("one", calling("list_segments", {}))
        refused = await house.command("call", "--url", house.url, "list_segments")
    assert [answer.status_code for answer in answers] == [401] * 4
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers)
    assert not [answer for answer in answers if "segments" in answer.text]
    assert inside.status_code == 200
    assert (refused.code, "does not know you" in refused.err) == (2, True)


async def test_the_body_decides_whatever_the_headers_say(tmp_path: Path) -> None:
    permits = [Permit(agent="reader", grants=reading("segments", "customers"))]
    widening = {
        "Mcp-Name": "list_segments",
        "Mcp-Method": "tools/list",
        "X-Cio-Mcp-Grants": "*:*",
        "X-MCP-Readonly": "false",
        "X-MCP-Toolsets": "all",
    }
    async with team(tmp_path, permits, "--confirm", "off") as house:
        plain = await house.post("reader", calling("create_segment", {"name": "Never"}))
        with_headers = await house.post("reader", calling("create_segment", {"name": "Never"}), **widening)
        listed = (await house.post("reader", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).json()
        segments = await house.call("reader", "list_segments", {})
    assert [plain.status_code, with_headers.status_code] == [403, 403]
    assert 'scope="segments:write"' in plain.headers["www-authenticate"]
    names = {tool["name"] for tool in listed["result"]["tools"]}
    assert "list_segments" in names
    assert "create_segment" not in names
    assert "Never" not in json.dumps(segments)


async def test_a_token_counts_until_it_is_revoked(tmp_path: Path) -> None:
    async with team(tmp_path, [Permit(agent="one", grants=ALL), Permit(agent="two", grants=ALL)]) as house:
        before = await house.post("one", calling("list_segments", {}))
        done = await house.command("token", "revoke", "one", "--ledger", str(house.ledger))
        await anyio.sleep(1)  # what is promised: within a second, in every process
        after = await house.post("one", calling("list_segments", {}))
        other = await house.post("two", calling("list_segments", {}))
    assert done.code == 0, done.err
    assert [answer.status_code for answer in (before, after, other)] == [200, 401, 200]


async def test_a_token_that_is_made_while_the_server_runs_lets_in_and_calls_work_from_elsewhere(tmp_path: Path) -> None:
    async with team(tmp_path, []) as house:
        words = ("token", "create", "receipts", "--grant", "segments:*", "--ledger", str(house.ledger))
        token = (await house.command(*words)).out.strip()
        there = ("call", "--url", house.url)
        listed = await house.command(*there, "list_segments", CIO_MCP_TOKEN=token)
        denied = await house.command(*there, "list_campaigns", CIO_MCP_TOKEN=token)
        nowhere = await house.command("call", "--url", "http://127.0.0.1:1/mcp", "list_segments", CIO_MCP_TOKEN=token)
        in_clear = await house.command("call", "--url", "http://mcp.example.com/mcp", "x", CIO_MCP_TOKEN=token)
    assert (listed.code, "segments" in json.loads(listed.out)) == (0, True)
    assert (denied.code, "does not carry broadcasts:read" in denied.err) == (1, True)
    assert "--grant broadcasts:read" in denied.err
    assert (nowhere.code, "no connection" in nowhere.err) == (2, True)
    assert (in_clear.code, "must be https" in in_clear.err) == (2, True)
    told = " ".join(ended.out + ended.err for ended in (listed, denied, nowhere, in_clear))
    assert token not in told + json.dumps(house.records)


async def test_calls_are_recorded_under_the_name_of_the_token(tmp_path: Path) -> None:
    permits = [Permit(agent=name, grants=ALL) for name in ("one", "two")]
    async with team(tmp_path, permits) as house:
        for name in ("one", "two"):
            await house.call(name, "list_segments", {})
    assert [record["principal"] for record in house.records] == ["one", "two"]
    assert not [text for text in house.tokens.values() if text in json.dumps(house.records)]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--http", "0.0.0.0:0"), "--auth"),
        (("--http", "0.0.0.0:0", "--auth", "tokens"), "--allowed-hosts"),
        (("--http", "0", "--auth", "oauth"), "--oauth-issuer"),
        (("--http", "0", "--auth", "tokens", "--ledger", "memory"), "beside the ledger"),
        (("--http", "0", "--auth", "password"), "one or more of tokens, oauth"),
        (("--http", "0", "--auth", "tokens", "--insecure-loopback"), "leave one of them out"),
        (
            ("--http", "0", *OAUTH),
            "--oauth-issuer is about access tokens of an issuer, but without --auth nobody is asked",
        ),
        (("--http", "0", "--auth", "tokens", *OAUTH), "add --auth oauth (or tokens,oauth)"),
        (("--http", "0", *OAUTH[2:]), "--public-url"),
    ],
)
async def test_it_does_not_start_where_it_would_be_open(tmp_path: Path, flags: tuple[str, ...], said: str) -> None:
    house = Team(url="", ledger=tmp_path, tokens={}, http=None)  # type: ignore[arg-type] # only its command is used
    ended: Any = await house.command("serve", "--sandbox", *flags, CIO_MCP_LEDGER=str(tmp_path / "ledger.sqlite3"))
    assert ended.code == 2
    assert said in ended.err
