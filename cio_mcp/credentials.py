"""The credential broker: the only place where secrets live, and the choice of the right one for each tool."""

import base64
from collections.abc import Generator
from dataclasses import dataclass
from typing import assert_never

import httpx2

from cio_mcp.catalog.endpoint import Endpoint, Key
from cio_mcp.errors import MissingCredential
from cio_mcp.secret import Secret
from cio_mcp.settings import Settings

# Customer.io Track API reference, "Authentication"; both pages lie in the account's settings.
TRACK_KEYS_PAGE = "https://fly.customer.io/settings/api_credentials"
APP_KEYS_PAGE = "https://fly.customer.io/settings/api_credentials?keyType=app"
MADE_AT = "Customer.io, Settings > Account Settings > API Credentials"


# Shorter texts are no keys, and replacing them could spoil an answer.
_SHORTEST_SECRET = 8


class KeyAuth(httpx2.Auth):
    """Adds headers when a request is about to leave, so that no earlier value holds them."""

    def __init__(self, headers: dict[str, Secret], *, secrets: tuple[Secret, ...]) -> None:
        self._headers = headers
        self._secrets = secrets

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Put the headers on the request."""
        for name, value in self._headers.items():
            request.headers[name] = value.reveal()
        yield request

    def conceal(self, body: bytes) -> bytes:
        """Take the key out of an answer that repeats it, as a proxy's error page may."""
        for secret in self._secrets:
            text = secret.reveal().encode()
            if len(text) >= _SHORTEST_SECRET and text in body:
                body = body.replace(text, b"***")
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A credential for one request: its name for people, the host it belongs to, and how it is put on."""

    name: str
    base_url: str
    auth: KeyAuth


def bearer(token: Secret, **more: str) -> KeyAuth:
    """Return bearer authentication; further headers are named with underscores."""
    headers = {"Authorization": Secret(f"Bearer {token.reveal()}")}
    headers |= {name.replace("_", "-"): Secret(value) for name, value in more.items()}
    return KeyAuth(headers, secrets=(token,))


def basic(user: Secret, password: Secret) -> KeyAuth:
    """Return HTTP Basic authentication."""
    pair = Secret(base64.b64encode(f"{user.reveal()}:{password.reveal()}".encode()).decode())
    return KeyAuth({"Authorization": Secret(f"Basic {pair.reveal()}")}, secrets=(pair, password, user))


class Credentials:
    """Hands out the credential a tool needs, or says which setting is missing and where the key is made."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __repr__(self) -> str:
        return f"Credentials({', '.join(self.names) or 'none'})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the credentials that are complete."""
        leases = {"track": self.track(), "app": self.app(), "service_account": self.service_account()}
        return tuple(name for name, lease in leases.items() if lease)

    def lease(self, endpoint: Endpoint) -> Lease:
        """Return the credential for an endpoint; raises MissingCredential."""
        match endpoint.key:
            case Key.TRACK:
                lease = self.track()
            case Key.APP:
                lease = self.app()
            case Key.SENDING:
                # The service account token "is not for production" (App API reference): the App key goes first.
                lease = self.app() or self.service_account()
            case _:
                assert_never(endpoint.key)
        if lease is None:
            raise self._missing(endpoint)
        return lease

    def track(self) -> Lease | None:
        """Return the Track credential: HTTP Basic of site id and key."""
        held = self._settings
        if not (held.site_id and held.track_api_key):
            return None
        auth = basic(held.site_id, held.track_api_key)
        return Lease(name="track", base_url=held.track_base, auth=auth)

    def app(self) -> Lease | None:
        """Return the App credential: a bearer key."""
        held = self._settings
        if not held.app_api_key:
            return None
        return Lease(name="app", base_url=held.app_base, auth=bearer(held.app_api_key))

    def service_account(self) -> Lease | None:
        """Return the service account credential: a bearer token and the workspace it acts in."""
        held = self._settings
        if not held.service_account_token or held.workspace_id is None:
            return None
        auth = bearer(held.service_account_token, X_Workspace_Id=str(held.workspace_id))
        return Lease(name="service_account", base_url=held.app_base, auth=auth)

    def _missing(self, endpoint: Endpoint) -> MissingCredential:
        names = self.missing(endpoint.key)
        page = TRACK_KEYS_PAGE if endpoint.key is Key.TRACK else APP_KEYS_PAGE
        state = "half set" if endpoint.key is Key.TRACK and len(names) == 1 else "not set"
        return MissingCredential(
            f"{endpoint.name} needs the {endpoint.key} key, which is {state}. Nothing was sent.",
            next_step=f"The operator sets {' and '.join(names)} (or the same with _FILE) where this server is "
            f"started, and restarts it. Keys are made in {MADE_AT}: {page}",
        )

    def missing(self, key: Key) -> list[str]:
        """Return the variables to set for a key, those already set left out."""
        held = self._settings
        if key is Key.TRACK:
            wanted = {"CUSTOMERIO_SITE_ID": held.site_id, "CUSTOMERIO_TRACK_API_KEY": held.track_api_key}
        elif key is Key.SENDING and held.service_account_token:
            wanted = {"CUSTOMERIO_WORKSPACE_ID": None}
        else:
            wanted = {"CUSTOMERIO_APP_API_KEY": held.app_api_key}
        return [name for name, value in wanted.items() if not value]
