"""The tools that tell agents what became of messages, from the events that Customer.io reported."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

from cio_mcp import shaping
from cio_mcp.catalog.fields import Line, PathId, Timestamp, WholeNumber, at_most
from cio_mcp.catalog.identifiers import PersonIdentifiers
from cio_mcp.catalog.params import Params
from cio_mcp.delivery import Course
from cio_mcp.errors import CioError, InvalidArguments, Unavailable
from cio_mcp.exchange import Exchange
from cio_mcp.native import Answer, Answered, NativeTool, rule_of
from cio_mcp.policy import Policy
from cio_mcp.privacy import Mask
from cio_mcp.webhooks import message, showing
from cio_mcp.webhooks.events import WORD_CHARACTERS, identifier
from cio_mcp.webhooks.known import ASK_OPERATOR, Known, events_of, nothing
from cio_mcp.webhooks.setup import Setup, told, unreadable
from cio_mcp.webhooks.store import EventStore, EventsUnavailable, Filter, Position
from cio_mcp.webhooks.timeline import Until, Verdict, steps, verdict

Json = dict[str, Any]
LIKE = "list_person_messages"
"""Whoever may see the messages of people, and what became of them, may see it here."""
LISTED = 50
MOST_LISTED = 500
WAIT_SECONDS = 30
MOST_WAIT = 600
"""No call takes longer (CIO_MCP_TIME_BUDGET)."""
SPARE_SECONDS = 1.5
"""Of a call's time, kept for its answer and for a last look."""
POLL_SECONDS = 0.25
"""How often the store is asked: another process may receive."""
LOOK_SECONDS = (1.0, 2.0, 3.0, 5.0)
"""Pauses between looks at the API, the last one again and again: it takes ten requests a second from everybody."""
TELL_SECONDS = 1.0

DeliveryId = PathId
Word = Annotated[Line, AfterValidator(at_most(WORD_CHARACTERS))]
Progress = Callable[[Course, float, float, str], Awaitable[None]]
"""Tells the caller that a wait goes on: seconds so far, seconds in all, and what is waited for."""
T = TypeVar("T")


class GetDeliveryTimeline(Params):
    """Show what happened to one delivery, step by step.

    Sent, delivered, opened, clicked, bounced: what became of one message.
    """

    delivery_id: DeliveryId = Field(description="As a send returned it")


class ListDeliveryEvents(Params):
    """List events that were reported here, newest first: bounced, opened, spammed and more.

    Of a person, a message or a kind.
    """

    identifiers: PersonIdentifiers | None = Field(None, description="The person: one identifier")
    delivery_id: DeliveryId | None = Field(None, description="One message")
    metric: Word | None = Field(None, description="Such as bounced")
    object_type: Word | None = Field(None, description="Such as email")
    since: Timestamp | None = Field(None, description="Happened then or later")
    until: Timestamp | None = Field(None, description="Happened before")
    limit: WholeNumber | None = Field(None, le=MOST_LISTED, description=f"Default {LISTED}")
    start: Annotated[Line, AfterValidator(at_most(40))] | None = Field(None, description="next of the last page")


class WaitForDelivery(Params):
    """Wait until a message, a delivery, has arrived, is opened or the like, or never will be."""

    delivery_id: DeliveryId = Field(description="As a send returned it")
    until: Until = Field("delivered", description="What to wait for")
    timeout: WholeNumber | None = Field(None, le=MOST_WAIT, description=f"Seconds; default {WAIT_SECONDS}")


class GetWebhookSetup(Params):
    """Show whether events of Customer.io are received by this server, and how to set that up."""


TOOLS = (
    NativeTool(name="get_delivery_timeline", params=GetDeliveryTimeline, read_only=True, open_world=True, quotes=True),
    NativeTool(name="list_delivery_events", params=ListDeliveryEvents, read_only=True, open_world=False, quotes=True),
    NativeTool(name="wait_for_delivery", params=WaitForDelivery, read_only=True, open_world=True, quotes=True),
    NativeTool(name="get_webhook_setup", params=GetWebhookSetup, read_only=True, open_world=False),
)


