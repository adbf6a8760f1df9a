import json
import logging
import re
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.server.transport_security import DEFAULT_MAX_REQUEST_BODY_SIZE
from starlette.types import ASGIApp, Message

from cio_mcp.agents.agent import Agent
from cio_mcp.agents.bearer import Challenge
from cio_mcp.agents.challenges import BearerGate
from cio_mcp.agents.jwks import KeysUnavailable
from cio_mcp.agents.metadata import ProtectedResource
from cio_mcp.agents.token_store import TokensUnavailable
from cio_mcp.cli.wiring import workspace
from cio_mcp.policy.words import Grant
from cio_mcp.server import build_server
from cio_mcp.settings import Settings
from cio_mcp.transports.http import serve_http
from tests.agents.guarded import METADATA, SCOPES, Known, guarded, listening, needs, server
from tests.agents.issuers import RESOURCE, plain_client
from tests.recording import Recorder
from tests.transports.served import ENVELOPE

pytestmark = pytest.mark.anyio

READER = "canary-reader-token"
WRITER = "canary-writer-token"
OWNER = "canary-owner-token"
OTHER = "canary-other-token"
NOTHING = "canary-token-without-grants"
TOKENS = (READER, WRITER, OWNER, OTHER, NOTHING)
AGENTS = Known(
    {
        READER: Agent(name="reader", grants=frozenset({Grant("people", "read")}), issuer="https://auth.example.com"),
        WRITER: Agent(name="writer", grants=frozenset({Grant("people", "*")}), issuer="https://auth.example.com"),
        OWNER: Agent(name="owner"),
        NOTHING: Agent(name="nothing", grants=frozenset()),
        OTHER: Agent(name="reader", grants=frozenset({Grant("people", "read")}), issuer="https://other.example.com"),
    }
)
JSON_ONLY: dict[str, Any] = {"json_response": True, "stateless_http": True}
ERAS = {"modern": "2026-07-28", "legacy": "2025-11-25"}

every_era = pytest.mark.parametrize("era", ERAS)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with listening(guarded(AGENTS, server().streamable_http_app(**JSON_ONLY))) as served:
        yield served


