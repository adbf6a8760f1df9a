"""What an MCP client is shown and told, in both protocol eras."""

import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError

from cio_mcp.catalog import CATALOG, Access, Repeat
from cio_mcp.cli.wiring import workspace
from cio_mcp.errors import CioError
from cio_mcp.framing import unframed
from cio_mcp.gateway import Gateway, new_client
from cio_mcp.server import INSTRUCTIONS, META, build_server
from cio_mcp.settings import Settings, load
from cio_mcp.transports import guard_against_leaks
from tests.conftest import KEYS, OWN_TOOLS
from tests.recorded import MemoryLedger
from tests.recording import Recorder, Reply
from tests.told import compact, text_faults, text_of

pytestmark = pytest.mark.anyio
both_eras = pytest.mark.parametrize("mode", ["legacy", "auto"])
VERSIONS = {"legacy": "2025-11-25", "auto": "2026-07-28"}
SECRET = "canary-secret"
SEND = {"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}}

Opened = Callable[..., Any]


@pytest.fixture
def opened(settings_for: Callable[..., Settings]) -> Opened:
    """Open a client of one era; its calls go to the recording server."""

    @asynccontextmanager
    async def open_client(mode: str, **more: str) -> AsyncIterator[Client]:
        async with (
            workspace(settings_for(**more)) as pipeline,
            Client(build_server(pipeline), mode=mode, cache=None) as client,
        ):
            yield client

    return open_client


@both_eras
async def test_the_server_introduces_itself(opened: Opened, mode: str) -> None:
    async with opened(mode) as client:
        assert client.protocol_version == VERSIONS[mode]
        assert client.instructions == INSTRUCTIONS
        assert client.server_info.name == "cio-mcp"
        assert client.server_info.title == "Customer.io"


def test_instructions_name_every_area_and_stay_short_enough_for_every_client() -> None:
    assert len(INSTRUCTIONS) < 2000  # Claude Code cuts at 2,048
    assert [area.name for area in CATALOG.areas if area.name not in INSTRUCTIONS] == []
    named = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", INSTRUCTIONS))
    verbs = {"find", "get", "list", "reconcile", "search", "send", "trigger"}
    tools = {word for word in named if word.split("_")[0] in verbs}
    assert tools <= CATALOG.keys() | set(OWN_TOOLS)
    assert tools


@both_eras
async def test_no_argument_asks_to_stand_in_a_header_too(opened: Opened, mode: str) -> None:
    # `server_for` relies on it: there are no headers to compare with the arguments.
    async with opened(mode) as client:
        listed = await client.list_tools()
    assert len(listed.tools) > len(CATALOG) // 2
    assert "x-mcp-header" not in listed.model_dump_json(by_alias=True)


@both_eras
async def test_two_servers_list_the_same_byte_for_byte(opened: Opened, mode: str) -> None:
    lists = []
    for _ in range(2):
        async with opened(mode) as client:
            listed = await client.list_tools()
            again = await client.list_tools()
        assert listed.model_dump_json() == again.model_dump_json()
        lists.append(listed.model_dump_json())
    assert lists[0] == lists[1]


@both_eras
async def test_both_eras_are_shown_the_same_tools_in_the_catalogues_order(opened: Opened, mode: str) -> None:
    async with opened(mode) as client:
        listed = (await client.list_tools()).tools
    assert [tool.name for tool in listed] == [*CATALOG, *OWN_TOOLS]


@both_eras
async def test_every_tool_has_a_title_and_all_four_hints_and_they_are_honest(opened: Opened, mode: str) -> None:
    async with opened(mode) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    for name, endpoint in CATALOG.items():
        tool = listed[name]
        hints = tool.annotations
        assert hints is not None
        assert tool.title
        assert hints.title == tool.title
        assert hints.read_only_hint is (endpoint.access is Access.READ)
        assert hints.destructive_hint is (endpoint.access is Access.DESTRUCTIVE)
        assert hints.idempotent_hint is (endpoint.repeat in (Repeat.SAFE, Repeat.SAFE_UNLESS_RECREATED))
        assert hints.open_world_hint is True
        assert not (hints.read_only_hint and hints.destructive_hint)


async def test_clients_of_today_may_keep_the_list_for_a_while(opened: Opened) -> None:
    async with opened("auto") as client:
        listed = await client.list_tools()
    assert (listed.ttl_ms, listed.cache_scope) == (300_000, "public")


@both_eras
async def test_a_result_is_one_object_and_its_text_frames_the_same_as_compact_json(
    opened: Opened, recorder: Recorder, mode: str
) -> None:
    body = {"segments": [{"id": 1, "name": "Größe \N{GRINNING FACE}"}]}
    recorder.default = Reply(body=json.dumps(body, indent=2).encode())
    async with opened(mode) as client:
        result = await client.call_tool("list_segments", {})
    assert not result.is_error
    assert result.structured_content == body
    assert unframed(text_of(result)) == compact(body)


@both_eras
async def test_every_frame_has_a_boundary_of_its_own(opened: Opened, mode: str) -> None:
    async with opened(mode) as client:
        results = [await client.call_tool("list_segments", {}) for _ in range(5)]
    boundaries = {text_of(result).rpartition("\n")[2] for result in results}
    assert len(boundaries) == len(results)


@both_eras
async def test_what_customer_io_did_not_write_stands_in_no_frame(opened: Opened, mode: str) -> None:
    async with opened(mode) as client:
        results = [
            await client.call_tool("get_rate_budget", {}),
            await client.call_tool("list_segments", {"x": 1}),
            await client.call_tool("get_rate_budget", {"x": 1}),
        ]
    assert [result.is_error for result in results] == [False, True, True]
    for result in results:
        assert text_of(result) == compact(result.structured_content)


@both_eras
async def test_what_the_server_says_of_a_call_stands_beside_the_result(opened: Opened, mode: str) -> None:
    async with opened(mode, CIO_MCP_LIMIT_APP="10/60") as client:
        first = await client.call_tool("list_segments", {})
        second = await client.call_tool("list_segments", {})
        refused = await client.call_tool("list_segments", {"x": 1})
    said = (first.meta or {})[META]
    assert said.keys() == {"operation", "attempts", "waited_seconds", "credential", "budgets"}
    assert (said["attempts"], said["credential"]) == (1, "app")
    assert (said["budgets"][0]["name"], said["budgets"][0]["available"]) == ("app/app", 9)
    assert (second.meta or {})[META]["operation"] != said["operation"]
    assert (refused.meta or {})[META].keys() == {"operation", "attempts", "waited_seconds"}


# How a call fails: tool, arguments, the answer, what the code says.
FAILURES: dict[str, tuple[str, dict[str, Any], Reply, str]] = {
    "bad arguments": ("get_segment", {"segment_idd": 1}, Reply(), "invalid_arguments"),
    "400": ("get_segment", {"segment_id": 1}, Reply(status=400, body=b'{"meta":{"error":"no"}}'), "rejected"),
    "401": ("get_segment", {"segment_id": 1}, Reply(status=401), "bad_credential"),
    "403": ("get_segment", {"segment_id": 1}, Reply(status=403), "forbidden"),
    "404": ("get_segment", {"segment_id": 1}, Reply(status=404), "not_found"),
    "413": ("create_segment", {"name": "x"}, Reply(status=413), "too_large"),
    "redirect": ("get_segment", {"segment_id": 1}, Reply(status=302, headers={"location": "/"}), "rejected"),
    "500 after a send": ("send_email", SEND, Reply(status=500), "outcome_unknown"),
    "daily quota": ("send_email", SEND, Reply(status=429), "quota_exhausted"),
    "html": ("get_segment", {"segment_id": 1}, Reply(body=b"<html>"), "unreadable_reply"),
    "207": ("apply_batch", {"batch": [{"type": "person", "action": "delete", "identifiers": {"id": "a"}}]},
            Reply(status=207, body=b'{"errors":[{"batch_index":0,"reason":"invalid"}]}'), "partly_rejected"),
}  # fmt: skip


@both_eras
@pytest.mark.parametrize("failure", FAILURES)
async def test_every_failure_has_a_code_what_happened_and_the_next_step(
    opened: Opened, recorder: Recorder, failure: str, mode: str
) -> None:
    tool, arguments, recorder.default, code = FAILURES[failure]
    async with opened(mode) as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error is True
    assert not text_faults(text_of(result), result.structured_content or {}, is_error=True, meta=result.meta or {})
    error = (result.structured_content or {})["error"]
    assert error["code"] == code
    assert error["message"][0].isupper() or error["message"].startswith(tool)
    assert len(error["next_step"]) > 15
    assert META in (result.meta or {})
    assert "\n" not in error["message"] + error["next_step"]


def test_every_failure_has_a_code_of_its_own() -> None:
    def below(kind: type[CioError]) -> list[type[CioError]]:
        return [found for child in kind.__subclasses__() for found in (child, *below(child))]

    codes = [kind.code for kind in below(CioError)]
    assert len(codes) == len(set(codes))


# What a model gets wrong, and what the one line must name.
MISTAKES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "misspelt": ("get_segment", {"segmentid": 1}, ["unknown argument 'segmentid' (did you mean segment_id?)"]),
    "missing": ("get_segment", {}, ["segment_id is required"]),
    "unlike any": ("list_segments", {"zzz": 1}, ["unknown argument 'zzz': it takes offset"]),
    "wrong type": ("get_segment", {"segment_id": [1]}, ["segment_id must be"]),
    "a choice": ("get_person_attributes", {"customer_id": "a", "id_type": "emial"}, ["id_type", "did you mean email?"]),
    "a limit": ("search_people", {"filter": {"segment": {"id": 1}}, "limit": 1001}, ["limit must be", "1000"]),
    "several": ("send_email", {"too": "x"}, ["identifiers is required", "did you mean to?"]),
    "nested": ("search_people", {"filter": {"segmnt": {"id": 1}}}, ["filter"]),
}


