"""Slots in PostgreSQL: one function for each step, which locks the bucket's row and goes by the server's clock."""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import astuple
from importlib.resources import files
from typing import Any, Final, TypeVar

from cio_mcp.limiter.engine.terms import Change, Terms, Unreachable, View, words
from cio_mcp.postgres import Database, Session, Unavailable

CONNECTIONS: Final = 4
"""What one replica needs: to take, to report, to look, and one to spare."""
_PART = "limiter"
_VERSION = 1
# A server that takes longer is as good as gone: callers wait meanwhile.
_PATIENCE = 1.0
T = TypeVar("T")


class PostgresEngine:
    """An engine on a database, which stays its owner's to close.

    It should have connections of its own: one that waits behind something else is a server that does not answer.
    """

    def __init__(self, database: Database) -> None:
        self.name = database.name
        self._database = database
        self._under_way: set[asyncio.Task[Any]] = set()

    async def take(self, terms: Terms, replica: str, slots: Sequence[str], waiting: int) -> View:
        """Grant what is free of these slots, for a replica with so many callers in line."""
        values = (terms.bucket, replica, *_numbers(terms), waiting, list(slots))

        def take(session: Session) -> list[int]:
            found = session.execute(f"SELECT limiter_take(?, ?, {_TERMS}, ?, ?)", values).fetchone()
            told: list[int] = found[0] if found else []
            return told

        return View.told(await self._run(take))

    async def report(self, terms: Terms, replica: str, changes: Sequence[Change]) -> None:
        """Make changes, in the order given, at once."""
        told = json.dumps([words(change) for change in changes])
        values = (terms.bucket, replica, *_numbers(terms), told)
        await self._run(lambda session: session.execute(f"SELECT limiter_report(?, ?, {_TERMS}, ?::jsonb)", values))

    async def ping(self) -> None:
        """See whether it answers."""
        await self._run(lambda session: session.execute("SELECT 1").fetchone())

    async def aclose(self) -> None:
        """Wait for what is still under way, for a moment, so that its connections can be closed."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_PATIENCE)

    async def _run(self, work: Callable[[Session], T]) -> T:
        return await self._in_time(self._on_database(work))

    async def _on_database(self, work: Callable[[Session], T]) -> T:
        await self._database.thread(self._database.ensure, _PART, _VERSION, _create)
        return await self._database.run(work)

    async def _in_time(self, question: Coroutine[Any, Any, T]) -> T:
        """Wait for an answer for so long, and leave the question to itself then: a thread cannot be called back."""
        task = asyncio.ensure_future(question)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait({task}, timeout=_PATIENCE)
        if not done:
            raise Unreachable("no answer")
        try:
            return task.result()
        except Unavailable as error:
            raise Unreachable(str(error)) from None

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # heard, by whoever still waits


def _create(session: Session) -> None:
    script = (files("cio_mcp.limiter.engine") / "postgres.sql").read_text(encoding="utf-8")
    for statement in re.split(r"(?<=;)\n\n?(?=CREATE|--)", script):
        session.execute(statement)


_TERMS = "ROW(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)::limiter_terms"


def _numbers(terms: Terms) -> tuple[int, ...]:
    _, *numbers = astuple(terms)
    return tuple(numbers)