@pytest.fixture
async def http(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with plain_client(base_url=url) as client:
        yield client


def bearer(token: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {token}")


def message(tool: str = "look", era: str = "modern", method: str = "tools/call") -> dict[str, Any]:
    meta = {"_meta": dict(ENVELOPE)} if era == "modern" else {}
    return {"jsonrpc": "2.0", "id": 5, "method": method, "params": {"name": tool, "arguments": {}, **meta}}


def heads(*more: tuple[str, str], tool: str = "look", era: str = "modern") -> list[tuple[str, str]]:
    routing = [("Mcp-Method", "tools/call"), ("Mcp-Name", tool)] if era == "modern" else []
    accepted = [("Accept", "application/json, text/event-stream"), ("Content-Type", "application/json")]
    return [*accepted, ("MCP-Protocol-Version", ERAS[era]), *routing, *more]


async def post(http: httpx2.AsyncClient, body: Any, *more: tuple[str, str], **options: Any) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    path = options.pop("path", "/mcp")
    return await http.post(path, content=content, headers=heads(*more, **options))


def challenge(response: httpx2.Response) -> dict[str, str]:
    value = response.headers["www-authenticate"]
    assert value.startswith("Bearer")
    return dict(re.findall(r'(\w+)="([^"]*)"', value))


@every_era
async def test_without_a_token_a_client_learns_where_to_get_one(era: str, http: httpx2.AsyncClient) -> None:
    for body in (message(era=era), message(era=era, method="tools/list"), b"nonsense", b""):
        response = await post(http, body, era=era)
        assert response.status_code == 401
        assert challenge(response) == {"resource_metadata": METADATA, "scope": "people:read"}
        assert response.json()["error"]["message"] == "A bearer token is needed"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["/mcp", "/", "/mcp/", "/other", "/.well-known/oauth-protected-resource/other"])
async def test_no_method_and_no_path_goes_past_the_gate(method: str, path: str, http: httpx2.AsyncClient) -> None:
    response = await http.request(method, path)
    assert response.status_code == 401


@pytest.mark.parametrize(
    "value",
    ["Bearer nobody", "bearer nobody", "Bearer", "Bearer a b", f"Bearer {READER},{WRITER}", f'Bearer "{READER}"'],
)
async def test_a_token_that_proves_nobody_is_called_invalid(value: str, http: httpx2.AsyncClient) -> None:
    response = await post(http, message(), ("Authorization", value))
    assert response.status_code == 401
    assert challenge(response) == {"error": "invalid_token", "resource_metadata": METADATA, "scope": "people:read"}


@pytest.mark.parametrize("value", ["Basic cmVhZGVyOng=", f"DPoP {READER}", READER, f"Bearerer {READER}"])
async def test_another_scheme_is_no_token(value: str, http: httpx2.AsyncClient) -> None:
    response = await post(http, message(), ("Authorization", value))
    assert response.status_code == 401
    assert "error" not in challenge(response)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
async def test_the_scheme_is_read_in_any_case(scheme: str, http: httpx2.AsyncClient) -> None:
    assert (await post(http, message(), ("Authorization", f"{scheme} {READER}"))).status_code == 200


async def test_a_token_shown_twice_or_in_the_query_is_refused(http: httpx2.AsyncClient) -> None:
    refused = [
        await post(http, message(), bearer(READER), bearer(WRITER)),
        await post(http, message(), bearer(READER), bearer(READER)),
        await post(http, message(), bearer(READER), ("authorization", "Basic x")),
        await post(http, message(), path=f"/mcp?access_token={READER}"),
        await post(http, message(), bearer(READER), path=f"/mcp?access_token={READER}"),
        await post(http, message(), bearer(READER), path=f"/mcp?a=b&%61ccess_token={READER}"),
        await post(http, message(), bearer(READER), path="/mcp?access_token="),
        await post(http, message(), bearer(READER), path="/mcp?" + "a&" * 200),
    ]
    assert [response.status_code for response in refused] == [400] * len(refused)
    assert {challenge(response)["error"] for response in refused} == {"invalid_request"}
    assert not [response for response in refused if READER in response.text + str(response.headers)]


@every_era
async def test_a_call_beyond_the_grants_is_told_the_scope_that_it_takes(era: str, http: httpx2.AsyncClient) -> None:
    response = await post(http, message("change", era), bearer(READER), tool="change", era=era)
    assert response.status_code == 403
    assert challenge(response) == {
        "error": "insufficient_scope",
        "scope": "people:write",
        "resource_metadata": METADATA,
    }
    told = "This token does not permit change: it takes people:write"
    assert response.json() == {"jsonrpc": "2.0", "id": 5, "error": {"code": -32600, "message": told}}


@every_era
@pytest.mark.parametrize(
    ("token", "tool"),
    [(READER, "look"), (READER, "own"), (WRITER, "change"), (WRITER, "look"), (OWNER, "change")],
)
async def test_a_call_within_the_grants_passes(era: str, token: str, tool: str, http: httpx2.AsyncClient) -> None:
    response = await post(http, message(tool, era), bearer(token), tool=tool, era=era)
    assert response.status_code == 200
    assert response.json()["result"]["structuredContent"]["tool"] == tool


@every_era
async def test_an_agent_without_grants_calls_only_what_needs_none(era: str, http: httpx2.AsyncClient) -> None:
    tools = ("look", "change", "own", "unknown")
    answers = [await post(http, message(tool, era), bearer(NOTHING), tool=tool, era=era) for tool in tools]
    assert [answer.status_code for answer in answers] == [403, 403, 200, 200]


async def test_no_other_protocol_goes_past_the_gate() -> None:
    async def behind(*_: object) -> None:
        pytest.fail("the application was reached")

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/mcp", "query_string": b"", "headers": [(b"authorization", b"Bearer x")]}
    await guarded(AGENTS, behind)(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


# T25 and T32: whatever a header claims, the body decides; a mismatch is for the SDK to refuse.
@pytest.mark.parametrize(
    "headers",
    [
        [("Mcp-Name", "look")],
        [("Mcp-Name", f"=?base64?{b64encode(b'change').decode()}?=")],
        [("Mcp-Name", "look"), ("Mcp-Name", "change")],
        [("Mcp-Method", "tools/list")],
        [("X-Mcp-Readonly", "false"), ("X-Mcp-Toolsets", "all"), ("X-Scope", "*:*")],
        [("X-Forwarded-User", "owner"), ("X-Original-Authorization", f"Bearer {OWNER}")],
        [("Content-Type", "text/plain")],
        [("Transfer-Encoding", "chunked")],
    ],
)
@every_era
async def test_no_header_widens_what_a_token_permits(
    headers: list[tuple[str, str]], era: str, http: httpx2.AsyncClient
) -> None:
    usual = [pair for pair in heads(bearer(READER), tool="change", era=era) if pair[0] not in dict(headers)]
    response = await http.post("/mcp", json=message("change", era), headers=[*usual, *headers])
    assert response.status_code == 403
    assert challenge(response)["scope"] == "people:write"


async def test_headers_that_name_more_than_the_body_are_refused_by_the_sdk(http: httpx2.AsyncClient) -> None:
    response = await post(http, message("look"), bearer(READER), tool="change")
    assert response.status_code == 400
    assert response.json()["error"]["code"] == -32020


CALL = message("change")
ODD: dict[str, bytes] = {
    "a batch": json.dumps([CALL]).encode(),
    "no JSON": b'{"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "change"}',
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 200_000,
    "a large number": b'{"id": ' + b"9" * 5000 + b"}",
    "no params": json.dumps(CALL | {"params": None}).encode(),
    "params in a list": json.dumps(CALL | {"params": ["change"]}).encode(),
    "a name that is no text": json.dumps(CALL | {"params": CALL["params"] | {"name": ["change"]}}).encode(),
    "other case": json.dumps({key.upper(): value for key, value in CALL.items()}).encode(),
    "empty": b"",
}


@every_era
@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
async def test_what_is_no_call_is_left_to_the_sdk_which_refuses_it(
    body: bytes, era: str, http: httpx2.AsyncClient
) -> None:
    response = await post(http, body, bearer(READER), tool="change", era=era)
    assert response.status_code in (200, 400)
    assert "result" not in response.json()
    assert response.json()["error"]["code"] < 0


@every_era
@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"look","name":"change"}}',
        b'{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"change","na\\u006de":"look"}}',
        b'{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"change"},"params":{"name":"look"}}',
        b'{"jsonrpc":"2.0","id":5,"method":"tools/list","method":"tools/call","params":{"name":"change"}}',
        b'{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"look","arguments":{"to":"a","to":"b"}}}',
    ],
)
async def test_a_body_that_can_be_read_in_two_ways_is_refused(body: bytes, era: str, http: httpx2.AsyncClient) -> None:
    response = await post(http, body, bearer(OWNER), era=era)
    assert response.status_code == 400
    assert "two members of one name" in response.json()["error"]["message"]


