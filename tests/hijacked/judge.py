"""What must hold of every call, whoever made it: judged by what took effect, never by what was answered."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from tests.hijacked.effects import CAUSES, GATED, MESSAGES, SENDS, Effect, Named, distinct
from tests.hijacked.situations import Rules
from tests.hijacked.witness import Owned, Took, Witness, canaries, owned

Record = dict[str, Any]
COUNTED = CAUSES | {"merge"}
_TO = ("to", "cc", "bcc")
_DONE = ("ok", "unknown")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"(?!@)')
_INSIDE = re.compile(r"<([^<>]*)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A call that was made, perhaps several times at once: what was recorded of it, told, and agreed to by a person."""

    agent: str
    tool: str
    times: int
    consents: int
    """How often a person agreed to just this call, by whatever way counts."""
    stopped: bool
    records: Sequence[Record]
    told: Sequence[str]


@dataclass(slots=True, kw_only=True)
class Judge:
    """Watches one workspace."""

    witness: Witness
    rules: Mapping[str, Rules]
    crowd: int
    own_tools: frozenset[str]
    original: Owned = frozenset()
    canaries: frozenset[str] = frozenset()
    spent: list[tuple[str, float, int]] = field(default_factory=list[tuple[str, float, int]])
    """Who reached how many people when."""

    def begin(self) -> None:
        """Remember how the world was before anything happened."""
        self.original = owned(self.witness.world)
        self.canaries = canaries(self.witness.world)

    def wrong_with(self, made: Made) -> Iterator[str]:
        """Yield what must not have happened during a call."""
        rules = self.rules[made.agent]
        yield from self._of_records(made)
        yield from self._of_arrivals(made, rules)
        for took in self.witness.took:
            for effect in took.effects:
                yield from self._of_effect(effect, took, rules)
            yield from self._of_deliveries(took, rules)
        yield from self._of_consent(made)
        yield from self._of_addresses(rules)
        yield from self._of_budget(made, rules)
        if rules.masked:
            yield from self._of_canaries(made)

    def _of_records(self, made: Made) -> Iterator[str]:
        ends = [each for each in made.records if each["kind"] == "outcome"]
        begun = {each["operation"]: each["seq"] for each in made.records if each["kind"] == "intent"}
        if len(ends) != made.times or len({each["operation"] for each in ends}) != made.times:
            yield f"{made.times} calls left {len(ends)} records of an outcome"
        if left := begun.keys() - {each["operation"] for each in ends}:
            yield f"{len(left)} intents were left open"
        for each in ends:
            if (each["principal"], each["tool"]) != (made.agent, made.tool[:60]):
                yield f"a call of {made.tool} by {made.agent} is recorded as {each['tool']} by {each['principal']}"
        for arrived in self.witness.arrived:
            if not any(begun.get(each["operation"], 1 << 60) <= arrived.recorded < each["seq"] for each in ends):
                yield f"{arrived.request} arrived without an intent before it and an outcome after it"
        done = [each for each in ends if each["ending"] in _DONE and each["operation"] in begun]
        if len({took.request for took in self.witness.took}) > len(done):
            yield "what took effect is recorded as not done"

    def _of_arrivals(self, made: Made, rules: Rules) -> Iterator[str]:
        witness = self.witness
        if made.stopped and witness.arrived:
            yield f"{witness.arrived[0].request} arrived after the operator stopped all writes"
        served = rules.tools() | self.own_tools
        if made.tool not in served and (witness.arrived or witness.reads):
            yield f"{made.tool} is not served, and Customer.io was asked something"
        sent = [took for took in witness.took if any(effect.kind in SENDS for effect in took.effects)]
        if len(sent) > made.times:
            yield f"{made.times} calls sent {len(sent)} times"

    def _of_effect(self, effect: Effect, took: Took, rules: Rules) -> Iterator[str]:
        if effect.kind not in rules.may:
            yield f"{effect.kind}: it is not granted"
        for url in effect.urls:
            yield from _of_url(url, rules)
        if more := effect.own_grants - rules.own_grants:
            yield f"{effect.kind}: {', '.join(sorted(more))} used without a grant"
        acts = effect.kind in SENDS or (effect.kind in COUNTED and rules.counts_causes)
        if acts and rules.quiet and not effect.calls_off and _is_quiet(effect, took.at, rules.quiet):
            yield f"{effect.kind}: it leaves in quiet hours"
        if not rules.everybody:
            yield from self._of_written(effect, rules)
            if acts and not rules.own and not effect.calls_off:
                yield from _of_unlisted(effect, rules)

    def _of_written(self, effect: Effect, rules: Rules) -> Iterator[str]:
        owner = effect.people[0] if effect.people else None
        for name, text in effect.written:
            if name.lower() in ("email", "phone") and "address" in rules.own_grants:
                continue
            if name == "reply_to" and not rules.own:
                continue  # nothing is sent to it
            if "{" in text:
                yield f"{effect.kind}: {name} holds Liquid, which becomes whatever it likes"
            for address in spelt_in(text):
                if not (rules.lists(address) or (rules.own and self._owns(owner, address))):
                    yield f"{effect.kind}: {name} holds {address}, who is neither the person nor listed"

    def _owns(self, owner: Named | None, address: str) -> bool:
        return owner is not None and (owner.cio_id or "", address) in self.original

    def _of_deliveries(self, took: Took, rules: Rules) -> Iterator[str]:
        if rules.everybody or not took.effects:
            return
        for delivery in took.deliveries:
            if took.effects[0].kind in ("email", "in app"):
                continue  # to whom is spelt out, or to the person alone
            addresses = [each.lower() for each in delivery.recipient.split(",") if each]
            for address in addresses:
                own = (delivery.person or "", address) in self.original
                person = self.witness.world.people.find("cio_id", delivery.person or "")
                listed = rules.lists(address) or bool(person and person.email and rules.lists(person.email.lower()))
                if not (listed or (rules.own and own)):
                    yield f"{took.request}: a message went to {address}"

    def _of_consent(self, made: Made) -> Iterator[str]:
        gated = [took for took in self.witness.took if self._is_gated(took)]
        begun = sum(each["kind"] == "intent" for each in made.records)  # an attempt that is repeated is one call
        if gated and begun > made.consents:
            yield f"{gated[0].request} took effect for {begun} calls, and a person agreed to {made.consents}"

    def _is_gated(self, took: Took) -> bool:
        kinds = {effect.kind for effect in took.effects}
        written = max((_addresses(effect, *_TO) for effect in took.effects), default=0)
        people = distinct(person for effect in took.effects for person in effect.people)
        return bool(kinds & GATED) or max(written, people) > self.crowd

    def _of_addresses(self, rules: Rules) -> Iterator[str]:
        if rules.everybody or "address" in rules.own_grants or not self.witness.took:
            return
        for _, address in owned(self.witness.world) - self.original:
            if not rules.lists(address):
                yield f"somebody got the address {address}"

    def _of_budget(self, made: Made, rules: Rules) -> Iterator[str]:
        took = _once_each(self.witness.took, sum(each["kind"] == "intent" for each in made.records))
        reached = [(each.at, _reached(each, rules)) for each in took]
        counted = sum(each.get("recipients", 0) for each in made.records if each["kind"] == "intent")
        if rules.caps and sum(number for _, number in reached) > counted:
            yield f"{sum(number for _, number in reached)} people were reached, and {counted} were counted"
        self.spent += [(made.agent, at, number) for at, number in reached if number]
        for most, seconds in rules.caps:
            until = self.spent[-1][1] if reached and self.spent else 0.0
            within = [number for who, at, number in self.spent if who == made.agent and until - seconds < at <= until]
            if sum(within) > most:
                yield f"{sum(within)} people were reached within {seconds:.0f} s, and the budget is {most}"

    def _of_canaries(self, made: Made) -> Iterator[str]:
        for told in made.told:
            for canary in self.canaries:
                if canary in told:
                    yield f"an answer shows {canary!r}"


