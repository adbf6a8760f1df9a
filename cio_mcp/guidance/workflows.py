"""Pure: the prompts, each a workflow whose steps are calls of tools, spelt out for the agent at hand."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cio_mcp.catalog.fields import PATH_VALUE_BYTES, at_most, whole_number_from
from cio_mcp.catalog.identifiers import is_misspelt, kind_by_look
from cio_mcp.catalog.paths import check_segment
from cio_mcp.errors import InvalidArguments

Json = dict[str, Any]
DAYS = 7
"""So many are compared: today, and the days before."""
FIRST_DAY = "@first_day"
"""Stands in a step for the moment at which the first of them began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """What is asked of whoever starts a workflow."""

    name: str
    about: str
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call: what for, of which tool, with which of the workflow's arguments and which of its own.

    `<name>` among its own stands for what an earlier step shows. What is `optional` is left out for an agent that may
    not use the tool; without any other step's tool the workflow is not offered.
    """

    does: str
    tool: str
    uses: tuple[str, ...] = ()
    own: Mapping[str, Any] | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A prompt: what it is for, what it asks, its steps, and what to make of them."""

    name: str
    about: str
    arguments: tuple[Argument, ...] = ()
    one_of: tuple[str, ...] = ()
    """Of these arguments at most one is given."""
    steps: tuple[Step, ...]
    ending: str

    def is_open(self, tools: Collection[str]) -> bool:
        """Say whether an agent with these tools can follow it."""
        return all(step.optional or step.tool in tools for step in self.steps)

    def text(self, given: Mapping[str, str], tools: Collection[str], *, now: float, also: Mapping[str, str]) -> str:
        """Return it for these arguments; raises InvalidArguments. `also` stands in every call."""
        told = {name: value.strip() for name, value in given.items()}
        self._check(told)
        return "\n".join(self._lines(told, tools, now, also))

    def _check(self, given: Mapping[str, str]) -> None:
        known = {argument.name for argument in self.arguments}
        wrong = [f"{name[:40]!r} is unknown" for name in sorted(given.keys() - known)]
        wrong += [f"{a.name} is required" for a in self.arguments if a.required and not given.get(a.name)]
        meant = [name for name in self.one_of if given.get(name)]
        wrong += [f"{name} must not stand beside {meant[0]}: give one of them" for name in meant[1:]]
        if wrong:
            raise _invalid(self.name, wrong[0])

    def _lines(
        self, given: Mapping[str, str], tools: Collection[str], now: float, also: Mapping[str, str]
    ) -> Iterator[str]:
        yield f"{self.about} Make these calls; <name> stands for what an earlier one shows."
        shown = [step for step in self.steps if step.tool in tools]
        for place, step in enumerate(shown, start=1):
            yield f"{place}. {step.does}: {step.tool} {_call(self.name, step, given, now, also)}"
        if missing := [step.tool for step in self.steps if step.tool not in tools]:
            yield f"Not served to you, and left out: {', '.join(missing)}."
        yield self.ending


def _call(workflow: str, step: Step, given: Mapping[str, str], now: float, also: Mapping[str, str]) -> str:
    made: Json = dict(also)
    for name in step.uses:
        if value := given.get(name):
            try:
                made |= _MADE[name](value)
            except ValueError as error:
                raise _invalid(workflow, f"{name} {error}") from None
    own = {name: _moment(now) if value == FIRST_DAY else value for name, value in (step.own or {}).items()}
    return json.dumps(made | own, ensure_ascii=True)


def _moment(now: float) -> str:
    return f"{datetime.fromtimestamp(now, UTC) - timedelta(days=DAYS - 1):%Y-%m-%dT00:00:00Z}"


def _invalid(workflow: str, why: str) -> InvalidArguments:
    return InvalidArguments(f"{workflow}: {why}.", next_step="Mend the named argument and ask again.")


def _person(value: str) -> Json:
    if not value.isprintable():
        raise ValueError("must be one line without hidden characters")
    at_most(PATH_VALUE_BYTES)(check_segment(value))
    # A tool asks which of the two it is; a cio_id it cannot be.
    kind = "id" if is_misspelt(value) else kind_by_look(value)
    return {"customer_id": value} | ({"id_type": kind} if kind else {})


def _number(name: str) -> Callable[[str], Json]:
    return lambda value: {name: whole_number_from(1)(value)}


def _filter(value: str) -> Json:
    return {"recipients": {"segment": {"id": _number("segment_id")(value)["segment_id"]}}}


_PROGRAMS = ("campaign_id", "broadcast_id", "newsletter_id")
_NUMBERS = (*_PROGRAMS, "segment_id")
_MADE: Mapping[str, Callable[[str], Json]] = {
    "person": _person,
    "audience_segment_id": _filter,
    **{name: _number(name) for name in _NUMBERS},
}

PERSON = Argument(
    name="person", about="An id, an e-mail address, a phone number or cio_…; what it is shows by its look"
)


def _id(name: str, about: str, *, required: bool = True) -> Argument:
    return Argument(name=name, about=about, required=required)


