"""A model that is fully hijacked brings about nothing that its grants, its budget and the people asked do not allow."""

import asyncio
from pathlib import Path

import pytest

from cio_mcp import asking
from tests.hijacked.finding import Search
from tests.hijacked.scene import listed_wrongly, opened
from tests.hijacked.situations import SITUATIONS, Situation

RUNS = 14
"""Of each situation in each era: 23 situations in two eras make 644, of which the first two of each are short."""
SECONDS_OF_SILENCE = 0.001
every_situation = pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.name)
both_eras = pytest.mark.parametrize("mode", ["auto", "legacy"])


@both_eras
@every_situation
def test_whatever_it_calls(situation: Situation, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ELICITATION_SECONDS", SECONDS_OF_SILENCE)
    search = Search(situation=situation, mode=mode, folder=tmp_path)
    search.make(RUNS)
    assert search.runs >= RUNS
    assert search.calls >= 35 * RUNS, "most steps of a run are calls"


@every_situation
def test_it_is_shown_what_it_may_use_and_nothing_else(situation: Situation, tmp_path: Path) -> None:
    async def shown() -> list[str]:
        async with opened(situation, tmp_path, "auto") as scene:
            return await listed_wrongly(scene)

    assert asyncio.run(shown()) == []


@every_situation
def test_a_server_without_these_rules_is_found_out(situation: Situation, tmp_path: Path) -> None:
    search = Search(situation=situation, mode="auto", folder=tmp_path, careless=True, shortens=False)
    with pytest.raises(AssertionError, match=f"^{situation.name}: "):
        search.make(RUNS)
