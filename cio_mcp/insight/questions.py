"""What is read to tell why a person got no message."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from pydantic import Field, model_validator

from cio_mcp import sensitive
from cio_mcp.catalog.fields import NumericId, PathId
from cio_mcp.catalog.identifiers import PersonLookup
from cio_mcp.catalog.params import wrong
from cio_mcp.insight import messages, programs, triggers
from cio_mcp.insight.absence import Case
from cio_mcp.insight.programs import Program
from cio_mcp.planning.answers import member, number, rows, word
from cio_mcp.planning.inquiry import Inquiry, Seen

Json = dict[str, Any]
MESSAGES_READ = 200
"""The newest of six months: more than a person gets from one program."""
MOST_SHARERS = 5
ID_CHARACTERS = 40
_PROGRAMS = ("campaign_id", "broadcast_id", "newsletter_id")


class WhyNoMessage(PersonLookup):
    """Tell why a person never got an e-mail or other message: causes, evidence and next steps.

    Reads person, messages, segments and the program in one call. Name the program or message if known.
    """

    campaign_id: NumericId | None = Field(None, description="At most one of these four")
    broadcast_id: NumericId | None = Field(None, description="From list_broadcasts")
    newsletter_id: NumericId | None = Field(None, description="From list_newsletters")
    delivery_id: PathId | None = Field(None, description="One message")

    @model_validator(mode="after")
    def _names_one_at_most(self) -> Self:
        given = [name for name in (*_PROGRAMS, "delivery_id") if getattr(self, name) is not None]
        if len(given) > 1:
            raise wrong(given[1], f"must not stand beside {given[0]}: give one of them")
        return self


@dataclass(slots=True, kw_only=True)
class WhyCase:
    """What was read so far."""

    asks_for_one: bool = False
    asks_for_any: bool = False
    of_this_address: Sequence[str] = ()
    person: Seen = field(default_factory=Seen)
    messages: Seen = field(default_factory=Seen)
    segments: Seen = field(default_factory=Seen)
    program: Program | None = None
    event_seen: bool | None = None
    about: Sequence[Json] | None = None

    def case(self) -> Case:
        """Return it as the causes are found from it."""
        customer = member(self.person.data, "customer")
        listed = rows(self.segments.data, "segments")
        return Case(
            person=customer or None,
            is_nobody=self.person.absent,
            about=self.about,
            segments=frozenset(n for each in listed if (n := number(each.get("id")))) if self.segments.known else None,
            program=self.program,
            event_seen=self.event_seen,
            asks_for_one=self.asks_for_one,
            asks_for_any=self.asks_for_any,
            asked_for=frozenset(word(each.get("type")) for each in (self.about or [])[:1]),
        )

    def told(self) -> Json:
        """Return what the causes rest on, in few words."""
        customer = member(self.person.data, "customer")
        told: Json = {"cio_id": member(customer, "identifiers").get("cio_id")}
        told["of_this_address"] = list(self.of_this_address)
        told["program"] = self.program.told() if self.program else None
        if self.about is not None:
            told["messages_found"] = len(self.about)
            told["newest"] = [messages.brief(each) for each in self.about[:2]]
        return told


def person_of(params: PersonLookup) -> Json:
    """Return the arguments that name a person, as a read tool takes them."""
    named: Json = {"customer_id": params.customer_id}
    return named | ({"id_type": params.id_type} if params.id_type else {})


async def people_of_address(params: PersonLookup, inquiry: Inquiry) -> list[str]:
    """Return who else may be meant by an e-mail address that several people share: Customer.io takes one of them."""
    if params.id_type != "email":
        return []
    seen = await inquiry.ask("people of this address", "find_people_by_email", email=params.customer_id)
    found = rows(seen.data, "results")
    if len(found) < 2:  # noqa: PLR2004 - nobody shares it
        return []
    inquiry.remark(
        f"which of the {len(found):,} people of this address is meant: ask again for each in of_this_address, by its "
        "id_type."
    )
    return [handle for each in found[:MOST_SHARERS] if (handle := _handle(each))]


def _handle(identifiers: Json) -> str:
    """Return the kind and the value by which a person can be asked for."""
    own, cio_id = identifiers.get("id"), identifiers.get("cio_id")
    if isinstance(own, str) and own and not sensitive.is_masked(own):
        return f"id {messages.short(own, ID_CHARACTERS)}"
    return f"cio_id cio_{messages.short(cio_id, ID_CHARACTERS)}" if isinstance(cio_id, str) and cio_id else ""


async def newest_errors(inquiry: Inquiry, broadcast_id: int, listed: Sequence[Json]) -> triggers.Errors | None:
    """Return what went wrong with the newest of the triggers that are listed."""
    trigger = number(triggers.newest(listed).get("id"))
    if trigger is None:
        return None
    asked = {"broadcast_id": broadcast_id, "trigger_id": trigger, "limit": triggers.ERRORS_READ}
    seen = await inquiry.ask("errors of the newest trigger", "list_broadcast_trigger_errors", **asked)
    return triggers.errors(seen.data)


async def read_case(params: Any, inquiry: Inquiry, case: WhyCase, together: Callable[..., Awaitable[None]]) -> None:
    """Read what tells why; what cannot be read is remarked by the inquiry."""
    who = person_of(params)
    case.asks_for_one = params.delivery_id is not None
    case.asks_for_any = not case.asks_for_one and all(getattr(params, name) is None for name in _PROGRAMS)

    async def sharers() -> None:
        case.of_this_address = await people_of_address(params, inquiry)

    async def person() -> None:
        case.person = await inquiry.ask("person", "get_person_attributes", **who)

    async def history() -> None:
        case.messages = await inquiry.ask("messages", "list_person_messages", **who, limit=MESSAGES_READ)
        case.about = _about(params, case.messages)

    async def membership() -> None:
        case.segments = await inquiry.ask("segments", "list_person_segments", **who)

    async def program() -> None:
        case.program = await _program(params, inquiry)
        if case.program and case.program.event:
            case.event_seen = await _event_seen(who, case.program.event, inquiry)

    await together(person, history, membership, program, sharers)
    if case.messages.known and case.messages.data and case.messages.data.get("next"):
        inquiry.remark(f"messages before the newest {MESSAGES_READ}.")


def _about(params: WhyNoMessage, seen: Seen) -> list[Json] | None:
    """Return the messages that are asked about; without a program, all of them."""
    if not seen.known:
        return None
    listed = rows(seen.data, "messages")
    if params.delivery_id is not None:
        return [each for each in listed if each.get("id") == params.delivery_id]
    wanted = next(((n, v) for n in _PROGRAMS if (v := getattr(params, n)) is not None), None)
    return [each for each in listed if wanted is None or each.get(wanted[0]) == wanted[1]]


async def _program(params: WhyNoMessage, inquiry: Inquiry) -> Program | None:
    if (number_ := params.campaign_id) is not None:
        seen = await inquiry.ask("campaign", "get_campaign", campaign_id=number_)
        found = member(seen.data, "campaign")
        made = partial(programs.campaign, number_, found)
        return _made(seen, made, Program(kind="campaign", number=number_, absent=True))
    if (number_ := params.broadcast_id) is not None:
        seen = await inquiry.ask("broadcast", "get_broadcast", broadcast_id=number_)
        if not seen.known:
            return _made(seen, None, Program(kind="broadcast", number=number_, absent=True))
        listed = await inquiry.ask("triggers", "list_broadcast_triggers", broadcast_id=number_)
        errors = await newest_errors(inquiry, number_, rows(listed.data, "triggers"))
        return programs.broadcast(number_, member(seen.data, "broadcast"), listed.data, errors)
    if (number_ := params.newsletter_id) is not None:
        seen = await inquiry.ask("newsletter", "get_newsletter", newsletter_id=number_)
        made = partial(programs.newsletter, number_, member(seen.data, "newsletter"))
        return _made(seen, made, Program(kind="newsletter", number=number_, absent=True))
    return None


def _made(seen: Seen, made: Callable[[], Program] | None, absent: Program) -> Program | None:
    if seen.absent:
        return absent
    return made() if seen.known and made else None


async def _event_seen(who: Json, event: str, inquiry: Inquiry) -> bool | None:
    seen = await inquiry.ask("events", "list_person_activities", **who, type="event", name=event, limit=1)
    return bool(rows(seen.data, "activities")) if seen.known else None
