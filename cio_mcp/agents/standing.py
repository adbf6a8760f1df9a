"""Whether whoever was let in is known still: a call may wait for minutes, and a stream lasts as long as it likes."""

from dataclasses import dataclass, field

import anyio

from cio_mcp.agents.agent import Authenticator
from cio_mcp.agents.jwks import KeysUnavailable
from cio_mcp.agents.token_store import TokensUnavailable
from cio_mcp.errors import CioError, NotPermitted

LOOKED_AT_EVERY = 0.5
"""Seconds; stores look as rarely at what they hold, and a second is promised until a revocation counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the token of one request is worth now."""

    authenticator: Authenticator
    token: str = field(repr=False)

    async def refusal(self) -> CioError | None:
        """Return why nothing may be written for this request any more, None if its token is as good as it was."""
        try:
            if await self.authenticator.agent(self.token):
                return None
        except (KeysUnavailable, TokensUnavailable):
            return NotPermitted(
                "Whether the token of this call is still good cannot be told at the moment. Nothing was sent.",
                next_step="Make the same call again in a minute.",
            )
        return NotPermitted(
            "The token of this call was revoked or has expired since the call came. Nothing was sent.",
            next_step="Tell the user. Only whoever runs this server, or the issuer of its tokens, can give a new one.",
        )

    async def lost(self) -> None:
        """Return as soon as the token proves nobody any more; that it cannot be looked up says nothing about it."""
        while True:
            await anyio.sleep(LOOKED_AT_EVERY)
            try:
                if await self.authenticator.agent(self.token) is None:
                    return
            except (KeysUnavailable, TokensUnavailable):
                continue
