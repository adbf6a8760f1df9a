"""Pure: what one call of an allowed tool must keep: recipients, fields, hosts, quiet hours, budget.

Each rule yields denials, and requirements where only Customer.io can tell.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cio_mcp.arguments import shown
from cio_mcp.catalog import Access, Effect, Endpoint
from cio_mcp.catalog.filters import attributes_in
from cio_mcp.catalog.messaging import ScheduleNewsletter, Send
from cio_mcp.catalog.params import Params
from cio_mcp.policy.addresses import Recipients, addresses_in, in_hosts, number_in
from cio_mcp.policy.denials import Denial
from cio_mcp.policy.grants import Budget, Grants, Quiet
from cio_mcp.policy.reach import total
from cio_mcp.policy.requirements import (
    CountedAudience,
    ListedPerson,
    OwnAddress,
    Requirement,
    not_listed,
    not_own,
    too_many,
    uncounted,
)
from cio_mcp.policy.touches import Person, Touch, Written
from cio_mcp.policy.urls import host_of, urls_in
from cio_mcp.privacy import Mask, is_shown_whole

Found = Iterator[Denial | Requirement]
TEST_RECIPIENTS = "--test-recipients"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call as the rules see it. `acts`: it sends, or counts as sending because of what it may cause."""

    endpoint: Endpoint
    params: Params
    touches: Sequence[Touch]
    acts: bool
    now: datetime

    @property
    def tool(self) -> str:
        """The name of its tool."""
        return self.endpoint.name


def urls(call: Call, grants: Grants | None) -> Found:
    """Refuse hostile URLs always, and with grants every host that is not listed."""
    for field, url in urls_in(call.params):
        try:
            host = host_of(url)
        except ValueError as error:
            yield Denial(
                rule="urls",
                because=f"`{field}` {error}",
                instead="Give the address of a public https host.",
            )
            continue
        if grants is not None and not in_hosts(host, grants.hosts):
            yield Denial(
                rule="urls.hosts",
                because=f"the host of `{field}` is not among those allowed in {grants.origin}",
                remedy=f"the host listed under [urls] in {grants.origin}",
            )


def shown_values(call: Call, grants: Grants, mask: Mask) -> Found:
    """Refuse a filter that compares what `mask` hides: whom it finds, and how many, tells what they have.

    Where there is a budget, a broadcast that it refuses tells how many as well. Whether somebody has an attribute may
    be asked: the names of attributes are shown.
    """
    wanted = None
    if call.endpoint.access is Access.READ:
        wanted = getattr(call.params, "filter", None)
    elif grants.budget.most_at_once is not None:
        wanted = getattr(call.params, "recipients", None)
    for condition in attributes_in(wanted) if wanted else ():
        name, value = condition["field"], condition.get("value")
        if value is None or is_shown_whole(name, value, mask):
            continue
        yield Denial(
            rule="personal",
            because=f"its filter compares {shown(name)}, an attribute that is masked for this agent",
            remedy=f"{shown(name)} listed in `attributes` under [personal] in {grants.origin}",
            instead="Let it name segments, ids, or whether an attribute `exists`.",
        )


def used_fields(call: Call, grants: Grants) -> Found:
    """Refuse what is a grant of its own and was not given."""
    used = {field: None for touch in call.touches for field in touch.fields}
    if any(not _is_listed(given, grants.recipients) for touch in call.touches for given in touch.gives):
        used["address"] = None
    for field in used:
        if field in grants.fields:
            continue
        what = "to give somebody an address or a device" if field == "address" else f"`{field}`"
        yield Denial(
            rule=f"fields.{field}",
            because=f"{what} is a grant of its own, which {grants.origin} does not have",
            remedy=f'"{field}" added to `fields` in {grants.origin}',
            instead="" if field == "address" else f"Leave {field} out.",
        )
    if not grants.recipients.everybody:
        yield from copying_headers(call)


# RFC 5322, section 3.6.6, and the headers by which agents along the way are asked for a copy or a receipt.
_COPYING = ("resent-", "apparently-to", "disposition-notification-to", "errors-to", "return-receipt-to")


def copying_headers(call: Call) -> Found:
    """Refuse headers that name further recipients, also where headers are granted."""
    names = (getattr(call.params, "headers", None) or {}) if call.endpoint.sends else {}
    if any(name.lower().startswith(_COPYING) for name in names):
        yield Denial(
            rule="recipients",
            because="a header names further recipients",
            instead="Leave that header out.",
        )


def own_or_listed(call: Call, grants: Grants) -> Found:
    """Refuse addresses that are neither listed nor the person's own; ask who must be known to say."""
    recipients = grants.recipients
    if recipients.everybody:
        return
    for touch in call.touches:
        yield from _addressed(call, grants, touch)
        if recipients.own and "address" not in grants.fields:
            yield from (
                _own(call, grants, person, person.own)
                for person in touch.creates
                if person.own and not recipients.lists(person.own)
            )
    if not recipients.own:
        yield from everybody_listed(call, recipients, "recipients", grants.origin)


