"""Hypothesis on a situation: so many runs, from a seed, until one brings about what must not be."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.hijacked.arsenal import Step, steps
from tests.hijacked.play import begun
from tests.hijacked.scene import opened
from tests.hijacked.situations import Situation

PATIENT = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)


@dataclass(slots=True, kw_only=True)
class Search:
    """Runs of one situation in one era of the protocol; `runs` and `calls` count those made before anything is found.

    `careless` starts the servers without what the situation grants, `shortens` has a run that fails shortened.
    """

    situation: Situation
    mode: str
    folder: Path
    careless: bool = False
    shortens: bool = True
    number: int = 0
    runs: int = 0
    calls: int = 0
    _found: bool = field(default=False, init=False)

    def make(self, runs: int) -> None:
        """Make so many runs; raise AssertionError with the calls of one that fails."""
        phases = PATIENT.phases if self.shortens else [Phase.generate]

        @seed(f"{self.situation.name}, {self.mode}, {self.number}".encode())
        @settings(PATIENT, max_examples=runs, phases=phases)
        @given(run=steps(self.situation))
        def play(run: list[Step]) -> None:
            asyncio.run(self._played(run))

        play()

    async def _played(self, run: list[Step]) -> None:
        wrong: AssertionError | None = None
        async with opened(self.situation, self.folder, self.mode, careless=self.careless) as scene:
            played = begun(scene)
            try:
                await played.play(run)
            except AssertionError as error:
                wrong = error  # raised outside, where no group of tasks wraps it
        if not self._found:
            self.runs += 1
            self.calls += len(played.memory.calls)
        if wrong:
            self._found = True
            raise wrong
