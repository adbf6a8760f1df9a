"""The tools of this area: what each is called with, who gets it, and how it is answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pydantic import Field

from cio_mcp import arguments, shaping
from cio_mcp.catalog.fields import NumericId
from cio_mcp.catalog.filters import AudienceFilter
from cio_mcp.catalog.identifiers import PersonLookup
from cio_mcp.catalog.params import Params
from cio_mcp.delivery import Course
from cio_mcp.errors import NotFound, Unavailable
from cio_mcp.exchange import Exchange
from cio_mcp.insight import absence, readiness
from cio_mcp.insight.finding import beside
from cio_mcp.insight.looking import SPARE_SECONDS, Looks, together
from cio_mcp.insight.overview import Seen, overview
from cio_mcp.insight.questions import (
    WhyCase,
    WhyNoMessage,
    newest_errors,
    people_of_address,
    person_of,
    read_case,
)
from cio_mcp.native import Answer, Answered, NativeTool, rule_of
from cio_mcp.planning import audience, survey
from cio_mcp.planning.answers import member, rows
from cio_mcp.planning.inquiry import Count, Inquiry
from cio_mcp.policy import Policy

Json = dict[str, Any]
MOST_TOKENS = 900
"""Of one answer, by the bytes that a token has at least; its frame comes to it."""
SURVEY_SHARE = 0.7
"""Of the time, for counting the audience; the rest is for what no plan shows."""


class PreflightBroadcast(Params):
    """Check whether something is wrong with a broadcast before it is sent.

    Looks at state, audience, messages, earlier triggers. Sends nothing.
    """

    broadcast_id: NumericId = Field(description="From list_broadcasts")
    recipients: AudienceFilter | None = Field(None, description="As trigger_broadcast would get it")


class PersonOverview(PersonLookup):
    """Tell all about one customer at a glance: attributes, segments, messages, what they do."""


WHY = NativeTool(name="why_no_message", params=WhyNoMessage, read_only=True, open_world=True)
PREFLIGHT = NativeTool(name="preflight_broadcast", params=PreflightBroadcast, read_only=True, open_world=True)
OVERVIEW = NativeTool(name="person_overview", params=PersonOverview, read_only=True, open_world=True)
TOOLS = (WHY, PREFLIGHT, OVERVIEW)
NEEDS = {
    WHY.name: ("get_person_attributes", "list_person_messages", "list_person_segments"),
    PREFLIGHT.name: ("get_broadcast", "list_broadcast_triggers", "list_broadcast_actions"),
    OVERVIEW.name: ("get_person_attributes", "list_person_messages", "list_person_segments", "list_person_activities"),
}
"""Whoever may not use all of these does not get the tool; what else it reads is left out where it is forbidden."""


def insight_tools(
    policy: Policy, *, exchange: Exchange, result_tokens: int, now: Callable[[], float]
) -> tuple[Answered, ...]:
    """Return the tools that a policy permits; they see what the tools that they read with would show.

    `now` returns seconds since 1970.
    """
    desk = _Desk(exchange=exchange, policy=policy, tokens=min(result_tokens, MOST_TOKENS), now=now)
    answers: Sequence[Answer] = (desk.why, desk.preflight, desk.overview)
    return tuple(
        Answered(tool=tool, answer=answer, rule=rule_of(policy, reads))
        for tool, answer in zip(TOOLS, answers, strict=True)
        if all(map(policy.permits, reads := [exchange.catalog[name] for name in NEEDS[tool.name]]))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """Answers for one workspace and one agent."""

    exchange: Exchange
    policy: Policy
    tokens: int
    now: Callable[[], float]

    async def why(self, params: WhyNoMessage, course: Course) -> Json:
        """Answer `why_no_message`."""
        looks = self._looks(course)
        inquiry = Inquiry(looks.look)
        seen = WhyCase()
        await read_case(params, inquiry, seen, partial(together, inquiry, self._seconds(course)))
        self._check(looks)
        found = absence.findings(seen.case())
        unread = inquiry.survey().unsure
        rest = seen.told() | {"not_known": list(unread)}
        room = int(self.tokens * shaping.BYTES_PER_TOKEN) - shaping.size(found[0].told() | rest)
        return self._bounded(found[0].told() | beside(found[1:], room) | rest, unread)

    async def preflight(self, params: PreflightBroadcast, course: Course) -> Json:
        """Answer `preflight_broadcast`."""
        looks = self._looks(course)
        inquiry = Inquiry(looks.look)
        seen = await self._surveyed(params, looks, inquiry, course)
        self._check(looks)
        concerns = readiness.concerns(seen, self.now())
        told: Json = {"verdict": readiness.verdict(concerns), "concerns": [each.told() for each in concerns]}
        if not seen.is_absent:
            told |= {"audience": seen.survey.audience, "of": seen.survey.of, "found": seen.survey.facts}
            told["written_by_others"] = [f"{what}: {text[:80]}" for what, text in seen.survey.names[:3]]
        return self._bounded(told, (*seen.survey.unsure, *inquiry.survey().unsure))

    async def overview(self, params: PersonOverview, course: Course) -> Json:
        """Answer `person_overview`."""
        looks = self._looks(course)
        inquiry = Inquiry(looks.look)
        found: dict[str, Json | None] = {}
        shared: list[str] = []

        async def sharers() -> None:
            shared.extend(await people_of_address(params, inquiry))

        async def ask(what: str, tool: str, **more: Any) -> None:
            seen = await inquiry.ask(what, tool, **person_of(params), **more)
            found[tool] = seen.data
            if tool == "get_person_attributes" and seen.absent:
                raise NotFound(
                    "There is no such person now.",
                    next_step="Try another identifier, such as find_people_by_email; a suppressed person is gone too.",
                )

        await ask("person", "get_person_attributes")
        await together(
            inquiry,
            self._seconds(course),
            partial(ask, "messages", "list_person_messages", limit=100),
            partial(ask, "segments", "list_person_segments"),
            partial(ask, "activities", "list_person_activities", limit=10),
            partial(ask, "relationships", "list_person_relationships", limit=50),
            sharers,
        )
        self._check(looks)
        return self._bounded({"of_this_address": shared} | _shown(found), inquiry.survey().unsure)

    async def _surveyed(
        self, params: PreflightBroadcast, looks: Looks, inquiry: Inquiry, course: Course
    ) -> readiness.Broadcast:
        number_ = params.broadcast_id
        trigger = self.exchange.catalog["trigger_broadcast"]
        asked = {"broadcast_id": number_} | ({"recipients": params.recipients} if params.recipients else {})
        wanted = arguments.validate(trigger.name, trigger.params, asked)
        found = await survey(trigger, wanted, looks.look, seconds=self._seconds(course) * SURVEY_SHARE)
        if not looks.answered:
            return readiness.Broadcast(survey=found)
        broadcast = await inquiry.ask("broadcast", "get_broadcast", broadcast_id=number_)
        if broadcast.absent:
            return readiness.Broadcast(survey=found, is_absent=True)
        seen = readiness.Broadcast(survey=found, found=member(broadcast.data, "broadcast") or None)
        return await _detailed(seen, params, inquiry, self._seconds(course))

    def _looks(self, course: Course) -> Looks:
        return Looks(self.exchange, self.policy, course, self.now)

    def _seconds(self, course: Course) -> float:
        return max(0.0, self.exchange.left(course) - SPARE_SECONDS)

    @staticmethod
    def _check(looks: Looks) -> None:
        """Raise what was wrong if nothing at all could be read."""
        if not looks.answered:
            raise looks.problem or Unavailable(
                "Nothing could be read in this call's time.",
                next_step="Call again; get_rate_budget shows what is left.",
            )

    def _bounded(self, told: Json, unread: Sequence[str]) -> Json:
        told |= {"not_known": list(dict.fromkeys(unread))}
        kept = {name: value for name, value in told.items() if value not in ([], {}, None)}
        return shaping.bounded(kept, tokens=self.tokens, paging=_PAGING)


_PAGING = shaping.Paging(otherwise="The tools that read one thing each show all of it.")


def _shown(found: dict[str, Json | None]) -> Json:
    return overview(
        Seen(
            person=member(found.get("get_person_attributes"), "customer"),
            messages=found.get("list_person_messages"),
            segments=found.get("list_person_segments"),
            activities=found.get("list_person_activities"),
            relationships=found.get("list_person_relationships"),
        )
    )


async def _detailed(
    seen: readiness.Broadcast, params: PreflightBroadcast, inquiry: Inquiry, seconds: float
) -> readiness.Broadcast:
    """Read what no plan shows: the messages, what went wrong last time, and who is unsubscribed."""
    number_ = params.broadcast_id

    async def actions() -> None:
        nonlocal seen
        read = await inquiry.ask("messages", "list_broadcast_actions", broadcast_id=number_)
        seen = replace(seen, actions=rows(read.data, "actions") if read.known else None)

    async def triggers() -> None:
        nonlocal seen
        read = await inquiry.ask("earlier triggers", "list_broadcast_triggers", broadcast_id=number_)
        listed = rows(read.data, "triggers") if read.known else None
        seen = replace(seen, triggers=listed)
        errors = await newest_errors(inquiry, number_, listed or [])
        seen = replace(seen, errors=errors)

    async def unsubscribed() -> None:
        nonlocal seen
        if params.recipients is None or seen.survey.audience == 0:
            return
        seen = replace(seen, unsubscribed=Count())
        count = await audience.matching(
            inquiry, "unsubscribed people of the filter", readiness.among(params.recipients)
        )
        seen = replace(seen, unsubscribed=count)

    await together(inquiry, seconds, actions, triggers, unsubscribed)
    return seen
