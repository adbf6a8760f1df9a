"""`cio-mcp call`: one tool, called as an agent would, through MCP."""

import argparse
import json
import math
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
from mcp import MCPError, types

from cio_mcp.catalog.endpoint import Access
from cio_mcp.catalog.json_values import distinct
from cio_mcp.cli import INTERRUPTED
from cio_mcp.cli.asking import Asked, GivenUp, asked_of, until_interrupted
from cio_mcp.cli.beside import beside
from cio_mcp.cli.checked import log_to_stderr, settings_of
from cio_mcp.cli.elsewhere import called_at, checked_url
from cio_mcp.cli.ledger_file import is_text
from cio_mcp.cli.team import Team, team
from cio_mcp.ledger import Ending, Ledger, Unrecorded
from cio_mcp.server import META, server_of
from cio_mcp.settings import Settings, SettingsError, flags_given, with_login
from cio_mcp.transports import guard_against_leaks

FAILED = 1
UNKNOWN_OUTCOME = 3
LEVELS = 100
"""Of nested arguments; no tool takes as many, and the client that carries them takes not many more."""
TOO_DEEP = "the arguments are nested too deeply"


def run(arguments: argparse.Namespace) -> int:
    """Call the tool; the exit code is 0 done, 1 refused or failed, 2 wrong usage, 3 outcome unknown."""
    if not is_text(arguments.tool):
        raise SettingsError("TOOL is no text in UTF-8; `cio-mcp tools` lists those that are served")
    flags = flags_given(arguments)
    settings = settings_of(flags)
    given = _object(sys.stdin.buffer.read() if arguments.arguments == "-" else arguments.arguments)
    log_to_stderr("error" if settings.log_level == "info" else settings.log_level)
    if not arguments.url:
        settings = with_login(settings, os.environ)
    left = _Left()
    called = partial(_called, left)
    if arguments.url:
        called = partial(called_at, checked_url(arguments.url, flags, os.environ))
    try:
        result = _returned(anyio.run(called, settings, arguments.tool, given))
    except MCPError as error:
        sys.stderr.write(f"cio-mcp: {error.error.message}\n")
        return FAILED
    except GivenUp:
        return left.told()
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
        given = json.loads(text, parse_float=_finite, parse_constant=_finite, object_pairs_hook=distinct)
    except RecursionError:
        raise SettingsError(TOO_DEEP) from None
    except ValueError as error:
        raise SettingsError(f"the arguments are no JSON ({error}); write for example '{{\"segment_id\": 1}}'") from None
    if not isinstance(given, dict):
        raise SettingsError("the arguments must be a JSON object, such as '{\"segment_id\": 1}'")
    if _is_deeper(given, LEVELS):
        raise SettingsError(TOO_DEEP)
    return given


def _finite(number: str) -> float:
    """Refuse what JSON cannot carry: it would arrive as null."""
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number[:20]} is no number of JSON")
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper(member, levels - 1) for member in members)


@dataclass(slots=True)
class _Left:
    """What is known of a call that was given up on: its operations, and how they ended by the record."""

    operations: list[str] = field(default_factory=list[str])
    endings: dict[str, str] = field(default_factory=dict[str, str])

    def note(self, served: Team) -> None:
        """Note the writes that are under way, and say that what has left is awaited."""
        flights = [each for pipeline in served.pipelines.values() for each in pipeline.under_way.flights]
        writes = [each.course for each in flights if each.permission != Access.READ]
        self.operations = [course.operation for course in writes]
        for number in (course.operation for course in writes if course.attempts):
            said = f"the request of operation {number} has left, so its end is awaited; Ctrl-C again leaves at once"
            sys.stderr.write(f"cio-mcp: {said}\n")
            sys.stderr.flush()

    async def look_up(self, ledger: Ledger) -> None:
        """Read how the operations ended."""
        for number in self.operations:
            self.endings[number] = str(Ending.UNKNOWN)
            with suppress(Unrecorded):
                found = await ledger.operation(number)
                self.endings[number] = str(found.outcome.ending if found and found.outcome else Ending.UNKNOWN)

    def told(self) -> int:
        """Say how the call ended, and return the exit code."""
        for number, ending in self.endings.items():
            sys.stderr.write(f"cio-mcp: operation {number} ended: {ending}\n")
        return UNKNOWN_OUTCOME if Ending.UNKNOWN in self.endings.values() else INTERRUPTED


async def _called(left: _Left, settings: Settings, tool: str, given: dict[str, Any]) -> Asked:
    async with team(settings) as served:
        server = server_of(served.face)
        guard_against_leaks(server)
        with anyio.CancelScope() as scope:
            async with beside(partial(until_interrupted, scope, partial(left.note, served))):
                return await asked_of(server, tool, given)
        await left.look_up(served.ledger)
    raise GivenUp


def _returned(result: Asked) -> types.CallToolResult:
    if isinstance(result, types.CallToolResult):
        return result
    raise result or SettingsError("--url: the server gave no answer")


def _for_people(error: dict[str, Any]) -> str:
    more = {name: value for name, value in error.items() if name not in ("code", "message", "next_step")}
    lines = [f"{error['code']}: {error['message']}", f"  next: {error['next_step']}"]
    for name, value in more.items():
        told = json.dumps(value, ensure_ascii=False, indent=1 if name == "plan" else None)
        lines.append(f"  {name}: " + told.replace("\n", "\n  "))
    lines.append(f"  more: cio-mcp explain {error['code']}")
    return "\n".join(lines) + "\n"


def _about(meta: dict[str, Any]) -> str:
    if not meta.get("attempts"):  # answered here, or by reads of its own
        return ""
    budgets = ", ".join(f"{b['name']} {b['available']} of {b['limit']} left" for b in meta["budgets"])
    attempts = "1 attempt" if meta["attempts"] == 1 else f"{meta['attempts']} attempts"
    return f"({attempts}, {meta['waited_seconds']} s waited, {meta['credential']} key; {budgets})\n"


def _exit_code(data: dict[str, Any]) -> int:
    return UNKNOWN_OUTCOME if data.get("error", {}).get("code") == "outcome_unknown" else FAILED
