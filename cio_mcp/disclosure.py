"""What an agent may know of what was read for its plan: as much as if it had read it itself.

The gate reads what a write would touch whatever its agent may read, since whoever is asked must know, and so must the
budget. A `dry_run` and the plan of a token go to the agent.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cio_mcp import arguments, privacy
from cio_mcp.catalog.endpoint import Catalog
from cio_mcp.errors import CioError, InvalidArguments, NotFound, NotPermitted, Unavailable
from cio_mcp.planning import READ_LIVE, Look
from cio_mcp.policy import Policy
from cio_mcp.privacy import Mask

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """An agent as a reader: what its policy lets it read at a moment, and how much of it."""

    catalog: Catalog
    policy: Policy
    at: datetime

    def refusal(self, tool: str, asked: Json) -> NotPermitted | None:
        """Return why it may not read something, or None if it may."""
        endpoint = self.catalog[tool]
        try:
            params = arguments.validate(tool, endpoint.params, asked)
        except InvalidArguments:  # it was not read at all, which the look says itself
            return self.policy.refusal(endpoint)
        return self.policy.decide(endpoint, params, now=self.at).refusal

    def masked(self, tool: str, data: Json) -> Json:
        """Return of an answer what it is shown."""
        mask = self.policy.mask(self.catalog[tool])
        return privacy.masked(data, mask) if mask else data

    def is_told_all(self, tool: str, asked: Json) -> bool:
        """Say whether it could have read something itself, and nothing of it is masked."""
        return self.refusal(tool, asked) is None and self.policy.mask(self.catalog[tool]) is None


@dataclass(frozen=True, slots=True)
class Readings:
    """Looks for one plan, and what came of each."""

    look_live: Look
    _kept: dict[str, Json | CioError] = field(default_factory=dict[str, Json | CioError])
    _asked: list[tuple[str, Json]] = field(default_factory=list[tuple[str, Json]])

    async def look(self, tool: str, asked: Json) -> Json:
        """Read something, whoever may; raises CioError."""
        self._asked.append((tool, asked))
        try:
            data = await self.look_live(tool, asked)
        except CioError as error:
            self._kept[_key(tool, asked)] = error
            raise
        self._kept[_key(tool, asked)] = data
        return data

    @property
    def have_failed(self) -> bool:
        """Whether Customer.io did not answer some of them; that there is no such thing is an answer."""
        return any(isinstance(found, CioError) and not isinstance(found, NotFound) for found in self._kept.values())

    def are_open_to(self, reader: Reader) -> bool:
        """Say whether a reader may know all that was read."""
        return all(reader.is_told_all(tool, asked) for tool, asked in self._asked)

    def as_read_by(self, reader: Reader) -> Look:
        """Return looks at what was read already, as a reader may see it; nothing is read anew."""

        async def look(tool: str, asked: Json) -> Json:
            if refusal := reader.refusal(tool, asked):
                raise refusal
            found = self._kept.get(_key(tool, asked))
            if isinstance(found, CioError):
                raise found
            if found is None:  # time was up before it was read
                raise Unavailable("It was not read.", next_step="Make the same call again.")
            return reader.masked(tool, found)

        return look


def masked(told: Json, mask: Mask) -> Json:
    """Mask what an agent is told of its write; what was read for a plan in it was masked by the areas of the reads."""
    found: Json = privacy.masked(told, mask)
    if "plan" in told:
        found["plan"] |= {name: value for name, value in told["plan"].items() if name in READ_LIVE}
    return found


def _key(tool: str, asked: Json) -> str:
    return json.dumps([tool, asked], sort_keys=True)
