import hashlib
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cio_mcp.agents.agent import Agent
from cio_mcp.agents.jwks import IssuerKeys
from cio_mcp.agents.oauth import LONGEST_TOKEN, JwtAuthenticator
from cio_mcp.policy.words import Grant
from tests.agents.issuers import RESOURCE, PlainIssuer, SigningKey, claims_of, encoded, plain_client

pytestmark = pytest.mark.anyio

KEY = SigningKey("ec")
ALL = (
    KEY,
    SigningKey("p384", "ES384", ec.generate_private_key(ec.SECP384R1())),
    SigningKey("p521", "ES512", ec.generate_private_key(ec.SECP521R1())),
    SigningKey("ed", "EdDSA", ed25519.Ed25519PrivateKey.generate()),
    SigningKey("rsa", "RS256", rsa.generate_private_key(65537, 2048)),
    SigningKey("pss", "PS512", rsa.generate_private_key(65537, 2048)),
)
RSA = ALL[4]
STRANGER = SigningKey("ec")

Proven = Callable[[str], Awaitable[Agent | None]]


@pytest.fixture(scope="module")
def issuer() -> Iterator[PlainIssuer]:
    plain = PlainIssuer()
    with plain.serving():
        plain.publish(*(key.jwk() for key in ALL))
        yield plain


@pytest.fixture
async def authenticator(issuer: PlainIssuer) -> AsyncIterator[JwtAuthenticator]:
    async with plain_client() as client:
        yield JwtAuthenticator(keys=IssuerKeys(issuer.url, client=client), resource=RESOURCE)


def unsigned(header: object, claims: object, signature: bytes = b"") -> str:
    return ".".join(map(encoded, (header, claims, signature)))


def signed_with_public_key(claims: Mapping[str, Any]) -> str:
    """Make the classic forgery: HMAC, with the published RSA key as its secret."""
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    secret = RSA.private.public_key().public_bytes(serialization.Encoding.PEM, spki)
    head = f"{encoded({'alg': 'HS256', 'kid': 'rsa', 'typ': 'at+jwt'})}.{encoded(dict(claims))}"
    return f"{head}.{encoded(hmac.digest(secret, head.encode(), hashlib.sha256))}"


@pytest.mark.parametrize("key", ALL, ids=lambda key: key.algorithm)
async def test_a_token_of_each_algorithm_proves_its_agent(
    key: SigningKey, issuer: PlainIssuer, authenticator: JwtAuthenticator
) -> None:
    claims = claims_of(issuer.url, scope="people:read segments:write")
    assert await authenticator.agent(key.sign(claims)) == Agent(
        name="agent-7",
        grants=frozenset({Grant("people", "read"), Grant("segments", "write")}),
        issuer=issuer.url,
        expires_at=claims["exp"],
    )


GOOD: dict[str, dict[str, Any]] = {
    "one of several audiences": {"aud": ["https://other.example.com", RESOURCE]},
    "expired within the leeway": {"exp": timedelta(seconds=-5)},
    "valid from within the leeway": {"nbf": timedelta(seconds=20)},
    "no iat": {"iat": None},
}


@pytest.mark.parametrize("claims", GOOD.values(), ids=GOOD)
async def test_a_good_token_is_taken(
    claims: dict[str, Any], issuer: PlainIssuer, authenticator: JwtAuthenticator
) -> None:
    assert await authenticator.agent(KEY.sign(claims_of(issuer.url, **claims))) is not None


BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "another resource": {"aud": "https://other.example.com/mcp"},
    "the host alone": {"aud": "https://mcp.example.com"},
    "a slash more": {"aud": f"{RESOURCE}/"},
    "the resource in capitals": {"aud": RESOURCE.upper()},
    "a longer path": {"aud": f"{RESOURCE}/admin"},
    "no audience": {"aud": None},
    "an empty list of audiences": {"aud": []},
    "an audience that is no text": {"aud": [RESOURCE, 7]},
    "another issuer": {"iss": "https://evil.example.com"},
    "no issuer": {"iss": None},
    "an issuer in a list": {"iss": ["https://evil.example.com"]},
    "expired": {"exp": timedelta(seconds=-60)},
    "expired long ago": {"exp": 0},
    "never expires": {"exp": None},
    "an expiry that is no time": {"exp": "tomorrow"},
    "an endless expiry": {"exp": float("inf")},
    "an expiry that is no number": {"exp": float("nan")},
    "an expiry beyond all clocks": {"exp": 10**400},
    "not yet valid": {"nbf": timedelta(seconds=120)},
    "issued in the future": {"iat": timedelta(seconds=120)},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is no text": {"sub": 7},
    "a subject of 256 characters": {"sub": "a" * 256},
    "a subject that no file can hold": {"sub": "\ud800"},
    "bound to a key": {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}},
}


@pytest.mark.parametrize("claims", BAD_CLAIMS.values(), ids=BAD_CLAIMS)
async def test_a_token_with_bad_claims_proves_nobody(
    claims: dict[str, Any], issuer: PlainIssuer, authenticator: JwtAuthenticator
) -> None:
    assert await authenticator.agent(KEY.sign(claims_of(issuer.url, **claims))) is None


