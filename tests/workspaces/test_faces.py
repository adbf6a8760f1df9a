"""Each agent sees the workspaces that it may reach, with what its token carries, and nothing of any other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, types

from cio_mcp.agents import Agent
from cio_mcp.catalog import CATALOG
from cio_mcp.cli.team import Team, team
from cio_mcp.policy import Grant
from cio_mcp.server import META, server_of
from cio_mcp.settings import load
from tests.recorded import records_in
from tests.workspaces.test_workspaces_file import written

pytestmark = pytest.mark.anyio
THREE = """
[workspaces.one]
[workspaces.two]
region = "eu"
[workspaces.three]

[agents.local]
workspaces = ["one", "two"]
[agents.single]
workspaces = ["three"]
"""
NOBODY = Agent(name="nobody")
REACHING_NOTHING = pytest.mark.parametrize(
    "agent",
    [NOBODY, Agent(name="single", workspaces=frozenset({"gone"})), Agent(name="single", workspaces=frozenset())],
    ids=["bound to none", "bound to one that is gone", "a token that names none"],
)
WELL_FORMED: dict[str, dict[str, Any]] = {
    "person_overview": {"customer_id": "ada-1"},
    "why_no_message": {"customer_id": "ada-1"},
    "preflight_broadcast": {"broadcast_id": 10},
}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite3"


@asynccontextmanager
async def served(folder: Path, ledger: Path, **more: str) -> AsyncIterator[Team]:
    settings = {"CIO_MCP_SANDBOX": "true", "CIO_MCP_WORKSPACES": written(folder, THREE), "CIO_MCP_LEDGER": str(ledger)}
    async with team(load(settings | {"CIO_MCP_CONFIRM": "off"} | more)) as found:
        yield found


async def called(found: Team, agent: Agent, tool: str, **arguments: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    async with Client(server_of(found.reception.face(agent))) as client:
        result = await client.call_tool(tool, arguments)
    return result.structured_content or {}, (result.meta or {}).get(META, {})


async def names(found: Team, agent: Agent) -> list[str]:
    async with Client(server_of(found.reception.face(agent))) as client:
        return [tool.name for tool in (await client.list_tools()).tools]


async def test_with_several_workspaces_every_tool_but_one_asks_which(tmp_path: Path, ledger: Path) -> None:
    async with served(tmp_path, ledger) as found, Client(server_of(found.face)) as client:
        tools = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
        listed = await client.call_tool("list_workspaces_here", {})
    without = {name for name, schema in tools.items() if "workspace" not in schema.get("required", ())}
    assert without == {"list_workspaces_here"}
    assert {tuple(s["properties"]["workspace"]["enum"]) for n, s in tools.items() if n not in without} == {
        ("one", "two")
    }
    assert listed.structured_content == {
        "workspaces": [{"workspace": "one", "region": "us"}, {"workspace": "two", "region": "eu"}]
    }


async def test_with_one_workspace_nothing_is_asked(tmp_path: Path, ledger: Path) -> None:
    async with served(tmp_path, ledger, CIO_MCP_AGENT="single") as found, Client(server_of(found.face)) as client:
        tools = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
        result = await client.call_tool("list_segments", {})
    assert "list_workspaces_here" not in tools
    assert not [name for name, schema in tools.items() if "workspace" in schema.get("properties", {})]
    assert "segments" in (result.structured_content or {})


async def test_what_is_done_in_one_workspace_is_not_in_another(tmp_path: Path, ledger: Path) -> None:
    async with served(tmp_path, ledger) as found:
        agent = found.own_agent
        _, meta = await called(found, agent, "create_segment", workspace="one", name="Only here")
        one, _ = await called(found, agent, "list_segments", workspace="one")
        two, _ = await called(found, agent, "list_segments", workspace="two")
    assert meta["workspace"] == "one"
    assert "Only here" in {segment["name"] for segment in one["segments"]}
    assert "Only here" not in {segment["name"] for segment in two["segments"]}
    assert {record["workspace"] for record in records_in(ledger) if "workspace" in record} == {"one", "two"}


async def test_the_same_send_in_two_workspaces_is_no_repeat(tmp_path: Path, ledger: Path) -> None:
    send = {"to": "ada@example.com", "identifiers": {"id": "ada-1"}, "transactional_message_id": 1}
    async with served(tmp_path, ledger) as found:
        answers = [
            (await called(found, found.own_agent, "send_email", workspace=each, **send))[0]
            for each in ("one", "two", "two")
        ]
    assert ["delivery_id" in answer for answer in answers] == [True, True, False]
    assert answers[2]["error"]["code"] == "held_back"


@pytest.mark.parametrize(
    "given",
    [{}, {"workspace": None}, {"workspace": "three"}, {"workspace": "four"}, {"workspace": 1}, {"workspace": ["one"]}],
)
async def test_a_workspace_out_of_reach_is_as_unknown_as_one_that_is_none(
    tmp_path: Path, ledger: Path, given: dict[str, Any]
) -> None:
    async with served(tmp_path, ledger) as found:
        answer, _ = await called(found, found.own_agent, "create_segment", name="Never", **given)
        three, _ = await called(found, Agent(name="single"), "list_segments")
    assert answer["error"]["code"] == "invalid_arguments"
    assert "one of one, two;" in answer["error"]["next_step"]
    assert "three" not in answer["error"]["next_step"]
    assert "Never" not in {segment["name"] for segment in three["segments"]}
    refused = [record for record in records_in(ledger) if record.get("tool") == "create_segment"]
    assert [record["ending"] for record in refused] == ["refused"]


async def test_whom_a_call_meant_is_recorded_although_it_names_no_workspace(tmp_path: Path, ledger: Path) -> None:
    async with served(tmp_path, ledger) as found:
        for tool in ("get_person_attributes", "person_overview"):
            answer, _ = await called(found, found.own_agent, tool, customer_id="ada-1")
            assert "one of one, two;" in answer["error"]["next_step"]
            answer, _ = await called(found, found.own_agent, tool, customer_id="..")
            assert "one of one, two;" in answer["error"]["next_step"], "what is wrong with the rest comes later"
    told = [record.get("arguments", {}).get("customer_id", "")[:5] for record in records_in(ledger)]
    assert told == ["hmac:", "", "hmac:", ""]


async def test_an_agent_that_is_bound_to_nothing_reaches_nothing(tmp_path: Path, ledger: Path) -> None:
    async with served(tmp_path, ledger) as found, Client(server_of(found.reception.face(NOBODY))) as client:
        assert (await client.list_tools()).tools == []
        with pytest.raises(Exception, match="Unknown tool"):
            await client.call_tool("list_segments", {"workspace": "one"})
    assert [(record["principal"], record["ending"]) for record in records_in(ledger)] == [("nobody", "refused")]


@REACHING_NOTHING
async def test_no_tool_answers_an_agent_that_reaches_no_workspace(tmp_path: Path, ledger: Path, agent: Agent) -> None:
    async with served(tmp_path, ledger) as found, Client(server_of(found.reception.face(agent))) as client:
        every = [*CATALOG, *found.pipelines["one"].native, "list_workspaces_here"]
        for tool in every:
            with pytest.raises(MCPError, match=f"Unknown tool '{tool}': you may reach no workspace"):
                await client.call_tool(tool, WELL_FORMED.get(tool, {}))
        asked = [pipeline.exchange.budgets.snapshot() for pipeline in found.pipelines.values()]
    assert [list(each) for each in asked] == [[], [], []]
    assert [(record["tool"], record["ending"]) for record in records_in(ledger)] == [(t, "refused") for t in every]


@REACHING_NOTHING
async def test_nothing_beside_the_tools_reads_for_an_agent_that_reaches_no_workspace(
    tmp_path: Path, ledger: Path, agent: Agent
) -> None:
    segment = types.ResourceTemplateReference(type="ref/resource", uri="customerio://segments/{segment_id}")
    workflow = types.PromptReference(type="ref/prompt", name="why_no_message")
    async with served(tmp_path, ledger) as found, Client(server_of(found.reception.face(agent))) as client:
        assert (await client.list_resource_templates()).resource_templates == []
        assert (await client.list_prompts()).prompts == []
        for uri in ("customerio://segments/2", "customerio://collections/1", "customerio://segments/2?workspace=one"):
            with pytest.raises(MCPError, match="no such resource"):
                await client.read_resource(uri)
        with pytest.raises(MCPError, match="no such prompt"):
            await client.get_prompt("why_no_message", {"person": "ada-1"})
        for reference, name in ((segment, "segment_id"), (segment, "workspace"), (workflow, "campaign_id")):
            assert (await client.complete(reference, {"name": name, "value": ""})).completion.values == []
        asked = [pipeline.exchange.budgets.snapshot() for pipeline in found.pipelines.values()]
    assert [list(each) for each in asked] == [[], [], []]
    assert records_in(ledger) == []


async def test_what_a_token_names_narrows_what_the_file_binds_and_never_widens_it(tmp_path: Path, ledger: Path) -> None:
    async with served(tmp_path, ledger) as found:
        wider = Agent(name="local", is_proven=False, workspaces=frozenset({"two", "three"}))
        answer, meta = await called(found, wider, "list_segments")
        elsewhere = await names(found, Agent(name="single", workspaces=frozenset({"one"})))
        unbound, _ = await called(found, Agent(name="unbound", workspaces=frozenset({"three"})), "list_segments")
    assert "segments" in answer
    assert "workspace" not in meta, "one is left, so none is chosen"
    assert elsewhere == []
    assert "segments" in unbound


async def test_a_token_narrows_what_is_listed_and_what_passes(tmp_path: Path, ledger: Path) -> None:
    agent = Agent(name="single", grants=frozenset({Grant("segments", "read"), Grant("people", "*")}))
    async with served(tmp_path, ledger, CIO_MCP_READ_ONLY="true") as found:
        listed = await names(found, agent)
        assert "list_segments" in listed
        # A token widens nothing: the server is read-only.
        assert not {"identify_person", "list_campaigns"} & set(listed)
        refused, _ = await called(found, agent, "create_segment", name="x")
        denied, _ = await called(found, agent, "list_campaigns")
    assert {refused["error"]["code"], denied["error"]["code"]} == {"not_permitted"}
    assert "your token does not carry broadcasts:read" in denied["error"]["message"]


async def test_two_issuers_subjects_of_one_name_are_two(tmp_path: Path, ledger: Path) -> None:
    one, other = (
        Agent(name="somebody", issuer=f"https://{host}.example", workspaces=frozenset({"one"})) for host in "ab"
    )
    async with served(tmp_path, ledger) as found:
        _, meta = await called(found, one, "create_segment", name="Mine")
        mine, _ = await called(found, one, "get_operation", operation=meta["operation"])
        theirs, _ = await called(found, other, "get_operation", operation=meta["operation"])
    assert mine["tool"] == "create_segment"
    assert theirs["error"]["code"] == "no_such_operation"


async def test_an_agent_that_the_grants_file_does_not_name_may_do_nothing(tmp_path: Path, ledger: Path) -> None:
    grants = tmp_path / "grants.toml"
    grants.write_text('profile = "safe"\n[agents.single]\n', encoding="utf-8")
    grants.chmod(0o600)
    async with served(tmp_path, ledger, CIO_MCP_GRANTS=str(grants)) as found:
        known = await names(found, Agent(name="single"))
        unknown = await names(found, Agent(name="stranger", workspaces=frozenset({"one"})))
    assert "list_segments" in known
    assert "list_segments" not in unknown
