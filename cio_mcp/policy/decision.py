"""May this call pass: one pure decision over a tool's declaration, a call's arguments and what the operator set."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from cio_mcp.catalog import CATALOG, Access, Endpoint
from cio_mcp.catalog.params import Params
from cio_mcp.errors import NotPermitted
from cio_mcp.ledger.terms import Cap
from cio_mcp.policy import rules
from cio_mcp.policy.addresses import Recipients
from cio_mcp.policy.denials import Denial, not_passed, not_served
from cio_mcp.policy.grants import Causes, Grants
from cio_mcp.policy.items import items_in
from cio_mcp.policy.reach import total, touches
from cio_mcp.policy.requirements import CountedAudience, OwnAddress, Requirement
from cio_mcp.policy.tools import allowed_by, item_denial, tool_denial
from cio_mcp.policy.words import Grant
from cio_mcp.privacy import Mask

TOKEN = "token"  # noqa: S105 - the name of a rule
"""The rule of what an agent's token carries, as records name it."""
SEARCH = "search_people"
"""The tool that answers filters: what is masked there is compared nowhere."""
LOOK_UPS = 10
"""People looked up for one call at most: each costs a request of the App API's ten a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a call: refused, or allowed once every requirement is settled.

    `rule` names what allowed or refused it. `recipients` is how many people it reaches, None if only a look at the
    audience can tell; `caps` are what they count against.
    """

    rule: str
    refusal: NotPermitted | None = None
    recipients: int | None = 0
    caps: tuple[Cap, ...] = ()
    requires: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What this server serves. Every part can only narrow; `None` narrows nothing.

    `areas`, `read_only` and `grants` come from flags, `token` from what the agent's token carries, `agent` from a
    grants file or a profile. `test_recipients` are the only people who may be reached.
    """

    areas: frozenset[str] | None = None
    read_only: bool = False
    grants: frozenset[Grant] | None = None
    token: frozenset[Grant] | None = None
    agent: Grants | None = None
    test_recipients: Recipients | None = None

    def refusal(self, endpoint: Endpoint) -> NotPermitted | None:
        """Return why the tool may not be called whatever its arguments are, or None if it may."""
        denials = list(self._tool_denials(endpoint))
        return not_served(endpoint.name, denials) if denials else None

    def permits(self, endpoint: Endpoint) -> bool:
        """Say whether the endpoint may be listed and called."""
        return self.refusal(endpoint) is None

    def mask(self, endpoint: Endpoint) -> Mask | None:
        """Return what is withheld from the results of a tool; None without grants, which withholds nothing."""
        if self.agent is None:
            return None
        return Mask(attributes_shown=self.agent.shown, personal_data=self.agent.shows_personal_data(endpoint.area))

    def decide(self, endpoint: Endpoint, params: Params, *, now: datetime) -> Decision:
        """Decide on a call with checked arguments; `now` must know its time zone."""
        if refusal := self.refusal(endpoint):
            return _refused(refusal)
        touched = touches(endpoint, params)
        acts = bool(touched) and (endpoint.sends or self._causes is Causes.COUNT)
        call = rules.Call(endpoint=endpoint, params=params, touches=touched, acts=acts, now=now)
        found = list(dict.fromkeys(self._call_rules(call)))
        denials = [each for each in found if isinstance(each, Denial)]
        requires = _distinct(each for each in found if not isinstance(each, Denial))
        look_ups = {each.person for each in requires if not isinstance(each, CountedAudience)}
        if len(look_ups) > LOOK_UPS:
            denials.append(_too_many_look_ups(len(look_ups)))
        if denials:
            return _refused(not_passed(endpoint.name, denials))
        caps = self.agent.budget.caps if self.agent and acts else ()
        return Decision(
            rule=self.rule(endpoint, params), recipients=total(touched) if acts else 0, caps=caps, requires=requires
        )

    @property
    def _causes(self) -> Causes:
        if self.agent:
            return self.agent.causes
        # Whoever restricts recipients without grants means that nobody else gets anything, by whatever way.
        return Causes.COUNT if self.test_recipients else Causes.FREE

    def _tool_denials(self, endpoint: Endpoint) -> Iterator[Denial]:
        scope = f"{endpoint.area}:{endpoint.permission}"
        if self.areas is not None and endpoint.area not in self.areas:
            areas = ", ".join(sorted(self.areas))
            yield Denial(
                rule="--areas", because=f"it serves only the areas {areas}", remedy=f"{endpoint.area} added to --areas"
            )
        if self.read_only and endpoint.access is not Access.READ:
            yield Denial(rule="--read-only", because="it is read-only", remedy="--read-only taken away")
        if self.grants is not None and not any(grant.covers(endpoint) for grant in self.grants):
            yield Denial(rule="--grant", because=f"no grant covers {scope}", remedy=f"{scope} added to --grant")
        if self.token is not None and not any(grant.covers(endpoint) for grant in self.token):
            yield Denial(rule=TOKEN, because=f"your token does not carry {scope}", remedy=f"a token with {scope}")
        if self.agent and (denial := tool_denial(self.agent, endpoint)):
            yield denial

    def _call_rules(self, call: rules.Call) -> rules.Found:
        yield from rules.urls(call, self.agent)
        if self.agent:
            yield from self._item_denials(call, self.agent)
            if mask := self.mask(CATALOG[SEARCH]):
                yield from rules.shown_values(call, self.agent, mask)
            yield from rules.used_fields(call, self.agent)
            yield from rules.own_or_listed(call, self.agent)
            yield from rules.quiet_hours(call, self.agent)
            yield from rules.within_budget(call, self.agent)
        if self.test_recipients:
            yield from rules.everybody_listed(call, self.test_recipients, rules.TEST_RECIPIENTS, rules.TEST_RECIPIENTS)
            yield from rules.copying_headers(call)

    @staticmethod
    def _item_denials(call: rules.Call, agent: Grants) -> Iterator[Denial]:
        kinds = {(item["type"], item["action"]): item for item in items_in(call.params)}  # few, of many items
        found = (item_denial(agent, call.endpoint, item) for item in kinds.values())
        yield from (denial for denial in found if denial)

    def rule(self, endpoint: Endpoint, params: Params | None = None) -> str:
        """Return the names of what allows a tool, or one call of it, and of what narrows it without refusing it."""
        flags = {
            "--areas": self.areas is not None,
            "--read-only": self.read_only,
            "--grant": self.grants is not None,
            TOKEN: self.token is not None,
            rules.TEST_RECIPIENTS: self.test_recipients is not None,
        }
        named = [name for name, is_set in flags.items() if is_set]
        if self.agent:
            named.insert(0, allowed_by(self.agent, endpoint, params))
        return ", ".join(named) or "unrestricted"


def _refused(refusal: NotPermitted) -> Decision:
    return Decision(rule=str(refusal.details["rule"]), refusal=refusal)


def _distinct(requires: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """Return each requirement once, whatever argument it came from first."""
    seen: dict[object, Requirement] = {}
    for each in requires:
        key = (each.person, each.kind, each.addresses) if isinstance(each, OwnAddress) else each
        seen.setdefault(key, each)
    return tuple(seen.values())


def _too_many_look_ups(count: int) -> Denial:
    return Denial(
        rule="recipients",
        because=f"{count} people would have to be looked up to know whether it may reach them, more than {LOOK_UPS}",
        instead="Name fewer people at once, or people who are on the list of recipients.",
    )
