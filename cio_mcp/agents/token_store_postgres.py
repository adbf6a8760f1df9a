"""Tokens in a PostgreSQL database, for all replicas that share it; times are by the engine's clock."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from typing import Final, TypeVar

from cio_mcp.agents import token_rows
from cio_mcp.agents.token_store import KeptToken, Look, Permit, Proof, TokensUnavailable
from cio_mcp.postgres import READ, WRITE, Database, Session, Unavailable

PART: Final = "tokens"
HOLDS: Final = 0.25
"""Seconds for which one look answers for a token's other calls: a busy agent costs four queries a second, and a
revocation still reaches every replica well within a second."""
_NOW: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"
T = TypeVar("T")


class PostgresTokenStore:
    """A `TokenStore` in a database, which is somebody else's to close; the table is made when first needed."""

    def __init__(self, database: Database, *, ran: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._ran = ran
        self._held: dict[str, tuple[float, Look]] = {}

    async def look(self, token_id: str) -> Look:
        """Look a token up by its id; one that was found is held for `HOLDS` seconds."""
        asked_at = self._ran()
        looked_at, look = self._held.get(token_id, (-inf, None))
        if look is not None and asked_at - looked_at < HOLDS:
            return replace(look, now=look.now + asked_at - looked_at)
        look = await self._look(token_id)
        if look.kept:  # of what strangers name, nothing is held
            self._held[token_id] = (asked_at, look)
        else:
            self._held.pop(token_id, None)
        return look

    async def _look(self, token_id: str) -> Look:
        def work(session: Session) -> Look:
            clock = session.execute(_NOW)  # sent together with the query
            kept = token_rows.find(session, token_id)
            return Look(kept=kept, now=clock.fetchall()[0][0])

        return await self._run(work, READ)

    async def note_use(self, token_id: str, *, every: float) -> None:
        """Keep that a token is in use now, unless that was kept less than `every` seconds ago."""
        await self._run(lambda session: token_rows.note_use(session, token_id, now=_now(session), every=every))

    async def add(self, proof: Proof, permit: Permit, *, by: str, lifetime: float | None) -> KeptToken:
        """Keep a new token, durably."""

        def work(session: Session) -> KeptToken:
            now = _now(session)
            expires_at = None if lifetime is None else now + lifetime
            kept = KeptToken(proof=proof, permit=permit, created_by=by, created_at=now, expires_at=expires_at)
            token_rows.add(session, kept)
            return kept

        return await self._run(work)

    async def revoke(self, token_id: str) -> bool:
        """End a token for good, durably; False if there is no such token or it was revoked before."""
        done = await self._run(lambda session: token_rows.revoke(session, token_id, now=_now(session)))
        self._held.pop(token_id, None)
        return done

    async def tokens(self) -> tuple[Sequence[KeptToken], float]:
        """Return all tokens, ended ones too, the oldest first, and the engine's time."""
        return await self._run(lambda session: (token_rows.find_all(session), _now(session)), READ)

    async def _run(self, work: Callable[[Session], T], begin: str = WRITE) -> T:
        try:
            return await self._database.thread(self._transact, work, begin)
        except Unavailable as error:
            raise TokensUnavailable(str(error)) from None
        except (ValueError, TypeError) as error:
            raise TokensUnavailable(f"{self._database.name}: a token was not written by cio-mcp: {error}") from None

    def _transact(self, work: Callable[[Session], T], begin: str) -> T:
        self._database.ensure(PART, token_rows.VERSION, _create)
        return self._database.transact(work, begin)


def _create(session: Session) -> None:
    token_rows.create_table(session, octets="BYTEA")


def _now(session: Session) -> float:
    return float(session.execute(_NOW).fetchall()[0][0])
