"""Pure: where the right tool stands among all, and how that sums up."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evals.entries import Request, Split

NEAR = 3
"""A model that is shown a few candidates picks among so many."""
_SENTENCE = re.compile(r"(?<=[.]) ")

Scores = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A request and the order in which the tools came."""

    request: Request
    place: int
    """Of the first right one; 1 is best."""
    margin: float
    """By how much the best right tool is ahead of the best wrong one; negative if it is behind."""
    first: tuple[str, ...]
    """The best so many, right or wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How many of some requests found the right tool."""

    requests: int
    first: int
    near: int
    margin: float
    """The median."""

    @property
    def top_1(self) -> float:
        """The share whose right tool came first."""
        return self.first / self.requests

    @property
    def top_3(self) -> float:
        """The share whose right tool came among the first three."""
        return self.near / self.requests


def opening(name: str, description: str) -> str:
    """Return a tool's name and the first sentence of its description, which says what it does."""
    return whole(name, _SENTENCE.split(description)[0])


def whole(name: str, description: str) -> str:
    """Return a tool's name and all of its description, cautions and all."""
    return f"{name.replace('_', ' ')}: {description}"


def documents(descriptions: Mapping[str, str], written: Callable[[str, str], str]) -> list[str]:
    """Return what is searched, a text for each tool."""
    return [written(name, description) for name, description in descriptions.items()]


def ranked(requests: Sequence[Request], names: Sequence[str], scores: Scores) -> list[Ranked]:
    """Return how each request ranks the tools; a tie goes to whoever is listed first."""
    return [_ranked(request, names, row) for request, row in zip(requests, scores, strict=True)]


def _ranked(request: Request, names: Sequence[str], row: Sequence[float]) -> Ranked:
    order = sorted(range(len(names)), key=lambda place: -row[place])
    right = [place for place, tool in enumerate(order) if names[tool] in request.tools]
    wrong = next(tool for tool in order if names[tool] not in request.tools)
    return Ranked(
        request=request,
        place=right[0] + 1,
        margin=float(row[order[right[0]]] - row[wrong]),
        first=tuple(names[tool] for tool in order[:NEAR]),
    )


def score(found: Sequence[Ranked]) -> Score:
    """Sum up some rankings."""
    margins = sorted(one.margin for one in found)
    return Score(
        requests=len(found),
        first=sum(one.place == 1 for one in found),
        near=sum(one.place <= NEAR for one in found),
        margin=margins[len(margins) // 2],
    )


def part(found: Sequence[Ranked], split: Split, *, english: bool) -> list[Ranked]:
    """Return the rankings of one split: of the requests in English, or of those in other languages."""
    return [one for one in found if one.request.split == split and (one.request.language == "en") is english]
