"""A tool of a server elsewhere, called over HTTP: who is let in, and what is known when the connection breaks."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
from mcp import MCPError, types
from mcp.client.streamable_http import streamable_http_client

from cio_mcp.catalog import CATALOG
from cio_mcp.catalog.endpoint import Access
from cio_mcp.cli.asking import Asked, GivenUp, asked_of, until_interrupted
from cio_mcp.cli.beside import beside, first_failure
from cio_mcp.cli.letting_in import NotTaken, TurnedAway, Unanswered, let_in
from cio_mcp.cli.own import OWN
from cio_mcp.errors import CioError, OutcomeUnknown, Unavailable
from cio_mcp.scrub import one_line
from cio_mcp.settings import Settings, SettingsError, variables_set

CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 15.0
"""For reaching the server, and for its answer beyond the time that a call may take there."""
_OF_THE_CALLER = frozenset({"token", "time_budget", "log_level", "log_format"})
"""Settings that mean something to whoever calls a server elsewhere."""
_PROMISES = ("sandbox", "read_only", "test_recipients", "profile", "grants", "grant", "areas", "confirm")
"""Settings, in the environment too, on which somebody may rely who forgets that the server elsewhere has its own."""
_REFUSED = (types.INVALID_REQUEST, types.METHOD_NOT_FOUND, types.INVALID_PARAMS)
"""Errors by which a request is refused as it is (JSON-RPC 2.0, section 5.1); any other may come after its effect."""


def checked_url(url: str, flags: Collection[str], environ: Mapping[str, str]) -> str:
    """Take https, or http on this machine, and no setting that would do nothing there; raises SettingsError."""
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise SettingsError("--url must be https, or http on this machine: a token goes nowhere else")
    idle = [f"--{name.replace('_', '-')}" for name in flags if name not in _OF_THE_CALLER]
    idle += variables_set(environ, _PROMISES)
    if idle:
        raise SettingsError(f"--url: {', '.join(idle)}: the server there goes by its own settings; leave that out")
    return url


async def called_at(url: str, settings: Settings, tool: str, given: dict[str, Any]) -> Asked:
    """Call a tool of a server elsewhere; raises SettingsError if it cannot be reached, or lets nobody in."""
    token = {"Authorization": f"Bearer {settings.token.reveal()}"} if settings.token else {}
    limits = httpx2.Timeout(CONNECT_SECONDS, read=settings.time_budget + ANSWER_SECONDS)
    begun, is_secure = anyio.Event(), urlsplit(url).scheme == "https"
    hooks: dict[str, list[Callable[..., Any]]] = {"response": [partial(let_in, begun)]}
    answer: Asked = None
    scope = anyio.CancelScope()
    try:
        with scope:
            async with (
                beside(partial(until_interrupted, scope, lambda: None)),
                # What a proxy of the environment is asked for over http, it reads, the token too.
                httpx2.AsyncClient(headers=token, timeout=limits, event_hooks=hooks, trust_env=is_secure) as http,
            ):
                answer = await asked_of(streamable_http_client(url, http_client=http), tool, given, begun=begun)
    except* TurnedAway as failures:
        raise SettingsError(f"--url: {first_failure(failures)}") from None
    except* (NotTaken, Unanswered, httpx2.TransportError) as failures:
        answer = _result(_meaning(first_failure(failures), url, tool, begun=begun.is_set()))
    if scope.cancelled_caught:
        return _result(_given_up(url, tool, begun=begun.is_set()))
    if isinstance(answer, MCPError) and answer.error.code not in _REFUSED:
        said = f'{url} answered "{one_line(answer.error.message, 200)}"'
        return _result(_without_result(said, tool, begun=begun.is_set()))
    return answer


def _meaning(failure: BaseException, url: str, tool: str, *, begun: bool) -> CioError:
    """Return what is known of a call that brought no result; raises SettingsError if nothing can have been sent."""
    match failure:
        case NotTaken():
            return failure.error
        case Unanswered():
            return _without_result(f"{url} {failure}", tool, begun=begun)
        case _:
            return _broken_off(url, tool, failure, begun=begun)


def _broken_off(url: str, tool: str, failure: BaseException, *, begun: bool) -> CioError:
    """Return what is known of a call whose connection broke; raises SettingsError if there never was one."""
    if not begun or isinstance(failure, httpx2.ConnectError | httpx2.ConnectTimeout):
        raise SettingsError(f"--url: no connection to {url}; is the server running?") from None
    return _lost(f"The connection to {url} broke before the answer came", tool)


def _without_result(said: str, tool: str, *, begun: bool) -> CioError:
    """Return what is known of a call in place of whose result something else came; raises SettingsError if nothing."""
    if not begun:
        raise SettingsError(f"--url: {said}, and nothing was sent; is a server running behind that address?") from None
    return _lost(f"{said} in place of the result", tool)


def _lost(what: str, tool: str) -> CioError:
    if _reads(tool):
        return Unavailable(f"{what}. Reading changed nothing.", next_step="Call again once the server is there.")
    return _unknown(what, tool)


def _given_up(url: str, tool: str, *, begun: bool) -> CioError:
    """Return what is known of a call that nobody waited for; raises GivenUp if there is nothing to be known."""
    if not begun or _reads(tool):
        raise GivenUp
    return _unknown(f"You left {url} before the answer came", tool)


def _reads(tool: str) -> bool:
    if own := OWN.get(tool):
        return own.read_only
    endpoint = CATALOG.get(tool)
    return endpoint is not None and endpoint.access is Access.READ


def _unknown(what: str, tool: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"{what}: it is not known whether {tool} took effect.",
        next_step="Do not repeat it blindly: list_unknown_operations tells, there or on another server of its ledger.",
    )


def _result(error: CioError) -> types.CallToolResult:
    return types.CallToolResult(content=[], structured_content=error.as_json(), is_error=True)
