"""Agents that prove themselves with an OAuth 2.1 access token: a JWT of a known issuer, made out for this server."""

import logging
from collections.abc import Collection, Mapping
from typing import Any, TypedDict
from urllib.parse import quote

import jwt
from jwt import PyJWTError
from jwt.types import Options

from cio_mcp.agents.agent import Agent
from cio_mcp.agents.jwks import IssuerKeys
from cio_mcp.agents.key_set import ALGORITHMS
from cio_mcp.policy.words import Grant

LEEWAY = 30.0
"""Seconds by which the clocks of issuer and server may differ (RFC 7519, section 4.1.4: "a few minutes" at most)."""
LONGEST_TOKEN = 16 * 1024
"""Characters; a token travels in a header, and servers on its way take 8 to 16 KiB of those."""
LONGEST_NAME = 255
"""Characters of a subject (OpenID Connect Core 1.0, section 2)."""
TOKEN_TYPES = frozenset({"at+jwt", "jwt", ""})
"""What `typ` may say.

RFC 9068, section 2.1, has access tokens say `at+jwt`, and section 4 has the rest refused. Of the issuers that teams
have, many still write `JWT` or nothing, so these pass too; a logout token, a DPoP proof or a security event, which
say what they are, does not. An ID token of the same issuer says `JWT` as well: it is made out for a client, and falls
to the check of the audience.
"""
_CHECKS: Options = {
    "require": ["exp", "iss", "aud", "sub"],
    "enforce_minimum_key_length": True,
    "verify_exp": True,
    "verify_nbf": True,
    "verify_iat": True,
    "verify_iss": True,
    "verify_aud": True,
    "verify_sub": True,
    "verify_jti": True,
}
_UNSIGNED: Options = {**_CHECKS, "verify_signature": False}
_DOTS = 2  # header.claims.signature (RFC 7515, section 7.1); an encrypted token has four

_log = logging.getLogger(__name__)


class _Unfit(PyJWTError):
    """A token that is well formed and is none of ours, with the name of what does not fit."""


class _Expected(TypedDict):
    issuer: str
    audience: str
    leeway: float


class JwtAuthenticator:
    """Knows agents by access tokens in the form of JWTs (RFC 9068), without asking the issuer about each.

    The issuer of `keys` is compared with `iss` as it stands, `resource` (this server's URL, RFC 8707) with `aud`, of
    which it may be one of several. `algorithms` narrows which signatures are accepted. Scopes that are words of grants
    become the agent's grants, others are ignored; a token without any may do nothing. With `workspace_claim` that
    claim names the agent's workspaces, as a list or divided by spaces, and an agent without it reaches none; without
    `workspace_claim` its token is good for all that it is bound to.

    `agent` raises `KeysUnavailable` if the issuer's keys cannot be had, which says nothing about the token. Raises
    `ValueError` for an algorithm that is not checked with a public key.
    """

    def __init__(
        self,
        *,
        keys: IssuerKeys,
        resource: str,
        algorithms: Collection[str] = ALGORITHMS,
        workspace_claim: str | None = None,
    ) -> None:
        if unfit := set(algorithms) - ALGORITHMS:
            raise ValueError(f"{', '.join(sorted(unfit))}: only {', '.join(sorted(ALGORITHMS))} can be accepted")
        self._keys = keys
        self._resource = resource
        self._algorithms = frozenset(algorithms)
        self._workspace_claim = workspace_claim

    async def agent(self, token: str) -> Agent | None:
        """Return the agent that a token proves; None if it proves nobody."""
        if len(token) > LONGEST_TOKEN or not token.isascii() or token.count(".") != _DOTS:
            return None
        try:
            # Everything but the signature first: only what could be ours costs a read of keys.
            header = jwt.decode_complete(token, options=_UNSIGNED, **self._expected())["header"]
            algorithm = self._algorithm(header)
            key = await self._keys.key(header.get("kid"), algorithm)
            if key is None:
                raise _Unfit("unknown key")
            return self._agent(jwt.decode(token, key, [algorithm], _CHECKS, **self._expected()))
        except (PyJWTError, ValueError, OverflowError) as exc:
            # Messages of the library may repeat what stood in the token.
            reason = str(exc) if isinstance(exc, _Unfit) else type(exc).__name__
            _log.debug("An access token was refused: %s", reason)
            return None

    def _expected(self) -> _Expected:
        return {"issuer": self._keys.issuer, "audience": self._resource, "leeway": LEEWAY}

    def _algorithm(self, header: Mapping[str, Any]) -> str:
        """Return how a token says it is signed; raises `_Unfit` if its header is not that of an access token."""
        algorithm, kind = header.get("alg"), header.get("typ", "")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise _Unfit("algorithm")
        if "crit" in header or "b64" in header:  # extensions, of which none is understood (RFC 7515, section 4.1.11)
            raise _Unfit("critical extension")
        if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in TOKEN_TYPES:
            raise _Unfit("typ")
        return algorithm

    def _agent(self, claims: Mapping[str, Any]) -> Agent:
        # Bound to a key that its holder would have to prove (RFC 7800): as a mere bearer token it is a stolen one.
        if "cnf" in claims:
            raise _Unfit("cnf")
        name, subject = _names(claims)
        return Agent(
            name=name,
            subject=subject,
            grants=granted(claims),
            workspaces=self._workspaces(claims),
            issuer=self._keys.issuer,
            expires_at=float(claims["exp"]),
        )

    def _workspaces(self, claims: Mapping[str, Any]) -> frozenset[str] | None:
        return None if self._workspace_claim is None else frozenset(_words(claims.get(self._workspace_claim)))


def granted(claims: Mapping[str, Any]) -> frozenset[Grant]:
    """Return the grants among a token's scopes: `scope` (RFC 9068, section 2.2.3), or `scp` where an issuer says so."""
    return frozenset(_grants(claims["scope"] if "scope" in claims else claims.get("scp")))


def _grants(scopes: object) -> list[Grant]:
    found = []
    for scope in _words(scopes):
        try:
            found.append(Grant.parse(scope))
        except ValueError:
            continue  # a word for another resource, or none that means anything here
    return found


def _words(claim: object) -> list[str]:
    if isinstance(claim, str):
        return claim.split()
    return [word for word in claim if isinstance(word, str)] if isinstance(claim, list) else []


def _names(claims: Mapping[str, Any]) -> tuple[str, str]:
    """Return an agent's name, and its subject if it acts through a client of another name (RFC 9068, section 2.2).

    Two clients of one user are two agents: neither can confirm what the other began. Blanks are percent-encoded, so
    that no subject reads like another with a client.
    """
    subject = claims["sub"]
    clients = (claims.get(name) for name in ("client_id", "azp", "cid"))
    client = next((name for name in clients if isinstance(name, str) and name), subject)
    if not subject or max(len(subject), len(client)) > LONGEST_NAME:
        raise _Unfit("sub")
    if client == subject:
        return _plain(subject), ""
    return f"{_plain(subject)} via {_plain(client)}", _plain(subject)


def _plain(text: str) -> str:
    return quote(text, safe="!#$&'()*+,/:;=?@[]|^`{}\\\"<>")
