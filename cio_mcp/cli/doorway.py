"""Makes what stands before the MCP endpoint over HTTP: who is let in, and how they learn what they lack."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from mcp.server.context import ServerRequestContext
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from cio_mcp.agents import Agent, AnyOf, Authenticator
from cio_mcp.agents.challenges import BearerGate, agent_of, standing_of
from cio_mcp.agents.jwks import IssuerKeys
from cio_mcp.agents.metadata import ProtectedResource
from cio_mcp.agents.oauth import JwtAuthenticator
from cio_mcp.agents.urls import on_loopback
from cio_mcp.catalog import CATALOG
from cio_mcp.catalog.endpoint import Access, Endpoint
from cio_mcp.cli.checked import policies_of_agents
from cio_mcp.cli.own import OWN, reads_of
from cio_mcp.cli.team import Team
from cio_mcp.cli.token_place import token_authenticator
from cio_mcp.faces import Face, Reception
from cio_mcp.gateway import new_client
from cio_mcp.policy.grants_file import DEFAULT_AGENT
from cio_mcp.policy.words import Grant
from cio_mcp.settings import Settings, SettingsError

NOBODY = Agent(name="nobody", grants=frozenset(), workspaces=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorway:
    """What lets agents in, and what is served beside the endpoint for those who are outside."""

    authenticator: Authenticator
    resource: ProtectedResource | None
    reception: Reception

    def face(self, ctx: ServerRequestContext[Any]) -> Face:
        """Return what the agent of a request is shown, and nothing without one."""
        face, standing = self.reception.face(agent_of(ctx) or NOBODY), standing_of(ctx)
        return replace(face, standing=standing.refusal) if standing else face

    def guard(self, app: ASGIApp) -> ASGIApp:
        """Wrap the endpoint."""
        return BearerGate(
            app,
            authenticator=self.authenticator,
            scopes_of=scopes_of,
            now=time.time,
            scopes=self.resource.scopes if self.resource else (),
            metadata_url=self.resource.metadata_url if self.resource else None,
        )

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """Where clients of OAuth learn who issues tokens."""
        return self.resource.routes() if self.resource else ()


@asynccontextmanager
async def doorway(settings: Settings, served: Team) -> AsyncIterator[Doorway | None]:
    """Open what knows agents by their tokens, None if nobody is asked; raises SettingsError."""
    _refuse_half_meant(settings)
    if not settings.auth:
        yield None
        return
    async with AsyncExitStack() as stack:
        ways: list[Authenticator] = []
        resource = None
        if "tokens" in settings.auth:  # first: an issuer out of reach must not lock these out
            ways.append(await stack.enter_async_context(token_authenticator(settings, served.database)))
        if "oauth" in settings.auth:
            resource = _resource(settings)
            ways.append(_oauth(settings, resource, stack))
        yield Doorway(authenticator=AnyOf(ways), resource=resource, reception=served.reception)


def _refuse_half_meant(settings: Settings) -> None:
    """Refuse settings of which some ask callers who they are, and others make nothing of it; raises SettingsError."""
    if settings.auth and settings.insecure_loopback:
        raise SettingsError(
            "--insecure-loopback has this server ask nobody who they are, and --auth has it ask everybody: leave one "
            "of them out"
        )
    if settings.auth and settings.grants and not set(settings.grants.agents) - {DEFAULT_AGENT}:
        raise SettingsError(
            f"--auth: {settings.grants.path} names no agent, and one that it does not name may do nothing: add a table "
            "[agents.NAME] for each, which may be empty"
        )
    if "oauth" not in (settings.auth or ()):
        _refuse_idle_oauth(settings)


def _refuse_idle_oauth(settings: Settings) -> None:
    """Refuse what is about an issuer of whose tokens none is accepted; raises SettingsError."""
    asked = "--auth names other proofs only" if settings.auth else "without --auth nobody is asked for one"
    given = {
        "--oauth-issuer": settings.oauth_issuer,
        "--oauth-jwks-url": settings.oauth_jwks_url,
        "--oauth-workspace-claim": settings.oauth_workspace_claim,
        "--public-url": settings.public_url,
    }
    for flag, value in given.items():
        if value is not None:
            raise SettingsError(
                f"{flag} is about access tokens of an issuer, but {asked}: add --auth oauth (or tokens,oauth), or "
                f"leave {flag} out"
            )


def _resource(settings: Settings) -> ProtectedResource:
    if settings.oauth_issuer is None or settings.public_url is None:
        raise SettingsError("--auth oauth needs --oauth-issuer, and --public-url for which its tokens are made out")
    try:
        return ProtectedResource(
            url=settings.public_url,
            issuers=[settings.oauth_issuer],
            scopes=_scopes_to_begin_with(settings),
        )
    except ValueError as error:
        raise SettingsError(f"--public-url {error}") from None


def _oauth(settings: Settings, resource: ProtectedResource, stack: AsyncExitStack) -> Authenticator:
    issuer = resource.issuers[0]
    client = new_client(loopback=on_loopback(urlsplit(settings.oauth_jwks_url or issuer)))
    stack.push_async_callback(client.aclose)
    keys = IssuerKeys(issuer, client=client, jwks_url=settings.oauth_jwks_url)
    return JwtAuthenticator(keys=keys, resource=resource.url, workspace_claim=settings.oauth_workspace_claim)


def _scopes_to_begin_with(settings: Settings) -> list[str]:
    """Return what lets an agent read: whatever any of them may read here, since it is not known yet who asks."""
    policies = policies_of_agents(settings)
    reads = [endpoint for endpoint in CATALOG.values() if endpoint.access is Access.READ]
    return sorted({str(_scope(each)) for each in reads if any(policy.permits(each) for policy in policies)})


def scopes_of(tool: str) -> tuple[Grant, ...]:
    """Return the permissions that a tool needs: for one of this server's own, those that it reads with."""
    names = reads_of(OWN[tool]) if tool in OWN else (tool,)
    return tuple(sorted({_scope(CATALOG[name]) for name in names if name in CATALOG}))


def _scope(endpoint: Endpoint) -> Grant:
    return Grant(endpoint.area, endpoint.permission)
