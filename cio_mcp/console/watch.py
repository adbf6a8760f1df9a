"""Gathers what the page shows, once for everybody who looks at the same moment."""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import anyio

from cio_mcp.console.chain_check import ChainCheck
from cio_mcp.console.picture import SHOWN, Gathered, Kept, Site
from cio_mcp.ledger.chain import Link, Record
from cio_mcp.ledger.office import Office
from cio_mcp.ledger.terms import Unrecorded
from cio_mcp.pipeline import Pipeline

_HOLDS = 0.4
"""Seconds for which one look is good, so that many pages cost no more than one."""
_RECORDS = 600
"""The newest records that are looked at: a call has up to four."""
_PATIENCE = 3.0
"""Seconds for the record to answer; the page asks every second, and gives up after five."""
Reach = Callable[[], Office]
"""Returns the ledger as its operator sees it; raises Unrecorded as long as it cannot be opened."""


class Watch:
    """What goes on in these workspaces and in their ledger."""

    def __init__(
        self,
        *,
        pipelines: Mapping[str, Pipeline],
        reach: Reach,
        check: ChainCheck,
        server: Mapping[str, Any],
        now: Callable[[], float],
    ) -> None:
        """Take what is watched; `server` are facts that do not change, `now` returns seconds since 1970."""
        self.reach = reach
        self._pipelines = pipelines
        self._check = check
        self._server = server
        self._now = now
        self._recent = _Recent()
        self._looking = anyio.Lock()
        self._last: Gathered | None = None

    async def look(self) -> Gathered:
        """Return what there is to see."""
        self._check.want()
        async with self._looking:
            if self._last is None or not 0 <= self._now() - self._last.at < _HOLDS:
                self._last = await self._gathered()
            return self._last

    def forget(self) -> None:
        """Look anew the next time: something was decided."""
        self._last = None

    async def _gathered(self) -> Gathered:
        kept, problem = None, "it does not answer"
        with anyio.move_on_after(_PATIENCE):
            try:
                kept, problem = await self._kept(self.reach()), ""
            except Unrecorded as error:
                problem = str(error)
            except Exception as fault:  # what stands in it may be anybody's; the rest of the page is still true
                problem = f"it cannot be read ({type(fault).__name__}); run: cio-mcp audit verify"
                logging.getLogger("cio_mcp").exception("the record cannot be read")
        return Gathered(
            at=self._now(),
            server=self._server,
            sites=[await self._site(name, pipeline) for name, pipeline in self._pipelines.items()],
            kept=kept,
            problem=problem,
            checked=self._check.last,
        )

    async def _kept(self, office: Office) -> Kept:
        head = await office.head()
        return Kept(
            head=head,
            records=await self._recent.read(office, head),
            pending=await office.for_operator(),
            unknown=await office.unknown(None, limit=SHOWN),
            stop=await office.stop_in_force(),
        )

    @staticmethod
    async def _site(name: str, pipeline: Pipeline) -> Site:
        exchange = pipeline.exchange
        await exchange.budgets.refresh()
        return Site(
            name=name, at=exchange.now(), flights=pipeline.under_way.flights, budgets=exchange.budgets.snapshot()
        )


class _Recent:
    """The newest records, of which only those are read that are new."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque(maxlen=_RECORDS)

    async def read(self, office: Office, head: Link) -> tuple[Record, ...]:
        last = self._records[-1]["seq"] if self._records else 0
        if last > head.seq:  # another ledger than before
            self._records.clear()
            last = 0
        self._records.extend(await office.records(max(last, head.seq - _RECORDS), _RECORDS))
        return tuple(self._records)