async def test_a_body_in_another_encoding_of_unicode_is_read_as_the_sdk_reads_it(http: httpx2.AsyncClient) -> None:
    body = json.dumps(message("change")).encode("utf-16")
    assert (await post(http, body, bearer(READER), tool="change")).status_code == 403


async def test_bodies_are_read_to_the_limit_and_only_for_agents(http: httpx2.AsyncClient) -> None:
    large = json.dumps(message() | {"padding": "x" * DEFAULT_MAX_REQUEST_BODY_SIZE}).encode()
    fitting = json.dumps(message()).encode().ljust(DEFAULT_MAX_REQUEST_BODY_SIZE)

    async def in_parts() -> AsyncIterator[bytes]:
        yield large[:100]
        yield large[100:]

    assert (await post(http, large, bearer(READER))).status_code == 413
    assert (await http.post("/mcp", content=in_parts(), headers=heads(bearer(READER)))).status_code == 413
    assert (await post(http, fitting, bearer(READER))).status_code == 200
    assert (await post(http, large[:1000])).status_code == 401


async def test_whoever_shows_no_token_is_answered_before_the_body_has_come(url: str) -> None:
    port = int(url.rpartition(":")[2])
    head = "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n"
    with anyio.fail_after(10):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(head.encode())
            assert b"401 Unauthorized" in await stream.receive()


