"""`cio-mcp grants`: what an agent may do here, why one call would pass or not, and the profiles."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from cio_mcp import arguments as tool_arguments
from cio_mcp import gate
from cio_mcp.catalog import CATALOG, Endpoint
from cio_mcp.cli.checked import policy_of, settings_of
from cio_mcp.cli.own import OWN, own_served, reads_of, refusal_of
from cio_mcp.errors import CioError, InvalidArguments
from cio_mcp.gate import Mode
from cio_mcp.native import NativeTool, rule_of
from cio_mcp.policy import Decision, Grants, Policy
from cio_mcp.policy.grants import HOUR
from cio_mcp.policy.profiles import HEADER, rows
from cio_mcp.policy.requirements import CountedAudience
from cio_mcp.settings import Settings, SettingsError, add_flags, flags_given

DENIED, USAGE = 1, 2
_CONFIRMED_BY: Mapping[Mode, str] = {
    Mode.AUTO: "a person, or by a token where the client cannot ask one",
    Mode.ASK: "a person, through the client",
    Mode.TOKEN: "a token",
    Mode.OPERATOR: "the operator",
    Mode.OFF: "nobody",
}
_UNCOUNTED = "(as of people whom a file names, or an audience set in Customer.io without a segment)"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add what to show, and the flags that a server would be started with."""
    command.add_argument(
        "what",
        metavar="show|explain|profiles",
        nargs="?",
        choices=("show", "explain", "profiles"),
        default="show",
        help="show: what all settings together come to (the default); explain TOOL [JSON]: whether a call would pass, "
        "and by which rule; profiles: the starting points of --profile",
    )
    command.add_argument("tool", metavar="TOOL", nargs="?", help="the tool to be explained")
    command.add_argument(
        "arguments",
        metavar="JSON",
        nargs="?",
        help="the arguments of a call, as a JSON object; - reads them from stdin",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    add_flags(command)


def run(arguments: argparse.Namespace) -> int:
    """Show, explain or list; 1 if the call explained would be denied for sure, 2 if there is no such tool or call."""
    if arguments.what == "profiles":
        return _profiles(as_json=arguments.json)
    settings = settings_of(flags_given(arguments))
    policy = policy_of(settings)
    if arguments.what == "show":
        _say(json.dumps(_summary(policy, settings)) if arguments.json else _page(policy, settings))
        return 0
    tool = _tool(arguments.tool)
    given = _given(arguments.arguments)
    try:
        told = (
            explain_own(policy, tool, given) if isinstance(tool, NativeTool) else explain(policy, tool, given, settings)
        )
    except InvalidArguments as error:
        sys.stderr.write(f"cio-mcp: {error.message}\n")
        return USAGE
    _say(json.dumps(told.as_json(), ensure_ascii=False) if arguments.json else told.page())
    return 0 if told.refusal is None else DENIED


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What would become of a call, or of every call of a tool."""

    tool: str
    rule: str
    refusal: CioError | None
    decision: Decision | None
    """Of the call; None if only the tool was asked about."""
    asked: tuple[str, ...] = ()
    """Why a person would be asked first."""
    by: str = ""
    """Who or what confirms it then."""
    reads: tuple[str, ...] | None = None
    """What a tool of this server itself reads with; None for a tool of Customer.io."""

    @property
    def verdict(self) -> str:
        """One word or two."""
        if self.refusal:
            return "denied"
        if self.decision and self.decision.requires:
            return "depends"
        return "asked about" if self.asked else "allowed"

    @property
    def _headline(self) -> str:
        if self.verdict != "depends" or self.decision is None:
            return self.verdict
        counted = sum(isinstance(each, CountedAudience) for each in self.decision.requires)
        looks = {"looked up": counted < len(self.decision.requires), "counted": counted > 0}
        found = " and ".join(name for name, is_open in looks.items() if is_open)
        return f"depends on what is {found}{', and asked about' if self.asked else ''}"

    def as_json(self) -> dict[str, Any]:
        """Return it for a program."""
        told: dict[str, Any] = {"tool": self.tool, "verdict": self.verdict, "rule": self.rule}
        if self.refusal:
            why: dict[str, Any] = self.refusal.as_json()["error"]
            return told | why
        if decision := self.decision:
            told |= {
                "recipients": decision.recipients,
                "budget": [{"recipients": cap.recipients, "seconds": cap.seconds} for cap in decision.caps],
                "requires": [requirement.told for requirement in decision.requires],
                "asked_because": list(self.asked),
            }
        if self.asked:
            told["confirmed_by"] = self.by
        if self.reads is not None:
            told["reads_with"] = list(self.reads)
        return told

    def page(self) -> str:
        """Return it for a person."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.tool}: {self._headline}"
        yield f"  rule        {self.rule}"
        if self.refusal:
            yield f"  because     {self.refusal.message}"
            yield f"  to change   {self.refusal.next_step}"
        elif self.reads is not None:
            yield f"  reads with  {_few(self.reads)}"
        elif self.decision is None:
            yield "  arguments   give them as JSON to see what they would change"
        else:
            yield from self._about_the_call(self.decision)

    def _about_the_call(self, decision: Decision) -> Iterator[str]:
        count = "known only from a look at the audience" if decision.recipients is None else f"{decision.recipients:,}"
        yield f"  recipients  {count}"
        for cap in decision.caps:
            yield f"  budget      at most {cap.recipients:,} in any {_span(cap.seconds)}, in each workspace"
        for requirement in decision.requires:
            if isinstance(requirement, CountedAudience):
                yield f"  counted     {requirement.told}; refused where that cannot be known"
                yield f"              {_UNCOUNTED}"
            else:
                yield f"  looked up   {requirement.told}"
        for reason in self.asked:
            yield f"  confirmed   by {self.by}, because {reason}"


def explain(policy: Policy, endpoint: Endpoint, given: dict[str, Any] | None, settings: Settings) -> Explanation:
    """Say what would become of a call now; raises InvalidArguments. Without arguments, what holds for all calls."""
    refusal = policy.refusal(endpoint)
    if refusal or given is None:
        rule = refusal.details["rule"] if refusal else policy.rule(endpoint)
        return Explanation(tool=endpoint.name, rule=rule, refusal=refusal, decision=None)
    params, _ = tool_arguments.admit(endpoint, given)
    decision = policy.decide(endpoint, params, now=datetime.now(UTC))
    asks = settings.confirm is not Mode.OFF
    asked = gate.reasons(endpoint, params, crowd=settings.confirm_above) if asks else ()
    return Explanation(
        tool=endpoint.name,
        rule=decision.rule,
        refusal=decision.refusal,
        decision=decision,
        asked=asked,
        by=_CONFIRMED_BY[settings.confirm],
    )


def explain_own(policy: Policy, tool: NativeTool, given: dict[str, Any] | None) -> Explanation:
    """Say whether an agent gets a tool of this server itself, which is up to what it reads; raises InvalidArguments."""
    refusal = refusal_of(policy, tool)
    if given is not None and refusal is None:
        tool_arguments.validate(tool.name, tool.params, given)
    reads = reads_of(tool)
    rule = str(refusal.details["rule"]) if refusal else rule_of(policy, [CATALOG[name] for name in reads])
    return Explanation(tool=tool.name, rule=rule, refusal=refusal, decision=None, reads=reads)


def _tool(name: str | None) -> Endpoint | NativeTool:
    if name is None:
        raise SettingsError("grants explain needs a tool: `cio-mcp tools` lists them")
    found = CATALOG.get(name) or OWN.get(name)
    if found is None:
        near = get_close_matches(name, [*CATALOG, *OWN], n=1)
        raise SettingsError(
            f"grants explain: there is no such tool{f' (did you mean {near[0]}?)' if near else ''}; "
            "`cio-mcp tools` lists those that are served"
        )
    return found


def _given(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        given = json.loads(sys.stdin.read() if text == "-" else text)
    except (json.JSONDecodeError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise SettingsError("grants explain: the arguments must be one JSON object")
    return given


def _summary(policy: Policy, settings: Settings) -> dict[str, Any]:
    tools = {name: policy.permits(endpoint) for name, endpoint in CATALOG.items()}
    return {
        **dict(_settings(policy)),
        "tools": [name for name, served in tools.items() if served],
        "own_tools": own_served(policy, settings),
        "hidden": [name for name, served in tools.items() if not served],
    }


def _page(policy: Policy, settings: Settings) -> str:
    summary = _summary(policy, settings)
    tools, own, hidden = summary.pop("tools"), summary.pop("own_tools"), summary.pop("hidden")
    lines = [f"{name:16} {text}" for name, text in summary.items()]
    lines.append(f"{'tools':16} {len(tools)} served: {_few(tools)}")
    lines.append(f"{'of this server':16} {len(own)} more, which it answers itself: {_few(own)}")
    lines.append(f"{'hidden':16} {len(hidden)}: {_few(hidden)}")
    return "\n".join(lines)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _settings(policy: Policy) -> Iterator[tuple[str, str]]:
    if policy.areas is not None:
        yield "areas", _few(sorted(policy.areas))
    if policy.read_only:
        yield "read-only", "yes"
    if policy.grants is not None:
        yield "grant", _few(sorted(map(str, policy.grants)))
    if policy.test_recipients is not None:
        yield "test recipients", str(policy.test_recipients)
    if policy.agent is None:
        yield "grants", "no file and no profile: whatever the flags leave"
    else:
        yield from _granted(policy.agent)


def _granted(agent: Grants) -> Iterator[tuple[str, str]]:
    yield "grants", agent.origin
    yield "allow", _few(sorted(map(str, agent.allow)))
    yield "deny", _few(sorted(map(str, agent.deny)))
    yield "recipients", str(agent.recipients)
    yield "fields", _few(sorted(agent.fields))
    yield "causes", f"{agent.causes} as sends" if agent.causes == "count" else agent.causes
    yield "urls", _few(sorted(agent.hosts))
    yield "budget", str(agent.budget)
    yield "quiet", "; ".join(map(str, agent.quiet)) or "never"
    yield "shown attributes", _few(sorted(agent.shown))


def _profiles(*, as_json: bool) -> int:
    keys = [title.lower().replace(" ", "_") for title in HEADER]
    if as_json:
        _say(json.dumps([dict(zip(keys, row, strict=True)) for row in rows()]))
        return 0
    for name, purpose, allows, reach, budget in rows():
        _say(f"{name:12} {purpose}\n{'':12} allows {allows}\n{'':12} messages go to {reach}; budget {budget}")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _span(seconds: float) -> str:
    return "hour" if seconds == HOUR else f"{seconds / HOUR:g} hours"