HEADERS: dict[str, dict[str, Any]] = {
    "a logout token": {"typ": "logout+jwt"},
    "a proof of possession": {"typ": "dpop+jwt"},
    "a security event": {"typ": "application/secevent+jwt"},
    "a type that is no text": {"typ": 7},
    "an extension it must know": {"crit": ["exp-policy"], "exp-policy": 1},
    "an extension that the library knows": {"crit": ["b64"], "b64": True},
    "an unknown key": {"kid": "nobody"},
    "another key of the issuer": {"kid": "p384"},
    "a key of another kind": {"kid": "rsa"},
    "an id that is no text": {"kid": 7},
    "its own key": {"kid": "mine", "jwk": STRANGER.jwk(), "jku": "https://evil.example.com/jwks"},
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
async def test_a_token_with_a_bad_header_proves_nobody(
    header: dict[str, Any], issuer: PlainIssuer, authenticator: JwtAuthenticator
) -> None:
    token = KEY.sign(claims_of(issuer.url), **header)
    assert await authenticator.agent(token) is None
    assert await authenticator.agent(KEY.sign(claims_of(issuer.url))) is not None


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+JWT", "application/at+jwt", ""])
async def test_tokens_of_common_issuers_are_taken_whatever_type_they_state(
    kind: str, issuer: PlainIssuer, authenticator: JwtAuthenticator
) -> None:
    assert await authenticator.agent(KEY.sign(claims_of(issuer.url), typ=kind)) is not None


async def test_a_token_without_a_key_id_is_checked_if_a_single_key_would_do(
    issuer: PlainIssuer, authenticator: JwtAuthenticator
) -> None:
    rsa_512 = SigningKey("rsa", "RS512", RSA.private)
    assert await authenticator.agent(KEY.sign(claims_of(issuer.url), kid=None)) is not None
    issuer.publish(*(key.jwk() for key in ALL), STRANGER.jwk() | {"kid": "other"})
    async with plain_client() as client:
        two_would_do = JwtAuthenticator(keys=IssuerKeys(issuer.url, client=client), resource=RESOURCE)
        assert await two_would_do.agent(KEY.sign(claims_of(issuer.url), kid=None)) is None
        assert await two_would_do.agent(RSA.sign(claims_of(issuer.url), kid=None)) is not None
        assert await two_would_do.agent(rsa_512.sign(claims_of(issuer.url))) is None, "the key says RS256"
    issuer.publish(*(key.jwk() for key in ALL))


async def test_forged_signatures_prove_nobody(issuer: PlainIssuer, authenticator: JwtAuthenticator) -> None:
    claims = claims_of(issuer.url)
    good = KEY.sign(claims)
    head, body, signature = good.split(".")
    more = encoded(claims | {"scope": "*:*"})
    zeros = encoded(bytes(64))
    forged = {
        "alg none": unsigned({"alg": "none", "typ": "at+jwt"}, claims),
        "alg None": unsigned({"alg": "None", "kid": "ec"}, claims),
        "no alg": unsigned({"kid": "ec"}, claims),
        "alg of a list": unsigned({"alg": ["ES256"], "kid": "ec"}, claims),
        "hmac with the public key": signed_with_public_key(claims),
        "a stranger's key under a known id": STRANGER.sign(claims),
        "another body": f"{head}.{more}.{signature}",
        "no signature": f"{head}.{body}.",
        "a signature of zeros": f"{head}.{body}.{zeros}",  # CVE-2022-21449
        "a body that is unencoded": f"{encoded({'alg': 'ES256', 'kid': 'ec', 'b64': False})}..{signature}",
        "encrypted": f"{good}.x.y",
        "too long": KEY.sign(claims | {"x": "a" * LONGEST_TOKEN}),
        "claims of a list": unsigned({"alg": "ES256", "kid": "ec"}, [claims]),
    }
    assert {name: await authenticator.agent(token) for name, token in forged.items()} == dict.fromkeys(forged)
    assert await authenticator.agent(good) is not None


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "x" * 100, "é.é.é", "\ud800..", f"{encoded({})}..", "e30.e30.e30"]
)
async def test_what_is_no_token_proves_nobody(token: str, authenticator: JwtAuthenticator) -> None:
    assert await authenticator.agent(token) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "scope", "scp", "client_id", "cnf", "azp"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.dictionaries(st.sampled_from(["typ", "crit", "b64", "alg", "kid", "zip", "jwk"]), JSON, max_size=3),
    claims=st.dictionaries(FIELDS, JSON, max_size=4),
    key=st.sampled_from([KEY, STRANGER]),
)
async def test_no_token_makes_the_check_fail_otherwise_than_by_refusing(
    header: dict[str, Any],
    claims: dict[str, Any],
    key: SigningKey,
    issuer: PlainIssuer,
    authenticator: JwtAuthenticator,
) -> None:
    found = await authenticator.agent(key.sign(claims_of(issuer.url) | claims, **header))
    assert found is None or (key is KEY and found.issuer == issuer.url and found.name)


