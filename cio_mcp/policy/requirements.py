"""Pure: what a decision rests on that only Customer.io knows: the question to put, and what an answer means."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cio_mcp.errors import NotPermitted
from cio_mcp.policy.addresses import Recipients, lowered
from cio_mcp.policy.denials import Denial, not_passed
from cio_mcp.policy.grants import Budget
from cio_mcp.policy.touches import Kind, Person

LOOK_UP = "get_person_attributes"
"""The tool that answers for people; whoever cannot ask it, or gets no answer, settles with None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAddress:
    """All of `addresses` must be the e-mail address (or number) that Customer.io has of a person it knows.

    Also asked of a person who is named by an address: else naming would be enough to make them.
    """

    tool: str
    person: Person
    kind: Kind
    addresses: frozenset[str]
    field: str
    rule: str
    origin: str

    @property
    def told(self) -> str:
        """The requirement as a clause."""
        return f"`{self.field}` must be the address that Customer.io has of {self.person}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPerson:
    """The e-mail address that Customer.io has of a person must be on a list."""

    tool: str
    person: Person
    recipients: Recipients
    rule: str
    origin: str

    @property
    def told(self) -> str:
        """The requirement as a clause."""
        return f"the e-mail address that Customer.io has of {self.person} must be on the list of recipients"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedAudience:
    """The number of people must be known from a look at the audience, and within what one call may reach."""

    tool: str
    budget: Budget
    origin: str
    rule: str = "budget"

    @property
    def told(self) -> str:
        """The requirement as a clause."""
        return f"its audience must be counted, and within the budget ({self.budget})"


AboutPerson = OwnAddress | ListedPerson
Requirement = OwnAddress | ListedPerson | CountedAudience


def question(requirement: AboutPerson) -> dict[str, Any]:
    """Return the arguments of `LOOK_UP` that answer a requirement."""
    return {"customer_id": requirement.person.value, "id_type": requirement.person.kind}


def answer(requirement: AboutPerson, data: Mapping[str, Any]) -> str | None:
    """Return the address in a reply of `LOOK_UP`, before anything is masked in it; None if the person has none."""
    kind = requirement.kind if isinstance(requirement, OwnAddress) else "email"
    customer = data.get("customer")
    if not isinstance(customer, Mapping):
        return None
    for member in ("identifiers", "attributes"):
        within = customer.get(member)
        found = within.get(kind) if isinstance(within, Mapping) else None
        if isinstance(found, str) and found:
            return lowered(found)
    return None


def settle(requirement: Requirement, found: str | int | None, *, is_told: bool = True) -> NotPermitted | None:
    """Return the refusal that an answer means, or None if it fits; `found` None is that nothing could be learned.

    `found` is an address, as `answer` returns it, or the number of people in an audience, which the refusal names only
    if its agent `is_told` of it.
    """
    denial = _unfulfilled(requirement, found)
    if denial and isinstance(requirement, CountedAudience) and isinstance(found, int) and not is_told:
        denial = replace(denial, because=f"it reaches more people than the budget holds ({requirement.budget})")
    return not_passed(requirement.tool, [denial]) if denial else None


def _unfulfilled(requirement: Requirement, found: str | int | None) -> Denial | None:
    match requirement:
        case OwnAddress():
            return _of_own(requirement, found)
        case ListedPerson():
            return _of_listed(requirement, found)
        case CountedAudience():
            return _of_count(requirement, found)


def _of_own(requirement: OwnAddress, found: str | int | None) -> Denial | None:
    if isinstance(found, str) and requirement.addresses == {lowered(found)}:
        return None
    return not_own(requirement.field, requirement.rule, requirement.origin)


def not_own(field: str, rule: str, origin: str) -> Denial:
    """Return the denial of an address that is neither listed nor the person's own."""
    return Denial(
        rule=rule,
        because=f"`{field}` must be the identified person's own address as Customer.io knows it, or one that is listed",
        remedy=f"the address listed under [recipients] in {origin}",
        instead="Use the address that get_person_attributes shows for the person.",
    )


def not_listed(what: str, rule: str, origin: str) -> Denial:
    """Return the denial of somebody who is not on a list of recipients."""
    return Denial(rule=rule, because=f"{what} is not among the recipients allowed", remedy=f"it listed in {origin}")


def _of_listed(requirement: ListedPerson, found: str | int | None) -> Denial | None:
    if isinstance(found, str) and requirement.recipients.lists(lowered(found)):
        return None
    return not_listed("a person whom it reaches", requirement.rule, requirement.origin)


def _of_count(requirement: CountedAudience, found: str | int | None) -> Denial | None:
    if not isinstance(found, int):
        return uncounted(requirement.origin)
    return too_many(found, requirement.budget, requirement.origin)


def uncounted(origin: str) -> Denial:
    """Return the denial of a call that reaches nobody knows how many, where a budget is in force."""
    return Denial(
        rule="budget",
        because="how many people it reaches cannot be known, and there is a budget of recipients",
        remedy=f"no [budget] in {origin}",
        instead="Name the people one by one.",
    )


def too_many(count: int, budget: Budget, origin: str) -> Denial | None:
    """Return the denial of more people in one call than the budget could ever hold; None if they fit."""
    if budget.most_at_once is None or count <= budget.most_at_once:
        return None
    return Denial(
        rule="budget",
        because=f"it reaches {count:,} people, more than the budget holds ({budget})",
        remedy=f"a larger [budget] in {origin}",
        instead="Reach fewer people at once.",
    )
