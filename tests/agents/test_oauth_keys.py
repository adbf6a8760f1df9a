import gzip
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.types import JWKDict
from starlette.responses import JSONResponse

from cio_mcp.agents.agent import AnyOf
from cio_mcp.agents.jwks import LARGEST_DOCUMENT, Freshness, IssuerKeys, KeysUnavailable, metadata_urls
from cio_mcp.agents.key_set import MOST_KEYS, KeySet, algorithms_of
from cio_mcp.agents.oauth import JwtAuthenticator
from tests.agents.issuers import RESOURCE, PlainIssuer, SigningKey, claims_of, plain_client

pytestmark = pytest.mark.anyio

OLD, NEW = SigningKey("old"), SigningKey("new")
JWKS = "/jwks"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer() -> Iterator[PlainIssuer]:
    plain = PlainIssuer()
    with plain.serving():
        plain.publish(OLD.jwk())
        yield plain


Open = Callable[..., JwtAuthenticator]


@pytest.fixture
async def opened(issuer: PlainIssuer, clock: Clock) -> AsyncIterator[Open]:
    async with plain_client() as client:

        def make(url: str | None = None, **options: Any) -> JwtAuthenticator:
            keys = IssuerKeys(url or issuer.url, client=client, clock=clock, **options)
            return JwtAuthenticator(keys=keys, resource=RESOURCE)

        yield make


def token(issuer: PlainIssuer, key: SigningKey = OLD, **header: Any) -> str:
    return key.sign(claims_of(issuer.url), **header)


async def test_keys_are_read_once_for_many_tokens(issuer: PlainIssuer, opened: Open) -> None:
    authenticator = opened()
    assert all([await authenticator.agent(token(issuer)) for _ in range(20)])
    assert issuer.asked.count(JWKS) == 1


async def test_keys_are_read_once_for_tokens_that_come_together(issuer: PlainIssuer, opened: Open) -> None:
    authenticator, found = opened(), []

    async def come() -> None:
        found.append(await authenticator.agent(token(issuer)))

    async with anyio.create_task_group() as crowd:
        for _ in range(50):
            crowd.start_soon(come)
    assert len(found) == 50
    assert all(found)
    assert issuer.asked.count(JWKS) == 1


async def test_a_key_that_is_new_is_found_and_one_that_is_withdrawn_expires(
    issuer: PlainIssuer, opened: Open, clock: Clock
) -> None:
    authenticator = opened()
    assert await authenticator.agent(token(issuer)) is not None
    issuer.publish(NEW.jwk(), OLD.jwk())
    clock.now += 10
    assert await authenticator.agent(token(issuer, NEW)) is not None
    assert await authenticator.agent(token(issuer)) is not None
    issuer.publish(NEW.jwk())
    clock.now += 599
    assert await authenticator.agent(token(issuer)) is not None
    clock.now += 1
    assert await authenticator.agent(token(issuer)) is None
    assert await authenticator.agent(token(issuer, NEW)) is not None
    assert issuer.asked.count(JWKS) == 3


async def test_a_storm_of_unknown_keys_makes_one_read_in_an_interval(
    issuer: PlainIssuer, opened: Open, clock: Clock
) -> None:
    authenticator = opened()
    assert await authenticator.agent(token(issuer)) is not None
    for interval in range(1, 4):
        clock.now += 10
        async with anyio.create_task_group() as crowd:
            for number in range(50):
                crowd.start_soon(authenticator.agent, token(issuer, NEW, kid=f"invented-{interval}-{number}"))
                crowd.start_soon(authenticator.agent, token(issuer))
        assert issuer.asked.count(JWKS) == 1 + interval
    assert await authenticator.agent(token(issuer)) is not None


async def test_tokens_that_are_not_for_us_cause_no_read_at_all(issuer: PlainIssuer, opened: Open) -> None:
    authenticator = opened()
    for claims in (
        claims_of("https://other.example.com"),
        claims_of(issuer.url, aud="https://other.example.com"),
        claims_of(issuer.url, exp=1),
        claims_of(issuer.url, sub=None),
    ):
        assert await authenticator.agent(OLD.sign(claims)) is None
    assert await authenticator.agent("cio_static-token") is None
    assert issuer.asked == []


async def test_a_known_key_serves_while_the_issuer_hangs(issuer: PlainIssuer, opened: Open, clock: Clock) -> None:
    authenticator = opened(freshness=Freshness(patience=20))
    assert await authenticator.agent(token(issuer)) is not None
    clock.now += 700
    issuer.hang()
    async with anyio.create_task_group() as waiting:
        waiting.start_soon(authenticator.agent, token(issuer))
        await issuer.asked_again()
        with anyio.fail_after(10):
            assert await authenticator.agent(token(issuer)) is not None
        issuer.answering.set()


