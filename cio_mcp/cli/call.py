"""`cio-mcp call`: one tool, called as an agent would, through MCP."""

import argparse
import json
import os
import re
import sys
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx2
from mcp import Client, types
from mcp.client import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from cio_mcp.cli.beside import first_failure
from cio_mcp.cli.checked import log_to_stderr, settings_of
from cio_mcp.cli.team import team
from cio_mcp.server import META, server_of
from cio_mcp.settings import Settings, SettingsError, flags_given, with_login
from cio_mcp.transports import guard_against_leaks

FAILED = 1
UNKNOWN_OUTCOME = 3
CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 15.0
"""For reaching a server elsewhere, and for its answer beyond the time that a call may take there."""
LEVELS = 100
"""Of nested arguments; no tool takes as many, and the client that carries them takes not many more."""
_SCOPE = re.compile(r'scope="([a-z_*: ]{1,200})"')
TOO_DEEP = "the arguments are nested too deeply"


def run(arguments: argparse.Namespace) -> int:
    """Call the tool; the exit code is 0 done, 1 refused or failed, 2 wrong usage, 3 outcome unknown."""
    settings = settings_of(flags_given(arguments))
    given = _object(sys.stdin.buffer.read() if arguments.arguments == "-" else arguments.arguments)
    log_to_stderr("error" if settings.log_level == "info" else settings.log_level)
    if not arguments.url:
        settings = with_login(settings, os.environ)
    called = partial(_called_at, _checked_url(arguments.url)) if arguments.url else _called
    try:
        result = anyio.run(called, settings, arguments.tool, given)
    except MCPError as error:
        sys.stderr.write(f"cio-mcp: {error.error.message}\n")
        return FAILED
    data = result.structured_content or {}
    if arguments.json:
        told = {"is_error": bool(result.is_error), "result": data, "_meta": result.meta or {}}
        sys.stdout.write(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    elif result.is_error:
        sys.stderr.write(_for_people(data["error"]))
    else:
        sys.stdout.write(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
        sys.stderr.write(_about((result.meta or {}).get(META, {})))
    return _exit_code(data) if result.is_error else 0


def _object(text: str | bytes) -> dict[str, Any]:
    """Read the arguments; bytes, whose encoding is JSON's own and not the locale's, come from a pipe."""
    try:
        given = json.loads(text)
    except RecursionError:
        raise SettingsError(TOO_DEEP) from None
    except ValueError as error:
        raise SettingsError(f"the arguments are no JSON ({error}); write for example '{{\"segment_id\": 1}}'") from None
    if not isinstance(given, dict):
        raise SettingsError("the arguments must be a JSON object, such as '{\"segment_id\": 1}'")
    if _is_deeper(given, LEVELS):
        raise SettingsError(TOO_DEEP)
    return given


def _is_deeper(value: Any, levels: int) -> bool:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper(member, levels - 1) for member in members)


async def _called(settings: Settings, tool: str, given: dict[str, Any]) -> types.CallToolResult:
    async with team(settings) as served:
        server = server_of(served.face)
        guard_against_leaks(server)
        result = await _asked_of(server, tool, given)
    return _returned(result)


def _checked_url(url: str) -> str:
    """Take https, or http on this machine; raises SettingsError."""
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise SettingsError("--url must be https, or http on this machine: a token goes nowhere else")
    return url


async def _called_at(url: str, settings: Settings, tool: str, given: dict[str, Any]) -> types.CallToolResult:
    """Call a tool of a server elsewhere; raises SettingsError if it cannot be reached, or lets nobody in."""
    token = {"Authorization": f"Bearer {settings.token.reveal()}"} if settings.token else {}
    limits = httpx2.Timeout(CONNECT_SECONDS, read=settings.time_budget + ANSWER_SECONDS)
    result: types.CallToolResult | MCPError | None = None
    try:
        async with httpx2.AsyncClient(headers=token, timeout=limits, event_hooks={"response": [_let_in]}) as http:
            result = await _asked_of(streamable_http_client(url, http_client=http), tool, given)
    except* (_TurnedAway, httpx2.TransportError) as failures:
        problem = first_failure(failures)
        raise SettingsError(f"--url: {problem if isinstance(problem, _TurnedAway) else 'no connection'}") from None
    return _returned(result)


class _TurnedAway(Exception):
    """The server at a URL does not let the caller in."""


async def _let_in(response: httpx2.Response) -> None:
    """Stop at an answer that no call can mend; what it says besides is the server's own business."""
    match response.status_code:
        case 401:
            raise _TurnedAway("the server does not know you: set CIO_MCP_TOKEN to a token of it (cio-mcp token create)")
        case 403:
            needed = _SCOPE.search(response.headers.get("www-authenticate", ""))
            raise _TurnedAway(f"the token does not carry {needed[1]}" if needed else "the server refuses this address")
        case 404 | 405 | 421:
            raise _TurnedAway("there is no MCP server at that address: is its path right (/mcp), and its name?")


async def _asked_of(server: Any, tool: str, given: dict[str, Any]) -> types.CallToolResult | MCPError:
    # Only a terminal has somebody to ask; a script is given the plan and a token instead.
    asks = _asked if sys.stdin.isatty() else None
    async with Client(server, elicitation_callback=asks) as client:
        try:
            return await client.call_tool(tool, given)
        except MCPError as error:  # raised inside, it would come wrapped in exception groups
            return error


def _returned(result: types.CallToolResult | MCPError | None) -> types.CallToolResult:
    if isinstance(result, types.CallToolResult):
        return result
    raise result or SettingsError("--url: the server gave no answer")


async def _asked(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
    """Put a question of the server to the person at the terminal; anything but yes is a no."""
    del context
    sys.stderr.write(f"{params.message}\n\nType yes to go on: ")
    sys.stderr.flush()
    typed = await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    if typed.strip().lower() != "yes":
        return types.ElicitResult(action="decline")
    return types.ElicitResult(action="accept", content={"confirm": True})


def _for_people(error: dict[str, Any]) -> str:
    more = {name: value for name, value in error.items() if name not in ("code", "message", "next_step")}
    lines = [f"{error['code']}: {error['message']}", f"  next: {error['next_step']}"]
    for name, value in more.items():
        told = json.dumps(value, ensure_ascii=False, indent=1 if name == "plan" else None)
        lines.append(f"  {name}: " + told.replace("\n", "\n  "))
    lines.append(f"  more: cio-mcp explain {error['code']}")
    return "\n".join(lines) + "\n"


def _about(meta: dict[str, Any]) -> str:
    if not meta.get("credential"):
        return ""
    budgets = ", ".join(f"{b['name']} {b['available']} of {b['limit']} left" for b in meta["budgets"])
    attempts = "1 attempt" if meta["attempts"] == 1 else f"{meta['attempts']} attempts"
    return f"({attempts}, {meta['waited_seconds']} s waited, {meta['credential']} key; {budgets})\n"


def _exit_code(data: dict[str, Any]) -> int:
    return UNKNOWN_OUTCOME if data.get("error", {}).get("code") == "outcome_unknown" else FAILED