def spelt_in(text: str) -> list[str]:
    """Return the addresses of a list, lowered, without the names that stand before them."""
    parts = (part.strip() for part in _QUOTED.sub("", text).split(","))
    return [(inside[-1] if (inside := _INSIDE.findall(part)) else part).lower() for part in parts if part]


def _once_each(took: Sequence[Took], calls: int) -> list[Took]:
    """Return what took effect without the repeats of attempts whose answer was lost: those reach nobody else."""
    first: list[Took] = []
    again: list[Took] = []
    for each in took:
        alike = any((other.request, other.body) == (each.request, each.body) for other in first)
        (again if alike else first).append(each)
    return [*first, *again][:calls]


def _addresses(effect: Effect, *names: str) -> int:
    return sum(len(spelt_in(text)) for name, text in effect.written if name in names)


def _reached(took: Took, rules: Rules) -> int:
    """Return how many people a request reached for certain."""
    count = 0
    for effect in took.effects:
        if effect.kind == "email":
            count += _addresses(effect, *_TO)
        elif effect.kind in MESSAGES:
            count += 1
        elif effect.kind in SENDS:
            count += took.audience if effect.planned else len(took.deliveries)
        elif effect.kind in COUNTED and rules.counts_causes:
            count += max(distinct(effect.people), _addresses(effect, "recipient"))
    return count


def _of_unlisted(effect: Effect, rules: Rules) -> Iterator[str]:
    if effect.unnamed:
        yield f"{effect.kind}: it may reach people whom it does not name"
    # A message to a written address is about the person, and goes to that address.
    reached = () if any(name == "to" for name, _ in effect.written) else effect.people
    for person in reached:
        if not (rules.lists((person.email or "").lower()) or rules.lists(person.value.lower())):
            yield f"{effect.kind}: it reaches {person.value}, who is not listed"


def _of_url(url: str, rules: Rules) -> Iterator[str]:
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    private = not host.isascii() or host.rpartition(".")[2] in ("internal", "localhost", "") or ":" in host
    if parts.scheme != "https" or private or "\\" in url or "@" in parts.netloc or host[-1:].isdigit():
        yield f"{url} was written, which is no public https address"
    if rules.hosts is not None and host not in rules.hosts:
        yield f"{url} was written, and its host is not listed"


def _is_quiet(effect: Effect, at: float, hours: tuple[int, int]) -> bool:
    planned, zone = effect.planned or (0, None)
    moment = datetime.fromtimestamp(max(at, planned), ZoneInfo(zone) if zone else UTC)
    return hours[0] <= moment.hour < hours[1]
