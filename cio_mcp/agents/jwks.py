"""An issuer's published keys: found, read within bounds, kept for a while, read again when it signs with another."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult

import anyio
import httpx2
from jwt import PyJWK

from cio_mcp.agents.key_set import KeySet
from cio_mcp.agents.urls import checked, on_loopback

LARGEST_DOCUMENT = 256 * 1024
"""Bytes of a key set or of an issuer's metadata; common ones have less than 10 KiB."""
_OK = 200

_log = logging.getLogger(__name__)


class KeysUnavailable(Exception):
    """Whether a token is genuine cannot be told: its issuer's keys could not be read, or not lately enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How long keys are gone by, in seconds.

    `fresh`: how soon a key that its issuer has withdrawn is no longer accepted. `usable`: how long keys serve that
    cannot be read again, because the issuer is out of reach. `between_reads`: the least time from one read to the
    next, whatever tokens arrive, so that tokens with invented key ids are no way to make this server storm its issuer.
    `patience`: how long one read may take.
    """

    fresh: float = 600.0
    usable: float = 3600.0
    between_reads: float = 10.0
    patience: float = 5.0


class IssuerKeys:
    """The keys of one issuer, read when they are needed.

    `issuer` is the identifier as its tokens and its metadata write it, to the last slash. The key set's URL is
    `jwks_url`, or what the issuer's metadata names. `client` should keep no cookies; redirects are never followed.
    Raises `ValueError` for a URL that is neither https nor on a loopback address.
    """

    def __init__(
        self,
        issuer: str,
        *,
        client: httpx2.AsyncClient,
        jwks_url: str | None = None,
        freshness: Freshness | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if jwks_url is not None:
            checked(jwks_url)
        self.issuer = issuer
        self._parts = checked(issuer)
        self._client = client
        self._configured = jwks_url
        self._discovered: str | None = None
        self._freshness = freshness or Freshness()
        self._clock = clock
        self._reading = anyio.Lock()
        self._held: KeySet | None = None
        self._read_at = -float("inf")
        self._tried_at = -float("inf")

    async def key(self, kid: str | None, algorithm: str) -> PyJWK | None:
        """Return the key that a token's header names; None if the issuer has published none.

        Raises `KeysUnavailable` if the key is not held and the issuer could not be asked.
        """
        found = self._find(kid, algorithm)
        # While somebody reads anew, whoever has a key does not wait for it.
        if found and (self._is_fresh() or self._reading.locked()):
            return found
        async with self._reading:
            if self._may_read():
                await self._read()
        if (found := self._find(kid, algorithm)) or self._is_fresh():
            return found
        raise KeysUnavailable

    def _find(self, kid: str | None, algorithm: str) -> PyJWK | None:
        if self._held is None or self._clock() - self._read_at >= self._freshness.usable:
            return None
        return self._held.key(kid, algorithm)

    def _is_fresh(self) -> bool:
        """Say whether what is held was read lately, and no attempt to read it again has failed since."""
        return self._read_at >= self._tried_at and self._clock() - self._read_at < self._freshness.fresh

    def _may_read(self) -> bool:
        return self._clock() - self._tried_at >= self._freshness.between_reads

    async def _read(self) -> None:
        """Read the keys; if that fails, those held stay."""
        self._tried_at = self._clock()
        try:
            # Shielded: who waits may give up, and would take the one read in this interval from all others.
            with anyio.fail_after(self._freshness.patience, shield=True):
                self._held = KeySet.parse(await self._document(await self._url()))
            self._read_at = self._tried_at
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as exc:
            self._discovered = None
            reason = str(exc) if isinstance(exc, ValueError) else type(exc).__name__
            _log.warning("The keys of %s could not be read: %s", self.issuer, reason)

    async def _url(self) -> str:
        if self._configured is not None:
            return self._configured
        if self._discovered is None:
            self._discovered = await self._discover()
        return self._discovered

    async def _discover(self) -> str:
        reasons = []
        for url in metadata_urls(self._parts):
            try:
                return self._named_in(await self._document(url))
            except ValueError as exc:  # some hosts answer every path, with a page
                reasons.append(str(exc))
        raise ValueError(f"{'; '.join(reasons)}; name the key set's URL to do without")

    def _named_in(self, document: bytes) -> str:
        metadata = _object(document)
        if metadata.get("issuer") != self.issuer:  # RFC 8414, section 3.3: identical, or not to be used
            raise ValueError(f"its metadata names another issuer, {str(metadata.get('issuer'))[:200]!r}")
        url = metadata.get("jwks_uri")
        if not isinstance(url, str):
            raise ValueError("its metadata names no jwks_uri")  # noqa: TRY004 - one kind for whatever is wrong with it
        if on_loopback(_checked_keys(url)) and not on_loopback(self._parts):
            raise ValueError("its metadata names a key set on this machine")
        return url

    async def _document(self, url: str) -> bytes:
        """Read one document whole, up to `LARGEST_DOCUMENT`; packed it could not be bounded, so it is asked plain."""
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        async with self._client.stream("GET", url, headers=headers, follow_redirects=False) as response:
            if response.status_code != _OK:
                raise ValueError(f"status {response.status_code} from {url}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise ValueError(f"a packed answer from {url}")
            held = bytearray()
            async for chunk in response.aiter_raw():
                held += chunk
                if len(held) > LARGEST_DOCUMENT:
                    raise ValueError(f"more than {LARGEST_DOCUMENT} bytes from {url}")
            return bytes(held)


def metadata_urls(issuer: SplitResult) -> Iterator[str]:
    """Yield where an issuer's metadata may lie.

    RFC 8414, section 3.1, puts the well-known part before the issuer's path; OpenID Connect Discovery 1.0, section
    4.1, puts it after. The order is that of the MCP specification, "Authorization Server Metadata Discovery".
    """
    origin, path = f"{issuer.scheme}://{issuer.netloc}", issuer.path.rstrip("/")
    yield f"{origin}/.well-known/oauth-authorization-server{path}"
    yield f"{origin}/.well-known/openid-configuration{path}"
    if path:
        yield f"{origin}{path}/.well-known/openid-configuration"


def _checked_keys(url: str) -> SplitResult:
    # Unlike an issuer, a key set may lie under a query; it is asked for nothing but reading.
    try:
        return checked(url.partition("?")[0])
    except ValueError as exc:
        raise ValueError(f"the jwks_uri in its metadata {exc}") from None


def _object(document: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError):
        raise ValueError("its metadata is not JSON") from None
    if not isinstance(parsed, dict):
        raise ValueError("its metadata is not a JSON object")  # noqa: TRY004 - as above
    return parsed