SCOPES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "divided by spaces": ({"scope": "people:read  email:send"}, {"people:read", "email:send"}),
    "as a list": ({"scope": None, "scp": ["people:read", 7, "people:write"]}, {"people:read", "people:write"}),
    "scp as a text": ({"scope": None, "scp": "people:read"}, {"people:read"}),
    "scope before scp": ({"scope": "people:read", "scp": ["*:*"]}, {"people:read"}),
    "of an area whole": ({"scope": "people:*"}, {"people:*"}),
    "unknown words": ({"scope": "openid offline_access people:admin people:READ :read people:read:x"}, set()),
    "none": ({"scope": None}, set()),
    "no text": ({"scope": {"people": "read"}}, set()),
}


@pytest.mark.parametrize(("claims", "grants"), SCOPES.values(), ids=SCOPES)
async def test_scopes_that_are_words_of_grants_become_grants(
    claims: dict[str, Any], grants: set[str], issuer: PlainIssuer, authenticator: JwtAuthenticator
) -> None:
    agent = await authenticator.agent(KEY.sign(claims_of(issuer.url, **claims)))
    assert agent is not None
    assert agent.grants is not None, "None would narrow nothing"
    assert set(map(str, agent.grants)) == grants


NAMES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a client for itself": ({"sub": "bot", "client_id": "bot"}, ("bot",)),
    "a client for a user": ({"sub": "ada", "client_id": "bot"}, ("ada via bot", "ada")),
    "a user who is named like that": ({"sub": "ada via bot"}, ("ada%20via%20bot",)),
    "one who acts through a client": (
        {"sub": "ada via bot", "client_id": "bot"},
        ("ada%20via%20bot via bot", "ada%20via%20bot"),
    ),
    "one who writes the blanks so": ({"sub": "ada%20via%20bot"}, ("ada%2520via%2520bot",)),
    "an older name of the claim": ({"sub": "ada", "azp": "bot"}, ("ada via bot", "ada")),
    "a subject with a line of its own": ({"sub": "ada\nroot"}, ("ada%0Aroot",)),
    "a client by URL": (
        {"sub": "ada", "client_id": "https://app.example.com/c"},
        ("ada via https://app.example.com/c", "ada"),
    ),
    "a user who is called as whom nobody asks": ({"sub": "local", "client_id": "bot"}, ("local via bot",)),
}


@pytest.mark.parametrize(("claims", "names"), NAMES.values(), ids=NAMES)
async def test_two_clients_of_one_user_are_two_agents_and_files_may_mean_both(
    claims: dict[str, Any], names: tuple[str, ...], issuer: PlainIssuer, authenticator: JwtAuthenticator
) -> None:
    agent = await authenticator.agent(KEY.sign(claims_of(issuer.url, **claims)))
    assert agent is not None
    assert (agent.name, agent.listed_as) == (names[0], names)


@pytest.mark.parametrize(
    ("claim", "reached"),
    [(["eu", "us", 7], {"eu", "us"}), ("eu us", {"eu", "us"}), (None, set()), ({"eu": True}, set())],
)
async def test_workspaces_come_from_a_claim_if_one_is_named(claim: Any, reached: set[str], issuer: PlainIssuer) -> None:
    async with plain_client() as client:
        keys = IssuerKeys(issuer.url, client=client)
        named = JwtAuthenticator(keys=keys, resource=RESOURCE, workspace_claim="workspaces")
        unnamed = JwtAuthenticator(keys=keys, resource=RESOURCE)
        token = KEY.sign(claims_of(issuer.url, workspaces=claim))
        agents = await named.agent(token), await unnamed.agent(token)
    assert agents[0] is not None
    assert agents[0].workspaces == frozenset(reached)
    assert agents[1] is not None
    assert agents[1].workspaces is None


async def test_algorithms_can_be_narrowed_and_never_widened(issuer: PlainIssuer) -> None:
    async with plain_client() as client:
        keys = IssuerKeys(issuer.url, client=client)
        narrowed = JwtAuthenticator(keys=keys, resource=RESOURCE, algorithms=["RS256"])
        assert await narrowed.agent(KEY.sign(claims_of(issuer.url))) is None
        assert await narrowed.agent(RSA.sign(claims_of(issuer.url))) is not None
        for algorithm in ("none", "HS256"):
            with pytest.raises(ValueError, match=algorithm):
                JwtAuthenticator(keys=keys, resource=RESOURCE, algorithms=["RS256", algorithm])


async def test_nothing_of_a_token_is_logged_or_shown(
    issuer: PlainIssuer, authenticator: JwtAuthenticator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = [
        KEY.sign(claims_of(issuer.url)),
        KEY.sign(claims_of(issuer.url, aud="canary-audience")),
        KEY.sign(claims_of(issuer.url), kid="canary-kid"),
        STRANGER.sign(claims_of(issuer.url)),
        "canary.canary.canary",
    ]
    shown = [repr(await authenticator.agent(token)) for token in tokens]
    told = "\n".join([*shown, repr(authenticator), caplog.text])
    assert "refused: InvalidAudienceError" in told
    assert not any(part in told for token in tokens for part in token.split("."))
    assert "canary" not in told
