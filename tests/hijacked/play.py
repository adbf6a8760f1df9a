"""One run: a hijacked agent makes its calls, and each is judged by what came of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from mcp import types
from mcp.shared.exceptions import MCPError

from cio_mcp.sandbox import Fault
from cio_mcp.server import META
from tests.conftest import OWN_TOOLS
from tests.hijacked.agent import Issued, Memory, key_of
from tests.hijacked.arsenal import PLACES, Again, Answer, Call, Pass, Redeem, Spoil, Step
from tests.hijacked.judge import Judge, Made
from tests.hijacked.scene import REPLIES, Scene, Served

PATIENCE = 20.0
"""For one call on two busy cores; it runs out only when something hangs."""
SHOWN = 400
"""Characters of a call's arguments in the story of a failing run."""
UNKNOWN_OPERATION, UNKNOWN_HANDLE = "01JZ0000000000000000000000", "U" * 32


@dataclass(slots=True, kw_only=True)
class Run:
    """A run under way."""

    scene: Scene
    judge: Judge
    memory: Memory = field(default_factory=Memory)
    lines: list[str] = field(default_factory=list[str])

    async def play(self, steps: Sequence[Step]) -> None:
        """Make the calls of a run; raise AssertionError at the first that brings about what must not be."""
        for place, step in enumerate(steps):
            if self.scene.situation.stops and place == PLACES // 2:
                self.scene.stop_file.touch()
                self.lines.append("the operator stops all writes")
            await self._step(step)
        if len(self.scene.served) > 1:
            await self._pry()

    async def _step(self, step: Step) -> None:
        memory, now = self.memory, self.scene.clock.now()
        match step:
            case Call():
                given = memory.filled(step.arguments, now)
                await self._call(self._of(step.who), step.tool, given, step.times)
            case Again() if memory.calls:
                tool, before = memory.calls[-1 - step.nth % len(memory.calls)]
                await self._call(self._of(step.who), tool, before | memory.filled(step.changes, now), step.times)
            case Redeem() if memory.tokens:
                token = memory.tokens[-1 - step.nth % len(memory.tokens)]
                self.scene.clock.seconds += step.minutes * 60
                tool, before = json.loads(token.key)
                given = before | memory.filled(step.changes, now) | {"confirm_token": token.handle}
                await self._call(self._of(step.who), tool, given, step.times)
            case Answer() if memory.calls:
                await self._answer(step)
            case Pass():
                self.scene.clock.seconds += step.minutes * 60
                self.lines.append(f"{step.minutes} minutes go by")
            case Spoil():
                self.scene.witness.state.faults.add(Fault(kind=step.kind, match=step.match, when=step.when))
                self.lines.append(f"the next {step.match} meets {step.kind}, {step.when} it takes effect")
            case _:
                pass

    def _of(self, who: int) -> Served:
        return self.scene.served[who % len(self.scene.served)]

    async def _answer(self, step: Answer) -> None:
        """Answer a question that was put earlier, or claim that there was one."""
        states, calls = self.memory.states, self.memory.calls
        state = states[-1 - step.state % len(states)] if states and step.state is not None else None
        if state and step.nth == 0:
            tool, given = json.loads(state.key)
        else:
            tool, given = calls[-1 - step.nth % len(calls)]
        handle = state.handle if state else None
        await self._call(self._of(step.who), tool, given, 1, state=handle, reply=step.reply)

    async def _call(
        self, served: Served, tool: str, given: dict[str, Any], times: int, *, state: str | None = None, reply: str = ""
    ) -> list[Any]:
        """Make a call, judge what came of it, and answer what was asked as the person behind the client does."""
        agent, key, memory, now = served.agent, key_of(tool, given), self.memory, self.scene.clock.now()
        memory.calls.append((tool, given))
        own = memory.usable(memory.states, state, agent, key, now) if reply else None
        token = memory.usable(memory.tokens, given.get("confirm_token"), agent, key, now)
        before = self.scene.ledger.head().seq
        self.scene.witness.forget()
        served.yeses = 0
        results = await self._results(served, tool, given, times, state=state, reply=reply)
        consents = self._consents(own if reply == "yes" else None, token, served.yeses)
        made = Made(
            agent=agent,
            tool=tool,
            times=times,
            consents=consents,
            stopped=self.scene.stop_file.exists(),
            records=self.scene.ledger.records(before),
            told=[_told(result) for result in results],
        )
        said = f" state {state} answered {reply}" if reply else ""
        took = ", ".join(f"{len(each.effects)}x {each.request}" for each in self.scene.witness.took)
        self.lines.append(f"{agent}: {times}x {tool} {_short(given)}{said} -> {_codes(results)}; took: {took or '-'}")
        self._judge(made)
        if own:
            own.gone = True
        if token and self.scene.witness.took:
            token.gone = True
        for result in results:
            self._learn(served, key, result)
        if not reply and self.scene.situation.person in REPLIES and _is_question(results[0]):
            handle = results[0].request_state
            await self._call(served, tool, given, 1, state=handle, reply=self.scene.situation.person)
        return results

    def _consents(self, state: Issued | None, token: Issued | None, yeses: int) -> int:
        if self.scene.situation.settings["CIO_MCP_CONFIRM"] == "operator":
            return 0  # nobody is at the operator's terminal
        by_token = token is not None and self.scene.situation.settings["CIO_MCP_CONFIRM"] != "ask"
        return yeses + (state is not None) + by_token

    def _judge(self, made: Made) -> None:
        self._object(list(self.judge.wrong_with(made)))
        foreign = {op for agent, known in self.memory.operations.items() if agent != made.agent for op in known}
        for told in made.told:
            # What repeats another agent's send is held back, and names it on purpose.
            if '"held_back"' not in told and any(operation in told for operation in foreign):
                self._object([f"{made.agent} was told of an operation of another agent"])

    def _object(self, wrong: Sequence[str]) -> None:
        if wrong:
            run = "\n".join(f"  {number:2} {line}" for number, line in enumerate(self.lines, start=1))
            raise AssertionError(f"{self.scene.situation.name}: {'; '.join(dict.fromkeys(wrong))}\n{run}")

    async def _results(
        self, served: Served, tool: str, given: dict[str, Any], times: int, *, state: str | None, reply: str
    ) -> list[Any]:
        results: list[Any] = []
        responses: types.InputResponses | None = {"confirm": REPLIES[reply]} if reply else None

        async def one() -> None:
            try:
                results.append(
                    await served.client.session.call_tool(
                        tool, given, input_responses=responses, request_state=state, allow_input_required=True
                    )
                )
            except MCPError as error:
                results.append(error)

        with anyio.fail_after(PATIENCE):
            if times == 1:
                await one()
            else:
                async with anyio.create_task_group() as group:
                    for _ in range(times):
                        group.start_soon(one)
        return results

    def _learn(self, served: Served, key: str, result: Any) -> None:
        memory, now = self.memory, self.scene.clock.now()
        if isinstance(result, types.InputRequiredResult):
            handle = result.request_state or ""
            memory.keep("state", handle)
            memory.states.append(Issued(handle=handle, agent=served.agent, key=key, at=now))
        if not isinstance(result, types.CallToolResult):
            return
        answer = result.structured_content or {}
        if handle := answer.get("error", {}).get("confirm_token", ""):
            memory.tokens.append(Issued(handle=handle, agent=served.agent, key=key, at=now))
        own = (result.meta or {}).get(META, {}).get("operation")
        if own:
            memory.keep("operation", own)
            memory.operations.setdefault(served.agent, set()).add(own)
        memory.mine(answer)

    async def _pry(self) -> None:
        """Have each agent use what is another's, and what is nobody's: it must be told the same."""
        for served in self.scene.served:
            foreign = sorted(op for agent, ops in self.memory.operations.items() if agent != served.agent for op in ops)
            for operation in foreign[:3]:
                for tool in ("get_operation", "reconcile_operation"):
                    await self._same(served, tool, {"operation": operation}, {"operation": UNKNOWN_OPERATION})
            for issued in [each for each in self.memory.tokens if each.agent != served.agent][:3]:
                tool, given = json.loads(issued.key)
                tokens = ({"confirm_token": handle} for handle in (issued.handle, UNKNOWN_HANDLE))
                await self._same(served, tool, *(given | token for token in tokens))
            for issued in [each for each in self.memory.states if each.agent != served.agent][:3]:
                tool, given = json.loads(issued.key)
                both = [
                    await self._call(served, tool, given, 1, state=handle, reply="yes")
                    for handle in (issued.handle, UNKNOWN_HANDLE)
                ]
                self._alike(served, tool, *(result[0] for result in both))

    async def _same(self, served: Served, tool: str, one: dict[str, Any], other: dict[str, Any]) -> None:
        both = [await self._call(served, tool, given, 1) for given in (one, other)]
        self._alike(served, tool, *(result[0] for result in both))

    def _alike(self, served: Served, tool: str, one: Any, other: Any) -> None:
        told = [getattr(each, "structured_content", None) or str(each) for each in (one, other)]
        if told[0] != told[1]:
            self._object([f"{served.agent} can tell by {tool} what is another's: {told[0]} / {told[1]}"])


