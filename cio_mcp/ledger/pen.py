"""What the rules of a ledger work on: tables in any engine, and a transaction in which they are written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cio_mcp.ledger.chain import Link


class Cursor(Protocol):
    """The rows that a statement found."""

    @property
    def description(self) -> Any:
        """A column each, known once a row was fetched; the first member of each is its name."""
        ...

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows that are left."""
        ...

    def close(self) -> None:
        """Leave the rest."""
        ...


class Connection(Protocol):
    """A transaction under way; `?` stands for a value. SQLite's own connections are of this kind."""

    def execute(self, statement: str, values: Sequence[Any] = ..., /) -> Cursor:
        """Run one statement."""
        ...


class Damaged(Exception):
    """The tables do not hold together; the text says where."""


@dataclass(slots=True)
class Pen:
    """A transaction that writes: alone, so the end of the chain is known from the first record on."""

    connection: Connection
    key: bytes
    """The key of the chain."""
    head: Link | None = None
