"""The simulation of one seed: who runs when, and who is killed where."""

import gc
import math
import os
import signal
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from tests.simulation.machine import Machine
from tests.simulation.messages import (
    COMMITS,
    KILL_POINTS,
    Answer,
    Arrived,
    At,
    Begun,
    Connecting,
    Crashed,
    Fate,
    Finished,
    Go,
    Idle,
    Message,
    Next,
    Started,
    Step,
)
from tests.simulation.process import Birth, Process
from tests.simulation.watched import FULL
from tests.simulation.world import Stuck, World

PATIENCE = 60.0
"""Seconds of real time after which a process that says nothing hangs."""
# Seconds by which a wall clock is wrong, or not: by more than a look allows for, by a time zone, by a day.
_WRONG = (-86_400.0, -7_200.0, -45.0, 0.0, 45.0, 7_200.0, 86_400.0)


@dataclass(slots=True)
class _Running:
    """A process that stands still until `wake`, and what it is told then."""

    birth: Birth
    pid: int
    connection: Connection
    steps: int
    kill_at: str | None
    kill_in: int
    """How often it passes that point before it is killed there."""
    wake: float
    owed: frozenset[str]
    """Operations of those who were dead when it began: it has to close them before it does anything else."""
    given: Step | Fate | Answer | str | None = None

    @property
    def name(self) -> str:
        """What it is called in the story."""
        return self.birth.name