@both_eras
@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_told_in_one_line_with_field_remedy_and_nearest_name(
    opened: Opened, recorder: Recorder, mistake: str, mode: str
) -> None:
    tool, arguments, named = MISTAKES[mistake]
    async with opened(mode) as client:
        result = await client.call_tool(tool, arguments)
    error = (result.structured_content or {})["error"]
    assert error["code"] == "invalid_arguments"
    assert error["message"].startswith(f"{tool}: ")
    assert error["message"].endswith("Nothing was sent.")
    assert [part for part in named if part not in error["message"]] == []
    assert error["message"].isprintable()
    assert "pydantic" not in error["message"]
    assert "input_value" not in error["message"]
    assert recorder.requests == []


@both_eras
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("list_segmnts", "Unknown tool 'list_segmnts': did you mean list_segments?"),
        ("zzz", "Unknown tool 'zzz': the list of tools shows all."),
        ("", "Unknown tool '': the list of tools shows all."),
        ("x\n\x1b[2J" + "y" * 100, f"Unknown tool 'x??[2J{'y' * 34}'...: the list of tools shows all."),
    ],
)
async def test_an_unknown_tool_is_a_protocol_error_with_the_nearest_name(
    opened: Opened, recorder: Recorder, name: str, message: str, mode: str
) -> None:
    async with opened(mode) as client:
        with pytest.raises(MCPError) as raised:
            await client.call_tool(name, {})
    assert (raised.value.error.code, raised.value.error.message) == (-32602, message)
    assert recorder.requests == []


