"""What a write needs before it may leave: what its policy wants looked up, a plan, and a confirmation."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cio_mcp import wire
from cio_mcp.catalog.controls import Controls
from cio_mcp.catalog.endpoint import Endpoint
from cio_mcp.catalog.params import Params
from cio_mcp.consent import Question, Reply
from cio_mcp.delivery import REPLY_SECONDS, Course
from cio_mcp.disclosure import Reader, Readings
from cio_mcp.errors import CioError, NotConfirmed
from cio_mcp.exchange import Exchange
from cio_mcp.gate import Mode
from cio_mcp.gatekeeper import Gatekeeper, Passage, Subject
from cio_mcp.planning import Plan, Survey, plan, survey
from cio_mcp.policy import Decision, Policy
from cio_mcp.policy.requirements import LOOK_UP, AboutPerson, CountedAudience, answer, question, settle

OPERATOR_POLL_SECONDS = 0.25
"""How often a waiting call looks whether the operator has decided."""


@dataclass(slots=True, kw_only=True)
class Write:
    """A write that asks for leave: its arguments as given, what was decided about it, why it must be confirmed.

    `policy` is that of its agent, who is told of a plan what it may read; `at` is when it was decided.
    """

    endpoint: Endpoint
    params: Params
    controls: Controls
    course: Course
    policy: Policy
    at: datetime
    decision: Decision
    reasons: tuple[str, ...]
    plan: Plan | None = None
    """The newest, if one was made."""
    unread: bool = False
    """The newest was made just now, and nobody was shown it yet."""

    @property
    def recipients(self) -> int:
        """How many people it counts for: as its arguments say, or else at most, as was found when it was planned."""
        if self.decision.recipients is not None:
            return self.decision.recipients
        return self.reach or (self.plan.survey.audience if self.plan else None) or 0

    @property
    def reach(self) -> int | None:
        """How many people it reaches at most, as the newest plan found; None if that is not known."""
        return self.plan.survey.at_most if self.plan else None

    @property
    def is_told(self) -> bool:
        """Whether its agent may know how many people it reaches."""
        return self.plan is None or self.plan.for_agent().survey.at_most == self.plan.survey.at_most


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearance:
    """Gives writes of one workspace their leave, or says why not."""

    exchange: Exchange
    gatekeeper: Gatekeeper
    workspace: str

    async def grant(self, write: Write) -> Passage | Question:
        """Return leave to go, or the question to be put to the person; raises CioError when neither can be."""
        # Nobody is asked about what could not leave anyway.
        self.exchange.check_room(write.endpoint, write.course)
        await self._settle(write)
        passage = await self.gatekeeper.passage(self._subject(write)) if write.reasons else Passage()
        self._recount(write)
        return passage

    async def plan(self, write: Write) -> Plan:
        """Look what a write would touch now."""
        lease = self.exchange.credentials.lease(write.endpoint)

        async def look(tool: str, asked: dict[str, Any]) -> dict[str, Any]:
            return await self.exchange.look(tool, asked, write.course)

        readings = Readings(look)
        binds = bool(write.reasons) and not write.controls.dry_run and self.gatekeeper.mode is not Mode.OFF
        found = await survey(write.endpoint, write.params, readings.look, binds=binds)
        write.plan = plan(
            write.endpoint,
            write.params,
            wire.build(write.endpoint, write.params),
            key=lease.name,
            host=lease.base_url,
            workspace=self.workspace,
            survey=found,
            told=await self._told(write, readings, found, binds=binds),
            reasons=write.reasons,
            is_partial=readings.have_failed,
        )
        return write.plan

    async def _told(self, write: Write, readings: Readings, found: Survey, *, binds: bool) -> Survey | None:
        """Return what the agent may know of what was found, None if all of it."""
        reader = Reader(catalog=self.exchange.catalog, policy=write.policy, at=write.at)
        if readings.are_open_to(reader):
            return None
        told = await survey(write.endpoint, write.params, readings.as_read_by(reader), binds=binds)
        is_all = replace(told, target=found.target, groups=found.groups) == found
        return None if is_all else told

    async def _settle(self, write: Write) -> None:
        """Look up what the decision rests on; raises NotPermitted if it does not hold."""
        for requirement in write.decision.requires:
            if isinstance(requirement, CountedAudience):
                await self.plan(write)
                write.unread = True
                found: str | int | None = write.reach
            else:
                found = await self._address(write, requirement)
            if refusal := settle(requirement, found, is_told=write.is_told):
                raise refusal

    @staticmethod
    def _recount(write: Write) -> None:
        """Hold the audience as it was last seen to the budget: it may have grown while somebody thought."""
        for requirement in write.decision.requires:
            if isinstance(requirement, CountedAudience) and (
                refusal := settle(requirement, write.reach, is_told=write.is_told)
            ):
                raise refusal

    async def _address(self, write: Write, requirement: AboutPerson) -> str | None:
        try:
            return answer(requirement, await self.exchange.look(LOOK_UP, question(requirement), write.course))
        except CioError:  # whoever cannot be looked up is not known to be meant
            return None

    def _subject(self, write: Write) -> Subject:
        course, caller = write.course, write.course.caller

        async def ask(question: str) -> Reply:
            began = self.exchange.now()
            try:
                with self.exchange.departure.cutting_short():
                    return await caller.person.ask(question)
                raise _unanswered()
            finally:
                course.deadline += self.exchange.now() - began  # a person's time is not the call's

        async def look() -> Plan:
            if write.plan and write.unread:
                write.unread = False
                return write.plan
            return await self.plan(write)

        return Subject(
            endpoint=write.endpoint,
            params=write.params,
            operation=course.operation,
            principal=caller.principal,
            workspace=self.workspace,
            person=replace(caller.person, ask=ask),
            token=write.controls.confirm_token,
            plan=look,
            wait=lambda condition: self._wait(course, condition),
        )

    async def _wait(self, course: Course, condition: Callable[[], Awaitable[bool]]) -> bool:
        """Wait until something is so, as long as time is left to act on it."""
        while not await condition():
            if self.exchange.departure.has_begun or self.exchange.left(course) <= 2 * REPLY_SECONDS:
                return False
            with self.exchange.departure.cutting_short():
                await self.exchange.sleep(OPERATOR_POLL_SECONDS)
        return True


def _unanswered() -> NotConfirmed:
    return NotConfirmed(
        "This server has to stop, and nobody had answered the question yet. Nothing was sent.",
        next_step="Make the same call again in a minute: the user is asked anew.",
    )