NEEDS = {tool.name: (LIKE,) for tool in TOOLS[:-1]}
"""Whoever may not use these does not get the tool."""


async def _announced(course: Course, so_far: float, in_all: float, _text: str) -> None:
    """Say once how long it may take."""
    if not so_far:
        await course.caller.waiting(in_all)


def webhook_tools(
    policy: Policy,
    *,
    events: EventStore | None,
    exchange: Exchange,
    result_tokens: int,
    setup: Callable[[], Setup],
    now: Callable[[], float],
    progress: Progress = _announced,
) -> tuple[Answered, ...]:
    """Return the tools for whoever a policy is made for, answered from these.

    They tell what `LIKE` tells: who may not use that gets only `get_webhook_setup`, and what is withheld there is
    withheld here. `events` is None where none are received; `setup` returns what is set up now, and `now` seconds
    since 1970.
    """
    like = exchange.catalog[LIKE]
    desk = _Desk(
        events=events,
        exchange=message.lookup_in(exchange),
        mask=policy.mask(like),
        tokens=result_tokens,
        setup=setup,
        now=now,
        progress=progress,
    )
    answers: tuple[Answer, ...] = (desk.timeline, desk.listed, desk.wait, desk.setting_up)
    return tuple(
        Answered(tool=tool, answer=answer, rule=rule_of(policy, reads))
        for tool, answer in zip(TOOLS, answers, strict=True)
        if all(map(policy.permits, reads := [exchange.catalog[name] for name in NEEDS.get(tool.name, ())]))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """Answers for one workspace and one agent."""

    events: EventStore | None
    exchange: Exchange
    mask: Mask | None
    tokens: int
    setup: Callable[[], Setup]
    now: Callable[[], float]
    progress: Progress

    async def timeline(self, params: GetDeliveryTimeline, course: Course) -> Json:
        """Answer `get_delivery_timeline`; what no event tells is looked up."""
        known = Known(delivery_id=params.delivery_id)
        await self._reread(known)
        if not known.events:
            await self._look(known, course)
        return self._shown(known)

    async def listed(self, params: ListDeliveryEvents, _course: Course) -> Json:
        """Answer `list_delivery_events`."""
        if self.events is None:
            return {"events": [], "note": "No events are received here: get_webhook_setup tells how to begin."}
        limit = params.limit or LISTED
        found = await _read(self.events.find(_wanted(params), limit=limit + 1, after=_position(params.start)))
        shown = showing.page(found, limit, self.mask, self.tokens)
        return self._bounded(shown if found else shown | {"note": "No such event has arrived."})

    async def wait(self, params: WaitForDelivery, course: Course) -> Json:
        """Answer `wait_for_delivery`."""
        began, wanted = self.exchange.now(), float(params.timeout or WAIT_SECONDS)
        in_all = max(0.0, min(wanted, self.exchange.left(course) - SPARE_SECONDS))
        known = Known(delivery_id=params.delivery_id)
        found = await self._awaited(known, params.until, course, began=began, in_all=in_all)
        if found is Verdict.OPEN and await self._arriving():  # the event may not be among those that are reported
            await self._look(known, course)
            found = verdict(params.until, known.metrics)
        waited = round(self.exchange.now() - began, 1)
        outcome: Json = {"reached": found is Verdict.REACHED, "waited_seconds": waited}
        over = "This server is about to stop" if self.exchange.departure.has_begun else _over(cut=in_all < wanted)
        return outcome | self._shown(known) | _next_step(found, params.until, over)

    async def setting_up(self, _params: GetWebhookSetup, _course: Course) -> Json:
        """Answer `get_webhook_setup`."""
        if self.events is None:
            return told(self.setup(), None, self.now())
        try:
            return told(self.setup(), await self.events.standing(), self.now())
        except EventsUnavailable:
            return unreadable(self.setup())

    async def _awaited(self, known: Known, until: Until, course: Course, *, began: float, in_all: float) -> Verdict:
        """Return how a wait ends; what is known grows meanwhile."""
        arriving = await self._arriving()
        pauses, look_at, told_at = iter(LOOK_SECONDS), began, None
        while True:
            now = self.exchange.now()
            if now >= look_at or not known.is_unread:  # a store that is away may take its time to say so
                await self._reread(known)
            if now >= look_at and (known.is_unread or not (arriving or known.events)):
                await self._look(known, course, strict=not known.events and (known.is_unread or self.events is None))
                look_at = self.exchange.now() + next(pauses, LOOK_SECONDS[-1])
            found = verdict(until, known.metrics)
            left = began + in_all - self.exchange.now()
            if found is not Verdict.OPEN or left <= 0 or self.exchange.departure.has_begun:
                return found
            if told_at is None or now - told_at >= TELL_SECONDS:
                await self.progress(course, now - began if told_at else 0.0, in_all, f"Waiting for {until}")
                told_at = now
            with self.exchange.departure.cutting_short():
                await self.exchange.sleep(min(POLL_SECONDS, left))

    async def _arriving(self) -> bool:
        """Say whether Customer.io reports here, and that can be read, so that waiting for an event makes sense."""
        try:
            return self.events is not None and (await self.events.standing()).last_received_at is not None
        except EventsUnavailable:
            return False

    async def _reread(self, known: Known) -> None:
        """Read the events; where they cannot be read, what is known of them stays."""
        if self.events is None:
            return
        try:
            known.events, known.is_cut = await events_of(self.events, known.delivery_id)
        except EventsUnavailable:
            known.is_unread = True
        else:
            known.is_unread = False

    async def _look(self, known: Known, course: Course, *, strict: bool = False) -> None:
        """Read the message from the API; a failure matters only if there is no other source."""
        try:
            known.message = await message.look(self.exchange, known.delivery_id, course) or known.message
        except CioError as problem:
            if strict:
                raise
            known.problem = problem

    def _shown(self, known: Known) -> Json:
        if not known.is_something:
            raise known.problem or nothing(known)
        looked, metrics = (known.message.facts, known.message.metrics) if known.message else ({}, {})
        done = steps(known.events, metrics)
        shown = showing.delivery(known.delivery_id, known.events, looked, done, self.mask)
        return self._bounded(shown | known.notes)

    def _bounded(self, shown: Json) -> Json:
        return shaping.bounded(shown, tokens=self.tokens, paging=shaping.Paging())


def _wanted(params: ListDeliveryEvents) -> Filter:
    named = {name: identifier(value) or "" for name, value in (params.identifiers or {}).items()}
    return Filter(
        identifiers=named,
        delivery_id=params.delivery_id,
        metric=params.metric,
        object_type=params.object_type,
        since=params.since,
        before=params.until,
    )


def _over(*, cut: bool) -> str:
    return "This call's time is up" if cut else "The timeout is over"


def _next_step(found: Verdict, until: Until, over: str) -> Json:
    match found:
        case Verdict.REACHED:
            return {}
        case Verdict.RULED_OUT:
            return {"next_step": f"It will never be {until}: timeline says why."}
        case Verdict.OPEN:
            return {"next_step": f"{over}, and it may still come: wait again, or go on and look later."}


async def _read(asked: Awaitable[T]) -> T:
    """Return what the store says; raises Unavailable if it cannot be read."""
    try:
        return await asked
    except EventsUnavailable as problem:
        raise Unavailable("The events cannot be read now.", next_step=ASK_OPERATOR) from problem


def _position(start: str | None) -> Position | None:
    if start is None:
        return None
    try:
        return Position.parsed(start)
    except ValueError as error:
        raise InvalidArguments(
            f"list_delivery_events: start {error}.", next_step="Give next of the page before, unchanged."
        ) from None