async def test_a_hidden_tool_is_no_suggestion(opened: Opened) -> None:
    async with opened("auto", CIO_MCP_AREAS="people") as client:
        with pytest.raises(MCPError, match=r"^Unknown tool 'list_segmnts': the list of tools shows all\.$"):
            await client.call_tool("list_segmnts", {})


class Broken(httpx2.AsyncBaseTransport):
    """A way to Customer.io with a fault of ours in it."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Fail as nobody expects."""
        raise RuntimeError(f"{SECRET} {request.headers}")


@pytest.fixture
def ledger() -> Iterator[MemoryLedger]:
    with closing(MemoryLedger()) as ledger:
        yield ledger


@both_eras
@pytest.mark.parametrize(("tool", "arguments"), [("list_segments", {}), ("send_email", SEND)])
async def test_an_internal_error_is_told_without_its_text_and_its_record_is_closed(
    mode: str, tool: str, arguments: dict[str, Any], ledger: MemoryLedger, caplog: pytest.LogCaptureFixture
) -> None:
    hosts = {"CUSTOMERIO_TRACK_URL": "http://127.0.0.1:1", "CUSTOMERIO_APP_URL": "http://127.0.0.1:1"}
    caplog.set_level(logging.DEBUG)
    async with workspace(load(hosts | KEYS), ledger) as made:
        gateway = Gateway(partial(new_client, Broken()))
        pipeline = replace(
            made, exchange=replace(made.exchange, delivery=replace(made.exchange.delivery, gateway=gateway))
        )
        server = build_server(pipeline)
        guard_against_leaks(server)
        async with Client(server, mode=mode) as client:
            with pytest.raises(MCPError) as raised:
                await client.call_tool(tool, arguments)
            budgets = await client.call_tool("get_rate_budget", {})
        await gateway.aclose()
    assert (raised.value.error.code, raised.value.error.message) == (-32603, "Internal server error")
    assert raised.value.error.data is None
    assert not budgets.is_error
    assert "RuntimeError" in caplog.text
    everything = caplog.text + json.dumps(list(ledger.recent))
    assert [canary for canary in (SECRET, *KEYS.values()) if canary in everything] == []
    (ended,) = [record for record in ledger.recent if record["kind"] == "outcome" and record["tool"] == tool]
    assert ended["ending"] == ("unknown" if tool == "send_email" else "failed")
    assert (ledger.recent[-1]["tool"], ledger.recent[-1]["ending"]) == ("get_rate_budget", "ok")


@pytest.mark.anyio
async def test_calls_of_our_own_tools_and_of_none_are_recorded_too(
    settings_for: Callable[..., Settings], ledger: MemoryLedger
) -> None:
    async with workspace(settings_for(), ledger) as pipeline, Client(build_server(pipeline)) as client:
        answered = await client.call_tool("get_rate_budget", {})
        await client.call_tool("get_rate_budget", {"bucket": "app"})
        with pytest.raises(MCPError):
            await client.call_tool("send_emial\n\u202e", {})
    ended = [(record["tool"], record["ending"], record.get("code")) for record in ledger.recent]
    assert ended == [
        ("get_rate_budget", "ok", None),
        ("get_rate_budget", "refused", "invalid_arguments"),
        ("send_emial \\u{202e}", "refused", None),
    ]
    assert (answered.meta or {})[META]["operation"] == ledger.recent[0]["operation"]
