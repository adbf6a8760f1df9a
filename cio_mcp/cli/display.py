"""How the demo looks: a page for people, JSON lines for programs."""

import json
import os
import shutil
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from mcp import types

from cio_mcp.catalog import CATALOG, Endpoint, Key
from cio_mcp.server import META

_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_CLASS_COLOURS = {"read": "green", "write": "cyan", "send": "yellow", "destructive": "red"}
_BAR_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call of the demo, and what came of it."""

    title: str
    tool: str
    arguments: dict[str, Any]
    result: types.CallToolResult
    seconds: float
    note: str = ""

    @property
    def endpoint(self) -> Endpoint | None:
        """The operation behind the tool, if it has one."""
        return CATALOG.get(self.tool)

    @property
    def data(self) -> dict[str, Any]:
        """What came back."""
        return self.result.structured_content or {}

    @property
    def call(self) -> dict[str, Any]:
        """What the server told about the call."""
        told: dict[str, Any] = (self.result.meta or {}).get(META, {})
        return told


class Display(Protocol):
    """What the demo tells while it runs."""

    def opening(self, protocol: str | None, tools: list[types.Tool]) -> None:
        """Say what was connected."""

    def step(self, step: Step) -> None:
        """Show one call and what came back."""

    def question(self, text: str) -> None:
        """Show what a person is asked, and that they agree."""

    def command(self, title: str, line: str, output: str) -> None:
        """Show a command as typed, and what it printed."""

    def follow(self, metrics: list[str]) -> None:
        """Show how far a message has come."""

    def followed(self, metrics: list[str]) -> None:
        """Show where it ended."""

    def burst(self, calls: int, waits: list[float], refused: int, budgets: list[dict[str, Any]]) -> None:
        """Show what became of many calls at once."""

    def closing(self, seconds: float, surprises: int) -> None:
        """Sum up."""


class JsonLines:
    """One JSON object a line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def _line(self, **members: Any) -> None:
        self._out.write(json.dumps(members, ensure_ascii=False) + "\n")
        self._out.flush()

    def opening(self, protocol: str | None, tools: list[types.Tool]) -> None:
        """Say what was connected."""
        self._line(step="connected", protocol=protocol, tools=len(tools))

    def step(self, step: Step) -> None:
        """Show one call and what came back."""
        endpoint = step.endpoint
        contract = {"class": endpoint.permission, "area": endpoint.area, "key": str(endpoint.key)} if endpoint else {}
        self._line(
            step=step.title,
            tool=step.tool,
            **contract,
            arguments=step.arguments,
            is_error=bool(step.result.is_error),
            result=step.data,
            seconds=round(step.seconds, 3),
            call=step.call,
        )

    def question(self, text: str) -> None:
        """Show what a person is asked, and that they agree."""
        self._line(step="question", text=text, answer="yes")

    def command(self, title: str, line: str, output: str) -> None:
        """Show a command as typed, and what it printed."""
        self._line(step=title, command=line, output=output)

    def follow(self, metrics: list[str]) -> None:
        """Show nothing yet: programs want the end."""

    def followed(self, metrics: list[str]) -> None:
        """Show where it ended."""
        self._line(step="followed", metrics=metrics)

    def burst(self, calls: int, waits: list[float], refused: int, budgets: list[dict[str, Any]]) -> None:
        """Show what became of many calls at once."""
        self._line(
            step="burst", calls=calls, refused=refused, seconds=[round(wait, 3) for wait in waits], budgets=budgets
        )

    def closing(self, seconds: float, surprises: int) -> None:
        """Sum up."""
        self._line(step="done", seconds=round(seconds, 1), surprises=surprises)