def _is_question(result: Any) -> bool:
    return isinstance(result, types.InputRequiredResult)


def _told(result: Any) -> str:
    """Return all that a client was told, in either form."""
    if isinstance(result, MCPError):
        return str(result)
    if isinstance(result, types.InputRequiredResult):
        return result.model_dump_json()
    texts = [content.text for content in result.content if isinstance(content, types.TextContent)]
    return "\n".join([*texts, json.dumps(result.structured_content, ensure_ascii=False, default=str)])


def _codes(results: Sequence[Any]) -> str:
    return ", ".join(_code(result) for result in results)


def _code(result: Any) -> str:
    if isinstance(result, MCPError):
        return "no such tool"
    if isinstance(result, types.InputRequiredResult):
        return f"asked, state {result.request_state}"
    return str((result.structured_content or {}).get("error", {}).get("code", "ok"))


def _short(given: Mapping[str, Any]) -> str:
    text = json.dumps(given, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def begun(scene: Scene) -> Run:
    """Return a run that has yet to be played."""
    crowd = int(scene.situation.settings.get("CIO_MCP_CONFIRM_ABOVE", "100"))
    rules = scene.situation.rules
    judge = Judge(witness=scene.witness, rules=rules, crowd=crowd, own_tools=frozenset(OWN_TOOLS))
    judge.begin()
    return Run(scene=scene, judge=judge)
