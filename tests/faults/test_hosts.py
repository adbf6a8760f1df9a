"""Requests go to their own host and nowhere else, over connections that lose nothing."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import anyio
import pytest
from mcp import Client

from cio_mcp.cli.wiring import workspace
from cio_mcp.gateway import Gateway, new_client
from cio_mcp.sandbox import Fault, InProcess, RunningSandbox, create_app
from cio_mcp.server import build_server
from cio_mcp.settings import load
from tests.faults.arguments import ARGUMENTS
from tests.faults.conftest import UNLIMITED, Open
from tests.faults.raw import Answer, raw_server, sends, whole
from tests.faults.rig import KEYS, PATIENCE, UNGUARDED, WIDE, rigged, settings_of, until
from tests.recording import Recorder, Reply, running

pytestmark = pytest.mark.anyio

READ: Final[tuple[str, dict[str, Any]]] = ("list_segments", {})
SEND: Final[tuple[str, dict[str, Any]]] = ("send_email", ARGUMENTS["send_email"])
ONE_SECOND: Final = {"CIO_MCP_TIME_BUDGET": "1"}


# -- where requests go -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", [READ, SEND], ids=["a read", "a send"])
async def test_a_redirect_is_not_followed_and_the_key_stays(
    call: tuple[str, dict[str, Any]], status: int, rig: Open, sandbox: RunningSandbox
) -> None:
    elsewhere = Recorder()
    with running(elsewhere) as url:
        location = url.replace("127.0.0.1", "localhost") + "/v1/segments"
        sandbox.app.state.faults.add(Fault(kind="redirect", status=status, location=location, times=None))
        async with rig() as house:
            called = await house.call(*call)
    assert called.code == "rejected"
    assert location not in str(called.result)
    assert not elsewhere.requests
    assert len(sandbox.app.state.journal) == 1


async def test_a_cookie_is_not_kept() -> None:
    recorder = Recorder()
    recorder.replies = [
        Reply(headers={"content-type": "application/json", "set-cookie": "session=canary; Path=/"}) for _ in range(4)
    ]
    with running(recorder) as url:
        async with rigged(settings_of(url)) as house:
            for _ in range(3):
                await house.call("send_email", ARGUMENTS["send_email"])
                await house.call(*READ)
            clients = house.pipeline.exchange.delivery.gateway._clients.values()
            assert [list(client.cookies.jar) for client in clients] == [[], []]
    assert len(recorder.requests) == 6
    assert all("cookie" not in request.headers for request in recorder.requests)


async def test_each_key_goes_to_its_own_host() -> None:
    track, app = Recorder(), Recorder()
    with running(track) as track_url, running(app) as app_url:
        settings = load({"CUSTOMERIO_TRACK_URL": track_url, "CUSTOMERIO_APP_URL": app_url, **KEYS, **WIDE, **UNGUARDED})
        async with rigged(settings) as house:
            for tool, arguments in ARGUMENTS.items():
                await house.call(tool, arguments)
    assert {request.headers["authorization"].split()[0] for request in track.requests} == {"Basic"}
    assert {request.headers["authorization"] for request in app.requests} == {"Bearer sandbox-app-key"}
    assert len(track.requests) + len(app.requests) == len(ARGUMENTS)


# -- connections -------------------------------------------------------------------------------------


async def test_a_connection_that_was_closed_while_idle_loses_no_send() -> None:
    lasting = whole(200, b'{"delivery_id": "d"}').replace(b"Connection: close\r\n", b"")
    async with raw_server(sends(lasting)) as server, rigged(settings_of(server.url)) as house:
        for number in range(1, 6):
            called = await house.call(*SEND)
            assert called.code is None, called.error
            await until(lambda number=number: server.closed == number)  # type: ignore[misc] # mypy: no type for it
    assert len(server.requests) == 5


@pytest.fixture
def behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return how to set the proxies of the environment."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)

    def use(url: str) -> None:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, url)

    return use


@pytest.mark.parametrize(
    "answer",
    [
        sends(whole(502, b"no")),
        sends(b""),
        sends(b"HTTP/1.1 200 Connection established\r\n\r\nthis is no TLS"),
        sends(b"HTTP/1.1 200 Connection established\r\n\r\n"),
    ],
    ids=["refuses", "hangs up", "lets nothing but garbage through", "closes the tunnel"],
)
async def test_what_never_got_through_a_proxy_was_not_sent(
    answer: Answer, behind_a_proxy: Callable[[str], None]
) -> None:
    async with raw_server(answer) as proxy:
        behind_a_proxy(proxy.url)
        async with rigged(load({**KEYS, **WIDE})) as house:
            called = await house.call(*SEND)
            budget = await house.budget("app/email")
    assert called.code == "unavailable"
    assert "Nothing was sent" in called.error["message"]
    assert called.meta["attempts"] == 3
    assert [head.splitlines()[0] for head in proxy.requests] == ["CONNECT api.customer.io:443 HTTP/1.1"] * 3
    assert "sandbox-app-key" not in "".join(proxy.requests)
    assert budget["available"] == 1000


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTPS_PROXY", "ftp://127.0.0.1:1"), ("SSL_CERT_FILE", "/nowhere/certificates.pem")],
)
async def test_an_environment_that_cannot_be_used_is_named(
    name: str, value: str, behind_a_proxy: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    behind_a_proxy("http://127.0.0.1:1")
    monkeypatch.setenv(name, value)
    async with rigged(load({**KEYS, **WIDE})) as house:
        called = await house.call(*SEND)
    assert called.code == "unavailable"
    assert "that the environment names cannot be used. Nothing was sent." in called.error["message"]
    assert house.ending == "failed"


async def test_a_proxy_is_not_asked_for_a_loopback_address(
    behind_a_proxy: Callable[[str], None], rig: Open, sandbox: RunningSandbox
) -> None:
    async with raw_server(sends(b"")) as proxy:
        behind_a_proxy(proxy.url)
        async with rig() as house:
            assert (await house.call(*READ)).code is None
    assert not proxy.requests
    assert len(sandbox.app.state.journal) == 1


# -- in process --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [Fault(kind="reset", when="after"), Fault(kind="hang", seconds=5), Fault(kind="status", status=503, when="after")],
    ids=["reset", "hang", "503"],
)
async def test_a_send_to_the_sandbox_in_this_process_leaves_at_most_once_too(fault: Fault) -> None:
    app = create_app(limits=UNLIMITED)
    app.state.faults.add(fault)
    gateway = Gateway(partial(new_client, InProcess(app), loopback=True))
    async with workspace(settings_of("http://127.0.0.1", **ONE_SECOND)) as made:
        delivery = replace(made.exchange.delivery, gateway=gateway)
        pipeline = replace(made, exchange=replace(made.exchange, delivery=delivery))
        async with Client(build_server(pipeline)) as client:
            with anyio.fail_after(PATIENCE):
                result = await client.call_tool(*SEND)
    await gateway.aclose()
    assert (result.structured_content or {})["error"]["code"] == "outcome_unknown"
    assert len(app.state.journal) == 1
