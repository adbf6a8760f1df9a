"""A simulated process: the real pipeline with the simulated world handed in, and the agents that call it."""

import importlib
import random
import traceback
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import anyio
from ulid import ULID

from cio_mcp.budgets import Budgets, Sharing
from cio_mcp.catalog import CATALOG
from cio_mcp.cli.wiring import workspace
from cio_mcp.consent import Person, Reply
from cio_mcp.delivery import Caller, Effects
from cio_mcp.gate import Mode
from cio_mcp.gateway import Gateway, new_client
from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.ledger.schema import APPLICATION
from cio_mcp.limiter import SharedFile
from cio_mcp.native import rate_budget
from cio_mcp.operations import operation_tools
from cio_mcp.pipeline import Finished as Ended
from cio_mcp.pipeline import Pipeline
from cio_mcp.settings import Settings, load
from tests.simulation.machine import Machine
from tests.simulation.messages import Crashed, Finished, Go, Idle, Message, Next, Started, Step
from tests.simulation.network import SimulatedNetwork
from tests.simulation.virtual_time import VirtualLoop
from tests.simulation.watched import WatchedLedger

OPERATOR = "the operator"
"""The tool of a step in which a person decides at a terminal what waits there."""
KEYS = {
    "CUSTOMERIO_SITE_ID": "sandbox-site-id",
    "CUSTOMERIO_TRACK_API_KEY": "sandbox-track-key",
    "CUSTOMERIO_APP_API_KEY": "sandbox-app-key",
    "CUSTOMERIO_TRACK_URL": "http://127.0.0.1",
    "CUSTOMERIO_APP_URL": "http://127.0.0.1",
    "CIO_MCP_LEDGER": "memory",  # replaced below
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What a process begins with."""

    name: str
    seed: str
    ledger: Path
    mode: Mode
    agents: int
    shares_limits: bool
    grants: Path | None


class Process:
    """One life, from the fork to its end."""

    def __init__(self, birth: Birth, machine: Machine, connection: Connection) -> None:
        self._birth = birth
        self._machine = machine
        self._connection = connection
        self._random = random.Random(f"{birth.seed} {birth.name}")  # noqa: S311 - repeatable, and guards nothing
        self._call: ContextVar[int | None] = ContextVar("call", default=None)
        self._until = machine.now
        self._clock = SteadyClock(wall=machine.wall, uptime=machine.uptime, boot=machine.boot)

    def run(self) -> int:
        """Live, from the first word of the simulation on; return the exit status."""
        self._hear()
        try:
            options = {"loop_factory": partial(VirtualLoop, lambda: self._machine.now, self._wait)}
            anyio.run(self._live, backend="asyncio", backend_options=options)
        except BaseException:  # noqa: BLE001 - whatever it is, the simulation must hear of it
            with suppress(OSError):
                self._connection.send((self._machine.now, Crashed(traceback.format_exc())))
            return 1
        return 0

    def ask(self, message: Message) -> Go:
        """Tell the simulation something, and stand still until it says how to go on."""
        self._connection.send((self._machine.now, message))
        return self._hear()

    def _hear(self) -> Go:
        go: Go = self._connection.recv()
        self._machine.now = go.now
        self._until = go.until
        return go

    def _wait(self, seconds: float) -> None:
        until = self._machine.now + seconds
        if until < self._until:
            self._machine.now = until
        else:
            self.ask(Idle(until))

    async def _live(self) -> None:
        ledger = WatchedLedger(self._birth.ledger, self._clock, self.ask, self._call)
        self.ask(Started())
        grants = {"CIO_MCP_GRANTS": str(self._birth.grants)} if self._birth.grants else {}
        settings = load(KEYS | {"CIO_MCP_CONFIRM": self._birth.mode} | grants)
        async with workspace(settings, ledger) as made, anyio.create_task_group() as agents:
            pipeline = self._in_this_world(made, ledger, self._budgets(settings))
            for number in range(self._birth.agents):
                agents.start_soon(self._agent, number, pipeline, ledger)
        await ledger.aclose()

    def _budgets(self, settings: Settings) -> Budgets:
        """Return the limits: of this process alone, or shared through the ledger's file."""
        clock = partial(getattr, self._machine, "now")
        if not self._birth.shares_limits:
            return Budgets(settings.rates, clock=clock)
        file = SharedFile(self._birth.ledger, application_id=APPLICATION, clock=clock)
        return Budgets(settings.rates, shared=Sharing(file=file, accounts=lambda credential: {credential: 0.0}))

    def _in_this_world(self, made: Pipeline, ledger: WatchedLedger, budgets: Budgets) -> Pipeline:
        """Return the pipeline as it was wired, with the simulation in place of the world."""
        effects = Effects(
            mint=self._ulid, jitter=self._random.random, now=lambda: self._machine.now, sleep=made.exchange.sleep
        )
        gateway = Gateway(lambda: new_client(SimulatedNetwork(self.ask, self._call), loopback=True))
        delivery = replace(made.exchange.delivery, budgets=budgets, gateway=gateway, effects=effects)
        exchange = replace(made.exchange, budgets=budgets, delivery=delivery)
        operations = operation_tools(
            ledger=ledger,
            exchange=exchange,
            workspace=made.workspace,
            now=self._clock.now,
            recollection=made.recollection,
        )
        gatekeeper = replace(made.clearance.gatekeeper, mint=self._handle, now=self._clock.now)
        return replace(
            made,
            exchange=exchange,
            clearance=replace(made.clearance, exchange=exchange, gatekeeper=gatekeeper),
            now=self._clock.now,
            native={each.tool.name: each for each in (rate_budget(budgets), *operations)},
        )

    def _ulid(self) -> str:
        time = int(self._clock.now() * 1000).to_bytes(6, "big")
        return str(ULID.from_bytes(time + self._random.randbytes(10)))

    def _handle(self) -> str:
        return self._random.randbytes(24).hex()

    async def _agent(self, number: int, pipeline: Pipeline, ledger: WatchedLedger) -> None:
        while isinstance(step := self.ask(Next(number)).given, Step):
            await anyio.sleep(step.pause)
            self._call.set(step.call)
            if step.tool == OPERATOR:
                await ledger.decide_all(lambda _: self._random.random() < 0.8)
                continue
            with anyio.move_on_after(step.patience) as scope:
                ended = await self._called(pipeline, step)
                self.ask(_finished(step, ended))
            if scope.cancelled_caught:
                self.ask(Finished(step.call, None, None, {}, cancelled=True))

    async def _called(self, pipeline: Pipeline, step: Step) -> Ended:
        async def ask(_question: str) -> Reply:
            await anyio.sleep(self._random.uniform(1, 20))
            return step.answer

        person = Person(way=step.way, ask=ask, reply=step.reply, state=step.state)
        caller = Caller(name="an agent", principal=step.principal, person=person)
        if native := pipeline.native.get(step.tool):
            return await pipeline.answer(native, step.arguments, caller=caller)
        return await pipeline.call(CATALOG[step.tool], step.arguments, caller=caller)


def _finished(step: Step, ended: Ended) -> Finished:
    code = ended.error.code if ended.error else None
    data = ended.error.as_json()["error"] if ended.error else ended.data
    question = ended.question.handle if ended.question else None
    operation = ended.course.operation
    return Finished(step.call, operation, code, data, question, notice=ended.course.notice)


def warm_up() -> None:
    """Load what the first call would load, so that no process has to."""

    async def nothing() -> None:
        async with workspace(load(KEYS)) as pipeline:
            await pipeline.ledger.stopped()

    anyio.run(nothing, backend="asyncio")
    for name in _LOADED_LATE:
        importlib.import_module(name)


_LOADED_LATE = ("cio_mcp.ledger.processes", "httpx2._transports.default", "encodings.idna", "encodings.utf_8_sig")
