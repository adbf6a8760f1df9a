"""Who may be let near a server, and by which names."""

from typing import Any

import pytest
from starlette.types import ASGIApp

from cio_mcp.transports import serve_http
from cio_mcp.transports.http.exposure import Exposure
from tests.transports.echo_server import build
from tests.transports.over_http import OverHttp, over_http
from tests.transports.served import initialize

HOSTS = ["mcp.example.com"]
ORIGINS = ["https://app.example.com"]


def nobody(app: ASGIApp) -> ASGIApp:
    return app


def exposed(host: str, *, hosts: list[str] | None = None, origins: list[str] | None = None) -> Exposure:
    return Exposure(host=host, hosts=hosts, origins=origins)


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "[2001:db8::1]"])  # noqa: S104 - refused
async def test_an_open_address_alone_is_refused_with_all_that_it_needs(host: str) -> None:
    needs = r"not a loopback address.*authentication.*allowed hosts.*allowed origins.*use 127\.0\.0\.1"
    with pytest.raises(ValueError, match=needs):
        await serve_http(build(), host=host, port=0)


@pytest.mark.parametrize("host", ["example.com", "127.1", "", "localhost.example", "127.0.0.1/8"])
@pytest.mark.anyio
async def test_what_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r"is not a loopback address, nor another.*use 127\.0\.0\.1"):
        await serve_http(build(), host=host, port=0)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("left_out", "named"),
    [
        ("authentication", "authentication of callers"),
        ("allowed_hosts", "the allowed hosts"),
        ("allowed_origins", "the allowed origins"),
    ],
)
async def test_an_open_address_is_refused_while_one_thing_is_missing(left_out: str, named: str) -> None:
    given: dict[str, Any] = {"authentication": nobody, "allowed_hosts": HOSTS, "allowed_origins": []}
    del given[left_out]
    with pytest.raises(ValueError, match=rf"That needs {named}") as refused:
        await serve_http(build(), host="192.0.2.1", port=0, **given)
    assert ") and the allowed" not in str(refused.value)
    assert "callers and" not in str(refused.value)


@pytest.mark.anyio
@pytest.mark.parametrize("notice", [-1.0, 10.0, 11.0])
async def test_a_notice_leaves_time_to_stop(notice: float) -> None:
    with pytest.raises(ValueError, match="must leave something"):
        await serve_http(build(), host="127.0.0.1", port=0, notice=notice)


@pytest.mark.anyio
async def test_an_open_address_is_no_place_for_insecure_loopback() -> None:
    with pytest.raises(ValueError, match=r"insecure-loopback is for 127\.0\.0\.1 only"):
        await serve_http(
            build(),
            host="192.0.2.1",
            port=0,
            authentication=nobody,
            allowed_hosts=HOSTS,
            allowed_origins=[],
            insecure_loopback=True,
        )


def test_an_open_address_with_everything_listens_and_answers_to_the_names_given_only() -> None:
    given = {"authentication": "canary-agent-token", "allowed_hosts": HOSTS, "allowed_origins": ORIGINS}
    with over_http(host="0.0.0.0", **given) as server:  # noqa: S104 - behind authentication
        proof = {"authorization": "Bearer canary-agent-token"}
        assert server.post(initialize(), host=HOSTS[0], origin=ORIGINS[0], **proof).status == 200
        assert server.post(initialize(), host="MCP.Example.COM", **proof).status == 200
        assert server.post(initialize(), host=HOSTS[0]).status == 401
        assert server.post(initialize(), host=HOSTS[0], origin="https://evil.example", **proof).status == 403
        assert server.post(initialize(), **proof).status == 421  # 127.0.0.1 is not what clients call it


@pytest.mark.parametrize(("hosts", "origins"), [(HOSTS, None), (None, ORIGINS), (HOSTS, ORIGINS)])
def test_loopback_behind_a_foreign_name_needs_authentication_or_a_word_that_somebody_else_asks(
    hosts: list[str] | None, origins: list[str] | None
) -> None:
    here = exposed("127.0.0.1", hosts=hosts, origins=origins)
    with pytest.raises(ValueError, match="needs authentication, or insecure-loopback"):
        here.check(authenticated=False, insecure_loopback=False)
    here.check(authenticated=True, insecure_loopback=False)
    here.check(authenticated=False, insecure_loopback=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"])
def test_loopback_alone_needs_nothing(host: str) -> None:
    exposed(host).check(authenticated=False, insecure_loopback=False)
    exposed(host).check(authenticated=False, insecure_loopback=True)


def test_authentication_holds_on_loopback_too() -> None:
    with over_http(authentication="canary-agent-token") as server:
        refused = server.post(initialize())
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert refused.json["jsonrpc"] == "2.0"
        assert server.post(initialize(), authorization="Bearer canary-agent-token").status == 200
        assert server.get("/greeting").body == b"hello, 0 bytes"  # a route sees to its callers itself


def test_insecure_loopback_leaves_authentication_out() -> None:
    with over_http(authentication="canary-agent-token", insecure_loopback=True) as server:
        assert server.post(initialize()).status == 200


@pytest.mark.parametrize("entry", ["*", "mcp.example.com:*", "https://mcp.example.com", "mcp.example.com/x", "", "a b"])
def test_an_allowed_host_that_is_none_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="is no host: each is written in full"):
        exposed("127.0.0.1", hosts=[entry]).allow_list(8000)


@pytest.mark.parametrize("entry", ["*", "null", "https://*.example.com", "app.example.com", "https://a.example.com/"])
def test_an_allowed_origin_that_is_none_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="is no origin: each is written in full"):
        exposed("127.0.0.1", origins=[entry]).allow_list(8000)


def test_port_80_may_be_left_out() -> None:
    allowed = exposed("127.0.0.1").allow_list(80)
    assert allowed.host([b"localhost"])
    assert allowed.origin([b"http://[::1]"])
    assert not exposed("127.0.0.1").allow_list(8000).host([b"localhost"])


@pytest.fixture(scope="module")
def with_a_page() -> Any:
    with over_http(allowed_origins=ORIGINS, insecure_loopback=True) as server:
        yield server


def test_a_page_of_an_allowed_origin_can_call_and_read_the_answer(with_a_page: OverHttp) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,mcp-method"}
    preflight = with_a_page.get("/mcp", "OPTIONS", origin=ORIGINS[0], **asked)
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == ORIGINS[0]
    assert "mcp-session-id" in preflight.headers["access-control-allow-headers"].lower()
    called = with_a_page.post(initialize(), origin=ORIGINS[0])
    assert (called.status, called.headers["access-control-allow-origin"]) == (200, ORIGINS[0])
    assert "www-authenticate" in called.headers["access-control-expose-headers"].lower()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.com.evil.example"])
def test_a_page_from_elsewhere_gets_nothing_it_could_read(with_a_page: OverHttp, origin: str) -> None:
    asked = {"access-control-request-method": "POST"}
    for answered in (
        with_a_page.get("/mcp", "OPTIONS", origin=origin, **asked),
        with_a_page.post(initialize(), origin=origin),
        with_a_page.get("/greeting", origin=origin),
    ):
        assert answered.status == 403
        assert "access-control-allow-origin" not in answered.headers