@pytest.mark.parametrize("unavailable", [KeysUnavailable, TokensUnavailable])
async def test_what_cannot_be_looked_up_says_nothing_about_the_token(
    unavailable: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    class Unreachable:
        async def agent(self, token: str) -> Agent | None:
            raise unavailable(len(token))

    app = guarded(Unreachable(), server().streamable_http_app(**JSON_ONLY))
    with listening(app) as url:
        async with plain_client(base_url=url) as client:
            response = await post(client, message(), bearer(READER))
    assert response.status_code == 503
    assert response.headers["retry-after"] == "10"
    assert "www-authenticate" not in response.headers
    assert READER not in caplog.text


async def test_the_gate_stands_in_the_http_server_as_it_is_served(caplog: pytest.LogCaptureFixture) -> None:
    resource = ProtectedResource(url=RESOURCE, issuers=["https://auth.example.com"], scopes=SCOPES)
    found: list[str] = []
    listened = anyio.Event()

    def ready(url: str) -> None:
        found.append(url.removesuffix("/mcp"))
        listened.set()

    def gate(app: ASGIApp) -> ASGIApp:
        return BearerGate(
            app,
            authenticator=AGENTS,
            scopes_of=needs,
            now=time.time,
            scopes=SCOPES,
            metadata_url=resource.metadata_url,
        )

    async with anyio.create_task_group() as serving:
        serving.start_soon(
            partial(
                serve_http,
                server(),
                host="127.0.0.1",
                port=0,
                authentication=gate,
                routes=resource.routes(),
                ready=ready,
                drain=2,
            )
        )
        with anyio.fail_after(20):
            await listened.wait()
            async with plain_client(base_url=found[0]) as http:
                published = [await http.get(route.path) for route in resource.routes()]
                unknown = await post(http, message())
                denied = await post(http, message("change"), bearer(READER), tool="change")
                called = await post(http, message("change"), bearer(WRITER), tool="change")
        serving.cancel_scope.cancel()
    assert [response.json()["resource"] for response in published] == [RESOURCE, RESOURCE]
    assert challenge(unknown)["resource_metadata"] == METADATA
    assert challenge(denied)["scope"] == "people:write"
    assert called.json()["result"]["structuredContent"]["agent"] == "writer (https://auth.example.com)"
    assert not [token for token in TOKENS if token in caplog.text]


async def test_without_an_issuer_no_challenge_points_to_one() -> None:
    app = guarded(AGENTS, server().streamable_http_app(**JSON_ONLY), metadata_url=None, scopes=())
    with listening(app) as url:
        async with plain_client(base_url=url) as client:
            response = await post(client, message())
            denied = await post(client, message("change"), bearer(READER), tool="change")
    assert response.headers["www-authenticate"] == "Bearer"
    assert challenge(denied) == {"error": "insufficient_scope", "scope": "people:write"}


def test_a_challenge_is_written_as_the_standards_have_it() -> None:
    full = Challenge(
        status=403, message="", error="insufficient_scope", scopes=["a:read", "a:write"], metadata_url=METADATA
    )
    assert full.header == (f'Bearer error="insufficient_scope", scope="a:read a:write", resource_metadata="{METADATA}"')


def through(url: str, token: str, mode: Any) -> tuple[httpx2.AsyncClient, Callable[[httpx2.AsyncClient], Client]]:
    http = plain_client(headers=[bearer(token)])
    return http, lambda opened: Client(streamable_http_client(f"{url}/mcp", http_client=opened), mode=mode)


SEEN = {
    "agent": "reader (https://auth.example.com)",
    "grants": ["people:read"],
    "sdk": ["reader", "reader", {"iss": "https://auth.example.com"}, ["people:read"], ""],
    "binding": '["reader","https://auth.example.com","reader"]',
}


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy", "auto"])
@pytest.mark.parametrize("options", [JSON_ONLY, {}], ids=["stateless", "sessions"])
async def test_a_client_of_either_era_calls_as_its_agent(mode: str, options: dict[str, Any]) -> None:
    with listening(guarded(AGENTS, server().streamable_http_app(**options))) as url:
        opened, client_of = through(url, READER, mode)
        async with opened as http, client_of(http) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["look", "change", "own"]
            seen = (await client.call_tool("look", {})).structured_content
            assert seen is not None
            assert {name: seen[name] for name in SEEN} == SEEN
            assert "authorization" not in seen["headers"]
            with pytest.raises(MCPError, match="does not permit change: it takes people:write"):
                await client.call_tool("change", {})
            assert (await client.call_tool("own", {})).is_error is False


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_a_client_whose_token_is_not_taken_is_told_so(mode: str, url: str) -> None:
    opened, client_of = through(url, "nobody", mode)
    async with opened as http:
        with pytest.RaisesGroup(pytest.RaisesExc(MCPError, match="The token is unknown"), flatten_subgroups=True):
            async with client_of(http) as client:
                await client.list_tools()


async def test_a_session_belongs_to_the_agent_that_opened_it() -> None:
    with listening(guarded(AGENTS, server().streamable_http_app(json_response=True))) as url:
        async with plain_client(base_url=url) as http:
            session = await begin_session(http, READER)

            async def calling(token: str) -> int:
                return (await post(http, message("look", "legacy"), bearer(token), session, era="legacy")).status_code

            assert [await calling(token) for token in (READER, WRITER, OTHER, OWNER)] == [200, 404, 404, 404]
            assert (await post(http, message("look", "legacy"), session, era="legacy")).status_code == 401


async def begin_session(http: httpx2.AsyncClient, token: str) -> tuple[str, str]:
    """Open a session as clients before 2026-07-28 do; return the header that belongs to it."""
    hello = {"protocolVersion": ERAS["legacy"], "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    begin = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    begun = await post(http, begin, bearer(token), era="legacy")
    return ("Mcp-Session-Id", begun.headers["mcp-session-id"])


@every_era
async def test_a_stream_ends_with_its_token(era: str) -> None:
    agents: dict[str, Agent] = {}
    app = server().streamable_http_app()
    with listening(guarded(Known(agents), app)) as url:
        async with plain_client(base_url=url) as http:
            lasting = agents[READER] = Agent(name="brief", expires_at=time.time() + 3)
            if era == "legacy":
                session = await begin_session(http, READER)
                request = http.build_request("GET", "/mcp", headers=heads(bearer(READER), session, era=era))
            else:
                listen = message(method="subscriptions/listen")
                listen["params"] = {"notifications": {"toolsListChanged": True}, "_meta": dict(ENVELOPE)}
                usual = [pair for pair in heads(bearer(READER)) if not pair[0].startswith("Mcp-")]
                headers = [*usual, ("Mcp-Method", "subscriptions/listen")]
                request = http.build_request("POST", "/mcp", json=listen, headers=headers)
            response = await http.send(request, stream=True)
            assert response.status_code == 200
            assert "text/event-stream" in response.headers["content-type"]
            with anyio.fail_after(10):
                await response.aread()
    assert time.time() >= (lasting.expires_at or 0)


@every_era
async def test_many_agents_at_once_are_never_taken_for_each_other(era: str) -> None:
    agents = {f"token-{n}": Agent(name=f"agent-{n}", grants=frozenset({Grant("people", "*")})) for n in range(20)}
    foreign = []

    async def call_repeatedly(http: httpx2.AsyncClient, number: int) -> None:
        for _ in range(10):
            response = await post(http, message("look", era), bearer(f"token-{number}"), era=era)
            seen = response.json()["result"]["structuredContent"]
            if (seen["agent"], seen["sdk"][0]) != (f"agent-{number}", f"agent-{number}"):
                foreign.append(seen)

    with listening(guarded(Known(agents), server().streamable_http_app(**JSON_ONLY))) as url:
        async with (
            plain_client(base_url=url) as http,
            anyio.create_task_group() as crowd,
        ):
            for number in range(20):
                crowd.start_soon(call_repeatedly, http, number)
    assert foreign == []


def records_of(folder: Path) -> list[str]:
    """Return the names of the ledger's file and those beside it."""
    return [path.name for path in folder.glob("calls.db*")]


# T28: the token of an agent may well be a key of Customer.io, by somebody's mistake.
async def test_a_token_reaches_neither_customer_io_nor_logs_nor_records(
    settings_for: Callable[..., Settings], recorder: Recorder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    calls = {
        "find_people_by_email": {"email": "ada@example.com"},
        "identify_person": {"identifier": "ada", "attributes": {"plan": "pro"}},
    }
    answers = []
    async with workspace(settings_for(CIO_MCP_LEDGER=str(tmp_path / "calls.db"))) as pipeline:
        app = build_server(pipeline).streamable_http_app(**JSON_ONLY)
        transport = httpx2.ASGITransport(app=guarded(AGENTS, app))
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http,
        ):
            for tool, arguments in calls.items():
                body = message(tool)
                body["params"]["arguments"] = arguments
                response = await post(http, body, bearer(WRITER), tool=tool)
                assert response.json()["result"]["isError"] is False
                answers.append(response.text)
    assert len(recorder.requests) == len(calls)
    records = b"".join((tmp_path / name).read_bytes() for name in records_of(tmp_path))
    assert b"identify_person" in records
    everything = repr(recorder.requests) + repr(answers) + caplog.text + records.decode("latin-1")
    assert not [token for token in TOKENS if token in everything]
