"""Who calls over HTTP: the token in a request becomes an agent, or the request is answered with a challenge."""

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
from mcp import types
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import ServerRequestContext
from mcp.server.transport_security import DEFAULT_MAX_REQUEST_BODY_SIZE, RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cio_mcp.agents.agent import Agent, Authenticator
from cio_mcp.agents.bearer import Challenge, MalformedCredentials, refusal, token_of, without_token
from cio_mcp.agents.jwks import KeysUnavailable
from cio_mcp.agents.standing import Standing
from cio_mcp.agents.token_store import TokensUnavailable
from cio_mcp.policy.words import Grant

RETRY_SECONDS = 10
"""After which a client may show a token again that could not be checked."""
_STATE = "cio_mcp.agent"
_STANDING = "cio_mcp.standing"
_LISTEN = "subscriptions/listen"

ScopesOf = Callable[[str], Sequence[Grant]]
"""The permissions that the tool of a name needs, all of them; none if it does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Called:
    """What a request's body asks for, as far as this can be told."""

    method: str | None = None
    tool: str | None = None
    request_id: types.RequestId | None = None


class _RepeatedName(Exception):
    """An object in a body has two members of one name, of which each reader may take another."""


class BearerGate:
    """ASGI middleware around an MCP endpoint: lets agents in, and tells others what they lack.

    Without a token, or with one that proves nobody, a request is answered 401. A call of a tool that the agent's
    grants do not name is answered 403, with the scopes it takes; the tool is read from the body alone, whatever the
    headers say. This is the challenge only: what an agent may do is decided again where the call is carried out, with
    `agent_of`, and whether its token is still good with `standing_of`. The token itself goes no further than these.

    `scopes` are what a client without a token asks for first, `metadata_url` is where OAuth clients learn more, and
    None where nobody issues tokens. `now` returns seconds since 1970: a stream ends with its token. Bodies are read
    up to `largest_body` bytes, and only once it is known who sends them. An `Authenticator` that raises
    `KeysUnavailable` or `TokensUnavailable` has the request answered 503.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticator: Authenticator,
        scopes_of: ScopesOf,
        now: Callable[[], float],
        scopes: Sequence[str] = (),
        metadata_url: str | None = None,
        largest_body: int = DEFAULT_MAX_REQUEST_BODY_SIZE,
    ) -> None:
        self._app = app
        self._inner = AuthContextMiddleware(app)
        self._after_body = RequestBodyLimitMiddleware(self._with_body, largest_body)
        self._authenticator = authenticator
        self._scopes_of = scopes_of
        self._now = now
        self._scopes = tuple(scopes)
        self._metadata_url = metadata_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request of an agent in, or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # policy violation (RFC 6455, section 7.4.1)
        elif isinstance(who := await self._who(scope), Agent):
            standing = Standing(authenticator=self._authenticator, token=token_of(scope) or "")
            await self._after_body(_as_agent(scope, who, standing), receive, send)
        else:
            await who(scope, receive, send)

    async def _who(self, scope: Scope) -> Agent | Response:
        try:
            token = token_of(scope)
            agent = await self._authenticator.agent(token) if token else None
        except MalformedCredentials as exc:
            return self._challenge(400, str(exc), error="invalid_request").response()
        except (KeysUnavailable, TokensUnavailable):
            later = {"Retry-After": str(RETRY_SECONDS)}
            return refusal(503, "Whether the token is genuine cannot be told at the moment", headers=later)
        if agent is not None:
            return agent
        if token is None:  # without an error code, as RFC 6750, section 3.1, asks for
            return self._challenge(401, "A bearer token is needed", scopes=self._scopes).response()
        return self._invalid_token().response()

    async def _with_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        agent: Agent = scope["state"][_STATE]
        opens_stream = scope["method"] == "GET"
        if scope["method"] == "POST":
            message = await receive()
            try:
                called = _called(message.get("body", b""))
            except _RepeatedName:
                response = refusal(400, "An object in the body has two members of one name", headers={})
                await response(scope, receive, send)
                return
            if needed := self._unmet(agent, called.tool):
                await self._insufficient(needed, called).response()(scope, receive, send)
                return
            receive = _again(message, receive)
            opens_stream = called.method == _LISTEN
        if opens_stream:
            await self._stream(agent, scope, receive, send)
        else:
            await self._inner(scope, receive, send)

    async def _stream(self, agent: Agent, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what lasts as long as its client likes, but no longer than its token."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        left = None if agent.expires_at is None else max(0.0, agent.expires_at - self._now())
        with anyio.move_on_after(left) as valid:
            await _as_long_as(valid, agent, scope["state"][_STANDING], partial(self._inner, scope, receive, watched))
        if valid.cancelled_caught and begun:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif valid.cancelled_caught:
            await self._invalid_token().response()(scope, receive, send)

    def _unmet(self, agent: Agent, tool: str | None) -> Sequence[Grant]:
        """Return what a tool needs, all of it, if its agent does not have all of it."""
        needed = self._scopes_of(tool) if tool is not None else ()
        if agent.grants is None or all(_has(agent.grants, each) for each in needed):
            return ()
        return needed

    def _invalid_token(self) -> Challenge:
        message = "The token is unknown, expired, or not made out for this server"
        return self._challenge(401, message, error="invalid_token", scopes=self._scopes)

    def _insufficient(self, needed: Sequence[Grant], called: _Called) -> Challenge:
        return self._challenge(
            403,
            f"This token does not permit {called.tool}: it takes {' and '.join(map(str, needed))}",
            error="insufficient_scope",
            scopes=tuple(map(str, needed)),
            request_id=called.request_id,
        )

    def _challenge(
        self,
        status: int,
        message: str,
        *,
        error: str | None = None,
        scopes: Sequence[str] = (),
        request_id: types.RequestId | None = None,
    ) -> Challenge:
        return Challenge(
            status=status,
            message=message,
            error=error,
            scopes=scopes,
            metadata_url=self._metadata_url,
            request_id=request_id,
        )


async def _as_long_as(
    valid: anyio.CancelScope, agent: Agent, standing: Standing, serve: Callable[[], Awaitable[None]]
) -> None:
    """Serve a stream, and end it when its token is revoked, which no issuer tells of those that it gave."""
    if agent.issuer:
        await serve()
        return

    async def watch() -> None:
        await standing.lost()
        valid.cancel()

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await serve()
            tasks.cancel_scope.cancel()
    except ExceptionGroup as group:
        raise group.exceptions[0] from None  # of what was served, which is answered by its type


def _has(grants: Collection[Grant], needed: Grant) -> bool:
    return any(grant.names(needed.area, (needed.permission,)) for grant in grants)


def agent_of(ctx: ServerRequestContext[Any]) -> Agent | None:
    """Return the agent that a `BearerGate` has let in with this very message; None where there is no gate."""
    found = _noted(ctx, _STATE)
    return found if isinstance(found, Agent) else None


def standing_of(ctx: ServerRequestContext[Any]) -> Standing | None:
    """Return what tells whether that agent is still known; None where there is no gate."""
    found = _noted(ctx, _STANDING)
    return found if isinstance(found, Standing) else None


def _noted(ctx: ServerRequestContext[Any], name: str) -> object:
    return ctx.request.scope.get("state", {}).get(name) if isinstance(ctx.request, Request) else None


def _as_agent(scope: Scope, agent: Agent, standing: Standing) -> Scope:
    """Return a request's scope with its agent in the place of its token, for us and for the SDK.

    The SDK binds a session, and what a client hands back as `requestState`, to client, issuer and subject of the user.
    """
    user = AuthenticatedUser(
        AccessToken(
            token="",
            client_id=agent.name,
            scopes=sorted(map(str, agent.grants or ())),
            subject=agent.name,
            claims={"iss": agent.issuer},
        )
    )
    noted = {**scope.get("state", {}), _STATE: agent, _STANDING: standing}
    return {**without_token(scope), "user": user, "state": noted}


def _again(message: Message, receive: Receive) -> Receive:
    """Return a `receive` that yields a message once more before what follows it."""
    held = [message]

    async def replayed() -> Message:
        return held.pop() if held else await receive()

    return replayed


def _called(body: bytes) -> _Called:
    """Read which tool a body calls; what is no such call is left to the SDK, which answers for it.

    Raises `_RepeatedName`.
    """
    try:
        decoded = json.loads(body, object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError):
        return _Called()
    match decoded:
        case {"method": "tools/call", "params": {"name": str(tool)}}:
            return _Called(method="tools/call", tool=tool, request_id=_usable(decoded.get("id")))
        case {"method": str(method)}:
            return _Called(method=method)
        case _:
            return _Called()


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise _RepeatedName
    return read


def _usable(request_id: Any) -> types.RequestId | None:
    is_usable = isinstance(request_id, str | int) and not isinstance(request_id, bool)
    return request_id if is_usable else None
