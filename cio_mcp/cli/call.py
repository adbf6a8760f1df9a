"""`cio-mcp call`: one tool, called as an agent would, through MCP."""

import argparse
import json
import sys
from typing import Any

import anyio
import anyio.to_thread
from mcp import Client, types
from mcp.client import ClientRequestContext
from mcp.shared.exceptions import MCPError

from cio_mcp.cli.wiring import log_to_stderr, settings_of, workspace
from cio_mcp.server import META, build_server
from cio_mcp.settings import Settings, SettingsError, flags_given
from cio_mcp.transports import guard_against_leaks

FAILED = 1
UNKNOWN_OUTCOME = 3
LEVELS = 100
"""Of nested arguments; no tool takes as many, and the client that carries them takes not many more."""
TOO_DEEP = "the arguments are nested too deeply"


def run(arguments: argparse.Namespace) -> int:
    """Call the tool; the exit code is 0 done, 1 refused or failed, 2 wrong usage, 3 outcome unknown."""
    settings = settings_of(flags_given(arguments))
    given = _object(sys.stdin.buffer.read() if arguments.arguments == "-" else arguments.arguments)
    log_to_stderr("error" if settings.log_level == "info" else settings.log_level)
    try:
        result = anyio.run(_called, settings, arguments.tool, given)
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
    result: types.CallToolResult | MCPError
    async with workspace(settings) as pipeline:
        server = build_server(pipeline)
        guard_against_leaks(server)
        # Only a terminal has somebody to ask; a script is given the plan and a token instead.
        asks = _asked if sys.stdin.isatty() else None
        async with Client(server, elicitation_callback=asks) as client:
            try:
                result = await client.call_tool(tool, given)
            except MCPError as error:  # raised inside, it would come wrapped in exception groups
                result = error
    if isinstance(result, MCPError):
        raise result
    return result


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
    return "\n".join(lines) + "\n"


def _about(meta: dict[str, Any]) -> str:
    if not meta.get("credential"):
        return ""
    budgets = ", ".join(f"{b['name']} {b['available']} of {b['limit']} left" for b in meta["budgets"])
    attempts = "1 attempt" if meta["attempts"] == 1 else f"{meta['attempts']} attempts"
    return f"({attempts}, {meta['waited_seconds']} s waited, {meta['credential']} key; {budgets})\n"


def _exit_code(data: dict[str, Any]) -> int:
    return UNKNOWN_OUTCOME if data.get("error", {}).get("code") == "outcome_unknown" else FAILED