def _addressed(call: Call, grants: Grants, touch: Touch) -> Found:
    claimed: dict[str, frozenset[str]] = {}
    for written in (*touch.written, *touch.replies):
        for found in _written(call, grants, touch.owner, written):
            if isinstance(found, OwnAddress) and claimed.setdefault(found.kind, found.addresses) != found.addresses:
                yield not_own(written.field, "recipients", grants.origin)  # nobody has two
            else:
                yield found


def _written(call: Call, grants: Grants, owner: Person | None, written: Written) -> Found:
    try:
        found = _addresses(written)
    except ValueError:
        yield Denial(
            rule="recipients",
            because=f"`{written.field}` holds what cannot be read as plain addresses for certain",
            instead='Write it as ada@example.com or "Ada" <ada@example.com>.',
        )
        return
    others = {address for address in found if not grants.recipients.lists(address)}
    if not others:
        return
    elsewhere = owner is None or (owner.kind == written.kind and {owner.own} != others)
    if owner is None or elsewhere or len(others) > 1 or not grants.recipients.own:
        yield not_own(written.field, "recipients", grants.origin)
        return
    yield _own(call, grants, owner, others.pop(), field=written.field, kind=written.kind)


def _own(
    call: Call, grants: Grants, person: Person, address: str, *, field: str = "identifiers", kind: str | None = None
) -> OwnAddress:
    return OwnAddress(
        tool=call.tool,
        person=person,
        kind="phone" if (kind or person.kind) == "phone" else "email",
        addresses=frozenset({address}),
        field=field,
        rule="recipients",
        origin=grants.origin,
    )


def _addresses(written: Written) -> tuple[str, ...]:
    return (number_in(written.text),) if written.kind == "phone" else addresses_in(written.text)


def _is_listed(written: Written, recipients: Recipients) -> bool:
    try:
        return all(map(recipients.lists, _addresses(written)))
    except ValueError:
        return False


def everybody_listed(call: Call, recipients: Recipients, rule: str, origin: str) -> Found:
    """Refuse whatever may reach somebody who is not on a list; ask where the person's address decides.

    Of a change whose causes are free only the addresses count that it writes down itself, and to whom it gives one.
    """
    chooses = any(touch.gives or "address" in touch.fields for touch in call.touches)
    for touch in call.touches:
        for written in (*touch.written, *touch.gives):
            if not _is_listed(written, recipients):
                yield not_listed(f"somebody in `{written.field}`", rule, origin)
        if touch.hands_over:
            yield not_listed("an address or a device that somebody gets of somebody else", rule, origin)
        for person in touch.creates:
            if person.own and not recipients.lists(person.own):
                yield not_listed("a person whom it names by an address", rule, origin)
        if call.acts or chooses:
            yield from _all_reached(call, touch, recipients, rule, origin)


def _all_reached(call: Call, touch: Touch, recipients: Recipients, rule: str, origin: str) -> Found:
    if touch.others:
        yield not_listed("somebody whom it may reach without a name", rule, origin)
    if "address" in touch.fields:
        yield not_listed("a device", rule, origin)
    for person in touch.people:
        if person.own is None:
            yield ListedPerson(tool=call.tool, person=person, recipients=recipients, rule=rule, origin=origin)
        elif person not in touch.creates and not recipients.lists(person.own):
            yield not_listed("a person whom it reaches", rule, origin)


def quiet_hours(call: Call, grants: Grants) -> Found:
    """Refuse what would leave in quiet hours: the hour of the message counts, not that of the call."""
    for quiet in grants.quiet if call.acts else ():
        if _leaves_within(quiet, call.params, call.now):
            yield Denial(
                rule="quiet",
                because=f"nothing is sent from {quiet}, as {grants.origin} says",
                remedy=f"other [quiet] hours in {grants.origin}",
                instead="Plan it for a time outside these hours, or call again then.",
            )


def _leaves_within(quiet: Quiet, params: Params, now: datetime) -> bool:
    planned = None
    if isinstance(params, Send):
        planned = params.send_at
    elif isinstance(params, ScheduleNewsletter):
        planned = params.scheduled_at
        if params.tz_match_enabled:
            return _on_every_clock(quiet, planned, params.timezone)
    leaves = max(now, datetime.fromtimestamp(planned, UTC)) if planned else now
    return quiet.covers(leaves)


def _on_every_clock(quiet: Quiet, planned: int, zone: str | None) -> bool:
    """Say whether a time of day, which every recipient's own clock will show, is quiet."""
    try:
        local = datetime.fromtimestamp(planned, ZoneInfo(zone or "UTC"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return True  # a zone that this machine does not know proves nothing
    return quiet.covers_clock(local.time())


def within_budget(call: Call, grants: Grants) -> Found:
    """Refuse more people than the budget can ever hold; ask for the number where only a look can tell it."""
    budget: Budget = grants.budget
    if not call.acts or budget.most_at_once is None:
        return
    count = total(call.touches)
    if count is not None:
        if denial := too_many(count, budget, grants.origin):
            yield denial
    elif call.endpoint.effect is Effect.AUDIENCE:
        yield CountedAudience(tool=call.tool, budget=budget, origin=grants.origin)
    else:
        yield uncounted(grants.origin)
