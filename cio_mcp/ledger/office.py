"""What the operator asks of a ledger, whichever engine keeps it: records, verification, decisions, and the stop."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from cio_mcp.ledger import stop
from cio_mcp.ledger.chain import Link, Record, Verdict
from cio_mcp.ledger.place import stop_path
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.ledger.terms import Confirmation, Operation, State, Stopped, Unrecorded


@runtime_checkable
class Office(Protocol):
    """A ledger as the operator's commands see it. Every method may raise Unrecorded."""

    @property
    def name(self) -> str:
        """Where the ledger is, for people."""
        ...

    async def for_operator(self) -> Sequence[Confirmation]:
        """Return the confirmations that wait for a person to read their plan, the newest first."""
        ...

    async def decide(self, handle: str, state: State, by: str) -> Confirmation:
        """Approve or reject a confirmation that is waiting; raises NotConfirmed when it cannot be."""
        ...

    async def unknown(self, principal: str | None, *, limit: int) -> Sequence[Operation]:
        """Return a principal's operations whose outcome is unknown, everybody's for None; the newest first."""
        ...

    async def remark(self, kind: str, members: Mapping[str, Any]) -> None:
        """Record something that is no call, such as a stop; `kind` names it."""
        ...

    async def engage(self, reason: str) -> Stopped:
        """Stop all writes from now on; one stop that is in force keeps its time and takes the new reason."""
        ...

    async def stop_in_force(self) -> Stopped | None:
        """Return the stop that is in force."""
        ...

    async def release(self) -> Stopped | None:
        """Let writes pass again; return the stop that was in force."""
        ...

    async def head(self) -> Link:
        """Return the end of the chain; its text, SEQ:MAC, can be noted elsewhere."""
        ...

    async def records(self, after: int = 0, limit: int | None = None) -> list[Record]:
        """Return the records after a number, unverified."""
        ...

    async def find(self, identifier: str) -> list[Record]:
        """Return the records in which a person's or an object's identifier stands, or of an operation, unverified."""
        ...

    async def of_operation(self, operation: str) -> list[Record]:
        """Return the records of an operation, unverified."""
        ...

    async def verify(self, expected_head: str | None = None) -> Verdict:
        """Verify the chain and the tables, and compare with a head noted earlier; ValueError if that is no SEQ:MAC."""
        ...

    async def prune(self) -> int:
        """Remove what is too old or too much; return how many records went."""
        ...

    async def aclose(self) -> None:
        """Close the ledger."""
        ...


class FileOffice:
    """The office of a ledger in a file, or of one in memory."""

    def __init__(self, ledger: SqliteLedger, stop_file: Path | None = None) -> None:
        """Take an open ledger; the stop file is beside its file unless it is given."""
        self._ledger = ledger
        self._stop_file = stop_file or (stop_path(ledger.path) if ledger.path else None)

    @property
    def path(self) -> Path | None:
        """The file, if there is one."""
        return self._ledger.path

    @property
    def name(self) -> str:
        """The file."""
        return str(self._ledger.path or "the ledger in memory")

    async def for_operator(self) -> Sequence[Confirmation]:
        """Return the confirmations that wait for a person to read their plan, the newest first."""
        return await self._ledger.for_operator()

    async def decide(self, handle: str, state: State, by: str) -> Confirmation:
        """Approve or reject a confirmation that is waiting; raises NotConfirmed when it cannot be."""
        return await self._ledger.decide(handle, state, by)

    async def unknown(self, principal: str | None, *, limit: int) -> Sequence[Operation]:
        """Return a principal's operations whose outcome is unknown, everybody's for None; the newest first."""
        return await self._ledger.unknown(principal, limit=limit)

    async def remark(self, kind: str, members: Mapping[str, Any]) -> None:
        """Record something that is no call, such as a stop; `kind` names it."""
        await self._ledger.remark(kind, members)

    async def engage(self, reason: str) -> Stopped:
        """Stop all writes from now on; one stop that is in force keeps its time and takes the new reason."""
        path = self._stopper()
        with _recorded(path):
            return stop.engage(path, reason, time.time())

    async def stop_in_force(self) -> Stopped | None:
        """Return the stop that is in force."""
        return await self._ledger.stopped()

    async def release(self) -> Stopped | None:
        """Let writes pass again; return the stop that was in force."""
        path = self._stopper()
        with _recorded(path):
            return stop.release(path)

    async def head(self) -> Link:
        """Return the end of the chain; its text, SEQ:MAC, can be noted elsewhere."""
        return self._ledger.head()

    async def records(self, after: int = 0, limit: int | None = None) -> list[Record]:
        """Return the records after a number, unverified."""
        return self._ledger.records(after, limit)

    async def find(self, identifier: str) -> list[Record]:
        """Return the records in which a person's or an object's identifier stands, or of an operation, unverified."""
        return self._ledger.find(identifier)

    async def of_operation(self, operation: str) -> list[Record]:
        """Return the records of an operation, unverified."""
        return self._ledger.of_operation(operation)

    async def verify(self, expected_head: str | None = None) -> Verdict:
        """Verify the chain and the tables, and compare with a head noted earlier; ValueError if that is no SEQ:MAC."""
        return self._ledger.verify(expected_head)

    async def prune(self) -> int:
        """Remove what is too old or too much; return how many records went."""
        return await self._ledger.prune()

    async def aclose(self) -> None:
        """Close the ledger."""
        await self._ledger.aclose()

    def _stopper(self) -> Path:
        if self._stop_file is None:
            raise Unrecorded("a ledger in memory that has no stop file cannot be stopped from outside")
        return self._stop_file


@contextmanager
def _recorded(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unrecorded(f"{path}: {error.strerror or error}") from error
