from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.routing import Router
from starlette.types import Scope

from cio_mcp.agents.bearer import MalformedCredentials, token_of, without_token
from cio_mcp.agents.metadata import ProtectedResource

pytestmark = pytest.mark.anyio

RESOURCE = ProtectedResource(
    url="https://mcp.example.com/team/mcp",
    issuers=["https://auth.example.com/", "https://login.example.org"],
    scopes=["people:read", "segments:read"],
)


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=Router(RESOURCE.routes()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.mark.parametrize("path", ["", "/team/mcp"])
async def test_the_metadata_lies_at_both_well_known_forms(path: str, http: httpx2.AsyncClient) -> None:
    response = await http.get(f"/.well-known/oauth-protected-resource{path}")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.json() == {
        "resource": "https://mcp.example.com/team/mcp",
        "authorization_servers": ["https://auth.example.com/", "https://login.example.org"],
        "scopes_supported": ["people:read", "segments:read"],
        "bearer_methods_supported": ["header"],
        "resource_name": "cio-mcp",
    }


async def test_the_challenge_points_to_the_form_that_names_the_endpoint() -> None:
    assert RESOURCE.metadata_url == "https://mcp.example.com/.well-known/oauth-protected-resource/team/mcp"


@pytest.mark.parametrize("path", ["/mcp", "/.well-known/oauth-protected-resource/mcp", "/.well-known/other"])
async def test_nothing_else_is_served(path: str, http: httpx2.AsyncClient) -> None:
    assert (await http.get(path)).status_code == 404


async def test_the_metadata_is_read_by_pages_and_never_written(http: httpx2.AsyncClient) -> None:
    path = "/.well-known/oauth-protected-resource"
    asked = await http.options(path, headers={"Origin": "https://inspector.example.com"})
    assert (asked.status_code, asked.headers["access-control-allow-headers"]) == (204, "MCP-Protocol-Version")
    refused = await http.post(path)
    assert (refused.status_code, set(refused.headers["allow"].split(", "))) == (405, {"GET", "HEAD", "OPTIONS"})


@pytest.mark.parametrize(
    "url",
    [
        "http://mcp.example.com/mcp",
        "https://mcp.example.com",
        "https://mcp.example.com/",
        "https://mcp.example.com/mcp?a=1",
    ],
)
def test_the_resource_is_named_in_full(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        ProtectedResource(url=url, issuers=[], scopes=[])


@pytest.mark.parametrize("url", ["https://mcp.example.com/mcp", "http://127.0.0.1:8080/mcp", "http://[::1]:8080/mcp"])
def test_on_this_machine_the_resource_may_be_named_over_http(url: str) -> None:
    document = ProtectedResource(url=url, issuers=[], scopes=[]).document()
    assert document["resource"] == url
    assert "scopes_supported" not in document, "RFC 9728, section 3.2: what is empty is left out"


def head(*values: bytes, query: bytes = b"") -> Scope:
    return {"type": "http", "query_string": query, "headers": [(b"authorization", value) for value in values]}


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (b"Bearer abc.DEF-1_2~3+4/5==", "abc.DEF-1_2~3+4/5=="),
        (b"bearer  abc", "abc"),
        (b"Bearer", ""),
        (b"Bearer ", ""),
        (b"Bearer abc ", ""),
        (b"Bearer a b", ""),
        (b"Bearer abc\x80", ""),
        (b"Bearer abc\nX: y", ""),
        (b"Bearer =", ""),
        (b"Bearer\tabc", None),
        (b"Bearerabc", None),
        (b"Basic abc", None),
        (b"", None),
    ],
)
def test_a_token_is_read_strictly(value: bytes, token: str | None) -> None:
    assert token_of(head(value)) == token


def test_a_query_that_cannot_be_counted_is_refused() -> None:
    with pytest.raises(MalformedCredentials):
        token_of(head(b"Bearer abc", query=b"&".join([b"a=b"] * 101)))
    assert token_of(head(b"Bearer abc", query=b"tokens=1&\xff=%zz")) == "abc"


def test_the_token_is_taken_out_of_what_goes_on() -> None:
    scope = {**head(), "headers": [(b"accept", b"*/*"), (b"authorization", b"Bearer abc")]}
    assert without_token(scope)["headers"] == [(b"accept", b"*/*")]
    assert len(scope["headers"]) == 2