class Page:
    """Text for a terminal: colours only where they show, and never more than its width."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._number = 0
        self._live = out.isatty()
        self._coloured = self._live and "NO_COLOR" not in os.environ
        self._width = max(60, min(shutil.get_terminal_size((100, 24)).columns, 120))
        self._known: list[str] = []

    def _say(self, text: str = "", end: str = "\n") -> None:
        self._out.write(text + end)
        self._out.flush()

    def _paint(self, text: str, *looks: str) -> str:
        if not self._coloured:
            return text
        return f"\x1b[{';'.join(_COLOURS[look] for look in looks)}m{text}\x1b[0m"

    def _cut(self, text: str) -> str:
        room = self._width - 8
        return text if len(text) <= room else text[: room - 1] + "…"

    def _title(self, title: str) -> None:
        self._number += 1
        self._say(f"\n{self._paint(f'{self._number:2}  {title}', 'bold')}")

    def opening(self, protocol: str | None, tools: list[types.Tool]) -> None:
        """Say what was connected."""
        self._say(
            self._paint("cio-mcp demo", "bold") + ": an MCP client over stdio, against a Customer.io on this machine"
        )
        self._say(f"    connected with protocol {protocol}; {len(tools)} tools. No keys, no network, nobody gets mail.")

    def step(self, step: Step) -> None:
        """Show one call and what came back."""
        self._title(step.title)
        self._say(f"    {self._paint(step.tool, 'bold')}  {self._contract(step.endpoint)}")
        self._say(f"    → {self._cut(json.dumps(step.arguments, ensure_ascii=False))}")
        if step.result.is_error:
            error = step.data.get("error", {})
            self._say(f"    {self._paint('✗', 'red')} {error.get('code')}: {error.get('message')}")
            self._say(f"      next: {error.get('next_step')}")
        else:
            self._say(f"    {self._paint('✓', 'green')} {self._cut(json.dumps(step.data, ensure_ascii=False))}")
        self._say("      " + self._paint(self._told(step), "dim"))

    def question(self, text: str) -> None:
        """Show what a person is asked, and that they agree."""
        self._title("The client is asked, and may ask its user (this one agrees by itself)")
        for line in text.splitlines():
            self._say(f"    │ {self._cut(line)}")
        self._say(f"    {self._paint('✓', 'green')} yes")

    def command(self, title: str, line: str, output: str) -> None:
        """Show a command as typed, and what it printed."""
        self._title(title)
        self._say(f"    {self._paint(f'$ {line}', 'bold')}")
        for printed in output.splitlines():
            self._say(f"    {self._cut(printed)}")

    def _contract(self, endpoint: Endpoint | None) -> str:
        if endpoint is None:
            return "answered by this server"
        key = "App key" if endpoint.key is not Key.TRACK else "Track key"
        kind = self._paint(endpoint.permission, _CLASS_COLOURS[endpoint.permission])
        return f"{kind} · {key} · {endpoint.method} {endpoint.path}"

    @staticmethod
    def _told(step: Step) -> str:
        left = ", ".join(f"{b['available']} of {b['limit']} left in {b['name']}" for b in step.call.get("budgets", []))
        return " · ".join(part for part in (f"{step.seconds * 1000:.0f} ms", left, step.note) if part)

    def follow(self, metrics: list[str]) -> None:
        """Show how far a message has come."""
        if not self._known and not metrics:
            return
        if not self._known:
            self._title("Follow it")
            self._say("    list_person_messages: ", end="")
        for name in metrics[len(self._known) :]:
            self._say((" → " if self._known else "") + self._paint(name, "green"), end="")
            self._known.append(name)

    def followed(self, metrics: list[str]) -> None:
        """Show where it ended."""
        self._say("" if metrics else "    not delivered in time")

    def burst(self, calls: int, waits: list[float], refused: int, budgets: list[dict[str, Any]]) -> None:
        """Show what became of many calls at once, one mark a call on a line of tenths of seconds."""
        self._title(f"{calls} reads at once, where Customer.io allows 10 a second")
        last = int(waits[-1] / _BAR_SECONDS) if waits else 0
        counts = [sum(int(wait / _BAR_SECONDS) == tenth for wait in waits) for tenth in range(last + 1)]
        line = "".join(str(min(count, 9)) if count < 10 else "#" for count in counts).replace("0", "·")  # noqa: PLR2004
        self._say(f"    answers per 0.1 s: {line}  (# is ten or more)")
        app = next((budget for budget in budgets if budget["name"].endswith("/app")), {})
        verdict = "none refused" if not refused else f"{refused} refused"
        self._say(
            f"    {self._paint('✓', 'green')} all {calls} answered in {waits[-1]:.1f} s, {verdict}; "
            f"Customer.io answered 429 {app.get('refused_429', 0)} times"
        )

    def closing(self, seconds: float, surprises: int) -> None:
        """Sum up."""
        verdict = (
            self._paint("as it should", "green") if not surprises else self._paint(f"{surprises} surprises", "red")
        )
        self._say(
            f"\n    {seconds:.1f} s, {verdict}. Next: put your keys into the environment and run `cio-mcp doctor`."
        )
