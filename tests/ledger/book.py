"""Ledgers for tests: real files, a clock that a test sets, and real second processes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cio_mcp.ledger.clock import Boot
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.ledger.terms import Confirmation, Ending, Intent, Outcome

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
NOON = 1_800_000_000.0
OK = Outcome(ending=Ending.OK, credential="app", status=200, attempts=1, took=0.25)
FAILED = Outcome(ending=Ending.FAILED, code="rejected", status=400, attempts=1)
UNKNOWN = Outcome(ending=Ending.UNKNOWN, code="outcome_unknown", attempts=1)
HOUR, DAY = 3600.0, 86_400.0


@dataclass
class Clock:
    """A wall clock that can be set, and a machine that just runs."""

    wall: float = NOON
    ran: float = 5000.0
    boot_id: str = "boot-1"

    def now(self) -> float:
        """Return what the wall clock shows."""
        return self.wall

    @property
    def boot(self) -> Boot:
        """Return the machine's start, and its seconds since."""
        return Boot(id=self.boot_id, uptime=lambda: self.ran)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.ran += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock."""
        self.wall += seconds

    def restart(self, seconds: float, boot_id: str = "boot-2") -> None:
        """Start the machine anew; the wall clock goes on."""
        self.wall += seconds
        self.ran = 20.0
        self.boot_id = boot_id


@dataclass
class Calls:
    """Intents that differ in their ids and, unless told, in what they are about."""

    count: int = 0
    names: list[str] = field(default_factory=list)

    def intent(self, **members: Any) -> Intent:
        """Return the next intent."""
        self.count += 1
        operation = members.pop("operation", f"op-{self.count:06}")
        self.names.append(operation)
        return Intent(
            **{
                "operation": operation,
                "tool": "send_email",
                "access": "send",
                "caller": "test 1",
                "workspace": "77",
                "fingerprint": f"print-{self.count}",
                "recipients": 1,
            }
            | members
        )


def confirmation(clock: Clock, **members: Any) -> Confirmation:
    plain: dict[str, Any] = {
        "handle": "handle-1",
        "operation": "op-asked",
        "tool": "send_newsletter",
        "principal": "local",
        "workspace": "77",
        "binding": "binding-1",
        "target": "target-1",
        "audience": 142,
        "expires_at": clock.now() + 600,
    }
    return Confirmation(**(plain | members))


@contextmanager
def opened(path: Path | None, clock: Clock | None = None, **options: Any) -> Iterator[SqliteLedger]:
    """Open a ledger for the length of the block; synchronous, because nothing in it waits."""
    clock = clock or Clock()
    ledger = SqliteLedger.open(path, now=clock.now, boot=clock.boot, **options)
    try:
        yield ledger
    finally:
        ledger.close()


class Second:
    """A second process, which runs a script of `tests.ledger.second` and answers in JSON lines."""

    def __init__(self, script: str, *arguments: str, **options: Any) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "tests.ledger.second", script, *arguments],
            cwd=ROOT,
            env=dict(os.environ) | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )

    def answer(self) -> Any:
        """Return its next line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process ended without an answer"
        return json.loads(line)

    def go(self) -> None:
        """Let it go on."""
        _pipe(self.process.stdin).write("go\n")
        _pipe(self.process.stdin).flush()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                _pipe(pipe).close()
            except BrokenPipeError:
                continue


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


@contextmanager
def second(script: str, *arguments: object, **options: Any) -> Iterator[Second]:
    """Run a second process for the length of the block."""
    process = Second(script, *map(str, arguments), **options)
    try:
        yield process
    finally:
        process.close()
