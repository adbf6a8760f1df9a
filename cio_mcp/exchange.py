"""A checked call carried to Customer.io and back: credential, delivery, reading, a look at what stayed unanswered."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cio_mcp import arguments, failures, framing, readback, wire
from cio_mcp.budgets import Budgets
from cio_mcp.catalog.endpoint import Catalog, Endpoint, Repeat
from cio_mcp.catalog.params import Params
from cio_mcp.credentials import Credentials
from cio_mcp.delivery import Course, Delivery, Job, Undelivered
from cio_mcp.errors import BadCredential, CioError, NotFound, OutcomeUnknown
from cio_mcp.gateway import Oversized
from cio_mcp.native import told
from cio_mcp.under_way import Departure


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """The way of one workspace's calls to Customer.io."""

    catalog: Catalog
    credentials: Credentials
    budgets: Budgets
    delivery: Delivery
    departure: Departure = field(default_factory=Departure)
    """Ends waits that have nothing to do with Customer.io; those for its answers end with the gateway's."""

    @property
    def mint(self) -> Callable[[], str]:
        """Makes a new ULID."""
        return self.delivery.effects.mint

    @property
    def now(self) -> Callable[[], float]:
        """Seconds on a clock that never goes back."""
        return self.delivery.effects.now

    @property
    def sleep(self) -> Callable[[float], Awaitable[None]]:
        """Waits some seconds."""
        return self.delivery.effects.sleep

    def left(self, course: Course) -> float:
        """Return the seconds that a call may still take."""
        return self.delivery.left(course)

    def check_room(self, endpoint: Endpoint, course: Course) -> None:
        """Raise Throttled if a call is known to find no slot in its time, MissingCredential if it has no key."""
        lease = self.credentials.lease(endpoint)
        self.budgets.check(lease.name, endpoint.buckets, max_wait=self.left(course))

    async def carry_out(
        self, endpoint: Endpoint, params: Params, request: wire.Request, course: Course, *, decides: bool = False
    ) -> dict[str, Any]:
        """Return the reply to a request; raises CioError. `decides` is said of reads on the way of a write."""
        lease = self.credentials.lease(endpoint)
        course.credential = lease.name
        repeat = params.own_repeat() or endpoint.repeat
        job = Job(endpoint=endpoint, repeat=repeat, request=request, lease=lease, decides=decides)
        try:
            try:
                return await self._settled(job, params, course)
            except BadCredential:  # nothing was done; the key may have been changed meanwhile
                if (course.doubt and not job.safe) or not await self.credentials.is_outdated(lease):
                    raise
            return await self._settled(replace(job, lease=self.credentials.lease(endpoint)), params, course)
        finally:
            course.budgets = [told(self.budgets.limiter(lease.name, bucket).snapshot()) for bucket in endpoint.buckets]

    async def look(
        self, tool: str, asked: Mapping[str, Any], course: Course, *, decides: bool = True
    ) -> dict[str, Any]:
        """Read something on the way of another call, within its time; raises CioError."""
        endpoint = self.catalog[tool]
        params = arguments.validate(tool, endpoint.params, asked)
        probe = replace(course, attempts=0, unsettled=False, doubt=None, budgets=[], date="")
        try:
            return await self.carry_out(endpoint, params, wire.build(endpoint, params), probe, decides=decides)
        finally:
            course.date = probe.date

    async def _settled(self, job: Job, params: Params, course: Course) -> dict[str, Any]:
        """Return the reply; a deletion whose answer never came is looked up instead."""
        endpoint, repeat = job.endpoint, job.repeat
        try:
            answer = await self.delivery.deliver(job, course)
            if job.writes and wire.is_page(answer):
                raise failures.page(endpoint, repeat, params, answer)
            return framing.set_apart(wire.read(endpoint, answer)) | params.echoed()
        except Oversized as failure:
            course.status = failure.head.status
            raise failures.oversized(endpoint, failure) from None
        except NotFound:
            if repeat is Repeat.SAFE_UNLESS_RECREATED and course.doubt:
                return {"accepted": True, "note": "An earlier attempt of this call had already removed it."}
            raise
        except Undelivered as failure:
            error = failures.undelivered(endpoint, repeat, params, failure)
            if repeat is Repeat.SAFE_UNLESS_RECREATED and isinstance(error, OutcomeUnknown):
                return await self._read_back(endpoint, params, course, failure, error)
            raise error from None

    async def _read_back(
        self, endpoint: Endpoint, params: Params, course: Course, failure: Undelivered, error: OutcomeUnknown
    ) -> dict[str, Any]:
        look = self.catalog.get(endpoint.check_with or "")
        asked = readback.question(params, look) if look else None
        if look is None or asked is None:
            raise error
        try:
            await self.look(look.name, asked, course)
        except NotFound:
            course.unsettled = False
            return {"accepted": True, "note": f"The answer was lost; {look.name} says that it is gone."}
        except (CioError, ValueError):
            raise error from None
        raise failures.still_there(endpoint, failure, error)
