"""The agents of a seed: what they call, what they repeat, and which confirmations they use and misuse."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from cio_mcp.consent import Reply, Way
from cio_mcp.gate import Mode
from tests.simulation.customerio import SPARE_SEGMENTS
from tests.simulation.messages import Finished, Step
from tests.simulation.process import OPERATOR

TO = ("ada@example.com", "person1@example.com", "person2@example.com", "person3@example.com")
PRINCIPALS = ("local", "another")
NEVER_GIVEN_OUT = "a-token-that-nobody-gave-out"
Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Offer:
    """A confirmation that was asked for, of a call: `question` if it is to come back as the answer to one."""

    handle: str
    made_by: Step
    question: bool


class Agents:
    """Everybody who calls, and all that they remember."""

    def __init__(self, random: Random, mode: Mode) -> None:
        self._random = random
        self._mode = mode
        self._calls = 0
        self._past: list[Step] = []
        self._offers: list[Offer] = []
        self._unknown: list[tuple[str, Step]] = []
        self._twin: Step | None = None
        # In some simulations time hardly passes between calls, in others windows do.
        self._pace = random.choice((0.2, 5.0, 5.0, 150.0))

    def next(self) -> Step:
        """Return what an agent does next; now and then two do the same at the same time."""
        if self._twin:
            step, self._twin = self._twin, None
            return self._like(step, step.arguments, pause=step.pause, patience=step.patience)
        step = self._some_step()
        if self._random.random() < 0.1 and not step.state and step.tool != OPERATOR:
            self._twin = step
        return step

    def _some_step(self) -> Step:
        kinds = {
            self._new: 8,
            self._again: 5,
            self._with_offer: 12 if self._offers else 0,
            self._misused: 4 if self._offers else 0,
            self._looking: 4 if self._unknown else 1,
        }
        if self._mode is Mode.OPERATOR:
            kinds[self._operator] = 4
        return self._random.choices(list(kinds), list(kinds.values()))[0]()

    def learn(self, step: Step, finished: Finished) -> None:
        """Remember what came of a call."""
        token = finished.data.get("confirm_token") if finished.code == "confirmation_needed" else None
        if isinstance(token, str):
            self._offers.append(Offer(token, step, question=False))
        if finished.question:
            self._offers.append(Offer(finished.question, step, question=True))
        if finished.code == "outcome_unknown" and finished.operation:
            self._unknown.append((finished.operation, step))

    def lost(self, step: Step, operation: str | None) -> None:
        """Remember a call whose process died; an agent learns its operation by listing what is unknown."""
        if operation:
            self._unknown.append((operation, step))

    def _step(self, tool: str, arguments: Arguments, **more: Any) -> Step:
        random = self._random
        self._calls += 1
        return Step(
            call=self._calls,
            tool=tool,
            arguments=arguments,
            principal=more.pop("principal", PRINCIPALS[random.random() < 0.1]),
            **{
                "pause": random.expovariate(1 / self._pace),
                "patience": random.choice((*[None] * 10, random.uniform(0.0, 0.3), random.uniform(0.0, 40))),
            }
            | more,
        )

    def _new(self) -> Step:
        kind = self._random.choices(list(_NEW), [weight for weight, _ in _NEW.values()])[0]
        tool, arguments = _NEW[kind][1](self._random, f"m{self._calls + 1}")
        if self._random.random() < 0.05 and "send" in tool:
            arguments = {**arguments, "dry_run": True}
        way, answer = Way.NONE, Reply.SILENT
        if self._mode is not Mode.TOKEN:
            way = self._random.choice((Way.NONE, Way.INLINE, Way.ROUND_TRIP))
            answer = self._random.choice((Reply.YES, Reply.YES, Reply.YES, Reply.NO, Reply.SILENT))
        step = self._step(tool, arguments, way=way, answer=answer)
        self._past.append(step)
        return step

    def _again(self) -> Step:
        """Make an earlier call again, as clients are told to do when an answer is lost."""
        if not self._past:
            return self._new()
        earlier = self._random.choice(self._past[-4:])
        arguments = {name: value for name, value in earlier.arguments.items() if name != "confirm_token"}
        if earlier.tool in ("send_email", "send_sms", "trigger_broadcast") and self._random.random() < 0.35:
            arguments["allow_repeat"] = True
        step = self._like(earlier, arguments)
        self._past.append(step)
        return step

    def _like(self, earlier: Step, arguments: Arguments, **more: Any) -> Step:
        more = {"principal": earlier.principal, "way": earlier.way, "answer": earlier.answer} | more
        return self._step(earlier.tool, arguments, **more)

    def _with_offer(self) -> Step:
        """Use a confirmation for the call for which it was asked; perhaps once more than is good."""
        if not self._offers:
            return self._new()
        offer = self._random.choice(self._offers[-3:])
        if self._random.random() < 0.5:
            self._offers.remove(offer)
        return self._using(offer, offer.made_by)

    def _misused(self) -> Step:
        """Use a confirmation for another call, or as somebody else, or one that nobody gave out."""
        if not self._offers:
            return self._new()
        offer = self._random.choice(self._offers)
        # The nearer another call is to the one that was confirmed, the likelier it passes for it.
        others = [step for step in self._past if step.tool in _CONFIRMED and step.arguments != offer.made_by.arguments]
        near = [step for step in others if step.tool == offer.made_by.tool]
        match self._random.randrange(3):
            case 0 if others:
                return self._using(offer, self._random.choice(near or others))
            case 1:
                someone = next(name for name in PRINCIPALS if name != offer.made_by.principal)
                return self._using(offer, offer.made_by, principal=someone)
            case _:
                return self._using(Offer(NEVER_GIVEN_OUT, offer.made_by, offer.question), offer.made_by)

    def _using(self, offer: Offer, call: Step, **more: Any) -> Step:
        arguments = {name: value for name, value in call.arguments.items() if name != "confirm_token"}
        if call.tool == "trigger_broadcast" and self._random.random() < 0.3:
            arguments["allow_repeat"] = True
        if offer.question:
            reply = self._random.choice((Reply.YES, Reply.YES, Reply.YES, Reply.NO))
            return self._like(call, arguments, way=Way.ROUND_TRIP, state=offer.handle, reply=reply, **more)
        return self._like(call, {**arguments, "confirm_token": offer.handle}, **more)

    def _looking(self) -> Step:
        """Ask what became of a call, or look for the truth."""
        if not self._unknown:
            return self._step("list_unknown_operations", {})
        operation, step = self._random.choice(self._unknown)
        if self._random.random() < 0.2:
            return self._step("get_operation", {"operation": operation}, principal=step.principal)
        own = {name: value for name, value in step.arguments.items() if name not in _CONTROLS}
        asked = {"operation": operation} | ({"arguments": own} if self._random.random() < 0.8 else {})
        # At once, or when what is not to be seen by then did not happen.
        pause = self._random.choice((1.0, 1.0, 200.0))
        return self._step("reconcile_operation", asked, principal=step.principal, pause=pause)

    def _operator(self) -> Step:
        return self._step(OPERATOR, {})


def _email(random: Random, marker: str) -> tuple[str, Arguments]:
    to = random.sample(TO, random.choice((1, 1, 1, 3)))
    asked = {
        "to": ", ".join(to),
        "identifiers": {"id": "ada-1"},
        "transactional_message_id": 1,
        "message_data": {"marker": marker},
    }
    return "send_email", asked


def _sms(_random: Random, marker: str) -> tuple[str, Arguments]:
    asked = {"identifiers": {"id": "ada-1"}, "transactional_message_id": 3, "message_data": {"marker": marker}}
    return "send_sms", asked


def _broadcast(random: Random, marker: str) -> tuple[str, Arguments]:
    data = {"marker": random.choice((marker, "always the same"))}
    return "trigger_broadcast", {"broadcast_id": 10, "data": data}


def _newsletter(_random: Random, _marker: str) -> tuple[str, Arguments]:
    return "send_newsletter", {"newsletter_id": 1}


def _segment(_random: Random, marker: str) -> tuple[str, Arguments]:
    return "create_segment", {"name": marker}


def _webhook(_random: Random, marker: str) -> tuple[str, Arguments]:
    asked = {"name": marker, "endpoint": "https://hooks.example.com/events", "events": ["email_sent"]}
    return "create_reporting_webhook", asked


def _deletion(random: Random, _marker: str) -> tuple[str, Arguments]:
    return "delete_segment", {"segment_id": random.choice(SPARE_SEGMENTS)}


def _identify(random: Random, marker: str) -> tuple[str, Arguments]:
    return "identify_person", {"identifier": str(random.randrange(1, 25)), "attributes": {"seen": marker}}


def _event(random: Random, marker: str) -> tuple[str, Arguments]:
    return "track_event", {"identifier": str(random.randrange(1, 25)), "name": marker}


def _members(random: Random, _marker: str) -> tuple[str, Arguments]:
    return "add_people_to_segment", {"segment_id": random.choice(SPARE_SEGMENTS), "ids": ["1", "2"]}


def _batch(_random: Random, marker: str) -> tuple[str, Arguments]:
    event = {"type": "person", "action": "event", "identifiers": {"id": "3"}, "name": marker}
    return "apply_batch", {"batch": [event, {**event, "name": f"{marker} too"}]}


def _reading(_random: Random, _marker: str) -> tuple[str, Arguments]:
    return "list_segments", {}


_NEW = {
    "email": (7, _email), "sms": (2, _sms), "broadcast": (4, _broadcast), "newsletter": (1, _newsletter),
    "segment": (3, _segment), "webhook": (3, _webhook), "deletion": (3, _deletion), "identify": (1, _identify),
    "event": (2, _event), "members": (1, _members), "batch": (1, _batch), "reading": (1, _reading),
}  # fmt: skip
_CONFIRMED = frozenset(
    {"send_email", "trigger_broadcast", "send_newsletter", "delete_segment", "create_reporting_webhook"}
)
_CONTROLS = frozenset({"confirm_token", "allow_repeat", "dry_run"})
