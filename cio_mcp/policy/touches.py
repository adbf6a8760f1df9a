"""Pure: whom a call reaches, message by message and change by change, as far as its arguments tell.

A change that campaigns may react to reaches the people it changes: whatever it causes goes to them. What the
arguments do not tell counts as unknown, never as nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cio_mcp.catalog.emails import recipients
from cio_mcp.catalog.identifiers import IdType, kind_in_path
from cio_mcp.policy.addresses import lowered

Kind = Literal["email", "phone"]
ADDRESS_ATTRIBUTES: tuple[Kind, ...] = ("email", "phone")
# Track API reference, "Track a customer event": these properties override the settings of a campaign's e-mail.
RECIPIENT, OVERRIDES = "recipient", {"from_address": "from", "reply_to": "reply_to"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in Customer.io, by one identifier."""

    kind: IdType
    value: str

    @property
    def own(self) -> str | None:
        """The address that the identifier itself is, lowered; None if it is none."""
        return lowered(self.value) if self.kind in ADDRESS_ATTRIBUTES else None

    def __str__(self) -> str:
        return f"the person with that {self.kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An address that an argument spells out: one number, or a list of e-mail addresses."""

    field: str
    text: str
    kind: Kind = "email"


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """What one message, or one change that may cause messages, reaches."""

    count: int | None = 1
    """How many people; None if its arguments do not tell."""
    owner: Person | None = None
    """Whom it is about: the only one whose own address may be written out."""
    people: tuple[Person, ...] = ()
    """Reached at the addresses that Customer.io has of them."""
    others: bool = False
    """Whether it reaches people whom it does not name."""
    written: tuple[Written, ...] = ()
    """Where it goes as well, or instead."""
    replies: tuple[Written, ...] = ()
    """Where answers go."""
    creates: tuple[Person, ...] = ()
    """Named by an address, so that Customer.io makes them if it does not know them."""
    gives: tuple[Written, ...] = ()
    """Addresses, numbers and devices that somebody gets by it."""
    hands_over: bool = False
    """Whether somebody gets addresses and devices of somebody else, which its arguments do not name."""
    fields: tuple[str, ...] = ()
    """What it uses of the fields that are grants of their own."""


ANYBODY = Touch(count=None, others=True)
"""What is known of a call whose arguments name nobody."""


def person_in(identifiers: Mapping[str, Any]) -> Person | None:
    """Return whom an object of identifiers means; None for objects and the anonymous."""
    kinds: tuple[IdType, ...] = ("id", "email", "phone", "cio_id")
    return next((Person(kind=kind, value=str(identifiers[kind])) for kind in kinds if kind in identifiers), None)


def person_in_path(text: str) -> Person:
    """Return whom a Track path means."""
    return Person(kind=kind_in_path(text), value=text)


def made_by(person: Person | None) -> tuple[Person, ...]:
    """Return the person if naming them is enough to give somebody that address."""
    return (person,) if person and person.own else ()


def of_merge(primary: Mapping[str, Any], secondary: Mapping[str, Any]) -> Touch:
    """Return what a merge reaches: whatever the primary lacks it takes from the secondary (Track API, "Merge")."""
    both = (person_in(primary), person_in(secondary))
    return Touch(people=tuple(person for person in both if person), hands_over=True)


def addresses_given(members: Mapping[str, Any] | None) -> tuple[Written, ...]:
    """Return the addresses that attributes give their person; to take one away gives none."""
    return tuple(
        Written(field=name, text=_text(value), kind=kind)
        for name, value in (members or {}).items()
        for kind in ADDRESS_ATTRIBUTES
        if lowered(name) == kind and value
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""  # what is no text is no address, and so on no list


def of_event(person: Person | None, data: Mapping[str, Any] | None, *, others: bool = False) -> Touch:
    """Return what an event reaches: its person, and whom its data names beside or instead.

    Names that differ only in case may stand side by side, and which of them Customer.io takes is written nowhere.
    """
    given = {name: value for name, value in (data or {}).items() if value}
    written = _overriding(given, RECIPIENT)
    return Touch(
        count=_count_of(written),
        owner=person,
        people=(person,) if person else (),
        others=others,
        written=written,
        replies=_overriding(given, "reply_to"),
        creates=made_by(person),
        fields=tuple(field for name, field in OVERRIDES.items() if name in map(lowered, given)),
    )


def _overriding(given: Mapping[str, Any], override: str) -> tuple[Written, ...]:
    return tuple(Written(field=name, text=_text(value)) for name, value in given.items() if lowered(name) == override)


def _count_of(written: tuple[Written, ...]) -> int | None:
    """Return how many an event reaches: the addresses that its data writes down, or else its person."""
    try:
        return max(1, sum(len(recipients(each.text)) for each in written))
    except ValueError:
        return None
