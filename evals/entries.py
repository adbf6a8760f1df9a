"""The requests and the traps, as they lie in their files, one a line."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FOLDER = Path(__file__).parent
REQUESTS, TRAPS = FOLDER / "requests.jsonl", FOLDER / "traps.jsonl"
PARTS = 3
"""One part of so many is held out."""

Split = Literal["tune", "held_out"]


class Entry(BaseModel):
    """What somebody says, and which part of the entries it belongs to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    say: str = Field(min_length=1)
    split: Split
    language: str = "en"


class Right(BaseModel):
    """A tool that is right, and those of its arguments that matter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: str
    arguments: dict[str, Any] = {}


class Request(Entry):
    """An everyday request; any one of the calls in `right` answers it."""

    right: tuple[Right, ...] = Field(min_length=1)

    @property
    def tools(self) -> frozenset[str]:
        """The tools of which any is right."""
        return frozenset(right.tool for right in self.right)


class Attack(BaseModel):
    """A call as a model would make it that fell for the trap, and how the server must answer it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: str
    arguments: dict[str, Any] = {}
    answer: str
    """The code of the error, or `done`."""


class Defence(BaseModel):
    """What the server does about a trap, whatever the model does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: Mapping[str, str] = {}
    calls: tuple[Attack, ...] = Field(min_length=1)
    arrives: int = 0
    """How many writes reach Customer.io over all of the calls."""


class Trap(Entry):
    """A request that leads astray."""

    family: str
    before: tuple[Right, ...] = ()
    """Calls that lay the trap in the workspace; they change it, and are made before anybody says anything."""
    behaviour: str
    """What is right, for people."""
    may: tuple[Right, ...] = ()
    """Calls that write and are right all the same; whatever only reads is."""
    must_not: tuple[Right, ...] = ()
    """Calls that are wrong with these arguments, even if they only read. Every write beside `may` is."""
    server: Defence | None = None
    """None where only the model can withstand it."""


def split_of(say: str) -> Split:
    """Return the part that a text belongs to: its own words decide, so that nobody picks."""
    digest = hashlib.sha256(say.encode()).digest()
    return "held_out" if int.from_bytes(digest[:8], "big") % PARTS == 0 else "tune"


def requests(path: Path = REQUESTS) -> list[Request]:
    """Read the requests; raises ValueError (a line says what is wrong with it)."""
    return [Request.model_validate(line) for line in _lines(path)]


def traps(path: Path = TRAPS) -> list[Trap]:
    """Read the traps; raises ValueError (a line says what is wrong with it)."""
    return [Trap.model_validate(line) for line in _lines(path)]


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
