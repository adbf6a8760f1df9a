"""Pure: one cause as it is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cio_mcp import shaping

_NAMES = 40
"""Bytes that a cause takes at most that is only named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One cause: a word for programs, what shows it, and what to do next."""

    cause: str
    evidence: str
    next_step: str

    def told(self) -> dict[str, Any]:
        """Return it as a model reads it."""
        return {"cause": self.cause, "evidence": self.evidence, "next_step": self.next_step}


def beside(found: Sequence[Finding], room: int) -> dict[str, Any]:
    """Return further causes within so many bytes: the first ones whole, those that do not fit by their names."""
    left = room - len(',"also":[],"more_causes":[]') - _NAMES * len(found)
    also: list[dict[str, Any]] = []
    for each in found:
        told = each.told()
        left -= shaping.size(told) - _NAMES
        if left < 0:
            break
        also.append(told)
    return {"also": also, "more_causes": [each.cause for each in found[len(also) :]]}
