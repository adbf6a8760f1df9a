"""The credential broker: the only place where secrets live, and the choice of the right one for each tool."""

import base64
import logging
import math
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import assert_never

import anyio
import anyio.to_thread
import httpx2

from cio_mcp.catalog.endpoint import Endpoint, Key
from cio_mcp.errors import MissingCredential
from cio_mcp.secret import Secret, digest
from cio_mcp.settings import Settings, SettingsError, difference

# Customer.io Track API reference, "Authentication"; both pages lie in the account's settings.
TRACK_KEYS_PAGE = "https://fly.customer.io/settings/api_credentials"
APP_KEYS_PAGE = "https://fly.customer.io/settings/api_credentials?keyType=app"
MADE_AT = "Customer.io, Settings > Account Settings > API Credentials"


RENEWED_AT_MOST_EVERY = 1.0
"""Seconds: however many calls meet a key that is refused, the files are read once."""
KINDS = ("track", "app", "service_account")
"""The names of the credentials."""
# Former keys whose limits may still be shared with others; a key is changed more rarely than all of them take.
_MOST_FORMER = 4
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
        workspace: str = "",
    ) -> None:
        """`reread` reads them anew, raising SettingsError; `named` says what an operator calls a variable.

        `workspace` is the name in warnings.
        """
        self._settings = self._first = settings
        self._reread = reread
        self._named = named
        self._edition = 0
        self._reading = anyio.Lock()
        self._read_at = -math.inf
        self._workspace = workspace
        self._warned_of = ""
        self._left_at = {kind: {_account(settings, kind): math.inf} for kind in KINDS}

    def __repr__(self) -> str:
        return f"Credentials({', '.join(self.names) or 'none'})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the credentials that are complete."""
        leases = {"track": self.track(), "app": self.app(), "service_account": self.service_account()}
        return tuple(name for name, lease in leases.items() if lease)

    def signing_keys(self) -> tuple[Secret, ...]:
        """Return the keys by which Customer.io's events prove themselves."""
        held = self._settings
        return tuple(key for key in (held.webhook_signing_key, held.webhook_signing_key_previous) if key)

    def accounts(self, kind: str) -> Mapping[str, float]:
        """Return what stands for the account that a credential belongs to, and no key: see `_account`.

        Those of former keys come first, each with the seconds since it was left; the last one is in force, with 0.
        """
        now = time.monotonic()
        return {account: max(0.0, now - left_at) for account, left_at in self._left_at[kind].items()}

    async def renew(self, *, at_most_every: float = 0.0) -> None:
        """Read the credentials anew, and use those from now on.

        What cannot be read stays as it was, and what shows to be of another workspace is not taken: the name in
        records, confirmations and budgets is that of the first. Nothing is read if they were read less than
        `at_most_every` seconds ago.
        """
        if self._reread is None:
            return
        async with self._reading:
            if anyio.current_time() < self._read_at + at_most_every:
                return
            try:
                found = await anyio.to_thread.run_sync(self._reread)  # a keyring takes its time
            except SettingsError as error:
                logging.getLogger("cio_mcp").warning("credentials could not be read anew, the old ones stay: %s", error)
                return
            except Exception:  # wherever they lie: a server does not end because of it
                logging.getLogger("cio_mcp").exception("credentials could not be read anew, the old ones stay")
                return
            finally:
                self._read_at = anyio.current_time()
            if self._is_ours(found):
                self._take(found)

    def _take(self, found: Settings) -> None:
        # Leases know nothing of signing keys, and are not outdated by others.
        self._edition += _texts(found) != _texts(self._settings)
        self._settings = found
        self._note_accounts(time.monotonic())

    def _note_accounts(self, now: float) -> None:
        for kind, left_at in self._left_at.items():
            account = _account(self._settings, kind)
            if account != next(reversed(left_at)):
                left_at[next(reversed(left_at))] = now
                left_at.pop(account, None)  # a key may come back: the last one is in force
                left_at[account] = math.inf
                for oldest in list(left_at)[: -1 - _MOST_FORMER]:
                    del left_at[oldest]

    def _is_ours(self, found: Settings) -> bool:
        """Say whether credentials are of this workspace; a warning is given once if they are not."""
        differs, warned_of = difference(self._first, found), self._warned_of
        self._warned_of = differs
        if differs and differs != warned_of:
            logging.getLogger("cio_mcp").warning(
                "workspace %s: the credentials that lie there now have %s than those at the start, and may be of "
                "another workspace or region: restart the server to use them; until then it keeps those it has",
                self._workspace,
                differs,
            )
        return not differs

    async def is_outdated(self, lease: Lease) -> bool:
        """Say whether other credentials are at hand than those of a lease that was refused."""
        if lease.edition == self._edition:
            await self.renew(at_most_every=RENEWED_AT_MOST_EVERY)
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
        if self._settings.login:
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


def _account(held: Settings, kind: str) -> str:
    """Return what stands for the account of a credential: the same wherever there is the same one.

    Keys are rotated, and not taken up by all servers at once. So it is what stays then, where every server that has
    the credential knows it: the site id, or the number of the workspace. Beside an App key nothing is known for sure,
    so its account changes with it.
    """
    match kind:
        case "track":
            return digest("account", kind, held.site_id.reveal() if held.site_id else "")
        case "service_account":
            return digest("account", kind, held.region, str(held.workspace_id))
        case _:
            return digest("account", held.app_api_key.reveal() if held.app_api_key else "")


def _texts(held: Settings) -> tuple[str | int | None, ...]:
    secrets = (held.site_id, held.track_api_key, held.app_api_key, held.service_account_token)
    return (*(secret.reveal() if secret else None for secret in secrets), held.workspace_id)
