"""Streamable HTTP over real sockets, in a process of its own."""

import http.client
import json
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import pytest
from mcp import Client, MCPError, types

from cio_mcp.transports import serve_http
from tests.transports.echo_server import build
from tests.transports.served import Served, call, initialize, request, served, takes_at_most

SLACK = 1.5


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    with served("http", "0") as server:
        yield server


def url_of(server: Served) -> str:
    return server.wait_for_error("http://")


def ask(connection: http.client.HTTPConnection, body: object, **headers: str) -> None:
    """Send a POST as an MCP client does, and leave the answer to be read."""
    usual = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", "/mcp", data, usual | headers)


def connected(url: str) -> closing[http.client.HTTPConnection]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return closing(http.client.HTTPConnection(parts.hostname, parts.port, timeout=20))


def post(url: str, body: object, **headers: str) -> tuple[int, str]:
    with connected(url) as connection:
        ask(connection, body, **headers)
        response = connection.getresponse()
        return response.status, response.read().decode()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")]
)
async def test_the_sdk_client_is_served(shared: Served, mode: str, version: str) -> None:
    async with Client(url_of(shared), mode=mode, read_timeout_seconds=20) as client:
        assert client.protocol_version == version
        result = await client.call_tool("echo", {"text": "hello"})
        assert result.content == [types.TextContent(type="text", text="hello")]
        with pytest.raises(MCPError, match="Internal server error"):
            await client.call_tool("fail", {})
    assert "canary-secret" not in "\n".join(shared.errors)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{port}"])
def test_a_foreign_host_is_answered_421(shared: Served, host: str) -> None:
    url = url_of(shared)
    assert post(url, initialize(), Host=host.format(port=urlsplit(url).port))[0] == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://localhost"])
def test_a_foreign_origin_is_answered_403(shared: Served, origin: str) -> None:
    url = url_of(shared)
    assert post(url, initialize(), Origin=origin.format(port=urlsplit(url).port))[0] == 403


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
def test_every_name_of_this_machine_is_served(shared: Served, name: str) -> None:
    url = url_of(shared)
    authority = f"{name}:{urlsplit(url).port}"
    assert post(url, initialize(), Host=authority, Origin=f"http://{authority}")[0] == 200


def test_a_body_over_four_mebibytes_is_answered_413(shared: Served) -> None:
    assert post(url_of(shared), b" " * (4 * 1024 * 1024 + 1))[0] == 413


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\\ud800"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":' + b"[" * 3000 + b"]" * 3000 + b"}}",
        b"[]",
        b"\xff",
    ],
)
def test_a_body_that_cannot_be_served_is_answered_400(shared: Served, body: bytes) -> None:
    assert post(url_of(shared), body)[0] == 400


@pytest.mark.anyio
async def test_a_taken_port_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await serve_http(build(), host="127.0.0.1", port=taken.getsockname()[1])


@asynccontextmanager
async def served_here(**settings: Any) -> AsyncIterator[str]:
    """Serve in this process, yield the URL, and end by cancellation."""
    urls: list[str] = []
    listening = anyio.Event()

    def ready(url: str) -> None:
        urls.append(url)
        listening.set()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(serve_http, build(), port=0, ready=ready, **settings))
            await listening.wait()
            yield urls[0]
            tasks.cancel_scope.cancel()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("host", "written"), [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("::1", "[::1]"), ("[::1]", "[::1]")]
)
async def test_it_says_where_it_listens_and_ends_when_cancelled(host: str, written: str) -> None:
    async with served_here(host=host) as url:
        assert url.startswith(f"http://{written}:")
        assert url.endswith("/mcp")
        async with Client(url) as client:
            await client.call_tool("echo", {"text": "hello"})
    with pytest.raises(OSError, match="connection"):
        await anyio.connect_tcp(host.strip("[]"), urlsplit(url).port or 0)


@pytest.mark.anyio
async def test_hosts_and_origins_of_a_proxy_are_accepted_when_named() -> None:
    proxy = {"Host": "mcp.example.com", "Origin": "https://app.example.com"}
    named = {
        "allowed_hosts": [proxy["Host"]],
        "allowed_origins": [proxy["Origin"]],
        "insecure_loopback": True,
    }
    for settings, status in (({}, 421), (named, 200)):
        async with served_here(host="127.0.0.1", **settings) as url:
            answered = await anyio.to_thread.run_sync(partial(post, url, initialize(), **proxy))
            assert answered[0] == status


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_leaves_at_once_on_a_signal(signum: signal.Signals) -> None:
    with served("http", "0") as server:
        url = url_of(server)
        assert post(url, initialize())[0] == 200
        with takes_at_most(SLACK):
            server.process.send_signal(signum)
            assert server.wait() == 0
        assert server.errors == ["lifespan entered", url, "lifespan left"]


def test_a_half_sent_body_does_not_hold_up_the_exit() -> None:
    with served("http", "0", "3") as server:
        port = int(urlsplit(url_of(server)).port or 0)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as half, takes_at_most(3 + SLACK):
            half.sendall(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 99\r\n\r\n{" % port)
            assert post(url_of(server), initialize())[0] == 200  # the half one has been read by now
            server.process.send_signal(signal.SIGTERM)
            assert server.wait() == 0
        assert server.errors[-1] == "lifespan left"
        assert not any("Traceback" in line for line in server.errors)


def test_a_request_in_flight_is_answered_before_the_exit() -> None:
    with served("http", "0") as server:
        with connected(url_of(server)) as connection:
            ask(connection, call(1, "slow", seconds=0.5))
            server.wait_for_error("slow started")
            server.process.send_signal(signal.SIGTERM)
            answer = json.loads(connection.getresponse().read())
        assert answer["result"]["content"][0]["text"] == "slow done"
        assert server.wait() == 0


@pytest.mark.parametrize("tool", ["stubborn", "blocked", "slow"])
def test_a_handler_that_does_not_end_does_not_hold_up_the_exit(tool: str) -> None:
    with served("http", "0", "2") as server:
        with connected(url_of(server)) as connection:
            ask(connection, call(1, tool, seconds=600))
            server.wait_for_error(f"{tool} started")
            with takes_at_most(2 + SLACK):
                server.process.send_signal(signal.SIGTERM)
                assert server.wait() == 0
        assert not any("Traceback" in line for line in server.errors)


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_only_post_is_allowed_because_there_are_no_sessions(shared: Served, method: str) -> None:
    with connected(url_of(shared)) as connection:
        connection.request(method, "/mcp", headers={"Accept": "text/event-stream"})
        response = connection.getresponse()
        assert (response.status, response.getheader("Allow")) == (405, "POST")


def test_an_open_subscription_does_not_hold_up_the_exit() -> None:
    with served("http", "0") as server, connected(url_of(server)) as connection:
        listening = request(1, "subscriptions/listen", {"notifications": {"toolsListChanged": True}}, modern=True)
        ask(connection, listening, **{"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"})
        response = connection.getresponse()
        assert b"acknowledged" in response.readline() + response.readline()
        with takes_at_most(SLACK):
            server.process.send_signal(signal.SIGTERM)
            response.read()  # to its proper end: http.client would raise IncompleteRead
            assert server.wait() == 0


def test_a_result_that_json_cannot_carry_does_not_end_the_server(shared: Served) -> None:
    status, body = post(url_of(shared), call(1, "surrogate"))
    assert (status, json.loads(body)["error"]["code"]) == (500, -32603)
    assert post(url_of(shared), call(2, "echo"))[0] == 200
