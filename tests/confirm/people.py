"""The person behind a client: says yes, no, nothing, or something malformed, and remembers what they were asked."""

from dataclasses import dataclass, field
from typing import Any

import anyio
from mcp import types
from mcp.client import ClientRequestContext

YES = types.ElicitResult(action="accept", content={"confirm": True})
ANSWERS: dict[str, types.ElicitResult] = {
    "yes": YES,
    "accepted with no": types.ElicitResult(action="accept", content={"confirm": False}),
    "accepted with nothing": types.ElicitResult(action="accept", content={}),
    "accepted with a word": types.ElicitResult(action="accept", content={"confirm": "true"}),
    "declined": types.ElicitResult(action="decline"),
    "cancelled": types.ElicitResult(action="cancel"),
}


@dataclass(slots=True, kw_only=True)
class Somebody:
    """Answers every question in the same way; `before` runs while they think."""

    answer: types.ElicitResult | None = field(default_factory=lambda: YES)
    questions: list[str] = field(default_factory=list[str])
    before: Any = None

    async def __call__(self, context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        """Answer, or never."""
        del context
        self.questions.append(params.message)
        if self.before:
            self.before()
        if self.answer is None:
            await anyio.sleep_forever()
        assert self.answer is not None
        return self.answer
