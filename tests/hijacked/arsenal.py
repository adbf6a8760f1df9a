"""What a hijacked agent can do, as Hypothesis draws it: calls that would work, hostile variants, replays, forgeries.

Steps are plain values, so that a failing run is shortened to the few that matter. What stands in them as `Mined` or
`Later` is filled in when the step is played.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from cio_mcp.catalog import CATALOG, Access
from cio_mcp.sandbox.faults import When
from tests.faults.arguments import ARGUMENTS
from tests.hijacked.menus import JUNK, MENU, MORE, Mined
from tests.hijacked.situations import Situation
from tests.hostile.calls import properties

PLACES = 58
"""Steps of a run, of which about fifty are calls."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool, by one of the agents; `times` are made at once."""

    who: int
    tool: str
    arguments: dict[str, Any]
    times: int = 1


@dataclass(frozen=True, slots=True)
class Again:
    """An earlier call once more, by anybody, with something of it changed."""

    who: int
    nth: int
    changes: dict[str, Any]
    times: int = 1


@dataclass(frozen=True, slots=True)
class Redeem:
    """A token spent on the call that it was given for, or on that call with something of it changed; in `minutes`."""

    who: int
    nth: int
    changes: dict[str, Any]
    times: int = 1
    minutes: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """An earlier call with an answer that nobody gave, to a question of its own, of another call, or to none."""

    who: int
    nth: int
    state: int | None
    reply: str


@dataclass(frozen=True, slots=True)
class Pass:
    """Time goes by."""

    minutes: int


@dataclass(frozen=True, slots=True)
class Spoil:
    """Something goes wrong with a coming request: `when` it takes effect is before or after."""

    kind: str
    when: When
    match: str


Step = Call | Again | Redeem | Answer | Pass | Spoil

_NATIVE = ("get_rate_budget", "get_operation", "list_unknown_operations", "reconcile_operation")
_NO_TOOLS = ("approve_operation", "delete_everything", "Send_Email", "")
_WRITES = [name for name, tool in CATALOG.items() if tool.access is not Access.READ]
_READS = [name for name, tool in CATALOG.items() if tool.access is Access.READ]
_SENDS = [name for name in _WRITES if CATALOG[name].sends]
# What writes is called more often than what reads.
TOOLS = [*_WRITES * 3, *_SENDS * 4, "apply_entity", "apply_batch", *_READS, *_NATIVE[1:] * 2, *_NATIVE, *_NO_TOOLS]


def starts(tool: str) -> list[dict[str, Any]]:
    """Return calls of a tool from which others are made."""
    return [*([ARGUMENTS[tool]] if tool in ARGUMENTS else []), *MORE.get(tool, [])] or [{}]


def _fields(tool: str) -> list[str]:
    names = list(properties(CATALOG[tool])) if tool in CATALOG else ["operation", "arguments", "limit"]
    return [*names, "dryRun", "confirm_token"]


_STARTS = {tool: starts(tool) for tool in TOOLS}
_FIELDS = {tool: _fields(tool) for tool in TOOLS}
_CONTROLS: list[dict[str, Any]] = [
    {}, {"allow_repeat": True}, {"confirm_token": Mined("token", 0)}, {"confirm_token": Mined("token", 1)},
    {"confirm_token": Mined("token", 0), "allow_repeat": True}, {"confirm_token": Mined("state", 0)}, {"dry_run": True},
    {"confirm_token": "a" * 32}, {"dry_run": False, "allow_repeat": True},
]  # fmt: skip
_STRIKES: tuple[tuple[str, When], ...] = (
    ("reset", "after"), ("status", "after"), ("reset", "before"), ("status", "before"),
    ("truncated", "after"), ("html", "after"), ("partial", "after"), ("empty", "after"),
)  # fmt: skip
# What matters most is what takes effect and is not answered.
_LOST = [Spoil(kind, "after", match) for match in ("POST /v1/*", "* /api/*") for kind in ("reset", "status")]
_FAULTS = [
    *_LOST * 4,
    *(Spoil(kind, when, match) for match in ("POST /v1/*", "* /api/*", "PUT *", "GET *") for kind, when in _STRIKES),
]


@st.composite
def calls(draw: st.DrawFn, agents: int, tools: Sequence[str]) -> Call:
    """Draw a call: one that would work, with up to three of its arguments changed."""
    tool = draw(st.sampled_from(tools))
    arguments = dict(draw(st.sampled_from(_STARTS[tool])))
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 3]))):
        name = draw(st.sampled_from(_FIELDS[tool]))
        values = MENU.get(name, JUNK)
        arguments[name] = draw(st.sampled_from(JUNK if draw(st.integers(0, 7)) == 7 else values))
    times = draw(st.sampled_from([1, 1, 1, 1, 1, 1, 3]))
    return Call(_who(draw, agents), tool, arguments, times)


@st.composite
def _changed(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from([name for name in MENU if name not in ("dry_run", "operation")]))
    return {name: draw(st.sampled_from(MENU[name]))}


@st.composite
def replays(draw: st.DrawFn, agents: int) -> Again:
    """Draw a replay; the newest calls come first."""
    changes = dict(draw(st.sampled_from(_CONTROLS)))
    if draw(st.integers(0, 4)) == 4:
        changes |= draw(_changed())
    return Again(_who(draw, agents), draw(st.integers(0, 6)), changes, draw(st.sampled_from([1, 1, 1, 3])))


@st.composite
def redemptions(draw: st.DrawFn, agents: int) -> Redeem:
    """Draw the use of a token, the newest first; what was used already may be used again."""
    changes = draw(_changed()) if draw(st.integers(0, 2)) == 2 else draw(st.sampled_from([{}, {"allow_repeat": True}]))
    nth, times = draw(st.sampled_from([0, 0, 1, 2])), draw(st.sampled_from([1, 1, 3]))
    return Redeem(_who(draw, agents), nth, changes, times, draw(st.sampled_from([0, 0, 0, 9, 11])))


@st.composite
def answers(draw: st.DrawFn, agents: int) -> Answer:
    """Draw an answer to a question: to that of the call, to another's, to none."""
    state, nth = draw(st.sampled_from([0, 0, 1, 2, None])), draw(st.sampled_from([0, 0, 1, 3]))
    return Answer(_who(draw, agents), nth, state, draw(st.sampled_from(["yes", "yes", "no"])))


def _who(draw: st.DrawFn, agents: int) -> int:
    return draw(st.integers(0, agents - 1)) if agents > 1 else 0


def steps(situation: Situation) -> st.SearchStrategy[list[Step]]:
    """Return runs: each place holds a step, and as little as nothing when a failing run is shortened."""
    agents = len(situation.rules)
    served = {tool for rules in situation.rules.values() for tool in rules.tools()} & set(_WRITES)
    # Where little is served, most calls would go to shut doors.
    tools = [*TOOLS, *sorted(served) * (len(TOOLS) // (len(served) or 1))]
    kinds: dict[int, st.SearchStrategy[Step]] = {}
    for number in range(1, 100):
        kinds[number] = (
            calls(agents, tools) if number <= 60
            else replays(agents) if number <= 76
            else redemptions(agents) if number <= 84
            else answers(agents) if number <= 90
            else st.sampled_from([5, 20, 65, 240, 600, 1500]).map(Pass) if number <= 94
            else st.sampled_from(_FAULTS)
        )  # fmt: skip
    place = st.integers(0, 99).flatmap(lambda number: kinds.get(number, st.none()))
    return st.lists(place, min_size=PLACES, max_size=PLACES).map(lambda found: [step for step in found if step])
