"""The gate at work: what may not leave unasked waits here for a confirmation bound to exactly that call.

```text
plan -> ask (round trip | elicitation | token | operator) -> still the same? -> spent together with the intent
```

What each way proves differs, so it is recorded with the call: a client that shows a question may answer it by itself,
and a model can pass a token on by itself. Only the operator's approval is out of an agent's reach.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from cio_mcp import gate, refusals
from cio_mcp.catalog.endpoint import Endpoint
from cio_mcp.catalog.params import Params
from cio_mcp.consent import Person, Question, Reply
from cio_mcp.errors import ApprovalNeeded, CannotAsk, ConfirmationNeeded, NotConfirmed, Unavailable
from cio_mcp.gate import CONFIRMATION_SECONDS, Level, Mode
from cio_mcp.ledger.terms import Confirmation, Group, Ledger, State
from cio_mcp.ledger.terms import NotConfirmed as Unusable
from cio_mcp.planning import SECONDS as SURVEY_SECONDS
from cio_mcp.planning import Plan

REFILLS = frozenset({"add_people_to_segment", "remove_people_from_segment"})
"""The tools that change who is in a segment."""
_SERVER = "server"
"""Who ended a confirmation, as records name it, if no person did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Leave to go: how it was confirmed, and the confirmation to be spent with the intent."""

    approval: str = ""
    confirmation: str | None = None
    binding: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The call that stands at the gate: what it is, who makes it, and how to look what it would touch."""

    endpoint: Endpoint
    params: Params
    operation: str
    principal: str
    workspace: str
    person: Person
    token: str | None
    plan: Callable[[], Awaitable[Plan]]
    """Looks anew each time."""
    wait: Callable[[Callable[[], Awaitable[bool]]], Awaitable[bool]]
    """Waits, as long as the call's time allows, until something is so; returns whether it became so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changed:
    """What was confirmed is not what would happen now: the new plan, and what changed."""

    plan: Plan
    what: str

    @property
    def told(self) -> str:
        """What changed, as far as the agent may know it."""
        told, found = self.plan.for_agent().survey, self.plan.survey
        is_known = (told.audience, told.groups) == (found.audience, found.groups)
        return self.what if is_known else "what it would touch is not what it was"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gatekeeper:
    """Lets calls pass that were confirmed, and asks about the others."""

    mode: Mode
    ledger: Ledger
    mint: Callable[[], str]
    """Makes a handle that nobody can guess."""
    now: Callable[[], float]
    """Seconds since 1970, which no change of the wall clock moves."""

    async def passage(self, subject: Subject) -> Passage | Question:
        """Return leave to go, or the question to be put to the person; raises CioError when neither can be."""
        if self.mode is Mode.OFF:
            return Passage(approval="off")
        level = gate.level_of(self.mode, subject.person.way, has_token=subject.token is not None)
        match level:
            case Level.ROUND_TRIP:
                return await self._round_trip(subject)
            case Level.INLINE:
                return await self._inline(subject)
            case Level.TOKEN:
                return await self._token(subject)
            case Level.OPERATOR:
                return await self._operator(subject)
            case None:
                raise CannotAsk(
                    f"{subject.endpoint.name} needs a person's confirmation, and this client cannot ask for it. "
                    "Nothing was sent.",
                    next_step="Use a client that supports elicitation, or ask the operator for another --confirm.",
                )

    async def _round_trip(self, subject: Subject) -> Passage | Question:
        state, reply = subject.person.state, subject.person.reply
        binding = self._binding(subject, Level.ROUND_TRIP)
        # An answer without the state of a question of ours answers nothing: the question is put again.
        if state is None or reply is None or reply is Reply.SILENT:
            return await self._question(subject, binding, await subject.plan())
        if reply is Reply.NO:
            await self._reject(state, binding)
            raise _declined(subject)
        passed = await self._confirmed(subject, state, Level.ROUND_TRIP)
        if isinstance(passed, Passage):
            return passed
        return await self._question(subject, binding, passed.plan, changed=passed.what)

    async def _inline(self, subject: Subject) -> Passage:
        binding = self._binding(subject, Level.INLINE)
        asked = await self._question(subject, binding, await subject.plan())
        match await subject.person.ask(asked.text):
            case Reply.YES:
                passed = await self._confirmed(subject, asked.handle, Level.INLINE)
                if isinstance(passed, Passage):
                    return passed
                raise NotConfirmed(
                    f"While it was being confirmed something changed: {passed.told}. Nothing was sent.",
                    next_step="Make the same call again: the user is asked anew.",
                )
            case Reply.NO:
                await self._reject(asked.handle, binding)
                raise _declined(subject)
            case Reply.SILENT:
                if self.mode is Mode.AUTO:  # the client says that it can ask, and never did
                    return await self._token(subject)
                raise NotConfirmed(
                    "Nobody answered the question in time. Nothing was sent.",
                    next_step="Call again when the user is ready to answer.",
                )

    async def _token(self, subject: Subject) -> Passage:
        if subject.token is None:
            raise await self._offer(subject, await subject.plan())
        passed = await self._confirmed(subject, subject.token, Level.TOKEN)
        if isinstance(passed, Passage):
            return passed
        raise await self._offer(subject, passed.plan, changed=passed.told)

    async def _operator(self, subject: Subject) -> Passage:
        binding = self._binding(subject, Level.OPERATOR)
        kept = await self.ledger.waiting(binding) or await self._keep(subject, binding, await subject.plan(), read=True)

        async def decided() -> bool:
            found = await self.ledger.confirmation(kept.handle)
            return found is None or found.state is not State.WAITING

        if not await subject.wait(decided):
            raise _waiting(subject, kept.operation)
        passed = await self._confirmed(subject, kept.handle, Level.OPERATOR)
        if isinstance(passed, Passage):
            return passed
        again = await self._keep(subject, binding, passed.plan, read=True)
        raise _waiting(subject, again.operation, changed=passed.told)

    def _binding(self, subject: Subject, level: Level) -> str:
        call = gate.canonical(subject.endpoint, subject.params)
        return self.ledger.digest("confirmation", level, subject.workspace, subject.principal, call)

    def _target(self, plan: Plan) -> str:
        return self.ledger.digest("target", plan.survey.target)

    def _groups(self, plan: Plan) -> dict[str, Group]:
        """Return the parts of the audience with a mark of each person, which tells nobody who it is."""

        def marked(name: str, who: frozenset[str]) -> list[str]:
            return [self.ledger.digest("audience", name, each) for each in who]

        return {
            name: Group(
                people=found.people,
                who=None if found.who is None else Group.marked(marked(name, found.who)),
                segment=found.segment,
            )
            for name, found in plan.survey.groups.items()
        }

    async def _refilled(self, kept: Confirmation, groups: Mapping[str, Group]) -> str:
        """Return, as a clause, which segment agents changed since it was asked, of those whose people were not read."""
        asked_for = self.now() - (kept.expires_at - CONFIRMATION_SECONDS)
        for group in groups.values() if kept.groups is not None else ():
            if group.segment is None or group.who is not None:
                continue
            changed = {"segment_id": group.segment}
            if await self.ledger.was_called(kept.workspace, REFILLS, changed, within=asked_for + SURVEY_SECONDS):
                return f"this server has changed who is in segment {group.segment}"
        return ""

    async def _confirmed(self, subject: Subject, handle: str, level: Level) -> Passage | _Changed:
        """Check a confirmation against the call and against what the call would touch now."""
        binding = self._binding(subject, level)
        kept = await self.ledger.confirmation(handle)
        if kept is not None and (kept.principal, kept.workspace) != (subject.principal, subject.workspace):
            kept = None  # another's is as unknown as one that never was
        if level is Level.OPERATOR and kept is not None and kept.state is State.REJECTED:
            if kept.by == _SERVER:  # withdrawn by the same call, made elsewhere, which asks anew
                raise await self._asked_anew(subject, kept)
            raise refusals.turned_down(subject.endpoint)
        why = gate.unusable(kept, binding, self.now())
        if kept is None or why:
            raise refusals.unusable(why)
        plan = await subject.plan()
        target, groups = self._target(plan), self._groups(plan)
        what = gate.drifted(kept, audience=plan.survey.audience, target=target, groups=groups)
        if what and plan.is_partial:  # nothing was seen to change: what was agreed to stays good for the next look
            raise _unseen(subject)
        if what := what or await self._refilled(kept, groups):
            await self._withdraw(handle)
            return _Changed(plan=plan, what=what)
        if level is Level.OPERATOR:
            return Passage(approval=f"operator {kept.by}", confirmation=handle, binding=binding)
        if kept.state is State.WAITING:
            await self._approve(handle, level)
        return Passage(approval=level, confirmation=handle, binding=binding)

    async def _asked_anew(self, subject: Subject, withdrawn: Confirmation) -> ApprovalNeeded:
        newest = await self.ledger.waiting(withdrawn.binding)
        return _waiting(subject, (newest or withdrawn).operation, changed="what it would touch is not what it was")

    async def _approve(self, handle: str, level: Level) -> None:
        try:
            await self.ledger.decide(handle, State.APPROVED, level)
        except Unusable as error:  # somebody else was faster with the same confirmation
            raise refusals.unusable(error.why) from None

    async def _reject(self, handle: str, binding: str) -> None:
        kept = await self.ledger.confirmation(handle)
        if kept is None or kept.binding != binding or kept.state is not State.WAITING:
            return  # what is not this call's own stays as it is
        try:
            await self.ledger.decide(handle, State.REJECTED, "client")
        except Unusable:
            return  # spent meanwhile

    async def _withdraw(self, handle: str) -> None:
        """End a confirmation, also one that somebody approved: the world that it was given for may come back."""
        try:
            await self.ledger.withdraw(handle, _SERVER)
        except Unusable:
            return  # spent meanwhile, or over

    async def _question(self, subject: Subject, binding: str, plan: Plan, *, changed: str = "") -> Question:
        kept = await self._keep(subject, binding, plan)
        asked_again = f"You are asked again because {changed}.\n\n" if changed else ""
        return Question(text=asked_again + plan.question(), handle=kept.handle)

    async def _offer(self, subject: Subject, plan: Plan, *, changed: str = "") -> ConfirmationNeeded:
        kept = await self._keep(subject, self._binding(subject, Level.TOKEN), plan)
        again = f" It is asked about again because {changed}." if changed else ""
        return ConfirmationNeeded(
            f"{subject.endpoint.name} must be confirmed, because {' and '.join(plan.reasons)}.{again} "
            "Nothing was sent.",
            next_step="Show the plan to the user. Only if they agree, make the same call again with this "
            f"confirm_token; it is good once, within {CONFIRMATION_SECONDS / 60:.0f} minutes.",
            details={"confirm_token": kept.handle, "plan": plan.for_agent().as_json()},
        )

    async def _keep(self, subject: Subject, binding: str, plan: Plan, *, read: bool = False) -> Confirmation:
        """Keep a question; with its plan only if somebody must `read` it elsewhere, since it holds personal data."""
        kept = Confirmation(
            handle=self.mint(),
            operation=subject.operation,
            tool=subject.endpoint.name,
            principal=subject.principal,
            workspace=subject.workspace,
            binding=binding,
            target=self._target(plan),
            audience=plan.survey.audience,
            groups=self._groups(plan),
            expires_at=self.now() + CONFIRMATION_SECONDS,
            plan=plan.as_json() if read else None,
        )
        return await self.ledger.ask(kept)


def _unseen(subject: Subject) -> Unavailable:
    return Unavailable(
        f"What {subject.endpoint.name} would touch cannot be looked up now, so nobody knows whether it is still what "
        "was agreed to. Nothing was sent.",
        next_step="Make the same call again in a minute: what was agreed to stays good until it expires.",
    )


def _declined(subject: Subject) -> NotConfirmed:
    return NotConfirmed(
        f"The user did not agree to {subject.endpoint.name}. Nothing was sent.",
        next_step="Do not call it again unless the user asks for it.",
    )


def _waiting(subject: Subject, operation: str, *, changed: str = "") -> ApprovalNeeded:
    again = f" It must be approved again, because {changed}." if changed else ""
    return ApprovalNeeded(
        f"{subject.endpoint.name} waits for the operator's approval as operation {operation}.{again} Nothing was sent.",
        next_step=f"The operator runs `cio-mcp approve {operation}`, or reject, with this server's --ledger if it has "
        "one. Then make the same call again.",
        details={"operation": operation},
    )