async def test_held_keys_serve_for_a_bounded_time_while_the_issuer_is_down(clock: Clock) -> None:
    issuer = PlainIssuer()
    async with plain_client() as client:
        with issuer.serving():
            issuer.publish(OLD.jwk())
            authenticator = JwtAuthenticator(keys=IssuerKeys(issuer.url, client=client, clock=clock), resource=RESOURCE)
            assert await authenticator.agent(token(issuer)) is not None
        clock.now += 10
        with pytest.raises(KeysUnavailable):  # it may have been published just now
            await authenticator.agent(token(issuer, NEW))
        clock.now += 3589
        assert await authenticator.agent(token(issuer)) is not None
        with pytest.raises(KeysUnavailable):
            await authenticator.agent(token(issuer, NEW))
        clock.now += 1
        with pytest.raises(KeysUnavailable):
            await authenticator.agent(token(issuer))
        with issuer.serving():
            clock.now += 10
            assert await authenticator.agent(token(issuer)) is not None


async def test_an_issuer_that_was_never_reached_says_nothing_about_a_token(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    closed = PlainIssuer()
    with closed.serving():
        pass
    authenticator = opened(closed.url)
    for _ in range(5):
        with pytest.raises(KeysUnavailable):
            await authenticator.agent(token(closed))
    assert caplog.text.count("could not be read: ConnectError") == 1, "one attempt in an interval"


async def test_one_issuer_out_of_reach_does_not_stop_the_agents_of_others(issuer: PlainIssuer, opened: Open) -> None:
    closed = PlainIssuer()
    with closed.serving():
        pass
    either = AnyOf([opened(closed.url), opened()])
    assert await either.agent(token(issuer)) is not None
    with pytest.raises(KeysUnavailable):
        await either.agent(token(closed))


async def test_whoever_gives_up_does_not_take_the_read_from_the_others(issuer: PlainIssuer, opened: Open) -> None:
    authenticator = opened(freshness=Freshness(patience=20))
    issuer.hang()
    async with anyio.create_task_group() as impatient:
        impatient.start_soon(authenticator.agent, token(issuer))
        await issuer.asked_again()
        impatient.cancel_scope.cancel()
        issuer.answering.set()
    assert await authenticator.agent(token(issuer)) is not None


async def test_a_slow_issuer_is_not_waited_for(issuer: PlainIssuer, opened: Open) -> None:
    authenticator = opened(freshness=Freshness(patience=0.2))
    issuer.hang()
    with anyio.fail_after(10), pytest.raises(KeysUnavailable):
        await authenticator.agent(token(issuer))


async def test_a_redirect_is_not_followed(issuer: PlainIssuer, opened: Open) -> None:
    issuer.status, issuer.headers = 302, {"location": f"{issuer.url}/elsewhere"}
    with pytest.raises(KeysUnavailable):
        await opened().agent(token(issuer))
    assert "/elsewhere" not in issuer.asked


UNREADABLE = {
    "no JSON": (b"<html>", "not JSON"),
    "deep": (b"[" * 100_000, "not JSON"),
    "a list": (b"[]", "not a key set"),
    "no keys": (b'{"keys": {}}', "not a key set"),
    "many keys": (json.dumps({"keys": [{}] * (MOST_KEYS + 1)}).encode(), "not a key set"),
    "empty": (b'{"keys": []}', "no public key"),
    "secrets": (b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "old", "alg": "HS256"}]}', "no public key"),
    "large": (b" " * (LARGEST_DOCUMENT + 1), "more than"),
}


