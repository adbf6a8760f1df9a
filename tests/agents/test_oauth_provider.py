"""Against a certified OpenID provider that runs on this machine."""

import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from mcp import Client, MCPError
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from starlette.applications import Starlette

from cio_mcp.agents.agent import Agent
from cio_mcp.agents.challenges import BearerGate
from cio_mcp.agents.jwks import Freshness, IssuerKeys, KeysUnavailable
from cio_mcp.agents.metadata import ProtectedResource
from cio_mcp.agents.oauth import JwtAuthenticator
from cio_mcp.policy.words import Grant
from tests.agents.guarded import SCOPES, beside, listening, needs, server
from tests.agents.issuers import RESOURCE, SigningKey, certified_provider, claims_of, issued, plain_client, secret_of

pytestmark = pytest.mark.anyio

CLIENTS = ("agent-7", "agent-8")
WORDS = ("people:read", "people:write", "segments:read")
FIRST, SECOND = SigningKey("first"), SigningKey("second")


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with certified_provider([FIRST], clients=CLIENTS, scopes=WORDS) as url:
        yield url


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with plain_client() as opened:
        yield opened


def trusting(issuer: str, client: httpx2.AsyncClient, resource: str = RESOURCE, **options: Any) -> JwtAuthenticator:
    return JwtAuthenticator(keys=IssuerKeys(issuer, client=client, **options), resource=resource)


async def test_a_token_of_the_provider_proves_its_client(issuer: str, client: httpx2.AsyncClient) -> None:
    token = await issued(issuer, "agent-7", scope="people:read segments:read")
    expires = jwt.decode(token, options={"verify_signature": False})["exp"]
    assert await trusting(issuer, client).agent(token) == Agent(
        name="agent-7",
        grants=frozenset({Grant("people", "read"), Grant("segments", "read")}),
        issuer=issuer,
        expires_at=expires,
    )


async def test_a_token_for_another_resource_proves_nobody_here(issuer: str, client: httpx2.AsyncClient) -> None:
    for resource in ("https://mcp.example.com", "https://other.example.com/mcp", f"{RESOURCE}/"):
        token = await issued(issuer, "agent-7", scope="people:read", resource=resource)
        assert await trusting(issuer, client).agent(token) is None
        assert await trusting(issuer, client, resource).agent(token) is not None


@pytest.mark.parametrize(
    "key",
    [
        SigningKey("rsa", "RS256", rsa.generate_private_key(65537, 2048)),
        SigningKey("pss", "PS256", rsa.generate_private_key(65537, 2048)),
        SigningKey("ed", "EdDSA", ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=lambda key: key.algorithm,
)
async def test_the_provider_may_sign_with_other_algorithms(key: SigningKey, client: httpx2.AsyncClient) -> None:
    with certified_provider([key], clients=CLIENTS, scopes=WORDS) as issuer:
        token = await issued(issuer, "agent-7", scope="people:read")
        assert await trusting(issuer, client).agent(token) is not None


async def test_keys_are_followed_through_a_rotation(client: httpx2.AsyncClient) -> None:
    at_once = Freshness(fresh=600, between_reads=0)
    with certified_provider([FIRST], clients=CLIENTS, scopes=WORDS) as issuer:
        authenticator = trusting(issuer, client, freshness=at_once)
        old = await issued(issuer, "agent-7", scope="people:read")
        assert await authenticator.agent(old) is not None
    assert await authenticator.agent(old) is not None, "held keys serve while the provider is down"
    port = int(issuer.rpartition(":")[2])
    with certified_provider([SECOND, FIRST], clients=CLIENTS, scopes=WORDS, port=port):
        new = await issued(issuer, "agent-7", scope="people:read")
        assert jwt.get_unverified_header(new)["kid"] == "second"
        assert await authenticator.agent(new) is not None
        assert await authenticator.agent(old) is not None
    with certified_provider([SECOND], clients=CLIENTS, scopes=WORDS, port=port):
        assert await authenticator.agent(FIRST.sign(claims_of(issuer), kid="third")) is None
        assert await authenticator.agent(old) is None, "the search for the third key has shown that the first is gone"
        assert await authenticator.agent(new) is not None


async def test_without_the_provider_a_first_token_cannot_be_judged(client: httpx2.AsyncClient) -> None:
    with certified_provider([FIRST], clients=CLIENTS, scopes=WORDS) as issuer:
        token = await issued(issuer, "agent-7", scope="people:read")
    with pytest.raises(KeysUnavailable):
        await trusting(issuer, client).agent(token)


class Kept:
    """Where an OAuth client of the SDK keeps what it was given."""

    def __init__(self) -> None:
        self.tokens: list[OAuthToken] = []
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        """Return the last tokens."""
        return self.tokens[-1] if self.tokens else None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep tokens."""
        self.tokens.append(tokens)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Return what is known of the client."""
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep what is known of the client."""
        self.client = client_info


@asynccontextmanager
async def deployed(issuer: str) -> AsyncIterator[str]:
    """Serve the small MCP server as a resource of the provider; yields its endpoint's URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    resource = ProtectedResource(url=url, issuers=[issuer], scopes=SCOPES)
    # Keys are read in the thread that serves, so the HTTP client is opened there too.
    inner = server().streamable_http_app(json_response=True, stateless_http=True)
    lifespan = inner.router.lifespan_context
    client = plain_client()

    @asynccontextmanager
    async def with_client(app: Starlette) -> AsyncIterator[None]:
        async with client, lifespan(app):
            yield

    inner.router.lifespan_context = with_client
    gate = BearerGate(
        inner,
        authenticator=trusting(issuer, client, url),
        scopes_of=needs,
        now=time.time,
        scopes=SCOPES,
        metadata_url=resource.metadata_url,
    )
    with listening(beside(gate, resource), listener):
        yield url


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_an_oauth_client_finds_its_way_from_the_challenges_alone(mode: str, issuer: str) -> None:
    kept = Kept()
    async with deployed(issuer) as url:
        auth = ClientCredentialsOAuthProvider(url, kept, "agent-7", secret_of("agent-7"), issuer=issuer)
        async with (
            plain_client(auth=auth) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            seen = (await client.call_tool("look", {})).structured_content
            assert seen is not None
            assert (seen["agent"], seen["grants"]) == (f"agent-7 ({issuer})", ["people:read"])
            seen = (await client.call_tool("change", {})).structured_content
            assert seen is not None
            assert seen["grants"] == ["people:read", "people:write"]
    assert [tokens.scope for tokens in kept.tokens] == ["people:read", "people:read people:write"]


async def test_a_client_that_the_provider_gave_less_is_told_what_it_lacks(issuer: str) -> None:
    async with deployed(issuer) as url:
        token = await issued(issuer, "agent-8", scope="segments:read", resource=url)
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            plain_client(headers=headers) as http,
            Client(streamable_http_client(url, http_client=http), mode="2026-07-28") as client,
        ):
            with pytest.raises(MCPError, match="does not permit look: it takes people:read"):
                await client.call_tool("look", {})
