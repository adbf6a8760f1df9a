"""The world of one seed: Customer.io, the network, the agents and the ledger's file; and what is noted of them."""

import math
from dataclasses import dataclass
from pathlib import Path
from random import Random

from cio_mcp.gate import Mode
from cio_mcp.ledger.place import key_path
from tests.simulation.agents import Agents
from tests.simulation.customerio import CustomerIo, is_write
from tests.simulation.machine import Machine
from tests.simulation.messages import Answer, Arrived, Begun, Connecting, Fate, Finished, Step
from tests.simulation.record import Record
from tests.simulation.story import Account, Effect, Story, spelt
from tests.simulation.weather import Weather

_KEY_BYTES = 32
_MODES = (Mode.TOKEN, Mode.TOKEN, Mode.AUTO, Mode.AUTO, Mode.ASK, Mode.OPERATOR)


class Stuck(Exception):
    """The simulation cannot go on: a process failed by itself, hangs, or does what no server may."""


@dataclass(frozen=True, slots=True)
class _Late:
    """A request that has reached Customer.io and takes effect at `due`."""

    due: float
    request: Arrived


class World:
    """Everything but the processes, in a directory of its own."""

    def __init__(self, random: Random, directory: Path) -> None:
        self.machine = Machine()
        self.story = Story()
        self.customerio = CustomerIo(self.machine.true_time, lambda: self.machine.now)
        self.ledger = directory / "ledger.sqlite3"
        key = key_path(self.ledger)
        key.write_bytes(random.randbytes(_KEY_BYTES))
        key.chmod(0o600)
        self.record = Record(self.ledger, self.machine)
        self.faults: list[str] = []
        """What was found wrong while it happened."""
        self.mode = random.choice(_MODES)
        self.per_hour = random.choice((None, None, 3, 14, 25))
        """The budget of recipients of each principal."""
        self.grants = _grants_file(directory, self.per_hour) if self.per_hour else None
        self._agents = Agents(random, self.mode)
        self._weather = Weather(random)
        self._late: list[_Late] = []

    def tell(self, who: str, what: str) -> None:
        """Add a line to the story."""
        self.story.tell(self.machine.now, who, what)

    def next(self, name: str) -> Step:
        """Return what an agent of a process does next."""
        step = self._agents.next()
        self.story.accounts[step.call] = Account(step=step, process=name)
        way = f"{step.way.value}, state {step.state[:8]}" if step.state else step.way.value
        self.tell(name, f"call {step.call}: {step.tool}({spelt(step.arguments)}) as {step.principal}, {way}")
        return step

    def begun(self, name: str, begun: Begun) -> None:
        """Note that an intent was recorded."""
        account = self._account(begun.call)
        account.operation, account.confirmation = begun.operation, begun.confirmation
        account.begun_at = self.machine.now
        sent_to = f", to {begun.recipients}" if begun.recipients else ""
        self.tell(name, f"call {begun.call}: intent of {begun.operation} recorded{sent_to}")

    def connecting(self, name: str, request: Connecting) -> Fate:
        """Decide on the fate of a request; if it may change something, its intent must stand in the ledger by now."""
        fate = self._weather.fate(request)
        self.tell(name, f"call {request.call}: {request.method} {request.target}, {request.size} bytes: {fate.name}")
        if is_write(request.method, request.target):
            account = self._account(request.call)
            account.fates.append(fate.name)
            account.writes += not fate.unreachable
            if account.operation is None or account.operation not in self.record.open_operations():
                self.faults.append(f"call {request.call} was about to write without an open intent")
        return fate

    def arrived(self, name: str, request: Arrived) -> Answer:
        """Let a request take effect as its fate says, and return what comes back."""
        fate = request.fate
        own = self._take(name, request) if fate.takes == "now" else None
        if fate.takes == "late":
            self._late.append(_Late(self.machine.now + fate.late, request))
        if own is None or fate.status is not None:
            return Answer(fate.status or 200, tuple(fate.headers.items()), fate.body or b"")
        return own

    def finished(self, name: str, finished: Finished) -> None:
        """Note what an agent was told."""
        account = self._account(finished.call)
        account.finished = finished
        account.ended_at = self.machine.now
        account.operation = account.operation or finished.operation
        for handle in (finished.data.get("confirm_token"), finished.question):
            if handle:
                self.story.handles[handle] = account
        self._agents.learn(account.step, finished)
        how = "cancelled" if finished.cancelled else finished.code or ("a question" if finished.question else "ok")
        more = f", {finished.data.get('ending')}" if account.step.tool == "reconcile_operation" else ""
        self.tell(name, f"call {finished.call}: {how}{more}" + (f" ({finished.notice})" if finished.notice else ""))

    def ended(self, name: str) -> None:
        """Note that a process has ended, with whatever it was doing; the ledger's chain must hold."""
        for account in self.story.accounts.values():
            if account.process == name and account.finished is None:
                account.died, account.ended_at = True, self.machine.now
                self._agents.lost(account.step, account.operation)
        self.faults += self.record.broken()

    def left_by_the_dead(self) -> frozenset[str]:
        """Return the operations of those who are dead now."""
        accounts = self.story.accounts.values()
        return frozenset(account.operation for account in accounts if account.died and account.operation)

    @property
    def next_late(self) -> float:
        """When Customer.io next takes up a request late; infinity if none is on its way."""
        return min((late.due for late in self._late), default=math.inf)

    def pass_time(self, until: float) -> None:
        """Let time pass until a moment, and take up what is due by then; infinity: all that there is."""
        for late in sorted(self._late, key=lambda late: late.due):
            if late.due <= until:
                self._late.remove(late)
                self.machine.now = max(self.machine.now, late.due)
                self._take("Customer.io", late.request)
        if until < math.inf:
            self.machine.now = max(self.machine.now, until)

    def _take(self, name: str, request: Arrived) -> Answer:
        before = self.customerio.sent()
        answer = self.customerio.take(request)
        if not is_write(request.method, request.target):
            return answer
        self.tell(name, f"call {request.call}: Customer.io answers {answer.status}")
        if 200 <= answer.status < 300:
            account = self._account(request.call)
            addressed = len(str(account.step.arguments.get("to", "")).split())
            reached = max(self.customerio.sent() - before, addressed)
            account.effects.append(Effect(self.machine.now, answer.status, reached))
        return answer

    def _account(self, call: int | None) -> Account:
        if call is None or call not in self.story.accounts:
            raise Stuck("something was written that belongs to no call")
        return self.story.accounts[call]


def _grants_file(directory: Path, per_hour: int) -> Path:
    path = directory / "grants.toml"
    path.write_text(f'profile = "admin"\n[budget]\nper_hour = {per_hour}\n', encoding="utf-8")
    path.chmod(0o600)
    return path
