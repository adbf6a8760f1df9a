"""Pure: what a call reaches, read from the arguments of every tool that sends or may cause messages."""

from collections.abc import Iterable
from typing import Any

from cio_mcp.catalog import Effect, Endpoint
from cio_mcp.catalog.audience import Audience
from cio_mcp.catalog.messaging import ScheduleNewsletter, Send, SendEmail, SendPush, SendSms
from cio_mcp.catalog.params import Params
from cio_mcp.catalog.people import (
    IdentifyPerson,
    MergePeople,
    SubmitForm,
    TrackAnonymousEvent,
    TrackEvent,
    UpsertDevice,
)
from cio_mcp.catalog.segments import Members
from cio_mcp.policy.addresses import lowered
from cio_mcp.policy.items import items_in, touch_of
from cio_mcp.policy.touches import (
    ANYBODY,
    Person,
    Touch,
    Written,
    addresses_given,
    made_by,
    of_event,
    of_merge,
    person_in,
    person_in_path,
)

ALL_DEVICES = (None, "all", "last_used")
# Firebase's HTTP v1 reference, "Message": who gets it. Whether a custom payload may carry them is not documented.
PUSH_TARGETS = frozenset({"token", "tokens", "topic", "condition", "registration_ids", "to"})


def touches(endpoint: Endpoint, params: Params) -> tuple[Touch, ...]:
    """Return every message that a call sends, or every change that may cause some; empty if nothing can come of it."""
    if endpoint.sends:
        return _of_send(params)
    if endpoint.effect is Effect.MAY_TRIGGER:
        if items := items_in(params):
            return tuple(touch for touch in map(touch_of, items) if touch)
        return (_of_change(params),)
    return ()


def total(found: Iterable[Touch]) -> int | None:
    """Return how many people all of it reaches; None if one of them does not tell."""
    counts = [touch.count for touch in found]
    return None if None in counts else sum(count for count in counts if count is not None)


def named(endpoint: Endpoint, params: Params) -> int | None:
    """Return how many people a write names or writes the addresses of; None if it writes some that cannot be counted.

    Whom it reaches beside these, such as all who are related to an object, no argument tells.
    """
    told = [touch for touch in touches(endpoint, params) if touch.written or touch.count is not None]
    written = total(told)
    return None if written is None else max(params.people(), written)


def _of_send(params: Params) -> tuple[Touch, ...]:
    touch = ANYBODY
    match params:
        case SendEmail():
            touch = _of_email(params)
        case SendSms():
            touch = _of_sms(params)
        case SendPush():
            touch = _of_push(params)
        case Send():
            touch = _of_person(person_in(params.identifiers))
        case Audience():
            touch = _of_audience(params)
        case ScheduleNewsletter(scheduled_at=0):
            return ()  # it calls a newsletter off
        case _:
            pass
    return (touch,)


def _of_person(person: Person | None, **more: Any) -> Touch:
    people = (person,) if person else ()
    return Touch(owner=person, people=people, others=not people, creates=made_by(person), **more)


def _of_email(params: SendEmail) -> Touch:
    person = person_in(params.identifiers)
    given = {"to": params.to, "cc": params.cc, "bcc": params.bcc}
    uses = {
        "cc": params.cc, "bcc": params.bcc, "reply_to": params.reply_to, "from": params.from_,
        "headers": params.headers, "attachments": params.attachments,
    }  # fmt: skip
    return Touch(
        count=params.people(),
        owner=person,
        written=tuple(Written(field=name, text=text) for name, text in given.items() if text),
        replies=(Written(field="reply_to", text=params.reply_to),) if params.reply_to else (),
        creates=made_by(person),
        fields=tuple(name for name, value in uses.items() if value),
    )


def _of_sms(params: SendSms) -> Touch:
    person = person_in(params.identifiers)
    fields = ("from",) if params.from_ else ()
    if params.to is None:
        return _of_person(person, fields=fields)
    written = (Written(field="to", text=params.to, kind="phone"),)
    return Touch(owner=person, written=written, creates=made_by(person), fields=fields)


def _of_push(params: SendPush) -> Touch:
    elsewhere = params.custom_device or params.to not in ALL_DEVICES or _aims(params.custom_payload)
    return _of_person(person_in(params.identifiers), fields=("address",) if elsewhere else ())


def _aims(value: Any) -> bool:
    """Say whether a payload names whom it is for."""
    match value:
        case dict():
            return not PUSH_TARGETS.isdisjoint(value) or any(map(_aims, value.values()))
        case list():
            return any(map(_aims, value))
        case _:
            return False


def _of_audience(params: Audience) -> Touch:
    people = [
        *(Person(kind="id", value=each) for each in params.ids or ()),
        *(Person(kind="email", value=each) for each in params.emails or ()),
        *(person for row in params.per_user_data or () if (person := person_in(row))),
    ]
    if not people:
        return ANYBODY
    # Several people may share an address; how many, only Customer.io knows.
    return Touch(count=None if params.email_add_duplicates else len(people), people=tuple(people))


def _of_change(params: Params) -> Touch:
    touch = ANYBODY
    match params:
        case IdentifyPerson():
            touch = _of_identify(params)
        case TrackEvent():
            touch = of_event(person_in_path(params.identifier), params.data)
        case TrackAnonymousEvent():
            # Whoever turns out to have been anonymous gets what it causes.
            touch = of_event(None, params.data, others=params.anonymous_id is not None)
        case UpsertDevice():
            touch = _of_person(person_in_path(params.identifier), fields=("address",))
        case SubmitForm():
            gives = addresses_given({name: value for name, value in params.data.items() if name != "email"})
            touch = _of_person(person_in(params.data), gives=gives)
        case MergePeople():
            touch = of_merge(params.primary, params.secondary)
        case Members():
            people = tuple(Person(kind=params.id_type or "id", value=each) for each in params.ids)
            touch = Touch(count=len(people), people=people)
        case _:
            pass
    return touch


def _of_identify(params: IdentifyPerson) -> Touch:
    person = person_in_path(params.identifier)
    email = addresses_given({"email": params.email})
    return Touch(
        owner=person,
        people=(person,),
        creates=() if params.update else made_by(person),
        gives=(
            *(each for each in email if lowered(each.text) != person.own),  # their own is given to nobody anew
            *addresses_given(params.attributes),
        ),
    )
