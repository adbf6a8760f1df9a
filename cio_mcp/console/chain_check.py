"""Verifies the chain of records now and then, as long as somebody looks."""

import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import anyio.to_thread

from cio_mcp.console.picture import Checked
from cio_mcp.ledger.chain import Verdict
from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.ledger.office import FileOffice, Office
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.ledger.terms import Unrecorded

EVERY = 60.0
_SHARE = 20
"""A verification that took long is not made anew before so many times its own length: it takes from the calls."""
_IN_MEMORY = 20_000
"""Records of a ledger in memory, which nothing but the calls' own thread can read, that are verified there."""

Verify = Callable[[], Awaitable[Verdict]]


class ChainCheck:
    """The state of the chain as it was last verified."""

    def __init__(self, verify: Verify, *, now: Callable[[], float]) -> None:
        self._verify = verify
        self._now = now
        self._wanted = anyio.Event()
        self.last: Checked | None = None

    def want(self) -> None:
        """Say that somebody looks: the chain is verified as soon as it is due."""
        self._wanted.set()

    async def run(self) -> None:
        """Verify whenever it is wanted and due, until cancelled."""
        while True:
            await self._wanted.wait()
            self.last = await self._checked()
            await anyio.sleep(max(EVERY, _SHARE * self.last.took))
            self._wanted = anyio.Event()

    async def _checked(self) -> Checked:
        began, verdict, problem = time.monotonic(), None, ""
        try:
            verdict = await self._verify()
        except Unrecorded as error:
            problem = str(error)
        except Exception as fault:  # what only looks must not end the server that it looks at
            problem = f"it could not be verified ({type(fault).__name__}); run: cio-mcp audit verify"
            logging.getLogger("cio_mcp").exception("the record could not be verified")
        if verdict and verdict.fault:
            logging.getLogger("cio_mcp").error("the record does not hold: %s", verdict.fault.text)
        return Checked(verdict=verdict, problem=problem, at=self._now(), took=time.monotonic() - began)


def verifying(reach: Callable[[], Office]) -> Verify:
    """Return what verifies a ledger without holding up the calls that are recorded in it."""

    async def verify() -> Verdict:
        office = reach()
        if not isinstance(office, FileOffice):
            return await office.verify()  # in a thread of its own
        if office.path:
            return await anyio.to_thread.run_sync(_verified, office.path, abandon_on_cancel=True)
        if (await office.head()).seq > _IN_MEMORY:
            raise Unrecorded(f"in memory, more than {_IN_MEMORY:,} records are not verified while calls are served")
        return await office.verify()

    return verify


def _verified(path: Path) -> Verdict:
    """Verify a file over a connection of its own, which others can write beside."""
    ledger = SqliteLedger.open(path, now=SteadyClock().now, make=False, tend=False)
    try:
        return ledger.verify()
    finally:
        ledger.close()
