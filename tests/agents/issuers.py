"""Issuers of access tokens on loopback: a certified provider as a process, and a plain host for what none would do."""

import base64
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from tests.node_packages import node, package

RESOURCE = "https://mcp.example.com/mcp"
PATIENCE = 20.0

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair of an issuer, with the id that it is published under."""

    kid: str
    algorithm: str = "ES256"
    private: PrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def jwk(self, *, private: bool = False) -> dict[str, Any]:
        """Return the key as JSON, as it is published."""
        key = self.private if private else self.private.public_key()
        written: dict[str, Any] = get_default_algorithms()[self.algorithm].to_jwk(key, as_dict=True)
        written.pop("key_ops", None)
        return {**written, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def sign(self, claims: object, **header: Any) -> str:
        """Return a token; `header` adds to the usual one, replaces it, or with None takes away."""
        usual = {"alg": self.algorithm, "kid": self.kid, "typ": "at+jwt", **header}
        stated = {name: value for name, value in usual.items() if value is not None}
        content = f"{encoded(stated)}.{encoded(claims)}"
        signature = get_default_algorithms()[self.algorithm].sign(content.encode(), self.private)
        return f"{content}.{encoded(signature)}"


def encoded(part: object) -> str:
    """Return a part of a token: bytes as they are, everything else as JSON."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def plain_client(**options: Any) -> httpx2.AsyncClient:
    """Return an HTTP client for loopback; it trusts no certificate, and so spends no time on reading them."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx2.AsyncClient(verify=tls, trust_env=False, timeout=PATIENCE, **options)


def claims_of(issuer: str, **more: Any) -> dict[str, Any]:
    """Return the claims of a good token; `more` replaces some, None takes one away, a timedelta counts from now."""
    now = int(time.time())
    more = {
        name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in more.items()
    }
    usual = {"iss": issuer, "aud": RESOURCE, "sub": "agent-7", "exp": now + 300, "iat": now, "scope": "people:read"}
    return {name: value for name, value in (usual | more).items() if value is not None}


class PlainIssuer:
    """A host that serves documents by path, and counts who asks for them."""

    def __init__(self) -> None:
        self.url = ""
        self.documents: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}
        self.status = 200
        self.asked: list[str] = []
        self.reached = threading.Event()
        self.answering = threading.Event()
        self.answering.set()

    def publish(self, *keys: dict[str, Any], at: str = "/.well-known/openid-configuration") -> None:
        """Publish keys, and metadata that names where they are."""
        self.documents["/jwks"] = json.dumps({"keys": keys}).encode()
        self.documents[at] = json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}).encode()

    def hang(self) -> None:
        """Answer nobody until told to."""
        self.reached.clear()
        self.answering.clear()

    async def asked_again(self) -> None:
        """Wait for a request since `hang`."""
        assert await anyio.to_thread.run_sync(self.reached.wait, PATIENCE)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve on a free port, and later again on the same."""
        address = ("127.0.0.1", int(self.url.rpartition(":")[2] or 0))
        server = ThreadingHTTPServer(address, self._handler())
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.answering.set()
            server.shutdown()
            server.server_close()
            thread.join(PATIENCE)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                issuer.reached.set()
                issuer.answering.wait(PATIENCE)
                document = issuer.documents.get(self.path)
                self.send_response(404 if document is None else issuer.status)
                for name, value in issuer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(document or b"")))
                self.end_headers()
                try:
                    self.wfile.write(document or b"")
                except OSError:  # the reader has had enough
                    return

            def log_message(self, *_: Any) -> None:
                return

        return Handler


@contextmanager
def certified_provider(
    keys: Sequence[SigningKey], *, clients: Sequence[str], scopes: Sequence[str], port: int = 0
) -> Iterator[str]:
    """Run the provider, which signs with the first key and publishes all; yields its issuer URL."""
    home = Path(__file__).with_name("oidc_provider")
    installed = package(home, "oidc-provider").parents[1]
    config = {
        "port": port,
        "algorithm": keys[0].algorithm,
        "jwks": {"keys": [key.jwk(private=True) for key in keys]},
        "clients": [{"client_id": name, "client_secret": secret_of(name)} for name in clients],
        "scopes": list(scopes),
    }
    process = subprocess.Popen(  # noqa: S603 - our own script
        [node(), str(home / "provider.mjs"), str(installed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.start()
    try:
        process.stdin.write(json.dumps(config))
        process.stdin.close()
        issuer = next((line.strip() for line in process.stdout if line.startswith("http://127.0.0.1:")), "")
        watchdog.cancel()
        assert issuer, "the provider did not start"
        yield issuer
    finally:
        watchdog.cancel()
        process.kill()
        process.wait(PATIENCE)
        process.stdout.close()


def secret_of(client: str) -> str:
    """Return the secret of a client at the provider."""
    return f"canary-client-secret-of-{client}"


async def issued(issuer: str, client: str, *, scope: str, resource: str = RESOURCE) -> str:
    """Return an access token that the provider has issued to a client for a resource."""
    form = {"grant_type": "client_credentials", "scope": scope, "resource": resource}
    async with plain_client() as http:
        response = await http.post(f"{issuer}/token", data=form, auth=(client, secret_of(client)))
    assert response.status_code == 200, response.text
    token: str = response.json()["access_token"]
    return token
