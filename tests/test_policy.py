"""What an operator narrows is neither listed nor carried out."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any

import pytest
from mcp import Client

from cio_mcp.catalog import CATALOG, Access, Endpoint
from cio_mcp.cli.wiring import workspace
from cio_mcp.policy import PERMISSIONS, Grant, Policy
from cio_mcp.server import build_server
from cio_mcp.settings import Settings
from tests.conftest import own_tools_beside
from tests.recorded import MemoryLedger
from tests.recording import Recorder

AREAS = [area.name for area in CATALOG.areas]
# Right arguments for one tool of every permission.
CALLS: dict[str, dict[str, Any]] = {
    "list_segments": {},
    "create_segment": {"name": "hidden"},
    "delete_segment": {"segment_id": 1},
    "send_email": {"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}},
    "identify_person": {"identifier": "ada-1"},
}
both_eras = pytest.mark.parametrize("mode", ["legacy", "auto"])


def named(permits: Callable[[Endpoint], bool]) -> set[str]:
    """Return the names of the tools that a rule permits."""
    return {name for name, endpoint in CATALOG.items() if permits(endpoint)}


def by_permission(area: str, *permissions: str) -> set[str]:
    return named(lambda e: area in (e.area, "*") and e.permission in permissions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """A client of a narrowed server, and the record of its calls."""

    client: Client
    ledger: MemoryLedger

    async def listed(self) -> set[str]:
        """Return the names that the client is shown."""
        return {tool.name for tool in (await self.client.list_tools()).tools}


@pytest.fixture
def narrowed(settings_for: Callable[..., Settings]) -> Callable[..., Any]:
    """Open a client of a server with further settings."""

    @asynccontextmanager
    async def opened(mode: str = "auto", **more: str) -> AsyncIterator[Narrowed]:
        with closing(MemoryLedger()) as ledger:
            async with (
                workspace(settings_for(**more), ledger) as pipeline,
                Client(build_server(pipeline), mode=mode) as client,
            ):
                yield Narrowed(client=client, ledger=ledger)

    return opened


NARROWINGS: dict[str, tuple[dict[str, str], set[str]]] = {
    "nothing": ({}, set(CATALOG)),
    "one area": ({"CIO_MCP_AREAS": "segments"}, by_permission("segments", *PERMISSIONS)),
    "two areas": (
        {"CIO_MCP_AREAS": "people, webhooks"},
        by_permission("people", *PERMISSIONS) | by_permission("webhooks", *PERMISSIONS),
    ),
    "reading": ({"CIO_MCP_READ_ONLY": "true"}, named(lambda e: e.access is Access.READ)),
    "one grant": ({"CIO_MCP_GRANT": "segments:write"}, by_permission("segments", "write")),
    "two grants": (
        {"CIO_MCP_GRANT": "segments:read,people:destructive"},
        by_permission("segments", "read") | by_permission("people", "destructive"),
    ),
    "all of an area": ({"CIO_MCP_GRANT": "segments:*"}, by_permission("segments", *PERMISSIONS)),
    "one permission everywhere": ({"CIO_MCP_GRANT": "*:read"}, by_permission("*", "read")),
    "everything": ({"CIO_MCP_GRANT": "*:*"}, set(CATALOG)),
    "sending alone": ({"CIO_MCP_GRANT": "*:send"}, by_permission("*", "send")),
    "area and grant": (
        {"CIO_MCP_AREAS": "segments", "CIO_MCP_GRANT": "*:read,people:write"},
        by_permission("segments", "read"),
    ),
    "all three": (
        {"CIO_MCP_AREAS": "segments,people", "CIO_MCP_GRANT": "segments:*", "CIO_MCP_READ_ONLY": "1"},
        by_permission("segments", "read"),
    ),
    "a contradiction": ({"CIO_MCP_GRANT": "messaging:send", "CIO_MCP_READ_ONLY": "1"}, set()),
}


@pytest.mark.anyio
@pytest.mark.parametrize("narrowing", NARROWINGS)
async def test_the_list_is_what_remains(narrowed: Callable[..., Any], narrowing: str) -> None:
    settings, remaining = NARROWINGS[narrowing]
    async with narrowed(**settings) as server:
        assert await server.listed() == remaining | own_tools_beside(remaining)


@pytest.mark.anyio
@both_eras
@pytest.mark.parametrize("narrowing", [name for name in NARROWINGS if name != "nothing"])
async def test_a_hidden_tool_called_by_name_is_refused_recorded_and_sends_nothing(
    narrowed: Callable[..., Any], recorder: Recorder, narrowing: str, mode: str
) -> None:
    settings, remaining = NARROWINGS[narrowing]
    async with narrowed(mode, **settings) as server:
        for tool, arguments in CALLS.items():
            recorder.requests.clear()
            server.ledger.forget()
            result = await server.client.call_tool(tool, arguments)
            if tool in remaining:
                assert len(recorder.requests) == 1, tool
                continue
            error = (result.structured_content or {})["error"]
            assert (result.is_error, error["code"]) == (True, "not_permitted"), tool
            assert error["message"].endswith("Nothing was sent.")
            assert recorder.requests == []
            (record,) = server.ledger.recent
            assert (record["kind"], record["tool"], record["ending"]) == ("outcome", tool, "refused")
            assert record["code"] == "not_permitted"
            assert record["rule"] not in ("", "unrestricted")
            assert not {"intent", "credential", "attempts", "status"} & record.keys()


@pytest.mark.anyio
async def test_a_refused_call_touches_no_key(narrowed: Callable[..., Any]) -> None:
    async with narrowed(CIO_MCP_READ_ONLY="1") as server:
        await server.client.call_tool("create_segment", {"name": "hidden"})
        assert "credential" not in json.dumps(server.ledger.recent[-1])
        budgets = await server.client.call_tool("get_rate_budget", {})
        assert budgets.structured_content == {"budgets": []}


REMEDIES = [
    (Policy(areas=frozenset({"people"})), "serves only the areas people", "segments added to --areas"),
    (
        Policy(areas=frozenset({"people"}), read_only=True),
        "serves only the areas people, and it is read-only",
        "segments added to --areas and --read-only taken away",
    ),
    (Policy(read_only=True), "is read-only", "--read-only taken away"),
    (
        Policy(grants=frozenset({Grant("people", "write")})),
        "no grant covers segments:write",
        "segments:write added to --grant",
    ),
]


@pytest.mark.parametrize(("policy", "rule", "remedy"), REMEDIES)
def test_a_refusal_names_the_rule_and_what_the_operator_would_change(policy: Policy, rule: str, remedy: str) -> None:
    refusal = policy.refusal(CATALOG["create_segment"])
    assert refusal is not None
    assert rule in refusal.message
    assert remedy in refusal.next_step


@pytest.mark.parametrize("permission", PERMISSIONS)
@pytest.mark.parametrize("area", AREAS)
def test_a_grant_permits_exactly_its_permission_in_its_area(area: str, permission: str) -> None:
    policy = Policy(grants=frozenset({Grant(area, permission)}))
    assert named(policy.permits) == by_permission(area, permission)


@pytest.mark.parametrize(
    "text", ["", "people", "people:", ":read", "people:rea", "people:READ", "a:b:c", "people:read:"]
)
def test_a_grant_that_is_none_is_refused_with_the_permissions(text: str) -> None:
    with pytest.raises(
        ValueError, match="must be area:permission, with a permission of read, write, send, destructive"
    ):
        Grant.parse(text)


def test_no_grants_at_all_permit_nothing() -> None:
    assert named(Policy(grants=frozenset()).permits) == set()
    assert named(Policy(areas=frozenset()).permits) == set()
