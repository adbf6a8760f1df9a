"""The credential broker: the only place where secrets live, and the choice of the right one for each tool."""

import base64
import logging
import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import assert_never

import anyio
import anyio.to_thread
import httpx2

from cio_mcp.catalog.endpoint import Endpoint, Key
from cio_mcp.errors import MissingCredential
from cio_mcp.secret import Secret
from cio_mcp.settings import Settings, SettingsError

# Customer.io Track API reference, "Authentication"; both pages lie in the account's settings.
TRACK_KEYS_PAGE = "https://fly.customer.io/settings/api_credentials"
APP_KEYS_PAGE = "https://fly.customer.io/settings/api_credentials?keyType=app"
MADE_AT = "Customer.io, Settings > Account Settings > API Credentials"


RENEWED_AT_MOST_EVERY = 1.0
"""Seconds: however many calls meet a key that is refused, the files are read once."""
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
    edition: int = 0
    """How often the credentials had changed when it was given."""


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

    def __init__(
        self,
        settings: Settings,
        *,
        reread: Callable[[], Settings] | None = None,
        named: Callable[[str], str] | None = None,
    ) -> None:
        """`reread` reads them anew, raising SettingsError; `named` says what an operator calls a variable."""
        self._settings = settings
        self._reread = reread
        self._named = named
        self._edition = 0
        self._reading = anyio.Lock()
        self._read_at = -math.inf

    def __repr__(self) -> str:
        return f"Credentials({', '.join(self.names) or 'none'})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the credentials that are complete."""
        leases = {"track": self.track(), "app": self.app(), "service_account": self.service_account()}
        return tuple(name for name, lease in leases.items() if lease)

    async def renew(self) -> None:
        """Read the credentials anew, and use those from now on; what cannot be read stays as it was."""
        if self._reread is None:
            return
        async with self._reading:
            if anyio.current_time() < self._read_at + RENEWED_AT_MOST_EVERY:
                return
            try:
                found = await anyio.to_thread.run_sync(self._reread)  # a keyring takes its time
            except SettingsError as error:
                logging.getLogger("cio_mcp").warning("credentials could not be read anew, the old ones stay: %s", error)
                return
            finally:
                self._read_at = anyio.current_time()
            if _texts(found) != _texts(self._settings):
                self._settings, self._edition = found, self._edition + 1

    async def is_outdated(self, lease: Lease) -> bool:
        """Say whether other credentials are at hand than those of a lease that was refused."""
        if lease.edition == self._edition:
            await self.renew()
        return lease.edition != self._edition

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
        return Lease(name="track", base_url=held.track_base, auth=auth, edition=self._edition)

    def app(self) -> Lease | None:
        """Return the App credential: a bearer key."""
        held = self._settings
        if not held.app_api_key:
            return None
        return Lease(name="app", base_url=held.app_base, auth=bearer(held.app_api_key), edition=self._edition)

    def service_account(self) -> Lease | None:
        """Return the service account credential: a bearer token and the workspace it acts in."""
        held = self._settings
        if not held.service_account_token or held.workspace_id is None:
            return None
        auth = bearer(held.service_account_token, X_Workspace_Id=str(held.workspace_id))
        return Lease(name="service_account", base_url=held.app_base, auth=auth, edition=self._edition)

    def _missing(self, endpoint: Endpoint) -> MissingCredential:
        names = self.missing(endpoint.key)
        page = TRACK_KEYS_PAGE if endpoint.key is Key.TRACK else APP_KEYS_PAGE
        state = "half set" if endpoint.key is Key.TRACK and len(names) == 1 else "not set"
        return MissingCredential(
            f"{endpoint.name} needs the {endpoint.key} key, which is {state}. Nothing was sent.",
            next_step=f"The operator {self._given(names)} where this server is started, and restarts it. "
            f"Keys are made in {MADE_AT}: {page}",
        )

    def _given(self, names: list[str]) -> str:
        """Return what the operator does: keys in the environment go before all that are stored."""
        if self._named:
            return f"sets {' and '.join(map(self._named, names))}"
        if self._settings.credential_places:
            return f"runs `cio-mcp login` and gives {' and '.join(names)}"
        sets = f"sets {' and '.join(f'{name} (or the same with _FILE)' for name in names)}"
        return sets if any(_texts(self._settings)) else f"runs `cio-mcp login`, or {sets}"

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


def _texts(held: Settings) -> tuple[str | int | None, ...]:
    secrets = (held.site_id, held.track_api_key, held.app_api_key, held.service_account_token)
    return (*(secret.reveal() if secret else None for secret in secrets), held.workspace_id)