class Simulation:
    """One seed, in a directory of its own."""

    def __init__(self, seed: int, directory: Path) -> None:
        self._seed = f"seed {seed}"
        self._random = random = Random(self._seed)  # noqa: S311 - repeatable, and guards nothing
        self.world = World(random, directory)
        self.killed: list[str] = []
        self.stalls = random.choice((0.0, 0.0, 0.02, 0.1))
        """How likely a process stands still for a while where it might be interrupted."""
        self._machine = self.world.machine
        self._disk_fills = random.choice((0.0, 0.0, 0.0, 0.05))
        self._shares_limits = random.random() < 0.5
        self._lives = random.randint(2, 4)
        self._births = 0
        self._running: list[_Running] = []

    def run(self) -> None:
        """Play it to the end."""
        self._set_clock(0.15)
        for _ in range(self._random.choice((1, 1, 2))):
            self._begin_life()
        try:
            while self._running:
                self._turn()
        finally:
            self._lives = 0
            for process in list(self._running):
                self._kill(process)
        self.world.pass_time(math.inf)

    # -- lives ---------------------------------------------------------------------------------------------------------

    def _begin_life(self) -> None:
        random, world = self._random, self.world
        self._births += 1
        birth = Birth(
            name=f"process {self._births}",
            seed=self._seed,
            ledger=world.ledger,
            mode=world.mode,
            agents=random.choice((1, 2, 3)),
            shares_limits=self._shares_limits,
            grants=world.grants,
        )
        kill_at = random.choice((*[None] * len(KILL_POINTS), *KILL_POINTS))
        pid, connection = _forked(birth, self._machine)
        process = _Running(
            birth=birth,
            pid=pid,
            connection=connection,
            steps=random.randint(3, 7),
            kill_at=kill_at,
            kill_in=random.randint(1, 5),
            wake=self._machine.now,
            owed=world.left_by_the_dead(),
        )
        self._running.append(process)
        world.tell(birth.name, f"begins, {birth.agents} agents, --confirm {birth.mode}")

    def _kill(self, process: _Running) -> None:
        os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)
        self._forget(process, "is killed")

    def _ended(self, process: _Running) -> None:
        _, status = os.waitpid(process.pid, 0)
        if status:
            raise Stuck(f"{process.name} ended with {status}")
        self._forget(process, "ends")

    def _forget(self, process: _Running, how: str) -> None:
        process.connection.close()
        self._running.remove(process)
        self.world.tell(process.name, how)
        self.world.ended(process.name)
        if self._births < self._lives:
            self._between_lives()
            self._begin_life()

    def _between_lives(self) -> None:
        random, machine, world = self._random, self._machine, self.world
        self._set_clock(0.2)
        if not self._running and random.random() < 0.2:
            machine.restart()
            world.tell("the machine", f"is started anew, its clock {machine.offset:+.0f} s off")
        if not self._running:
            world.pass_time(machine.now + random.choice((0.0, 1.0, 30.0, 700.0)))

    def _set_clock(self, likely: float) -> None:
        if self._random.random() < likely:
            self._machine.set_wall_clock(self._random.choice(_WRONG))
            self.world.tell("the clock", f"is {self._machine.offset:+.0f} s off")

    # -- turns ---------------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Let the process run whose turn it is, until it asks again."""
        now = max(self._machine.now, min(process.wake for process in self._running))
        ready = [process for process in self._running if process.wake <= now]
        process = ready[0] if len(ready) == 1 else self._random.choice(ready)
        self.world.pass_time(now)
        self._hear(process)

    def _hear(self, process: _Running) -> None:
        """Tell a process how to go on, and answer what it says next."""
        connection = process.connection
        connection.send(Go(self._machine.now, self._quiet_until(process), process.given))
        if not connection.poll(PATIENCE):
            raise Stuck(f"{process.name} says nothing for {PATIENCE:.0f} s")
        try:
            now, message = connection.recv()
        except (EOFError, ConnectionResetError):
            self._ended(process)
            return
        self._machine.now = process.wake = now
        process.given = None
        self._answer(process, message)

    def _quiet_until(self, process: _Running) -> float:
        """Return the next moment at which anything is to happen elsewhere."""
        others = (other.wake for other in self._running if other is not process)
        return min(self.world.next_late, *others, math.inf)

    def _answer(self, process: _Running, message: Message) -> None:
        match message:
            case Idle():
                process.wake = max(self._machine.now, message.until)
            case Started():
                self._started(process)
            case Next():
                process.given = self.world.next(process.name) if process.steps else None
                process.steps -= bool(process.steps)
            case Finished():
                self.world.finished(process.name, message)
            case Crashed():
                raise Stuck(f"{process.name} failed:\n{message.traceback}")
            case _:
                self._passing(process, message)

    def _started(self, process: _Running) -> None:
        if left := self.world.record.open_operations() & process.owed:
            self.world.faults.append(f"{process.name} has opened the ledger, and still open are {sorted(left)}")

    def _passing(self, process: _Running, message: At | Begun | Connecting | Arrived) -> None:
        """Let a process pass a point at which it may be killed, or kept for a while."""
        # What has happened when it comes to the point is noted before it may die there, what comes after is not.
        if isinstance(message, Begun):
            self.world.begun(process.name, message)
        elif isinstance(message, Arrived):
            process.given = self.world.arrived(process.name, message)
        if self._dies(process, message.point, message.call):
            return
        if isinstance(message, Connecting):
            process.given = self.world.connecting(process.name, message)
        if message.point in COMMITS:
            process.given = FULL if self._random.random() < self._disk_fills else None
            self._hear(process)  # nobody else's turn while a transaction is open
        elif self._random.random() < self.stalls:
            process.wake = self._machine.now + self._random.choice((0.001, 0.5, 10.0, 60.0))

    def _dies(self, process: _Running, point: str, call: int | None) -> bool:
        process.kill_in -= point == process.kill_at
        if point != process.kill_at or process.kill_in:
            return False
        self.killed.append(point)
        self.world.tell(process.name, f"dies {point}, call {call}")
        self._kill(process)
        return True


def _forked(birth: Birth, machine: Machine) -> tuple[int, Connection]:
    """Begin a process; the caller must not run threads."""
    ours, theirs = Pipe()
    pid = os.fork()
    if pid == 0:
        ours.close()
        gc.disable()
        status = 2
        try:
            status = Process(birth, replace(machine), theirs).run()
        finally:
            os._exit(status)
    theirs.close()
    return pid, ours
