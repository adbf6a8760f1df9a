"""A ledger whose file could not be opened: reading goes on, writes are refused, and every call tries anew."""

import hashlib
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from cio_mcp.ledger import stop
from cio_mcp.ledger.chain import Record
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.ledger.terms import Confirmation, Ending, Intent, Operation, Outcome, State, Stopped, Terms, Unrecorded


class LateLedger:
    """Stands in for a `SqliteLedger` until it can be opened; `problem` says why it could not at first."""

    def __init__(self, open_ledger: Callable[[], SqliteLedger], problem: Unrecorded, stop_file: Path) -> None:
        self._open = open_ledger
        self._stop_file = stop_file
        self._opened: SqliteLedger | None = None
        self._salt = secrets.token_hex(32)
        self.problem = problem

    def reached(self) -> SqliteLedger:
        """Return the ledger itself; raises Unrecorded as long as it cannot be opened."""
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    async def begin(self, intent: Intent, terms: Terms) -> None:
        """Record a write durably before its first byte leaves."""
        await self.reached().begin(intent, terms)

    async def conclude(self, intent: Intent, outcome: Outcome) -> None:
        """Record how a call ended."""
        await self.reached().conclude(intent, outcome)

    async def settle(self, operation: str, ending: Ending, how: str, *, made: str = "") -> None:
        """Close an operation whose outcome was unknown."""
        await self.reached().settle(operation, ending, how, made=made)

    async def earlier(self, fingerprint: str, within: float) -> Operation | None:
        """Return the operation that a call would be held back for."""
        return await self.reached().earlier(fingerprint, within)

    async def operation(self, operation: str) -> Operation | None:
        """Return an operation by its id."""
        return await self.reached().operation(operation)

    async def unknown(self, principal: str | None, *, limit: int) -> Sequence[Operation]:
        """Return the operations whose outcome is unknown."""
        return await self.reached().unknown(principal, limit=limit)

    async def alongside(self, operation: Operation, *, within: float, limit: int) -> Sequence[Operation]:
        """Return the other operations of its tool that began at about the same time."""
        return await self.reached().alongside(operation, within=within, limit=limit)

    async def was_called(
        self, workspace: str, tools: Collection[str], arguments: Mapping[str, Any], *, within: float
    ) -> bool:
        """Say whether anybody's write by one of these tools began lately and may have done something."""
        return await self.reached().was_called(workspace, tools, arguments, within=within)

    async def of_principal(self, principal: str, *, limit: int) -> Sequence[Record]:
        """Return the newest records of one principal."""
        return await self.reached().of_principal(principal, limit=limit)

    async def ask(self, confirmation: Confirmation) -> Confirmation:
        """Keep a confirmation, or return the one that was asked for already."""
        return await self.reached().ask(confirmation)

    async def confirmation(self, handle: str) -> Confirmation | None:
        """Return a confirmation by its handle."""
        return await self.reached().confirmation(handle)

    async def waiting(self, binding: str) -> Confirmation | None:
        """Return the confirmation of a binding that can still be used."""
        return await self.reached().waiting(binding)

    async def decide(self, handle: str, state: State, by: str) -> Confirmation:
        """Approve or reject a confirmation."""
        return await self.reached().decide(handle, state, by)

    async def withdraw(self, handle: str, by: str) -> Confirmation:
        """Reject a confirmation that was not spent."""
        return await self.reached().withdraw(handle, by)

    async def stopped(self) -> Stopped | None:
        """Return the stop that is in force: it lies beside the ledger, not in it."""
        return stop.look(self._stop_file)

    def digest(self, *parts: str) -> str:
        """Return a keyed digest of texts; not the ledger's own as long as there is none, and nothing is written."""
        try:
            return self.reached().digest(*parts)
        except Unrecorded:
            return hashlib.sha256("\x00".join((self._salt, *parts)).encode()).hexdigest()

    async def aclose(self) -> None:
        """Close the ledger if there is one."""
        if self._opened is not None:
            await self._opened.aclose()