WORKFLOWS = (
    Workflow(
        name="why_no_message",
        about="Find out why this person got no message.",
        arguments=(
            PERSON,
            _id("campaign_id", "The campaign that should have sent it", required=False),
            _id("broadcast_id", "Or the broadcast", required=False),
            _id("newsletter_id", "Or the newsletter", required=False),
        ),
        one_of=_PROGRAMS,
        steps=(
            Step(
                does="Ask for the causes",
                tool="why_no_message",
                uses=("person", *_PROGRAMS),
            ),
            Step(
                does="If a message was made, follow it",
                tool="get_delivery_timeline",
                own={"delivery_id": "<delivery_id>"},
                optional=True,
            ),
            Step(
                does="If a segment is missing, read its conditions",
                tool="get_segment",
                own={"segment_id": "<segment_id>"},
                optional=True,
            ),
            Step(
                does="Compare them with the person",
                tool="get_person_attributes",
                uses=("person",),
            ),
        ),
        ending="Tell the user the cause, the evidence and the next step. Change nothing unless they ask for it.",
    ),
    Workflow(
        name="preflight_broadcast",
        about="Check whether this broadcast is ready to be triggered.",
        arguments=(
            _id("broadcast_id", "The broadcast"),
            _id("audience_segment_id", "The segment that it shall go to, if not its own audience", required=False),
        ),
        steps=(
            Step(
                does="Check state, audience, messages and earlier triggers",
                tool="preflight_broadcast",
                uses=("broadcast_id", "audience_segment_id"),
            ),
            Step(does="Read what it says", tool="list_broadcast_actions", uses=("broadcast_id",)),
            Step(
                does="See the plan; with dry_run nothing is sent",
                tool="trigger_broadcast",
                uses=("broadcast_id", "audience_segment_id"),
                own={"dry_run": True},
                optional=True,
            ),
        ),
        ending="Tell the user whether it is ready, whom it reaches, and what to settle first. Do not trigger it.",
    ),
    Workflow(
        name="campaign_health",
        about="Judge the health of this campaign.",
        arguments=(_id("campaign_id", "The campaign"),),
        steps=(
            Step(does="Read state and trigger", tool="get_campaign", uses=("campaign_id",)),
            Step(does="Read its messages", tool="list_campaign_actions", uses=("campaign_id",)),
            Step(
                does=f"Read the last {DAYS} days, today so far among them",
                tool="get_campaign_metrics",
                uses=("campaign_id",),
                own={"res": "days", "tz": "UTC", "start": FIRST_DAY},
            ),
            Step(
                does="Read the weeks before, to compare",
                tool="get_campaign_metrics",
                uses=("campaign_id",),
                own={"res": "weeks"},
            ),
        ),
        ending="Work out the rates of delivery, opening, clicking, bouncing and unsubscribing, and how they move. Say "
        "what stands out and what to look at; of few messages say that they are few.",
    ),
    Workflow(
        name="clean_up_segment",
        about="Find out whether this segment is still needed.",
        arguments=(_id("segment_id", "The segment"),),
        steps=(
            Step(does="Read it", tool="get_segment", uses=("segment_id",)),
            Step(does="Count its people", tool="count_segment_people", uses=("segment_id",)),
            Step(does="See what uses it", tool="get_segment_used_by", uses=("segment_id",)),
            Step(does="See some of its people", tool="list_segment_people", uses=("segment_id",), own={"limit": 10}),
            Step(
                does="If it is manual and unused, see what deleting it would do; with dry_run nothing is deleted",
                tool="delete_segment",
                uses=("segment_id",),
                own={"dry_run": True},
                optional=True,
            ),
        ),
        ending="Tell the user what it is, who is in it and what uses it. Delete nothing; propose what they could do.",
    ),
    Workflow(
        name="customer_360",
        about="Show all of this customer at a glance.",
        arguments=(PERSON,),
        steps=(
            Step(does="Read the overview", tool="person_overview", uses=("person",)),
            Step(does="Read the newest messages", tool="list_person_messages", uses=("person",), own={"limit": 10}),
            Step(does="Read what the person did", tool="list_person_activities", uses=("person",), own={"limit": 20}),
            Step(
                does="Read what the person belongs to",
                tool="list_person_relationships",
                uses=("person",),
                own={"limit": 20},
                optional=True,
            ),
        ),
        ending="Tell who this is, what they got and did lately, and what stands out. Leave out what is masked.",
    ),
    Workflow(
        name="weekly_report",
        about=f"Report what was sent in the last {DAYS} days, and how campaigns and broadcasts fared.",
        steps=(
            Step(does="List the campaigns", tool="list_campaigns"),
            Step(does="List the broadcasts", tool="list_broadcasts"),
            Step(does="List the newsletters", tool="list_newsletters", own={"limit": 20, "sort": "desc"}),
            Step(
                does="For each running campaign",
                tool="get_campaign_metrics",
                own={"campaign_id": "<campaign_id>", "res": "days", "tz": "UTC", "start": FIRST_DAY},
            ),
            Step(
                does="For each running broadcast",
                tool="get_broadcast_metrics",
                own={"broadcast_id": "<broadcast_id>", "period": "days", "steps": DAYS},
            ),
            Step(does="See whether any outcome is unknown", tool="list_unknown_operations"),
        ),
        ending=f"Each series has {DAYS} numbers, the last for today so far: days of campaigns by UTC; whose days those "
        "of broadcasts are, the API does not say. Make a table of both, with rates of delivery, opening, clicking and "
        "bouncing, the largest first. Beside it name the newsletters that were sent in these days: no tool here tells "
        "how they fared, nor what single transactional messages came to. Say so, and that Customer.io itself shows it. "
        "Then three sentences on what changed and what to look at.",
    ),
)