@pytest.mark.parametrize(("body", "reason"), UNREADABLE.values(), ids=UNREADABLE)
async def test_what_is_no_key_set_is_not_taken_for_one(
    body: bytes, reason: str, issuer: PlainIssuer, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.documents[JWKS] = body
    with pytest.raises(KeysUnavailable):
        await opened(jwks_url=f"{issuer.url}{JWKS}").agent(token(issuer))
    assert reason in caplog.text


async def test_a_packed_answer_is_not_unpacked(
    issuer: PlainIssuer, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.documents[JWKS], issuer.headers = gzip.compress(b" " * 10**8), {"content-encoding": "gzip"}
    with pytest.raises(KeysUnavailable):
        await opened(jwks_url=f"{issuer.url}{JWKS}").agent(token(issuer))
    assert "a packed answer" in caplog.text


async def test_an_unreadable_key_set_does_not_replace_the_one_that_is_held(
    issuer: PlainIssuer, opened: Open, clock: Clock
) -> None:
    authenticator = opened()
    assert await authenticator.agent(token(issuer)) is not None
    issuer.documents[JWKS] = b'{"keys": []}'
    clock.now += 700
    assert await authenticator.agent(token(issuer)) is not None


@pytest.mark.parametrize("at", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"])
async def test_metadata_is_found_in_either_form(at: str, issuer: PlainIssuer, opened: Open) -> None:
    issuer.documents.clear()
    issuer.publish(OLD.jwk(), at=at)
    assert await opened().agent(token(issuer)) is not None


async def test_a_host_that_answers_every_path_with_a_page_is_asked_further(issuer: PlainIssuer, opened: Open) -> None:
    issuer.documents["/.well-known/oauth-authorization-server"] = b"<!doctype html>"
    assert await opened().agent(token(issuer)) is not None


def test_metadata_of_an_issuer_with_a_path_is_looked_for_in_all_three_places() -> None:
    assert list(metadata_urls(urlsplit("https://auth.example.com/tenant/"))) == [
        "https://auth.example.com/.well-known/oauth-authorization-server/tenant",
        "https://auth.example.com/.well-known/openid-configuration/tenant",
        "https://auth.example.com/tenant/.well-known/openid-configuration",
    ]


WRONG_METADATA = {
    "another issuer": ({"issuer": "https://evil.example.com"}, "names another issuer, 'https://evil.example.com'"),
    "a slash more": ({"issuer": "ISSUER/"}, "names another issuer"),
    "no issuer": ({"issuer": None}, "names another issuer"),
    "no key set": ({"jwks_uri": None}, "names no jwks_uri"),
    "a key set without TLS": ({"jwks_uri": "http://keys.example.com/jwks"}, "jwks_uri in its metadata must be https"),
    "a file": ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri in its metadata must be an https URL"),
}


@pytest.mark.parametrize(("change", "reason"), WRONG_METADATA.values(), ids=WRONG_METADATA)
async def test_metadata_that_does_not_fit_is_not_followed(
    change: dict[str, Any], reason: str, issuer: PlainIssuer, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    metadata = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}{JWKS}"} | change
    text = json.dumps(metadata).replace("ISSUER", issuer.url)
    issuer.documents["/.well-known/openid-configuration"] = text.encode()
    with pytest.raises(KeysUnavailable):
        await opened().agent(token(issuer))
    assert reason in caplog.text
    assert JWKS not in issuer.asked


async def test_an_issuer_elsewhere_cannot_name_a_key_set_on_this_machine(
    issuer: PlainIssuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    metadata = JSONResponse({"issuer": "https://auth.example.com", "jwks_uri": f"{issuer.url}{JWKS}"})
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=metadata)) as client:
        keys = IssuerKeys("https://auth.example.com", client=client, clock=clock)
        with pytest.raises(KeysUnavailable):
            await keys.key("old", "ES256")
    assert issuer.asked == []
    assert "on this machine" in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "http://auth.example.com",
        "ftp://auth.example.com",
        "auth.example.com",
        "https://",
        "https://user:password@auth.example.com",
        "https://auth.example.com?tenant=1",
        "https://auth.example.com/#x",
        "https://auth.example.com/a b",
        'https://auth.example.com/"x',
        "http://127.0.0.1.example.com",
        "http://169.254.169.254",
    ],
)
async def test_an_issuer_is_named_by_https_or_on_this_machine(url: str) -> None:
    async with plain_client() as client:
        with pytest.raises(ValueError, match="must"):
            IssuerKeys(url, client=client)
        if "?" not in url:
            with pytest.raises(ValueError, match="must"):
                IssuerKeys("https://auth.example.com", client=client, jwks_url=url)


@pytest.mark.parametrize("url", ["https://auth.example.com/", "http://localhost:9000/x", "http://[::1]:9000"])
async def test_common_issuers_are_taken(url: str) -> None:
    async with plain_client() as client:
        assert IssuerKeys(url, client=client).issuer == url


EC = SigningKey("k").jwk()


@pytest.mark.parametrize(
    ("entry", "algorithms"),
    [
        (EC, ["ES256"]),
        ({"kty": "EC", "crv": "P-384"}, ["ES384"]),
        ({"kty": "RSA", "alg": "PS256"}, ["PS256"]),
        ({"kty": "RSA"}, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
        ({"kty": "RSA", "alg": "HS256"}, []),
        ({"kty": "RSA", "alg": "ES256"}, []),
        ({"kty": "oct"}, []),
        ({"kty": "EC", "crv": "secp256k1"}, []),
        ({"kty": "OKP", "crv": "X25519"}, []),
        (EC | {"use": "enc"}, []),
        (EC | {"key_ops": ["sign"]}, []),
        (EC | {"key_ops": ["verify"]}, ["ES256"]),
        (EC | {"key_ops": 7}, []),
        ({"kty": ["RSA"], "crv": {}, "alg": []}, []),
    ],
)
def test_a_key_verifies_what_its_kind_can_and_it_is_meant_for(entry: JWKDict, algorithms: list[str]) -> None:
    assert list(algorithms_of(entry)) == algorithms


def test_weak_and_broken_keys_are_left_out() -> None:
    weak = SigningKey("weak", "RS256", rsa.generate_private_key(65537, 1024))  # noqa: S505 - the point
    broken: list[Any] = [
        weak.jwk(),
        EC | {"kid": "off the curve", "x": EC["y"]},
        EC | {"kid": "short", "x": "AA"},
        EC | {"kid": "none", "x": None},
        EC | {"kid": 7},
        {"kty": "RSA", "kid": "empty"},
        {"kty": "RSA", "kid": "zero", "n": "AA", "e": "AA"},
        "EC",
        None,
    ]
    found = KeySet.parse(json.dumps({"keys": [*broken, OLD.jwk(private=True)]}).encode())
    assert list(found.keys) == [("old", "ES256")]
    key = found.key("old", "ES256")
    assert key is not None
    assert not hasattr(key.key, "private_numbers"), "what was published by mistake is not kept"
